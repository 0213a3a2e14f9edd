#!/usr/bin/env bash
# SIGTERM (as Ctrl-C, which bash lets background jobs ignore) at any moment: the
# program either says that it was interrupted, exits with 130 and leaves nothing
# behind, or it was done already. When the signal arrives is up to the machine,
# so it is sent later and later until the program comes through, and from the
# start again until it has been both stopped and come through three times.
set -uo pipefail

fail() {
    printf '%s\n' "$1"
    exit 1
}

stopped=0
done=0
ms=0
for ((i = 0; i < 1000 && (stopped < 3 || done < 3); i++)); do
    "$COMPRESS" "$MODELS/tiny_v8_opset17.onnx" --prune 0.05 --fp16 -q \
        -o out.onnx 2> message &
    program=$!
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    kill -TERM "$program" 2> /dev/null
    wait "$program"
    code=$?
    message=$(cat message)
    case $code in
    0)
        [[ -s out.onnx && -z $message ]] || fail "exit 0: $message"
        done=$((done + 1))
        ms=-1
        ;;
    130)
        [[ ! -e out.onnx ]] || fail "interrupted, but out.onnx is there"
        [[ $message == "compress: interrupted" ||
            $message == "compress: "*": interrupted" ]] ||
            fail "exit 130: $message"
        stopped=$((stopped + 1))
        ;;
    143) ;; # it had not begun
    *) fail "exit $code: $message" ;;
    esac
    [[ $(ls -A | grep -v -e '^message$' -e '^out.onnx$') == "" ]] ||
        fail "left behind: $(ls -A)"
    rm -f out.onnx
    ms=$((ms + 1 + ms / 16))
done
((stopped > 0)) || fail "was never interrupted in $i runs"
((done > 0)) || fail "never came through up to $ms ms"
