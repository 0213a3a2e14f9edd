#!/usr/bin/python3
"""`compress eval --save-dets` that a signal ends: the numbers of what was done,
exit code 130, no file, and a sentence that says so. When the signal arrives is
up to the machine: it is sent later and later until it hits.

Skipped without OpenCV's library.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

SAMPLES = os.environ["SAMPLES"]
WANT = "compress: d.json: not written: the run was interrupted\n"

if not os.path.exists(os.environ["CZ_OPENCV"]):
    sys.exit(77)

command = ["compress", "eval", SAMPLES + "/shapes8n.onnx", "--ann",
           SAMPLES + "/data/val/instances.json", "--save-dets", "d.json",
           "--threads", "1"]
for tenths in range(2, 100):
    program = subprocess.Popen(command, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    time.sleep(tenths / 10)
    program.terminate()
    out, err = program.communicate(timeout=120)
    if program.returncode == 0:
        os.remove("d.json")
        sys.exit("came through before it was interrupted")
    if list(Path().iterdir()):
        sys.exit(f"left behind: {os.listdir()}")
    if out.startswith("interrupted: "):
        sys.exit(err != WANT or program.returncode != 130)
sys.exit("was never interrupted")
