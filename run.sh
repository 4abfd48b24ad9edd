#!/usr/bin/env bash
# Installs Emovox into .venv beside this file, once, and runs it: bash run.sh recognize examples/*.flac
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "openvino,plots"
exec "$here/.venv/bin/emovox" "${@:---help}"
