#!/usr/bin/python3
"""ONNX's own node tests, by `compress infer`: python3-onnx brings models with
inputs and the outputs that the specification wants.

A case passes, or it is in REFUSED (the engine says why it does not take it) or
in WRONG_DATA (what the case wants is not what the specification says). A case
that does anything else fails the test, and so does a row without a case.
Models of an opset that is too old are refused as they are and then run as
opset 9, whose rules are the same but for those in CHANGED_IN_9.

Skipped where python3-onnx is not installed.
"""

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

try:
    import numpy
    import onnx
    from onnx import numpy_helper
    import onnx.backend.test
except ImportError:
    onnx = None

SKIPPED_EXIT = 77
REJECTED_EXIT = 3
OLDEST_OPSET = 9
FOLDERS = ("node", "simple", "pytorch-operator", "pytorch-converted")
# Those of onnx.backend.test: results are float32 of other libraries.
RELATIVE = 1e-3
ABSOLUTE = 1e-7

# Types whose name in numpy is another.
NAMES = {"double": "float64", "bfloat16": "uint16"}

# (names of cases, a part of the message, why)
MISSING = "operators that the engine does not have"
REFUSED = [
    # training
    (("adagrad*", "adam*", "momentum*", "nesterov*"),
     "imports no ONNX operator set", "training"),
    (("gradient_of_*",), MISSING, "training"),
    (("batchnorm_*_training_mode",), "only inference is done", "training"),
    (("training_dropout*",), "training_mode must be", "training"),
    (("nllloss_*", "sce_*"), MISSING, "training"),
    # what is not a tensor of numbers
    (("sequence_*", "identity_sequence"), "", "sequences"),
    (("identity_opt", "optional_*"), "", "optional values"),
    (("cast_FLOAT_to_STRING", "cast_STRING_to_FLOAT", "castlike_*STRING*"),
     "string", "strings"),
    (("strnormalizer_*", "strnorm_*", "tfidfvectorizer_*"), MISSING,
     "strings"),
    # nodes that hold graphs
    (("if", "if_*", "loop*", "scan_sum", "scan9_sum"), "", "subgraphs"),
    (("range_*_expanded",), MISSING, "subgraphs"),
    # operators that no detector has
    (("gru_*", "lstm_*", "rnn_*", "simple_rnn_*"), MISSING, "recurrent"),
    (("bernoulli*",), MISSING, "random numbers"),
    (("blackmanwindow*", "hammingwindow*", "hannwindow*", "melweightmatrix",
      "dft*", "stft*"), MISSING, "signals"),
    (("det_*", "mvn", "shrink*"), MISSING, "not in detectors"),
    # 1 element, where the model declares 12
    (("castlike_BFLOAT16_to_FLOAT*", "castlike_FLOAT_to_BFLOAT16*"),
     "input 'like'", "an input that is not of its shape"),
]

# Names that the rows above would cover: operators that are missing, but
# written out as some that are not. They pass.
WRITTEN_OUT = ("nllloss_*_expanded", "*window*_expanded")

# (name of the case, why)
WRONG_DATA = [
    ("resize_downsample_scales_linear_align_corners",
     "it aligns the corners of 2.4 pixels; ONNX Runtime those of 2, as made"),
    ("resize_downsample_scales_cubic_align_corners", "the same"),
    ("maxunpool_export_with_output_shape",
     "indices of the smaller output are not those of output_shape"),
]

# (names of cases, a part of the message): PRelu's slope broadcasts from the
# right only since opset 7; these were exported before.
CHANGED_IN_9 = [("PReLU_*_multiparam", "slope [3] does not broadcast")]


# --- cases -------------------------------------------------------------------

def find_cases():
    data = Path(onnx.backend.test.__file__).parent / "data"
    return sorted(p for folder in FOLDERS
                  for p in (data / folder).glob("test_*")
                  if (p / "model.onnx").is_file())


