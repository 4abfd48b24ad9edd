#!/usr/bin/env bash
# Format, lint and types, each defined in pyproject.toml, and the page's; called by .ci/run and by hand.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "dev"
cd "$here"
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/mypy & types=$!   # one core each
trap 'kill "$types" 2>/dev/null || true' EXIT
bash scripts/page.sh
wait "$types"
