#!/usr/bin/python3
"""The completions offer the commands, options and values that the program has,
no more and no fewer. bash's function is called in bash, zsh's in zsh."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["ROOT"])
PROGRAM = os.environ["COMPRESS"]
BASH = ROOT / "completions" / "compress.bash"
ZSH = ROOT / "completions" / "_compress"

wrong = []


def check(is_right, text):
    if not is_right:
        wrong.append(text)


def same(what, found, expected):
    found, expected = set(found), set(expected)
    check(found == expected,
          f"{what}: missing {sorted(expected - found)}, "
          f"too many {sorted(found - expected)}")


def output(*command, text=None):
    return subprocess.run(command, input=text, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def help_of(command):
    return output(PROGRAM, *filter(None, [command]), "--help")


def long_options(command):
    """Those of the help text: each stands at the head of its line."""
    lines = re.findall(r"^ +-.*", help_of(command), re.M)
    return [re.match(r" +(?:-\w, )?(--[\w-]+)?", line)[1] or "" for line in lines]


# --- bash ----------------------------------------------------------------------

# As readline does it: the line is broken at blanks, '=' and ':'.
COMPLETE = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=()
rest=$2
while [[ $rest =~ ^[[:space:]]*([^[:space:]=:]+|[=:]+) ]]; do
    COMP_WORDS+=("${BASH_REMATCH[1]}")
    rest=${rest:${#BASH_REMATCH[0]}}
done
[[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_compress compress
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line):
    out = output("bash", "-c", COMPLETE, "bash", str(BASH), line)
    return out.split("\n")[:-1]


def check_bash(commands):
    for command in ["", *commands]:
        line = f"compress {command} --".replace("  ", " ")
        same(f"bash: options behind '{line}'", complete(line),
             long_options(command))
    Path("model.onnx").touch()
    Path("pipeline.yaml").touch()
    Path("photo.jpg").touch()
    Path("folder").mkdir()
    same("bash: first word", complete("compress "),
         [*commands, "model.onnx", "folder/"])
    for line, expected in [
            ("compress ins", ["inspect"]),
            ("compress inspect ", ["model.onnx", "folder/"]),
            ("compress detect model.onnx p", ["pipeline.yaml", "photo.jpg"]),
            ("compress m.onnx --target ", ["onnxruntime", "tensorrt"]),
            ("compress m.onnx --target=t", ["tensorrt"]),
            ("compress m.onnx --target=", ["onnxruntime", "tensorrt"]),
            ("compress m.onnx --rounding n", ["nearest"]),
            ("compress m.onnx --recover ", ["lsq"]),
            ("compress m.onnx --nm ", ["2:4"]),
            ("compress m.onnx --board orin", ["orin-nano", "orin-nx"]),
            ("compress m.onnx --calib f", ["folder/", "folder"]),
            ("compress detect m.onnx x -o ", ["folder/"]),
            ("compress bench m.onnx --engine compress,o",
             ["compress,ort", "compress,ort:cuda", "compress,ort:tensorrt"]),
            ("compress bench m.onnx --engine ort:c", ["cuda"]),
            ("compress m.onnx --prune ", []),
            ("compress inspect --jsn", [])]:
        same(f"bash: '{line}'", filter(None, complete(line)), expected)


# --- zsh -----------------------------------------------------------------------

# What _arguments is told, one word a line.
ARGUMENTS = r"""
_arguments() { print -rl -- "$@" }
_describe() { print -rl -- $commands }
words=(compress ${=2} '') CURRENT=$#words
source $1
"""


def check_zsh(commands):
    if not shutil.which("zsh"):
        return
    for command in ["", *commands]:
        told = output("zsh", "-f", "-c", ARGUMENTS, "zsh", str(ZSH),
                      f"{command} x" if command else "x y")
        found = re.findall(r"^(?:\(.*?\)|\*)?(--[\w-]+)", told, re.M)
        same(f"zsh: options of 'compress {command}'", found,
             long_options(command))
    told = output("zsh", "-f", "-c", ARGUMENTS, "zsh", str(ZSH), "")
    same("zsh: commands", re.findall(r"^([a-z]+):", told, re.M), commands)
    check("(onnxruntime tensorrt)" in told, "zsh: values of --target")


def main():
    made = Path(os.environ["TMPDIR"], "made")
    subprocess.run([ROOT / "tools" / "completions", PROGRAM, made], check=True)
    for file in (BASH, ZSH):
        done = subprocess.run(["diff", "-u", file, made / file.name],
                              text=True, stdout=subprocess.PIPE)
        check(done.returncode == 0,
              f"{done.stdout}completions/{file.name} is not what the program "
              f"says of itself: run `make completions` and commit it")
    commands = set(re.findall(r"compress ([a-z]+) ",
                              help_of("").split("\n\n")[0]))
    check({"inspect", "bench"} <= commands, f"no commands: {commands}")
    check_bash(commands)
    check_zsh(commands)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
