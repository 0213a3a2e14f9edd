"""What the benchmark scripts share: where things are, tables, promises.

Imports nothing large: see tests/bench/run.
"""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "build/bench"
SHARED = Path(os.environ.get("SHARED", ROOT.parent / "shared"))
COMPRESS = os.environ.get("COMPRESS", str(ROOT / "build/release/compress"))
REAL_MODELS = ("yolov8n", "yolov5n", "yolox_nano")
MB = 1e6


def models() -> list[Path]:
    """The real models where they are, then the sample."""
    found = [SHARED / f"models/{name}.onnx" for name in REAL_MODELS]
    found += sorted((ROOT / "samples").glob("*.onnx"))
    return [path for path in found if path.exists()]


def machine() -> str:
    text = subprocess.run(["lscpu", "--json"], stdout=subprocess.PIPE,
                          check=True).stdout
    entries = {e["field"]: e["data"] for e in json.loads(text)["lscpu"]}
    return (f"{entries['Model name:']} (family {entries['CPU family:']}, "
            f"model {entries['Model:']}), {os.cpu_count()} cores")


def compress_version() -> str:
    return subprocess.run([COMPRESS, "--version"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def kept_lines(model: str, promises: list[tuple[str, bool]]) -> list[str]:
    return [f"- {'kept' if kept else 'MISSED'}: {model}: {text}"
            for text, kept in promises]
