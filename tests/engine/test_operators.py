#!/usr/bin/python3
"""docs/operators.md lists what the engine has, no more and no less.

    tests/engine/test_operators.py [--write]

With --write it makes the table anew. The tests of an operator are the files of
tests/engine that name it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs/operators.md"
COMPRESS = os.environ.get("COMPRESS", str(ROOT / "build/release/compress"))
HEAD = ["| operator | rules of opset | kernels | tests |",
        "| --- | --- | --- | --- |"]


def tests_of(name, sources):
    pattern = re.compile(rf"\b{name}(_\d+)?\b")
    found = [path.stem.removeprefix("test_") for path, text in sources if pattern.search(text)]
    return ", ".join(found)


def table():
    sources = [(path, path.read_text())
               for pattern in ("test_kernel_*.c", "test_op_*.c", "test_plan.c")
               for path in sorted((ROOT / "tests/engine").glob(pattern))]
    lines = subprocess.run([COMPRESS, "infer", "--operators"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    rows = []
    for line in lines.splitlines():
        name, opsets, kernels = line.split("\t")
        if name.startswith("cz."):
            continue
        opsets = ", ".join(sorted(opsets.split(","), key=int))
        kernels = kernels.replace(",", ", ")
        rows.append(f"| {name} | {opsets} | {kernels} | "
                    f"{tests_of(name, sources)} |")
    return HEAD + sorted(rows)


def main():
    text = DOCUMENT.read_text()
    start = text.index(HEAD[0])
    wanted = text[:start] + "\n".join(table()) + "\n"
    if "--write" in sys.argv:
        DOCUMENT.write_text(wanted)
        return 0
    untested = [row for row in table() if row.endswith("|  |")]
    for row in untested:
        print("no test names it:", row)
    if text != wanted:
        print("docs/operators.md is out of date: run "
              "tests/engine/test_operators.py --write")
    return int(text != wanted or bool(untested))


if __name__ == "__main__":
    sys.exit(main())
