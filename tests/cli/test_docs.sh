#!/usr/bin/env bash
# What the documents say of the program is what the program does: options in
# the manual, keys of the JSON in formats.md, the output that README.md shows,
# links to files that exist.
set -uo pipefail

model=$SAMPLES/shapes8n.onnx
[[ -e $model ]] || model=$MODELS/tiny_v8_opset17.onnx
[[ -e $model ]] || { echo "no model to run on" && exit 77; }
mkdir samples && cp "$model" samples/ || exit 1
model=samples/${model##*/}
failed=0

# same WHAT EXPECTED FOUND: two files of lines, in any order.
same() {
    local missing unknown
    missing=$(comm -23 <(sort -u "$2") <(sort -u "$3"))
    unknown=$(comm -13 <(sort -u "$2") <(sort -u "$3"))
    [[ -s $2 ]] || missing="(nothing was expected at all)"
    [[ -z $missing$unknown ]] && return
    printf '%s\n' "$1:" ${missing:+"not documented: "$missing} \
        ${unknown:+"documented, but not there: "$unknown}
    failed=1
}

# --- options ------------------------------------------------------------------

# The options that a help text lists: lines such as `  -o, --output FILE`.
listed_options() {
    grep -E '^  +-' | grep -oE -- '(^ +|, )--?[A-Za-z][a-z0-9-]*' | tr -d ' ,'
}

# Those that the manual describes between the headings FROM and TO: lines such
# as `.It Fl o , -output Ar FILE`.
described_options() {
    sed -n "/^\.S[hs] $1/,/^\.S[hs] $2/s/^\.It Fl //p" \
        "$ROOT/docs/compress.1" |
        sed 's/ Ar .*//; s/ , /\n/g' | sed 's/^/-/'
}

compress --help | listed_options >help.txt
described_options Pruning 'compress inspect' >manual.txt
same 'options of compress in docs/compress.1' help.txt manual.txt

compress inspect --help | listed_options >help.txt
described_options 'compress inspect' 'compress infer' >manual.txt
same 'options of compress inspect in docs/compress.1' help.txt manual.txt

compress infer --help | listed_options >help.txt
described_options 'compress infer' 'compress bench' >manual.txt
same 'options of compress infer in docs/compress.1' help.txt manual.txt

compress bench --help | listed_options >help.txt
described_options 'compress bench' 'compress eval' >manual.txt
same 'options of compress bench in docs/compress.1' help.txt manual.txt

compress eval --help | listed_options >help.txt
described_options 'compress eval' 'compress detect' >manual.txt
same 'options of compress eval in docs/compress.1' help.txt manual.txt

compress detect --help | listed_options >help.txt
described_options 'compress detect' 'compress camera' >manual.txt
same 'options of compress detect in docs/compress.1' help.txt manual.txt

compress camera --help | listed_options >help.txt
described_options 'compress camera' 'compress sensitivity' >manual.txt
same 'options of compress camera in docs/compress.1' help.txt manual.txt

compress sensitivity --help | listed_options >help.txt
described_options 'compress sensitivity' 'compress run' >manual.txt
same 'options of compress sensitivity in docs/compress.1' help.txt manual.txt

compress run --help | listed_options >help.txt
described_options 'compress run' ENVIRONMENT >manual.txt
same 'options of compress run in docs/compress.1' help.txt manual.txt

# --- JSON ---------------------------------------------------------------------

# The paths of all keys: prune.layers[].name
printed_keys() {
    python3 -c '
import json, sys

def walk(value, path):
    if isinstance(value, dict):
        for key, below in value.items():
            print((path + "." + key).lstrip("."))
            walk(below, path + "." + key)
    elif isinstance(value, list):
        for below in value:
            walk(below, path + "[]")

walk(json.load(sys.stdin), "")'
}

# Those in the tables of formats.md below the heading of this schema.
documented_keys() {
    awk -v heading="## $1" '/^## / { on = $0 == heading } on' \
        "$ROOT"/docs/formats*.md |
        sed -n 's/^| `\([][A-Za-z0-9_.]*\)` |.*/\1/p'
}

compress "$model" --prune 0.05 --fp16 --json -o out.onnx |
    printed_keys >keys.txt
if [[ -e samples/shapes8n.onnx ]]; then
    compress "$SAMPLES/shapes8n.onnx" --channels 0.2 --importance l1 \
        --cluster 16 --recover lsq --calib "$SAMPLES/data/calib" \
        --calib-images 8 --json -o cut.onnx | printed_keys >>keys.txt
    compress "$SAMPLES/shapes8n.onnx" --int8 --fp16 --board pi5 --json \
        --calib "$SAMPLES/data/calib" --calib-images 8 -o int8.onnx | printed_keys >>keys.txt
fi
documented_keys compress.model/1 >formats.txt
same 'keys of compress --json in docs/formats.md' keys.txt formats.txt

compress inspect "$model" --json | printed_keys >keys.txt
documented_keys compress.inspect/1 >formats.txt
same 'keys of compress inspect --json in docs/formats.md' keys.txt formats.txt

runs=$MODELS/conv_groups.onnx
head -c 768 /dev/zero >x.f32
compress infer "$runs" -i x.f32 --json | printed_keys >keys.txt
documented_keys compress.infer/1 >formats.txt
same 'keys of compress infer --json in docs/formats.md' keys.txt formats.txt

compress bench "$runs" --frames 1 --profile --times --json | printed_keys >keys.txt
documented_keys compress.bench/1 >formats.txt
same 'keys of compress bench --json in docs/formats.md' keys.txt formats.txt

eval-files
if [[ -e samples/shapes8n.onnx ]]; then
    mkdir val && cp "$SAMPLES"/data/val/val_00[1-3].jpg val && rm val/val_002.jpg
    cp "$SAMPLES/data/val/instances.json" val
    compress eval "$model" "$model" --ann val/instances.json --limit 3 \
        --per-class --curves --confusion --json 2>/dev/null | printed_keys >keys.txt
    documented_keys compress.eval/1 >formats.txt
    same 'keys of compress eval --json in docs/formats.md' keys.txt formats.txt
fi
if [[ -e samples/shapes8n.onnx ]]; then
    echo "no image" >broken.jpg
    compress detect "$model" "$SAMPLES"/data/val/val_001.jpg broken.jpg --json \
        2>/dev/null | printed_keys >keys.txt
    documented_keys compress.detect/1 >formats.txt
    same 'keys of compress detect --json in docs/formats.md' keys.txt formats.txt
fi

if [[ -e samples/shapes8n.onnx ]]; then
    printf '%s\n' "models: $model" "data: {val: val/instances.json}" \
        "variants: [{prune: 0.05}]" "evaluate: {limit: 1}" \
        "bench: {frames: 1, warmup: 0}" "samples: 0" >run.yaml
    compress run run.yaml --json | printed_keys >keys.txt
    documented_keys compress.run/1 >formats.txt
    same 'keys of compress run --json in docs/formats_run.md' keys.txt formats.txt
fi

if [[ -e samples/shapes8n.onnx ]] && test-video v.avi 5 2>/dev/null; then
    compress camera "$model" --source v.avi --save o.avi --json | printed_keys >keys.txt
    documented_keys compress.camera/1 >formats.txt
    same 'keys of compress camera --json in docs/formats_camera.md' keys.txt formats.txt
fi

# --- README -------------------------------------------------------------------

# The time is never the same, and gzip's size may vary between CPUs.
steady() {
    sed -e 's/ *$//' -e '/^  file, gzip/d' -e 's/in [0-9]* ms$/in N ms/'
}

# The first block of the README that shows a command, and what follows it.
shown() {
    sed -n '/^    \$ compress/,/^[^ ]/p' "$ROOT/README.md" |
        sed -n '/^ \{4\}/s///p; /^$/p'
}

command=$(shown | sed -n '1s/^\$ //p')
if [[ -e samples/shapes8n.onnx ]]; then
    diff -u <(shown | sed '1d;$d' | steady) <($command | steady) || {
        echo "README.md shows another output than '$command' prints"
        failed=1
    }
fi

# --- links --------------------------------------------------------------------

for document in "$ROOT"/*.md "$ROOT"/docs/*.md; do
    while read -r target; do
        [[ $target == *://* || -e ${document%/*}/${target%%#*} ]] && continue
        echo "${document#"$ROOT"/}: link to $target, which is not there"
        failed=1
    done < <(grep -oP '\]\(\K[^)#][^)]*' "$document")
done

exit "$failed"
