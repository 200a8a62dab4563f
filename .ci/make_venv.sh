#!/usr/bin/env bash
# Create the virtual environment $1 with the newest suitable Python on this machine.
set -euo pipefail
venv=${1:?usage: make_venv.sh DIR}

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

# 3.11 first: constraints.txt was made with it.
found=
for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$name" ] || continue
    if command -v "$name" >/dev/null 2>&1 &&
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$name
        break
    fi
done
if [ -z "$found" ]; then
    echo "error: no Python 3.11 or newer was found; install one (Debian and Ubuntu:" \
        "apt install python3.11 python3.11-venv) or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "error: $found cannot create virtual environments (ensurepip is missing);" \
        "on Debian and Ubuntu: apt install python$version-venv" >&2
    exit 1
fi
"$found" -m venv "$venv"

# What ensurepip brings may be years old; without a network it must do.
"$venv/bin/python" -m pip install -q --disable-pip-version-check --upgrade 'pip==26.3' ||
    echo 'warning: pip 26.3 cannot be had here; going on with the one of ensurepip' >&2
