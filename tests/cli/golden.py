"""Golden cases of the command line: reads, runs and compares *.case files.

The format is described in README.md beside this file. tests/run calls
missing_requirement() and run(); both know nothing of other kinds of tests.
"""

import os
import re
import subprocess

from process import execute

# A requirement and the command that succeeds where it is met.
REQUIREMENTS = {
    "images": "/usr/bin/python3 -c 'import cv2, PIL'",
    "shared": 'test -d "$SHARED"',
    "ort": 'test -e "$ORT_LIB"',
    "root": 'test "$(id -u)" = 0',
    "user": 'test "$(id -u)" != 0',
    "tmpfs": "small-disk 64k true && rmdir disk",
}
# Longest first: a folder inside another one is named by the inner name.
NAMED_FOLDERS = ("MODELS", "SAMPLES", "SHARED", "BUILD_DIR", "ROOT", "HOME")


class Step:
    """One command and what is expected of it."""

    def __init__(self, line, command):
        self.line = line
        self.command = command
        self.exit = 0
        self.expected = {"stdout": [], "stderr": []}  # None: not looked at
        self.files = []
        self.no_files = []


def missing_requirement(path, env):
    """Why the case cannot run here, or ''."""
    for line in path.read_text().splitlines():
        if not line.startswith("requires:"):
            continue
        for name in line.split(":", 1)[1].split():
            if name not in REQUIREMENTS:
                return ""  # run() reports it
            if subprocess.call(["bash", "-c", REQUIREMENTS[name]], env=env,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL):
                return f"requires {name}"
    return ""


def parse(path):
    """The steps of a case; raises ValueError with the line that is wrong."""
    steps, block = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        key, _, value = line.partition(":")
        value = value.strip()
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
            block = None
        elif key == "requires" and set(value.split()) <= set(REQUIREMENTS):
            continue
        elif not steps:
            raise ValueError(f"line {number}: no command before: {line}")
        elif line[0] in "|~" or line == "...":
            if block is None:
                raise ValueError(f"line {number}: not in a block: {line}")
            block.append(line)
        elif key in ("stdout", "stderr") and value in ("", "any"):
            block = None if value else []
            steps[-1].expected[key] = block
        elif key == "exit" and value.isdigit():
            steps[-1].exit = int(value)
        elif key == "file" and value:
            steps[-1].files.append(value)
        elif key == "no-file" and value:
            steps[-1].no_files.append(value)
        else:
            raise ValueError(f"line {number}: not understood: {line}")
    if not steps:
        raise ValueError("no command")
    return steps


def block_pattern(block):
    """A regular expression for a whole stream."""
    parts = []
    for line in block:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        elif line[0] == "~":
            parts.append(f"(?:{line[2:]})\\n")
        else:
            parts.append(re.escape(line[2:]) + r"\n")
    return "".join(parts)


def name_folders(output, env):
    """Replaces the folders of this machine by $MODELS, $SAMPLES, ..."""
    for name in NAMED_FOLDERS:
        if env.get(name):
            output = output.replace(env[name], f"${name}")
    return output


def as_block(output):
    if output and not output.endswith("\n"):
        output += "\n(no newline at the end)"
    return "".join(f"| {line}\n" for line in output.splitlines())


def compare(step, code, streams, folder):
    """What is wrong with a step that ran, as lines."""
    wrong = []
    if code != step.exit:
        wrong.append(f"exit: {code} (expected {step.exit})\n")
    for name, block in step.expected.items():
        if block is None or re.fullmatch(block_pattern(block), streams[name]):
            continue
        wrong.append(f"{name}, expected:\n" + "".join(f"{line}\n" for line in
                                                      block))
    if wrong:
        for name, output in streams.items():
            wrong.append(f"{name}, found:\n{as_block(output)}")
    wrong += [f"file: {name} is missing\n" for name in step.files
              if not (folder / name).exists()]
    wrong += [f"no-file: {name} is there\n" for name in step.no_files
              if os.path.lexists(folder / name)]
    return wrong


def leftovers(folder):
    """Files that look like temporary ones."""
    return [f"left behind: {path.relative_to(folder)}\n"
            for path in sorted(folder.rglob("*"))
            if path.name.startswith(".") or ".tmp" in path.name]


def run_step(step, folder, env, limit_s):
    code, out, err = execute(["bash", "-c", step.command], folder, env,
                             limit_s)
    streams = {"stdout": name_folders(out, env),
               "stderr": name_folders(err, env)}
    return compare(step, code, streams, folder) + leftovers(folder)


def run(path, folder, env, limit_s):
    """Runs the case; returns what is wrong with its first bad step, or ''."""
    try:
        steps = parse(path)
    except ValueError as e:
        return str(e)
    for step in steps:
        try:
            wrong = run_step(step, folder, env, limit_s)
        except re.error as e:
            wrong = [f"bad regular expression: {e}\n"]
        if wrong:
            return f"line {step.line}: $ {step.command}\n" + "".join(wrong)
    return ""
