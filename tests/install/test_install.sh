#!/usr/bin/env bash
# What `make install` puts under a prefix works from there, wherever it is, and
# `make uninstall` takes all of it away. `install-built` builds nothing: a test
# must not.
set -euo pipefail

root=$PWD/root
make_() {
    make --no-print-directory -C "$ROOT" BUILD="${BUILD_DIR##*/}" \
        DESTDIR="$root" "$@"
}
unset MAKEFLAGS MFLAGS MAKELEVEL CZ_OPENCV

for program in compress compress-yolo; do
    make_ PREFIX=/usr/local PROGRAM="$program" install-built >log
    at=$root/usr/local
    [[ -e $at/share/man/man1/$program.1 ]]
    grep -q "^\.Nm $program\$" "$at/share/man/man1/$program.1"
    grep -qi "^\.Dt $program 1\$" "$at/share/man/man1/$program.1"
    [[ -e $at/share/bash-completion/completions/$program ]]
    [[ -e $at/share/zsh/site-functions/_$program ]]

    # From there alone: no other program, library or sample in reach.
    mkdir "from-$program" && cd "from-$program"
    samples=$at/share/$program/samples
    "$at/bin/$program" --version >out
    grep -q '^compress [0-9]' out
    "$at/bin/$program" "$samples/shapes8n.onnx" --prune 0.05 --fp16 -o p.onnx \
        >out
    grep -q '^ *file ' out
    ln -s "$at/bin/$program" link
    ./link detect p.onnx "$samples/data/val/val_001.jpg" --json >out
    grep -q '"class' out
    "$at/bin/$program" eval p.onnx --limit 3 \
        --ann "$samples/data/val/instances.json" >out
    cd ..

    make_ PREFIX=/usr/local PROGRAM="$program" uninstall >log
    left=$(find "$root" ! -type d)
    [[ -z $left ]] || { echo "uninstall left: $left" && exit 1; }
done

make_ help >help
grep -q 'make install ' help && grep -q 'make uninstall ' help
