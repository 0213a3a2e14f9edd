#!/usr/bin/env bash
# Every file of tests/models that is to be refused: exit code 3, one line on
# stderr that names the file and holds no control character, and nothing left
# in the folder. What the lines say is in the golden cases.
set -uo pipefail

failures=0

complain() { # FILE SENTENCE
    printf '%s: %s\n' "${1##*/}" "$2"
    failures=$((failures + 1))
}

for model in "$MODELS"/bad/*; do
    message=$("$COMPRESS" "$model" --prune 0.05 --fp16 -o out.onnx 2>&1)
    code=$?
    ((code == 3)) || complain "$model" "exit $code, want 3: $message"
    [[ $message == "compress: $model: "?* ]] ||
        complain "$model" "not named in: $message"
    [[ $message != *[[:cntrl:]]* ]] ||
        complain "$model" "control characters in: ${message@Q}"
    [[ -z $(ls -A) ]] || complain "$model" "left behind: $(ls -A)"
    rm -f out.onnx*
done
exit $((failures > 0))
