#!/usr/bin/python3
"""Every command line in the code blocks of README.md and docs/*.md is run, on
the sample detector under the names that the documents give, or stands below
among those that cannot be, with the reason.

A block holds commands when one of its lines starts with a PROGRAM; all its
lines have to, then, but for what follows a line with `$ `, which is
output. Each line runs in a folder of its own, with the files that it names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(os.environ["ROOT"])
SAMPLES = Path(os.environ["SAMPLES"])
TIME_LIMIT_S = 240  # of one line; most take a second or two
IMAGES = 8          # the least that calibration takes

PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S* )*(?:(?:compress|cd|cat|sudo|git|make|apt|apt-get|npm|yolo|"
    r"dpkg|ln|lintian|export|source|docker|scp|ssh|trtexec|nvpmodel|jetson_clocks|"
    r"tegrastats|free|gst-launch-1\.0|nvgstcapture-1\.0)\s|"
    r"(?:tests|tools|build|/usr)/\S)")

# What is not run: a pattern for the start of the line, and why.
NOT_RUN = [
    (r"sudo |apt ", "changes the machine"),
    (r"git clone|cd ", "is how one got here"),
    (r"make (demo|test|bench|bench-\w+|deb|cross|install|CROSS=\w+)\b",
     "takes minutes, or tests/install does it"),
    (r"tests/(verify|peers|engine)/", "tests of their own, or minutes of torch"),
    (r"yolo ", "is Ultralytics' own"),
    (r"trtexec |export PATH=.*tensorrt|gst-launch-1.0 |cat /etc/nv_|dpkg -l lib|"
     r"scp ", "is for the board"),
    (r"compress .*--engine ort:", "wants an NVIDIA GPU"),
    (r"compress yolov8n.onnx --target-ms ", "is a time of one machine"),
    (r"compress camera ", "wants a camera; test_camera.py makes some"),
]

# Words that stand for something: what takes their place.
PLACEHOLDERS = {
    "MODEL": "model.onnx", "OUT": "out.onnx", "SOURCE": "images/",
    "CALIB": "images/", "ANN": "val/instances.json", "P": "0.3", "K": "32",
    "TARGET": "onnxruntime", "METHOD": "percentile",
    "INT8.onnx...": "INT8.onnx",
    "../shared/models/yolov8n.onnx": "yolov8n.onnx",
    "../shared/coco/calib": "images/",
    "coco/val/instances.json": "val/instances.json",
}

OUTPUTS = ("-o", "--output", "--plot", "--trace", "--save-dets", "--txt")


# --- what the documents say ----------------------------------------------------

def blocks(text):
    """(first line's number, lines) of each code block."""
    block, start, fenced, blank = [], 0, False, True
    for number, line in enumerate(text.split("\n") + [""], 1):
        is_code = fenced or (line.startswith("    ") and (block or blank))
        if line.lstrip().startswith("```"):
            fenced, is_code = not fenced, False
        if is_code:
            start = start or number
            block.append(line if fenced else line[4:])
        elif block and (line.strip() or not fenced):
            yield start, block
            block, start = [], 0
        blank = not line.strip()


def is_program(line):
    return bool(PROGRAM.match(line + " "))


def commands(path):
    """(line number, command) of each command line, and complaints."""
    for start, lines in blocks(path.read_text()):
        joined, number = [], start
        for line in lines:
            if joined and joined[-1][1].endswith("\\"):
                joined[-1][1] = joined[-1][1][:-1] + " " + line.strip()
            else:
                joined.append([number, line])
            number += 1
        with_prompt = lines[0].startswith("$ ")
        if with_prompt:
            joined = [[n, x[2:]] for n, x in joined if x.startswith("$ ")]
        if not with_prompt and not any(is_program(x) for _, x in joined):
            continue
        for number, line in joined:
            line = re.sub(r"(^|\s+)#.*", "", line).strip()
            if line and not is_program(line):
                yield number, line, "no program that this test knows"
            elif line:
                yield number, line, ""


# --- files ---------------------------------------------------------------------

def write_yolo_labels(annotations, folder):
    """The annotations of COCO's JSON as YOLO's text files, and a data.yaml."""
    found = json.loads(annotations.read_text())
    ids = sorted(c["id"] for c in found["categories"])
    names = {c["id"]: c["name"] for c in found["categories"]}
    images = {i["id"]: i for i in found["images"]}
    lines = {}
    for a in found["annotations"]:
        image, (x, y, w, h) = images[a["image_id"]], a["bbox"]
        row = (ids.index(a["category_id"]), (x + w / 2) / image["width"],
               (y + h / 2) / image["height"], w / image["width"],
               h / image["height"])
        lines.setdefault(Path(image["file_name"]).stem, []).append(
            " ".join(map(str, row)))
    (folder / "labels").mkdir()
    for file in (folder / "images").iterdir():
        (folder / "labels" / f"{file.stem}.txt").write_text(
            "\n".join(lines.get(file.stem, [])) + "\n")
    (folder / "data.yaml").write_text(
        "path: .\nval: images\nnames:\n"
        + "".join(f"  {n}: {names[i]}\n" for n, i in enumerate(ids)))


def make_files(folder):
    """Everything that a command line may name, but for models."""
    val = SAMPLES / "data" / "val"
    (folder / "images").mkdir()
    (folder / "val").mkdir()
    found = json.loads((val / "instances.json").read_text())
    found["images"] = found["images"][:IMAGES]
    kept = {i["id"] for i in found["images"]}
    found["annotations"] = [a for a in found["annotations"]
                            if a["image_id"] in kept]
    (folder / "val" / "instances.json").write_text(json.dumps(found))
    for image in found["images"]:
        shutil.copy(val / image["file_name"], folder / "images")
        shutil.copy(val / image["file_name"], folder / "val")
    shutil.copy(folder / "images" / found["images"][0]["file_name"],
                folder / "a.jpg")
    write_yolo_labels(folder / "val" / "instances.json", folder)
    (folder / "configs").symlink_to(ROOT / "configs")
    (folder / "x.f32").write_bytes(bytes(3 * 320 * 320 * 4))
    for name in ("before.json", "after.json"):
        subprocess.run(["compress", "eval", SAMPLES / "shapes8n.onnx", "--ann",
                        folder / "val" / "instances.json", "--quiet",
                        "--save-dets", folder / name], check=True)


# --- running -------------------------------------------------------------------

def prepared(line):
    """The line as it is run, and the models that it reads."""
    words = [PLACEHOLDERS.get(w, w) for w in line.split(" ")]
    models = [w for before, w in zip([""] + words, words)
              if w.endswith(".onnx") and before not in OUTPUTS]
    line = " ".join(words)
    if not shutil.which("jq"):
        line = line.split(" | jq")[0]
    if " bench " in line:
        line += " --frames 2 --warmup 0"
    return line, models


def run(files, line):
    """What is wrong with it, or nothing."""
    line, models = prepared(line)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        named = set(re.findall(r"[\w.]+", line))
        if "data.yaml" in named:
            named |= {"images", "labels"}
        for file in files.iterdir():
            if file.name in named - {"data.yaml"}:
                (folder / file.name).symlink_to(file)
        if "data.yaml" in named:  # its paths are relative to itself
            shutil.copy(files / "data.yaml", folder)
        if "--txt" in line:  # an output of the name of an input
            (folder / "labels").unlink()
        for model in models:
            (folder / model).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLES / "shapes8n.onnx", folder / model)
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"], cwd=folder, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=TIME_LIMIT_S)
    if done.returncode == 0:
        return ""
    return f"exit {done.returncode}\n  {line}\n{done.stderr.rstrip()}"


