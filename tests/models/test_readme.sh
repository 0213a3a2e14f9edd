#!/usr/bin/env bash
# README.md lists the models that make_models.py makes, no more and no fewer.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
/usr/bin/python3 "$here/make_models.py" --readme | diff "$here/README.md" -
