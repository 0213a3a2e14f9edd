#!/usr/bin/env bash
# Every rule of tools/lint is broken once in a small tree and must be reported
# at its place, and what only looks like a violation must not be.
set -euo pipefail

mkdir -p tree/{core,onnx,prune,quant,app,tests/core,tools}
cp "$ROOT/.clang-format" tree/
cd tree

# file LINE... : a file that begins with a comment; the rest is as given
file() {
    local path=$1
    shift
    { printf '/* Trial. */\n' && printf '%s\n' "$@"; } >"$path"
}

# --- nothing wrong here --------------------------------------------------------
file core/alloc.h 'void cz_free(void *memory);'
file core/alloc.c '#include "core/alloc.h"' '' \
    'void cz_free(void *memory)' '{' '    free(memory);' '}'
file onnx/onnx.h '#include "core/alloc.h"'
file onnx/graph_internal.h '#include "core/alloc.h"'
file onnx/proto_shim.h '#include "core/alloc.h"'
file onnx/proto_shim.cpp '#include "onnx/proto_shim.h"' '' \
    '#include "onnx/graph_internal.h"'
file prune/prune.h '#include "onnx/onnx.h"' '/* never free(x), printf(y) */'
file prune/prune.c '#include "prune/prune.h"' '' \
    "/* \" */ static char quote = '\"';" \
    'static const char *text = "free(x) \" sprintf(y)"; // strcpy(a, b)' \
    '// #include "app/main.h"' \
    'static void use(struct heap *heap)' '{' \
    '    heap->free(heap);' '    my_free(heap);' '    snprintf(0, 0, "");' '}'
file app/main.c '#include "prune/prune.h"' '' \
    'int main(void)' '{' '    printf("x");' '}'
file tests/core/test_alloc.c '#include "onnx/graph_internal.h"' '' \
    'int main(void)' '{' '    free(malloc(1));' '}'
printf 'all:\n\tcc -O2 x.c\n' >Makefile

# Without clang-format, all but its rule.
format=1
if ! command -v clang-format >/dev/null; then
    format=0
    mkdir ../bin && ln -s "$(type -P true)" ../bin/clang-format
    PATH+=:$PWD/../bin
fi

if ! "$ROOT/tools/lint" . >../clean; then
    echo 'a clean tree was not found clean:'
    cat ../clean
    exit 1
fi

# --- one violation each ---------------------------------------------------------
file core/a.c '#include "onnx/onnx.h"' '#include "alloc.h"' \
    '#include "nowhere/x.h"'
file prune/b.c '#include "quant/quant.h"' '#include "onnx/graph_internal.h"' \
    '#include "onnx/proto_shim.h"' '#include "onnx/dtype.h"'
file prune/c.c 'void f(void)' '{' '    strcpy(a, b);' '    x = atoi(a);' \
    '    p = malloc (1);' '    std::free(p);' '    puts(a);' \
    '    fprintf(stderr, a);' '}'
file prune/d.cpp
file onnx/checker.h
printf 'int x;\n' >quant/e.c
file quant/f.c '// TO''DO: later'
file quant/g.c "int x; // $(printf 'x%.0s' {1..80})"
file quant/h.c 'int x; '
{ file quant/i.c && printf '// %s\n' {1..800} >>quant/i.c; }
{ file quant/j.c && printf '// %s\n' {1..500} >>quant/j.c; }
file quant/k.c 'int   x;'
printf 'all:\n\tcc -ffast''-math -march''=native x.c\n' >Makefile
printf '#!/bin/sh\n# FIX''ME\n' >tools/script

expected='
Makefile:2: fast-math
Makefile:2: native
core/a.c:2: include
core/a.c:3: include
core/a.c:4: include
onnx/checker.h:1: name
prune/b.c:2: include
prune/b.c:3: include
prune/b.c:4: include
prune/b.c:5: include
prune/c.c:4: unsafe-string
prune/c.c:5: unsafe-string
prune/c.c:6: heap
prune/c.c:7: heap
prune/c.c:8: print
prune/c.c:9: print
prune/d.cpp:1: c++
quant/e.c:1: subject
quant/f.c:2: unfinished
quant/g.c:2: columns
quant/h.c:2: trailing-space
quant/i.c:800: length
quant/j.c:500: warning
tools/script:2: unfinished'
if ((format)); then
    expected+=$'\nquant/k.c:2: format'
fi

if "$ROOT/tools/lint" . >../found; then
    echo 'violations, and yet exit code 0'
    exit 1
fi
# The trial files are not formatted: of the format rule, only one file counts.
diff <(sed '/^$/d' <<<"$expected" | LC_ALL=C sort) \
    <(sed -E 's/^([^:]*:[0-9]+: [a-z+-]+).*/\1/' ../found |
        grep -v '^[^q].*: format$\|/[^k].c:.*: format$' | LC_ALL=C sort)
