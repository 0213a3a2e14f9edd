#!/usr/bin/python3
"""Prunes and converts every model of tests/models and samples/, and checks
what came out.

Pruned, in float16, and both: counted by verify/count_zeros.py, held against
verify/fp16_checklist.py, and, where ONNX Runtime is there and has all the
operators, run beside the original on random inputs. Models that must be
refused are listed here; refusals of broken files are CLI cases of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Optional

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "verify"))

import count_zeros  # noqa: E402
import fp16_checklist  # noqa: E402
import ort  # noqa: E402

SPARSITY = 0.05
FREE_DIM = 16  # for dimensions that a model leaves open
REJECTED = 3   # exit code

# float16 rounds at every operator, to 11 bits; a few operators in a row and
# sums over channels keep the error below this share of the largest output.
HALF_TOLERANCE = 0.02
# Saving a model without --fp16 must not change what it computes.
SAME = 0.0

# Models that a command must refuse, and a part of what it says.
REFUSED = {
    # libonnx 1.12 does not know that ai.onnx is another name of "".
    "ai_onnx_domain.onnx": "opset import",
}
REFUSED_BY_FP16 = {
    "dequantized_weight.onnx": "quantized",
    "double_compute.onnx": "float32 weight",
    "qdq.onnx": "quantized",
    "storage_bfloat16_raw.onnx": "float32 weight",
    "storage_bfloat16_typed.onnx": "float32 weight",
    "storage_double_raw.onnx": "float32 weight",
    "storage_double_typed.onnx": "float32 weight",
    "storage_float16_raw.onnx": "float16 already",
    "storage_float16_typed.onnx": "float16 already",
}
# Outputs in float16 are another number, not a rounded one.
NOT_COMPARED = {
    "half_range_activations.onnx": "1e5 overflows in float16",
    "cast_float_to_int.onnx": "rounding decides which integer comes next",
    "comparison_zoo.onnx": "rounding decides which element is the largest",
    "bool_output.onnx": "rounding decides comparisons",
    "two_inputs.onnx": "rounding decides which element is the largest",
    "tiny_nms.onnx": "rounding decides the order of equal scores",
    "fp16_range.onnx": "its weights are clamped",
}
# What the checklist finds and does no harm: a part of its sentences.
ACCEPTED = {
    # value_float has no room for a float16: a Cast of one number.
    "shared_constant_node.onnx": "Cast of the constant",
}
OPTIONS = (["--prune", str(SPARSITY)], ["--fp16"],
           ["--prune", str(SPARSITY), "--fp16"])


# ---- the command ------------------------------------------------------------

def compress(model: Path, out: Path,
             options: list[str]) -> subprocess.CompletedProcess:
    command = [os.environ["COMPRESS"], str(model), *options, "-o", str(out),
               "--json"]
    return subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def expected_refusal(model: Path, options: list[str]) -> Optional[str]:
    """What the message must hold, or None where the model is accepted."""
    by_fp16 = REFUSED_BY_FP16 if "--fp16" in options else {}
    return {**REFUSED, **by_fp16}.get(model.name)


def check_refusal(done: subprocess.CompletedProcess, out: Path,
                  text: str) -> list[str]:
    if done.returncode != REJECTED or text not in done.stderr:
        return [f"want exit 3 and '{text}', got exit {done.returncode}: "
                f"{done.stderr.strip()}"]
    return [f"{out.name} was left behind"] if out.exists() else []


# ---- running ----------------------------------------------------------------

def random_inputs(session: ort.Session) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = []
    for dtype, dims in session.input_types():
        shape = [FREE_DIM if dim < 0 else dim for dim in dims]
        if np.dtype(dtype).kind == "f":
            arrays.append(rng.random(shape).astype(dtype))
        else:
            arrays.append(rng.integers(0, 2, shape).astype(dtype))
    return arrays


def run(runtime: ort.Ort, path: Path) -> list[np.ndarray]:
    session = ort.Session(runtime, str(path))
    try:
        return session.run(random_inputs(session))
    finally:
        session.close()


def compare_outputs(runtime: ort.Ort, before: Path, after: Path,
                    tolerance: float) -> list[str]:
    """What differs between the models' outputs; nothing where the first one
    does not run either."""
    try:
        wanted = run(runtime, before)
    except ort.OrtError:
        return []
    try:
        found = run(runtime, after)
    except ort.OrtError as error:
        return [f"ONNX Runtime: {error}"]
    wrong = []
    for i, (want, have) in enumerate(zip(wanted, found)):
        error = abs(want.astype(float) - have.astype(float)).max(initial=0)
        limit = tolerance * abs(want.astype(float)).max(initial=0)
        if want.shape != have.shape or not error <= limit:
            wrong.append(f"output {i} is {error:.3g} off, limit {limit:.3g}")
    return wrong


# ---- the test ---------------------------------------------------------------

def check_pruned(model: Path, out: Path, report: dict) -> list[str]:
    return count_zeros.check(str(model), str(out), SPARSITY, True, report)


def check_half(runtime: Optional[ort.Ort], before: Path,
               out: Path) -> list[str]:
    accepted = ACCEPTED.get(out.name)
    wrong = [sentence for sentence in
             fp16_checklist.check(str(before), str(out))
             if not accepted or accepted not in sentence]
    if runtime and out.name not in NOT_COMPARED:
        wrong += compare_outputs(runtime, before, out, HALF_TOLERANCE)
    return wrong


def check_model(runtime: Optional[ort.Ort], model: Path,
                folder: Path) -> Iterator[tuple[list[str], list[str]]]:
    """(options, what is wrong) for every way to compress the model."""
    single = model
    for number, options in enumerate(OPTIONS):
        out = folder / str(number) / model.name
        out.parent.mkdir(exist_ok=True)
        done = compress(model, out, options)
        refusal = expected_refusal(model, options)
        if refusal is not None:
            yield options, check_refusal(done, out, refusal)
            continue
        if done.returncode != 0:
            yield options, [f"exit {done.returncode}: {done.stderr.strip()}"]
            continue
        wrong = []
        if "--prune" in options:
            wrong += check_pruned(model, out, json.loads(done.stdout))
        if options == OPTIONS[0]:
            single = out
        else:
            before = single if "--prune" in options else model
            wrong += check_half(runtime, before, out)
        yield options, wrong


def main() -> int:
    runtime = ort.open_library()
    failures = 0
    folders = [Path(os.environ[name]) for name in ("MODELS", "SAMPLES")]
    for model in sorted(p for f in folders for p in f.glob("*.onnx")):
        for options, wrong in check_model(runtime, model, Path.cwd()):
            failures += bool(wrong)
            for sentence in wrong:
                print(f"{model.name} {' '.join(options)}: {sentence}")
    if runtime is None:
        print("without ONNX Runtime: outputs were not compared")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
