#!/usr/bin/python3
"""The main commands without memory: with one allocation that fails, and with
all from one on. Each either says that memory is short, gives 1 and leaves
nothing that is not whole, or does without it and writes what it writes with
memory.

    tests/cli/test_allocations.py [--all] [NAME...]

--all tries each allocation, otherwise it is some of them: the first, the last,
and others by chance, the same ones each time.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy

PROGRAM = os.environ["BUILD_DIR"] + "/compress-failing"
MODEL = os.environ["SAMPLES"] + "/shapes8n.onnx"
VAL = os.environ["SAMPLES"] + "/data/val"
IMAGES = sorted(Path(VAL).glob("*.jpg"))[:8]
CONFIG = os.environ["ROOT"] + "/configs/quick-start.yaml"
DONE, FAILED = 0, 1
MODES = ("FAIL_ONLY", "FAIL_FROM")
SEED = 1
LIMIT_S = 600
RELATIVE, ABSOLUTE = 1e-3, 1e-2  # of boxes in pixels, and of scores
LENGTH = 0.02
IS_RELEASE = Path(os.environ["BUILD_DIR"]).name == "release"
RUN = ("-t", "1", "--tune", "off")


class Places(NamedTuple):
    """How many to try: at either end, and by chance."""
    ends: int
    chance: int


# Of jobs that take hundredths, tenths of a second, and seconds.
QUICK, RUNS, SEARCHES = ((Places(20, 40), Places(10, 20), Places(1, 4))
                         if IS_RELEASE else
                         (Places(5, 10), Places(2, 4), Places(1, 0)))


class Job(NamedTuple):
    arguments: tuple[str, ...]
    places: Places = QUICK
    keeps: bool = False  # whole files stay when the next one, or JSON, fails


JOBS = {
    "inspect": Job(("inspect", MODEL)),
    "inspect-json": Job(("inspect", MODEL, "--json")),
    "prune-fp16": Job((MODEL, "--prune", "0.3", "--fp16", "-o", "out.onnx")),
    "prune-json": Job((MODEL, "--prune", "0.3", "--fp16", "-o", "out.onnx",
                       "--json"), keeps=True),
    "recover": Job((MODEL, "--prune", "0.3", "--recover", "lsq", "--calib",
                    "images", "-o", "out.onnx", "-t", "1"), SEARCHES),
    "int8": Job((MODEL, "--int8", "--calib", "images", "-o", "out.onnx", "-t",
                 "1"), SEARCHES),
    "infer": Job(("infer", MODEL, "-i", str(IMAGES[0]), "-o", "out.f32", *RUN),
                 RUNS),
    "detect-json": Job(("detect", MODEL, "images", "-o", "boxes", "--json",
                        *RUN), RUNS, keeps=True),
    "eval": Job(("eval", MODEL, "--images", VAL, "--ann",
                 VAL + "/instances.json", "--limit", "8", "--save-dets",
                 "out.json", "--json", *RUN), RUNS, keeps=True),
    "bench": Job(("bench", MODEL, "--frames", "1", "--warmup", "0",
                  "--json", *RUN), RUNS),
    "run": Job(("run", "--check", CONFIG)),
}


class Result(NamedTuple):
    code: int
    out: str
    said: str
    files: dict[str, bytes]  # what it left


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in folder.rglob("*") if not p.is_dir()}


def run(job: Job, **variables: str) -> Result:
    """In a fresh folder, with its HOME and TMPDIR in it."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        for image in IMAGES:
            (images / image.name).symlink_to(image)
        before = contents(Path(folder))
        env = dict(os.environ, HOME=folder, TMPDIR=folder, **variables)
        done = subprocess.run([PROGRAM, *job.arguments], cwd=folder, env=env,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=LIMIT_S)
        left = {name: text for name, text in contents(Path(folder)).items()
                if name not in before}
        return Result(done.returncode, done.stdout, done.stderr, left)


def count(job: Job) -> tuple[int, Result]:
    """Of allocations, and what it does with all of them."""
    with tempfile.NamedTemporaryFile("r") as file:
        result = run(job, FAIL_COUNT=file.name)
        assert result.code == DONE, (job, result)
        assert run(job, FAIL_FROM="1").code == FAILED, "nothing can fail"
        return int(file.readline()), result


def places(job: Job, n: int) -> list[int]:
    ends, chance = job.places
    chosen = set(range(1, ends + 1)) | set(range(n - ends + 1, n + 1))
    chosen.update(random.Random(SEED).sample(range(1, n + 1), min(n, chance)))
    return sorted(chosen & set(range(1, n + 1)))


def tries(job: Job, n: int, every: bool) -> list[tuple[str, int]]:
    """All of them, or some places, the ways to fail taking turns."""
    if every:
        return [(mode, nth) for mode in MODES for nth in range(1, n + 1)]
    return [(MODES[i % 2], nth) for i, nth in enumerate(places(job, n))]


def are_alike(files: dict[str, bytes], whole: dict[str, bytes]) -> bool:
    """Kernels that need less memory round otherwise: then numbers are nearly
    the same, and so are the lengths of what is made of them."""
    for name in files.keys() & whole.keys():
        a, b = files[name], whole[name]
        if name.endswith(".f32") and len(a) == len(b):
            a, b = (numpy.frombuffer(x, "f4") for x in (a, b))
            if not numpy.allclose(a, b, RELATIVE, ABSOLUTE):
                return False
        elif abs(len(a) - len(b)) > LENGTH * len(b):
            return False
    return files.keys() <= whole.keys()


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def what_is_wrong_when_done(job: Job, result: Result, whole: Result) -> str:
    if "--json" in job.arguments and not is_json(result.out):
        return "no JSON"
    if len(result.files) != len(whole.files) or \
            not are_alike(result.files, whole.files):
        return f"other files: {', '.join(result.files)}"
    return ""


def what_is_wrong(job: Job, result: Result, whole: Result) -> str:
    if "Sanitizer" in result.said or "runtime error" in result.said:
        return "a sanitizer reports"
    if result.code == DONE:
        return what_is_wrong_when_done(job, result, whole)
    if result.code != FAILED:
        return f"exit code {result.code}"
    if "out of memory" not in result.said:
        return "no word of memory"
    if "--json" in job.arguments and result.out and not is_json(result.out):
        return "half a JSON"
    if result.files and not (job.keeps and are_alike(result.files, whole.files)):
        return f"left: {', '.join(result.files)}"
    return ""


def check(name: str, mode: str, nth: int, whole: Result) -> str:
    result = run(JOBS[name], **{mode: str(nth)})
    wrong = what_is_wrong(JOBS[name], result, whole)
    return wrong and f"{name}: {mode}={nth}: {wrong}: {result.said.strip()}"


def main() -> int:
    every = "--all" in sys.argv
    names = [a for a in sys.argv[1:] if a != "--all"] or list(JOBS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tried = []
        for name in names:
            n, whole = count(JOBS[name])
            tried += [pool.submit(check, name, mode, nth, whole)
                      for mode, nth in tries(JOBS[name], n, every)]
        wrong = [told for told in (t.result() for t in tried) if told]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
