#!/usr/bin/env bash
# From an earlier version to this one, as docs/upgrading.md says: what that version left behind (outputs, an archive, a
# service's database with keys and jobs that wait, a head, a batch, models that it pulled and converted) is read, migrated
# and gone on with by this one; settings under their old names are refused with the new ones.
#
#   bash scripts/upgrade.sh            from 0.1.0
#   bash scripts/upgrade.sh TAG
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/steps.sh
. scripts/venv.sh
tag=${1:-0.1.0}
examples=$PWD/examples
extras=batch,export,heads,server

step "the wheels of $tag and of this"
mkdir -p "$scratch/tag" "$scratch/home"
git archive "$tag" | tar x -C "$scratch/tag"
build_wheel
"$scratch/builder/bin/python" -m build --wheel --outdir "$scratch/dist-tag" "$scratch/tag" >"$scratch/build.log" ||
    { cat "$scratch/build.log"; exit 1; }
cat >"$scratch/serving.py" <<'END'
"""A service of the installed version, and what went to its standard error."""
import contextlib, re, signal, subprocess, httpx

@contextlib.contextmanager
def serving(log, killed=False, **environment):
    import os
    with open(log, "w") as file:
        service = subprocess.Popen(["emovox", "serve", "--port", "0"], stderr=subprocess.STDOUT, stdout=subprocess.PIPE,
                                   text=True, env={**os.environ, **environment})
        try:
            for line in service.stdout:
                file.write(line)
                if address := re.search(r"http://localhost:(\d+)", line):
                    break
            else:
                raise SystemExit(f"the service did not start: {open(log).read()}")
            with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", timeout=120) as client:
                yield client
        finally:
            service.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
            file.write(service.communicate(timeout=120)[0])
END

# here: standard input is a script, in the home of somebody who uses Emovox, and nowhere else.
here() {
    (
        cd "$scratch/home"
        env -i HOME="$PWD" PATH="$scratch/installed/bin:$PATH" LANG=C.UTF-8 PYTHONPATH="$scratch:${1:-}" \
            examples="$examples" bash -euo pipefail -s
    )
}

