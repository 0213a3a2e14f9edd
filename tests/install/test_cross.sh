#!/usr/bin/env bash
# What `make cross` built for aarch64 runs, in an emulator, and does the same:
# files equal to the byte, outputs to what another order of sums explains.
set -euo pipefail

program=$ROOT/build/release-aarch64/compress
sysroot=$ROOT/build/sysroot/aarch64
[[ -x $program && -d $sysroot ]] || { echo "not built: make cross" && exit 77; }
command -v qemu-aarch64-static >/dev/null || { echo "no emulator" && exit 77; }

unset CZ_OPENCV ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
arm() {
    timeout 200 qemu-aarch64-static -L "$sysroot" "$program" "$@"
}
model=$SAMPLES/shapes8n.onnx
image=$SAMPLES/data/val/val_001.jpg

arm --help >help
grep -q '^Usage: compress' help
diff <(arm inspect "$model") <("$COMPRESS" inspect "$model")

arm "$model" --prune 0.05 --fp16 --quiet -o there.onnx
"$COMPRESS" "$model" --prune 0.05 --fp16 --quiet -o here.onnx
cmp there.onnx here.onnx

arm infer "$model" -i "$image" -o there.f32 --tune off >out
"$COMPRESS" infer "$model" -i "$image" -o here.f32 --tune off >out
# Boxes in pixels, up to 503: 0.01 is the engine's own tolerance for them.
/usr/bin/python3 - <<'END'
import array
there, here = (array.array("f", open(f"{name}.f32", "rb").read())
               for name in ("there", "here"))
assert len(there) == len(here) == 12 * 2100, (len(there), len(here))
worst = max(abs(a - b) for a, b in zip(there, here))
assert worst <= 0.01, f"outputs differ by {worst}"
END

arm detect "$model" "$image" --tune off -o drawn | grep -q '1 star'
[[ -s drawn/val_001.jpg ]]