def main():
    if Path(os.environ["BUILD_DIR"]).name in ("asan", "tsan"):
        print("other tests run these commands under sanitizers")
        return 77
    if not (SAMPLES / "shapes8n.onnx").exists():
        print("no sample detector")
        return 77
    wrong, todo, used = [], [], set()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, line, complaint in commands(path):
            where = f"{path.relative_to(ROOT)}:{number}: {line}"
            reason = next((p for p, _ in NOT_RUN if re.match(p, line)), None)
            if complaint:
                wrong.append(f"{where}: {complaint}")
            elif reason:
                used.add(reason)
            elif "ort" in re.findall(r"\w+", line) and \
                    "ORT_LIB" not in os.environ:
                print(f"{where}: no ONNX Runtime")
            elif line not in (seen for _, seen in todo):
                todo.append((where, line))
    files = Path("files").resolve()
    files.mkdir()
    make_files(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (where, _), bad in zip(
                todo, pool.map(lambda one: run(files, one[1]), todo)):
            if bad:
                wrong.append(f"{where}: {bad}")
    wrong += [f"NOT_RUN: no command line is like '{p}'"
              for p, _ in NOT_RUN if p not in used]
    print(f"{len(todo)} command lines were run")
    if len(todo) < 30:
        wrong.append("so few: are they still found?")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