step "$tag, and what it leaves"
new_venv installed "$(echo "$scratch"/dist-tag/*.whl)[$extras]"
here "$scratch/tag/tests" <<'END'
emovox --version
mkdir -p .config/emovox clips
echo 'hearers = 1
jobs = 500' >.config/emovox/config.toml
cp "$examples"/*.flac clips
emovox recognize clips/*.flac --granularity frame --segments --archive --export srt,csv --quiet
emovox recognize clips/*angry* --embedding --quiet
{ echo path,label; ls clips/*.flac | awk '{ print $0 "," (NR % 2 ? "odd" : "even") }'; } >labels.csv
emovox head train labels.csv --name numbers --quiet
emovox recognize clips/*sad* --head numbers --segments --archive --quiet
emovox archive tag checked --filter emotion=angry
emovox archive export --format jsonl --embedding >before.jsonl
emovox batch clips --out table --segments --embedding >/dev/null 2>&1
cp "$(python -c 'import emovox.models.bundled as b; print(b.__path__[0])')/lite.onnx" lite-5.onnx
python - <<'PYTHON'
import json, os, pathlib, shutil, subprocess, time
from serving import serving
from support import hub, snapshots

# Two models of Emotion2Vec+'s family, tiny and random, pulled from a hub on this machine and converted; of the second
# the snapshot is deleted. A third is a folder.
clip = next(pathlib.Path("clips").glob("*happy*"))
own = snapshots.write(pathlib.Path("own"))
files = {path.relative_to(own).as_posix(): path.read_bytes() for path in own.rglob("*") if path.is_file()}
scores = {}
with hub.serving(hub.Hub(files)) as one:
    for name in ("emotion2vec_plus_base", "emotion2vec_plus_seed", "own"):
        if name != "own":
            pull = ["emovox", "models", "pull", name, "--hub", "huggingface"]
            subprocess.run(pull, check=True, env={**os.environ, "HF_ENDPOINT": one.url}, stdout=subprocess.DEVNULL)
        run = ["emovox", "recognize", str(clip), "--model", name, "--precision", "fp32", "--no-save", "--format", "json"]
        scores[name] = json.loads(subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout)[0]["scores"]
pathlib.Path("scores.json").write_text(json.dumps(scores))
shutil.rmtree(".cache/emovox/snapshots/emotion2vec_plus_seed")

# A service: two results, a finished job, an API key, and jobs that wait when it is killed.
key = subprocess.run(["emovox", "keys", "add", "ann"], check=True, text=True, stdout=subprocess.PIPE).stdout
pathlib.Path("key.txt").write_text(next(word for word in key.split() if word.startswith("emovox_")))
with serving("old-service.log", killed=True) as client:
    sound = clip.read_bytes()
    for name in ("one", "two"):
        client.post(f"/v1/recognitions?name={name}&segments=true&granularity=frame", content=sound).raise_for_status()
    job = client.post("/v1/recognitions?name=three", content=sound, headers={"Prefer": "respond-async"}).raise_for_status()
    while client.get(job.headers["location"]).json()["state"] != "done":
        time.sleep(0.1)
    batch = [("file", (path.name, path.read_bytes())) for path in [*pathlib.Path("clips").glob("*.flac")] * 6]
    answer = client.post("/v1/batches", files=batch).raise_for_status()
pathlib.Path("jobs.json").write_text(json.dumps([job.headers["location"], answer.headers["location"]]))
PYTHON
ls -d outputs/outputs_* | wc -l
find . -name '*.db' -o -name '*.sqlite*' -o -name '*.onnx' | sort
END

step 'this version over it'
"$scratch/installed/bin/python" -m pip install --quiet --disable-pip-version-check "$(echo "$scratch"/dist/*.whl)[$extras]"
here <<'END'
emovox --version
set -x
# Settings by their old names are refused.
{ emovox models list 2>&1 || true; } | grep 'Error: .*hearers is now inference_threads in the table'
rm .config/emovox/config.toml
{ EMOVOX_HEARERS=3 emovox config show 2>&1 || true; } | grep 'Error: EMOVOX_HEARERS is now EMOVOX_INFERENCE_THREADS'

# The archive is migrated, its copy stands beside it, and its records are what they were.
emovox archive export --format jsonl --embedding >after.jsonl
ls outputs.db.before-*
emovox archive list --filter tag=checked | grep -c angry
emovox archive stats >/dev/null
emovox similar clips/*sad* --k 3
emovox table segments outputs --out segments.csv
emovox table segments --archive --out archived.csv
emovox archive import outputs

# Outputs are read, and exported in every format.
emovox recognize clips/*fearful* --head numbers --no-save | grep numbers
every=$(python -c 'from emovox.exports import FORMATS; print(",".join(name for name in FORMATS if "plane" not in name))')
emovox export $(grep -l '"segments": \[$' outputs/*/result.json | xargs -n1 dirname) --format srt,textgrid,html --labels zh | wc -l
emovox export $(grep -l '"frames": {' outputs/*/result.json | xargs -n1 dirname) --format "$every" | wc -l

# A batch goes on with the model that it was begun with.
cp "$examples"/scene/*.flac clips
{ emovox batch clips --out table --segments --embedding 2>&1 || true; } | grep 'it differs in model'
emovox batch clips --out table --segments --embedding --model lite-5.onnx 2>&1 | tail -1
python -c 'import pyarrow.parquet as pq; t = pq.read_table("table/recognitions"); print(t.num_rows, t.column_names)'
python - <<'PYTHON'
import json, pathlib, subprocess, time
from serving import serving

def rows(path):
    return {row["id"]: row for row in map(json.loads, pathlib.Path(path).read_text().splitlines())}

before, after = rows("before.jsonl"), rows("after.jsonl")
assert before and before.keys() <= after.keys(), before.keys() - after.keys()
for id_, row in before.items():
    changed = {name for name, value in row.items() if after[id_].get(name, ...) != value}
    assert not changed, (changed, row, after[id_])

# Converted models are converted again from their snapshots; where that is gone the old conversion runs.
clip = next(pathlib.Path("clips").glob("*happy*"))
for name, scores in json.loads(pathlib.Path("scores.json").read_text()).items():
    run = ["emovox", "recognize", str(clip), "--model", name, "--precision", "fp32", "--no-save", "--format", "json"]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    print(name, done.stderr.strip())
    again = json.loads(done.stdout)[0]["scores"]
    assert max(abs(again[key] - value) for key, value in scores.items()) < 1e-4, (name, scores, again)

# The service goes on: its results, keys, and the jobs that waited, each in one outputs directory.
stored = len(list(pathlib.Path("outputs").glob("outputs_*")))
key = {"Authorization": "Bearer " + pathlib.Path("key.txt").read_text()}
job, batch = json.loads(pathlib.Path("jobs.json").read_text())
with serving("new-service.log", EMOVOX_INFERENCE_THREADS="1") as client:
    assert client.get(job, headers=key).raise_for_status().json()["state"] == "done"
    assert client.get(f"{job}/result", headers=key).raise_for_status().json()["emotion"]
    while not (state := client.get(batch).raise_for_status().json())["finished"]:
        time.sleep(0.5)
    print(state["states"], "of the batch that waited")
    assert state["states"].get("done") == state["count"], state["states"]
    assert len({job["links"]["output"] for job in state["jobs"]}) == state["count"]
    listed = client.get("/v1/outputs?limit=200").raise_for_status().json()
    print(len(listed["outputs"]), "outputs listed")
    for output in listed["outputs"]:
        for path in ("", "/result", "/timeline?points=50"):
            client.get(f"/v1/outputs/{output['id']}{path}").raise_for_status()
    assert "<script" in client.get("/").raise_for_status().text
    assert client.get("/v1/archive").raise_for_status().json()["recognitions"]
print(pathlib.Path("new-service.log").read_text())
PYTHON
ls outputs/.emovox/service/service.db.before-*
END

step "back to $tag"
"$scratch/installed/bin/python" -m pip install --quiet --disable-pip-version-check "$(echo "$scratch"/dist-tag/*.whl)[$extras]"
here <<'END'
emovox --version
set -x
{ emovox archive list 2>&1 || true; } | grep 'a newer Emovox wrote it'
for file in outputs.db outputs/.emovox/service/service.db; do
    rm -f "$file"-wal "$file"-shm
    mv "$file" "$file.newer"
    cp "$file".before-* "$file"
done
emovox archive list | wc -l
emovox archive import outputs
emovox recognize clips/*fearful* --head numbers --no-save | grep numbers
END
