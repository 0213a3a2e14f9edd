#!/usr/bin/python3
"""Makes every small ONNX model that the tests need.

    make_models.py OUTDIR      write them (OUTDIR/bad: those to be refused)
    make_models.py --readme    print README.md, the list of what there is

    detectors.py   miniatures of YOLOv8, v5, X; in-graph NMS; free dimensions
    weights.py     where a weight can stand, in which type, who may share it
    structure.py   subgraphs, functions, domains, annotations, odd outputs
    precision.py   what a conversion to float16 has to get right
    external.py    tensors in files beside the model
    bad.py         files that must be refused
    builder.py     the graph builder; wire.py: protobuf by hand

Needs numpy and python3-onnx 1.12. Whatever that version's checker knows
(opset 17 and below) is checked once it is written, but for OUTDIR/bad.
"""

import sys
from importlib import import_module
from pathlib import Path

import onnx

from builder import RECIPES, Content, Directory, Recipe, Symlink

# Importing one registers its recipes.
MODULES = ("detectors", "weights", "structure", "precision", "external", "bad")

CHECKER_OPSET = onnx.defs.onnx_opset_version()
# What that checker refuses and runtimes accept.
UNCHECKED = {"ai_onnx_domain.onnx"}

README = """\
# Test models

`make_models.py OUTDIR` writes them; `make test` does so into
`build/*/models`, which tests find as `$MODELS`. This list is what
`make_models.py --readme` prints.
"""


def is_checkable(made: Recipe, content: Content) -> bool:
    return (isinstance(content, onnx.ModelProto)
            and not made.file.startswith("bad/")
            and made.file not in UNCHECKED
            and content.opset_import[0].version <= CHECKER_OPSET)


def write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Directory):
        path.mkdir(exist_ok=True)
    elif isinstance(content, Symlink):
        path.unlink(missing_ok=True)
        path.symlink_to(content.target)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(content.SerializeToString())


def make_all(folder: Path) -> None:
    for name in MODULES:
        import_module(name)
    checkable = []
    for made in RECIPES:
        content = made.make()
        write(folder / made.file, content)
        if is_checkable(made, content):
            checkable.append(folder / made.file)
    for path in checkable:  # after all are written: some have data files
        onnx.checker.check_model(str(path))


def print_readme() -> None:
    print(README, end="")
    for name in MODULES:
        known = len(RECIPES)
        subject = import_module(name).__doc__.split(".")[0]
        print(f"\n## {name}.py\n\n{subject}.\n")
        print("| file | what it is for |\n| --- | --- |")
        for made in RECIPES[known:]:
            print(f"| `{made.file}` | {made.purpose} |")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--readme":
        print_readme()
    else:
        make_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
