#!/usr/bin/env bash
# Installs Emovox into .venv beside this file, once, and runs it: bash run.sh starts the service on
# http://localhost:7860, bash run.sh recognize examples/*.flac the command.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "openvino,plots,server"
exec "$here/.venv/bin/emovox" "${@:-serve}"
