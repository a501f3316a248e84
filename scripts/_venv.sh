# Sourced by the other scripts: makes .venv once, installs this checkout into it, sets PYTHON. Quick when nothing changed.
# EXTRAS: what to install beside the package itself, for example "test,toolchain".
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PYTHON="$root/.venv/bin/python"
EXTRAS=${EXTRAS-}

say() { printf '%s\n' "cellvisor: $*" >&2; }

base=${CELLVISOR_PYTHON:-python3}
"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "Python 3.11 or newer is needed; install it, or name it with CELLVISOR_PYTHON"
    exit 2
}
# What the installation depends on: these files, the Python in use, and the extras.
stamp="$root/.venv/.stamp-${EXTRAS:-base}"
state=$({ cat pyproject.toml cells/engines/native/*.[ch] cells/engines/native/build.py; "$base" -V; } | cksum)
if [ ! -x "$PYTHON" ]; then
    say "making .venv"
    "$base" -m venv .venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
    say "installing into .venv${EXTRAS:+ with $EXTRAS} (the first time this takes a minute or two)"
    log=$(mktemp)
    if ! "$PYTHON" -m pip install --disable-pip-version-check --quiet --editable ".${EXTRAS:+[$EXTRAS]}" >"$log" 2>&1; then
        grep -E 'needs a C compiler' "$log" >&2 || cat "$log" >&2
        rm -f "$log"
        exit 2
    fi
    rm -f "$log"
    printf '%s' "$state" >"$stamp"
fi
