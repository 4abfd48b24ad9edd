# Sourced by .ci/run and scripts/full.sh, from the root of a checkout: steps with their times, and a place for them.

scratch=$(mktemp -d)
times='' title='' began=0
trap 'code=$?; finish; rm -rf "$scratch"; printf "\n%s%5d s  in all\n" "$times" "$SECONDS"; exit "$code"' EXIT

# step TITLE: the one before has ended, and this one begins.
step() {
    finish
    title=$* began=$SECONDS
    printf '\n== %s\n' "$title"
}

finish() {
    [ -z "$title" ] || times+=$(printf '%5d s  %s' $((SECONDS - began)) "$title")$'\n'
    title=
}

# need COMMAND PACKAGE...: the command is there, or comes with these of Debian's packages.
need() {
    command -v "$1" >/dev/null && return
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${@:2}" >/dev/null
}

# new_venv NAME REQUIREMENT...: an environment in the scratch directory, with these installed.
new_venv() {
    "$(find_python)" -m venv "$scratch/$1"
    "$scratch/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"
}

# build_wheel: the wheel and the sdist of this checkout, in $scratch/dist.
build_wheel() {
    new_venv builder build
    "$scratch/builder/bin/python" -m build --outdir "$scratch/dist" . >"$scratch/build.log" || { cat "$scratch/build.log"; exit 1; }
}
