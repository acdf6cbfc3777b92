#!/bin/bash
# Makes the Python environment that holds the published SDK: make_environment.sh PYTHON FOLDER.
# Does nothing when it is there already with the same requirements.
set -euo pipefail
python=$1 folder=$2
requirements=$(dirname "$0")/requirements.txt
if cmp -s "$requirements" "$folder/requirements.txt"; then exit 0; fi
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$folder/requirements.txt"
