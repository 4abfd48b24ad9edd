#!/usr/bin/env bash
# Each supported Python that is here: the wheel installs, recognises, exports, trains a head, and serves the page.
#
#   bash scripts/pythons.sh                      all of python3.10 to python3.14 that are found
#   bash scripts/pythons.sh /path/to/python3     these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/steps.sh
. scripts/venv.sh
examples=$PWD/examples
step 'the wheel'
build_wheel
wheel=$(echo "$scratch"/dist/*.whl)
pythons=("$@")
if [ $# -eq 0 ]; then
    for minor in 10 11 12 13 14; do
        "python3.$minor" -c '' 2>/dev/null && pythons+=("python3.$minor") || echo "python3.$minor: not here"
    done
fi
for python in "${pythons[@]}"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    step "Python $version"
    "$python" -m venv "$scratch/$version"
    "$scratch/$version/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[server,heads,export]"
    mkdir "$scratch/empty-$version"
    (
        cd "$scratch/empty-$version"
        env -i HOME="$PWD" PATH="$scratch/$version/bin:$PATH" LANG=C.UTF-8 bash -euo pipefail -s "$examples" <<'END'
emovox recognize "$1"/*.flac --segments --archive --export srt,png,html,parquet | grep -c '%'
{ echo path,label; ls "$1"/*.flac | awk '{ print $0 "," (NR % 2 ? "odd" : "even") }'; } >labels.csv
emovox head train labels.csv --name numbers --quiet
emovox archive list | wc -l
python -c '
from fastapi.testclient import TestClient
from emovox.server.app import create_app
with TestClient(create_app(), base_url="http://localhost") as client:
    print(client.get("/v1/archive").raise_for_status().json()["recognitions"][0]["emotion"], client.get("/").status_code)'
END
    )
    rm -rf "${scratch:?}/$version"
done
