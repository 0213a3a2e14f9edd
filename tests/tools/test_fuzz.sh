#!/usr/bin/env bash
# tools/fuzz on programs that act like fuzzers: it counts them, fails when one
# does, and names the input that did it.
set -euo pipefail
cd "$ROOT"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

fail() {
    printf '%s\n' "$1" "$told"
    exit 1
}

# fuzzer NAME COMMAND...: one that does this; `artifacts` is where inputs go.
fuzzer() {
    {
        printf '#!/usr/bin/env bash\n'
        printf 'for a; do [[ $a != -artifact_prefix=* ]] || '
        printf 'artifacts=${a#*=}; done\n'
        printf '%s\n' "${@:2}"
    } >"$build/fuzz_$1"
    chmod +x "$build/fuzz_$1"
}

fuzzer good 'echo "stat::number_of_executed_units: 12"'
fuzzer seeds '[[ " $* " == *" -max_total_time=7 "* ]]'
told=$(tools/fuzz "$build" 7) || fail 'two that find nothing must pass'
grep -qx 'passed  fuzz_good (7 s, 12 inputs)' <<<"$told" || fail 'no result'
[[ ${told##*$'\n'} == '2 passed, 0 failed, 0 skipped' ]] || fail 'last line'

fuzzer bad 'echo "==1==ERROR: AddressSanitizer: of the heap" >&2' \
    'echo "Test unit written to ${artifacts}crash-1" >&2' 'exit 77'
fuzzer killed 'exit 1'
if told=$(tools/fuzz "$build" 7); then
    fail 'a finding must fail'
fi
for line in "failed  fuzz_bad: $build/crashes/crash-1" \
    '==1==ERROR: AddressSanitizer: of the heap' \
    "failed  fuzz_killed: ended early, see $build/logs/fuzz_killed.log"; do
    grep -qxF "$line" <<<"$told" || fail "not told: $line"
done
grep -q "^again: .*$build/fuzz_bad $build/crashes/crash-1$" <<<"$told" ||
    fail 'not told how to see it again'
[[ ${told##*$'\n'} == '2 passed, 2 failed, 0 skipped' ]] || fail 'last line'
