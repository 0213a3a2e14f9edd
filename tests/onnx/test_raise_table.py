#!/usr/bin/python3
"""onnx/raise.c knows every operator of opset 9 to 12, and each that lost an
attribute, an input or an output name, a type or a default before opset 13 has
a rule."""
import os
import re
import sys
from pathlib import Path

try:
    from onnx import defs
except ImportError:
    print("python3-onnx is not installed")
    sys.exit(77)

FIRST, LAST = 9, 13


def tables():
    text = (Path(os.environ["ROOT"]) / "onnx/raise.c").read_text()
    rules = re.search(r"\bchanged\[\] = \{(.*?)^\};", text, re.S | re.M)[1]
    rest = re.search(r"\bunchanged\[\] = \{(.*?)^\};", text, re.S | re.M)[1]
    return (set(re.findall(r'\{"(\w+)"', rules)),
            re.findall(r'"(\w+)"', rest))


def history():
    """Every form of each operator that a model of opset 9 to 13 can mean."""
    forms = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.domain and schema.since_version <= LAST:
            forms.setdefault(schema.name, []).append(schema)
    for name, schemas in forms.items():
        schemas.sort(key=lambda s: s.since_version)
        old = [s for s in schemas if s.since_version <= FIRST]
        forms[name] = old[-1:] + schemas[len(old):]
    return {name: schemas for name, schemas in forms.items()
            if schemas[0].since_version < LAST}


def breaks(before, after):
    """What a node of the earlier form may say that the later one takes
    otherwise."""
    if after.deprecated:
        yield "is gone"
    for name, attr in before.attributes.items():
        if name not in after.attributes:
            yield f"lost the attribute {name}"
        elif str(attr.default_value) != \
                str(after.attributes[name].default_value):
            yield f"has another default of {name}"
    for old, new in ((before.inputs, after.inputs),
                     (before.outputs, after.outputs)):
        for a, b in zip(old, new):
            if set(a.types) - set(b.types):
                yield f"{a.name} lost types"
        if len(new) < len(old):
            yield "lost an input or output"


def main():
    rules, unchanged = tables()
    forms = history()
    wrong = []
    if unchanged != sorted(unchanged):
        wrong.append("unchanged[] is not sorted")
    for name in sorted(set(forms) - rules - set(unchanged)):
        wrong.append(f"{name} is in no table")
    for name in sorted((rules | set(unchanged)) - set(forms)):
        wrong.append(f"{name} is no operator of opset {FIRST} to {LAST - 1}")
    for name in sorted(rules & set(unchanged)):
        wrong.append(f"{name} is in both tables")
    for name in sorted(set(unchanged) & set(forms)):
        for before, after in zip(forms[name], forms[name][1:]):
            wrong += [f"{name} {text} in opset {after.since_version}"
                      for text in breaks(before, after)]
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
