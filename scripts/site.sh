#!/usr/bin/env bash
# The documentation site, of README and docs/ in both languages, with its links checked: bash scripts/site.sh
# Opens from its folder: build/site/index.html.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "dev,site"
cd "$here"
[ -d web/node_modules/iframe-worker ] || (cd web && npm ci --ignore-scripts --loglevel=error)
.venv/bin/python -m website.build build/site
