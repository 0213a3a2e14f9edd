#!/usr/bin/env bash
# Little stack is enough; a file size limit is an error like any other.
set -uo pipefail

fail() {
    printf '%s\n' "$1"
    exit 1
}

model=$SAMPLES/shapes8n.onnx

# The thread sanitizer checks with frames of its own: it needs three times that.
[[ ${BUILD_DIR##*/} == tsan ]] && stack=1024 || stack=256
(ulimit -s $stack && exec "$COMPRESS" "$model" --prune 0.05 -q -o small.onnx) ||
    fail "exit $? with a stack of $stack KiB"
"$COMPRESS" "$model" --prune 0.05 -q -o out.onnx || fail "exit $?"
cmp small.onnx out.onnx || fail "a small stack makes another file"
rm small.onnx out.onnx

message=$( (ulimit -f 10 && exec "$COMPRESS" "$model" --prune 0.05 -q \
    -o out.onnx) 2>&1)
code=$?
((code == 3)) || fail "exit $code with files of 10 KiB: $message"
[[ $message == "compress: out.onnx: "* ]] || fail "not named in: $message"
[[ -z $(ls -A) ]] || fail "left behind: $(ls -A)"
