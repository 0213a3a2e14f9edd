#!/usr/bin/env bash
# The main job on real detectors, checked by programs that share no code with
# it: zeros counted by python3-onnx, the float16 checklist, file sizes, and
# ONNX Runtime's outputs in float16 beside those in float32.
set -euo pipefail

verify=$(dirname "${BASH_SOURCE[0]}")/../verify
sparsity=0.05

# File sizes in float16, as a share of the input in percent: two bytes for
# four, and a little for the graph; YOLOv5's grids belong to the decode, which
# stays float32.
declare -A largest_percent=([yolov8n]=51 [yolov5n]=53 [yolox_nano]=51)

[[ -d ${SHARED:-}/models ]] || {
    echo "no ../shared/models"
    exit 77
}
[[ -e ${ORT_LIB:-} ]] || {
    echo "no ONNX Runtime"
    exit 77
}

check() {
    /usr/bin/python3 "$verify/$1.py" "${@:2}"
}

check_size() { # NAME INPUT OUTPUT
    local before after
    before=$(stat -L -c %s "$2")
    after=$(stat -c %s "$3")
    ((after * 100 <= before * largest_percent[$1])) && return
    echo "$3: $after bytes of $before, more than ${largest_percent[$1]} %"
    return 1
}

for name in "${!largest_percent[@]}"; do
    model=$SHARED/models/$name.onnx
    "$COMPRESS" "$model" --prune $sparsity -o pruned.onnx --json > pruned.json
    "$COMPRESS" "$model" --prune $sparsity --fp16 -o both.onnx --json \
        > both.json
    "$COMPRESS" "$model" --fp16 -o half.onnx --quiet

    check count_zeros "$model" pruned.onnx $sparsity --skip-dfl \
        --report pruned.json
    check count_zeros "$model" both.onnx $sparsity --skip-dfl \
        --report both.json
    check fp16_checklist both.onnx --before pruned.onnx
    check fp16_checklist half.onnx --before "$model"
    check outputs pruned.onnx both.onnx "$name" "$SHARED/golden"
    check outputs "$model" half.onnx "$name" "$SHARED/golden"
    check_size "$name" "$model" both.onnx
    check_size "$name" "$model" half.onnx
    rm -- *.onnx
done