def read_tensor(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def is_tensors(model):
    values = list(model.graph.input) + list(model.graph.output)
    return all(v.type.HasField("tensor_type") and v.type.tensor_type.elem_type
               != onnx.TensorProto.STRING for v in values)


def is_open(value):
    return any(not dim.HasField("dim_value")
               for dim in value.type.tensor_type.shape.dim)


def input_options(model, data, folder):
    options = []
    for i, path in enumerate(data.glob("input_*.pb")):
        value = model.graph.input[i]
        array = read_tensor(data / f"input_{i}.pb")
        array.tofile(folder / f"in{i}")
        options += ["--input", f"{value.name}={folder}/in{i}"]
        if is_open(value):
            dims = "x".join(map(str, array.shape))
            options += ["--shape", f"{value.name}={dims}"]
    return options


# --- one case ----------------------------------------------------------------

def infer(model_path, options):
    """(error message or None, outputs of the JSON)"""
    done = subprocess.run(
        [os.environ["COMPRESS"], "infer", model_path, "--tune", "off",
         "--threads", "1", "--force", "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return None, json.loads(done.stdout)["outputs"]
    if done.returncode == REJECTED_EXIT:
        return f"refused: {done.stderr.strip()}", []
    return f"exit {done.returncode}: {done.stderr.strip()[-2000:]}", []


def difference(path, port, want):
    """What is wrong with an output, or None."""
    dtype = NAMES.get(port["dtype"], port["dtype"])
    if dtype != want.dtype.name or port["dims"] != list(want.shape):
        return (f"{port['name']} is {port['dtype']} {port['dims']}, want "
                f"{want.dtype.name} {list(want.shape)}")
    got = numpy.fromfile(path, want.dtype).reshape(want.shape)
    if numpy.allclose(got, want, RELATIVE, ABSOLUTE, equal_nan=True):
        return None
    return f"{port['name']} is\n{got}\nwant\n{want}"


def run_data(model, model_path, data, folder):
    options = input_options(model, data, folder)
    for i, value in enumerate(model.graph.output):
        options += ["--output", f"{value.name}={folder}/out{i}"]
    problem, ports = infer(model_path, options)
    for i, port in enumerate(ports):
        problem = problem or difference(folder / f"out{i}", port,
                                        read_tensor(data / f"output_{i}.pb"))
    return problem


def run_model(model, model_path, case, folder):
    if not is_tensors(model):
        return infer(model_path, [])[0]
    problems = [run_data(model, model_path, data, folder)
                for data in sorted(case.glob("test_data_set_*"))]
    return next(filter(None, problems), None)


def opset_of(model):
    return next((i.version for i in model.opset_import
                 if i.domain in ("", "ai.onnx")), None)


def run_case(case):
    """(what is wrong or None, was it run as opset 9)"""
    model = onnx.load(str(case / "model.onnx"))
    opset = opset_of(model)
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer)
        problem = run_model(model, case / "model.onnx", case, folder)
        if opset is None or opset >= OLDEST_OPSET:
            return problem, False
        if f"opset {opset} is not supported" not in (problem or ""):
            return f"want a refusal of opset {opset}: {problem}", True
        model.opset_import[0].version = OLDEST_OPSET
        onnx.save(model, str(folder / "model.onnx"))
        return run_model(model, folder / "model.onnx", case, folder), True


# --- the verdict -------------------------------------------------------------

def expectations():
    """Rows of (name pattern, start of the problem, part of it, reason)."""
    rows = [(name, "refused: ", part, why) for names, part, why in REFUSED
            for name in names]
    rows += [(name, "", " is\n", why) for name, why in WRONG_DATA]
    return rows + [(name, "refused: ", part, "changed rules")
                   for name, part in CHANGED_IN_9]


def judge(case, problem, rows, used):
    """What is unexpected, or None; marks the row of an expected problem."""
    name = case.name.removeprefix("test_")
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in WRITTEN_OUT):
        return problem
    rows = [r for r in rows if fnmatch.fnmatchcase(name, r[0])]
    if not problem:
        return f"passes, but is in a table: {rows[0]}" if rows else None
    for row in rows:
        if problem.startswith(row[1]) and row[2] in problem:
            used[row] = used.get(row, 0) + 1
            return None
    return problem


def main():
    if onnx is None:
        print("python3-onnx is not installed")
        return SKIPPED_EXIT
    cases, rows, used = find_cases(), expectations(), {}
    if not cases:
        print("ONNX's test data (libonnx-testdata) is not installed")
        return SKIPPED_EXIT
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run_case, cases))
    failures = 0
    for case, (problem, _) in zip(cases, results):
        unexpected = judge(case, problem, rows, used)
        if unexpected:
            failures += 1
            print(f"{case.parent.name}/{case.name}: {unexpected}")
    for row in rows:
        if row not in used:
            failures += 1
            print(f"no case is like {row}")
    passed = sum(not problem for problem, _ in results)
    as_9 = sum(older and not problem for problem, older in results)
    print(f"{len(cases)} cases: {passed} passed ({as_9} of them as opset 9), "
          f"{sum(used.values())} refused as expected, {failures} failures")
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
