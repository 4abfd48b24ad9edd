#!/usr/bin/env bash
# Installs Emovox with what its tests need into .venv beside this file, once, and runs them: bash test.sh [PYTEST ARGS]
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "test"
cd "$here"
exec .venv/bin/python -m pytest "$@"
