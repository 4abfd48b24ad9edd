#!/usr/bin/env bash
# The packages that Emovox installs: known weaknesses (pip-audit asks the Python advisory database, so it goes online) and
# licences (NOTICE names them all). For a release, and in a workflow: bash scripts/audit.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/steps.sh
. scripts/venv.sh
step 'the wheel, with all extras'
build_wheel
new_venv all "$(echo "$scratch"/dist/*.whl)[batch,cluster,export,heads,live,map,mcp,openvino,postgres,server,umap]"
step 'licences'
"$scratch/all/bin/python" scripts/licences.py --check
step 'known weaknesses'
new_venv audit pip-audit
"$scratch/audit/bin/pip-audit" --path "$("$scratch/all/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
