#!/usr/bin/python3
"""The examples of configs/ as they are, cached once more, and the report in
headless Chromium: no message on the console, nothing from elsewhere, no scroll
to the side at 1280 and 390 pixels.

Chromium is looked for as `chromium`; without it the report is only parsed.
"""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

CONFIGS = Path(os.environ["ROOT"], "configs")
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync",
            "--user-data-dir=profile", "--allow-file-access-from-files")
CACHED_S = 1
# Files of detections have three decimals of a pixel and five of a score.
ROUNDING = 5e-4
VOID = {"meta", "link", "img"}
# A page with the report in it, which measures it.
FRAME = """<!doctype html><html><body style="margin:0">
<iframe src="{path}" width="{width}" height="900" style="border:0"
 onload="const d = this.contentDocument; document.title = [
 d.documentElement.scrollWidth, d.querySelectorAll('svg').length,
 [...d.images].filter(i => (i.loading = 'eager') && i.src).length,
 d.querySelectorAll('tr').length].join(' ')"></iframe></body></html>"""


class Page(html.parser.HTMLParser):
    """Whether all elements end, and what they lead to."""

    def __init__(self):
        super().__init__()
        self.stack, self.links, self.pictures = [], [], 0

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[k] for k in ("src", "href") if k in values]
        self.pictures += tag == "img"
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag


def run(config):
    """The example's rows, made and then cached."""
    command = ["compress", "run", CONFIGS / config, "--json", "-q"]
    first = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    start = time.monotonic()
    again = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.monotonic() - start
    assert seconds < CACHED_S, f"{config}: {seconds:.2f} s, all cached"
    steps = json.loads(again.stdout)["steps"]
    assert {step["state"] for step in steps} == {"cached"}, config
    rows = json.loads(first.stdout)
    assert json.loads(again.stdout)["rows"] == rows["rows"], config
    return rows


def check_rows(report):
    for row in report["rows"]:
        assert row["failed"] is None and 0 < row["AP"] < row["AP50"] < 1
        assert Path(row["file"]).stat().st_size == row["bytes"]
        if not row["is_baseline"]:
            delta = row["delta_AP"]
            assert delta["low"] <= delta["difference"] <= delta["high"]
            base = next(r for r in report["rows"] if r["is_baseline"])
            change = row["AP"] - base["AP"]
            assert abs(change - delta["difference"]) < ROUNDING, row


def check_page(path, report):
    text = Path(path).read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.stack == [], page.stack
    assert all(link.startswith("data:") for link in page.links)
    assert not re.search(r"@import|url\(|<script", text)
    assert page.pictures == 2 * len(report["rows"]), page.pictures


def measure(path, width):
    """What the frame tells, and what Chromium says of errors."""
    Path("frame.html").write_text(FRAME.format(path=path, width=width))
    done = subprocess.run(
        ["chromium", *CHROMIUM, "--enable-logging=stderr", "--dump-dom",
         "--timeout=8000", Path("frame.html").resolve().as_uri()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
        check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>([^<]*)</title>", done.stdout)
    return title and [int(n) for n in title[1].split()], console


def look(path, report):
    for width in (1280, 390):
        found, console = measure(Path(path).resolve().as_uri(), width)
        assert not console, console
        assert found, "the page did not load"
        assert found[0] <= width, f"{found[0]} pixels wide, of {width}"
        assert found[1] >= 7 and found[2] == 2 * len(report["rows"]), found
        assert found[3] >= 1 + len(report["rows"]), found


def main():
    if Path(os.environ["BUILD_DIR"]).name in ("asan", "tsan"):
        print("run.case runs the same code under sanitizers")
        return 77
    report = run("quick-start.yaml")
    assert [row["variant"] for row in report["rows"]] == [
        "baseline", "pruned", "fp16", "pruned-fp16", "int8"]
    check_rows(report)
    check_page("runs/quick-start/report.html", report)
    if shutil.which("chromium"):
        look("runs/quick-start/report.html", report)
    for config in sorted(CONFIGS.glob("*.yaml")):
        subprocess.run(["compress", "run", config, "--check", "-q"], check=True)
    if "SHARED" in os.environ:  # a longer one
        check_rows(run("tensorrt-int8.yaml"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
