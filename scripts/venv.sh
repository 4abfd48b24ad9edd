# Sourced by run.sh and test.sh.

# The first Python of 3.10 or newer.
find_python() {
    local name
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Emovox needs Python 3.10 or newer; name one with PYTHON=/path/to/python3" >&2
    return 1
}

# install_once DIRECTORY EXTRAS: DIRECTORY/.venv holds this very project with these extras, or is made to.
# The stamp names what was installed: a changed pyproject.toml or page, or a checkout that was moved, installs again.
install_once() {
    local here=$1 extras=$2 python want
    local venv=$here/.venv stamp
    stamp=$venv/.installed${extras:+-$extras}
    want="$here $(cd "$here" && find pyproject.toml hatch_build.py web -name node_modules -prune -o -type f -exec cksum {} + | sort | cksum)"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
        return
    fi
    python=$(find_python)
    echo "Installing Emovox into $venv (once; a minute, or several on a slow line)…" >&2
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$here${extras:+[$extras]}" >&2
    [ -f "$here/src/emovox/server/page/index.html" ] ||
        echo "The web page could not be built (is npm's registry within reach?); everything else works." >&2
    echo "$want" >"$stamp"
}
