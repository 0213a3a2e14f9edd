#!/usr/bin/env bash
# Load and save without an edit (--prune 0): the message must be the same, to
# the last unknown field, for every model of tests/models and for the real
# ones of ../shared where they are.
set -euo pipefail

verify=$(dirname "${BASH_SOURCE[0]}")/../verify
models=("$MODELS"/*.onnx)
[[ -z ${SHARED:-} ]] || models+=("$SHARED"/models/*.onnx)

pairs=()
for model in "${models[@]}"; do
    case ${model##*/} in
    ai_onnx_domain.onnx) continue ;; # refused: see test_generated_models.py
    external_folder.onnx) continue ;; # below
    esac
    copy=${model##*/}/copy.onnx # in a folder: some bring data files along
    mkdir "${copy%/*}"
    "$COMPRESS" "$model" --prune 0 --quiet -o "$copy"
    pairs+=("$model" "$copy")
done

# Data in a folder of its own keeps its name only beside the original.
cp -r "$MODELS"/external_folder* "$MODELS/external.onnx.data" .
"$COMPRESS" external_folder.onnx --prune 0 --quiet -o beside.onnx
pairs+=(external_folder.onnx beside.onnx)

/usr/bin/python3 "$verify/roundtrip.py" "${pairs[@]}"
