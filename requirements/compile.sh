#!/bin/sh
# Writes the locks anew from pyproject.toml: every version and every hash, for Python 3.11 and 3.12 alike.
# Versions that still fit are kept; give --upgrade to take the newest. $UV names the uv to use.
set -eu

compile() {
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header "$@"
}

compile requirements/uv.in --output-file requirements/uv.lock "$@"
compile pyproject.toml requirements/build.in --output-file requirements/run.lock "$@"
compile pyproject.toml requirements/build.in --extra dev --constraint requirements/run.lock \
    --output-file requirements/dev.lock "$@"
compile requirements/node.in --output-file requirements/node.lock "$@"
