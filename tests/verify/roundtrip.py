#!/usr/bin/python3
"""Checks that pairs of ONNX files hold the same message.

    roundtrip.py A B [A B...]

Equal means: every field that ONNX 1.12 knows, every unknown one (they are part
of the serialized message) and the bytes of external tensors.
"""

import sys
from pathlib import Path
from typing import Iterator

import onnx
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import (ExternalDataInfo, _get_all_tensors,
                                       uses_external_data)


def parse(path: Path) -> ModelProto:
    return onnx.load(str(path), load_external_data=False)


def external_tensors(model: ModelProto) -> Iterator[TensorProto]:
    return (t for t in _get_all_tensors(model) if uses_external_data(t))


def external_bytes(tensor: TensorProto, folder: Path) -> bytes:
    info = ExternalDataInfo(tensor)
    with (folder / info.location).open("rb") as file:
        file.seek(info.offset or 0)
        return file.read(info.length or -1)


def first_difference(a: ModelProto, b: ModelProto) -> str:
    """Where the texts of the messages part."""
    for line, (left, right) in enumerate(
            zip(str(a).splitlines(), str(b).splitlines()), 1):
        if left != right:
            return f"line {line} of the text form: {left[:80]} | {right[:80]}"
    return "one ends before the other, or unknown fields differ"


def compare(a: Path, b: Path) -> str:
    """What differs, or ''."""
    left, right = parse(a), parse(b)
    if (left.SerializeToString(deterministic=True)
            != right.SerializeToString(deterministic=True)):
        return first_difference(left, right)
    for one, other in zip(external_tensors(left), external_tensors(right)):
        if external_bytes(one, a.parent) != external_bytes(other, b.parent):
            return f"external tensor '{one.name}' has other content"
    return ""


def main() -> int:
    paths = [Path(name) for name in sys.argv[1:]]
    if not paths or len(paths) % 2:
        sys.exit(__doc__)
    differences = 0
    for a, b in zip(paths[::2], paths[1::2]):
        difference = compare(a, b)
        if difference:
            print(f"{b}: {difference}", file=sys.stderr)
            differences += 1
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
