#!/bin/sh
# Prints the Python that builds .venv: $PYTHON, else the one .venv was built with, else the first suitable on PATH.
# Bytewax has wheels for 3.11 and 3.12 only; anything else gets one sentence and exit code 1.
set -eu

version_of() {
    # A name on PATH may be a version manager's empty shell: only what runs counts.
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

suits() {
    case "$(version_of "$1")" in 3.11 | 3.12) return 0 ;; *) return 1 ;; esac
}

if [ -n "${PYTHON:-}" ]; then
    if suits "$PYTHON"; then
        command -v "$PYTHON"
        exit 0
    fi
    found=$(version_of "$PYTHON")
    echo "GridPulse needs Python 3.11 or 3.12 (Bytewax has no wheels for other versions), but PYTHON=$PYTHON is ${found:-no working Python}." >&2
    exit 1
fi

for candidate in .venv/bin/python python3.12 python3.11 python3; do
    if suits "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
done
found=$(version_of python3)
echo "GridPulse needs Python 3.11 or 3.12 (Bytewax has no wheels for other versions), but this machine has ${found:-none}: install one, or name it with PYTHON=/path/to/python3.12." >&2
exit 1
