"""Runs one command with a time limit; used by tests/run and the CLI cases."""

import os
import signal
import subprocess


def execute(command, folder, env, limit_s, stderr=subprocess.PIPE):
    """(exit code or a sentence on what stopped it, stdout, stderr).

    The command has a session of its own, so that what it started ends with it
    when the time is over. With stderr=subprocess.STDOUT both come as stdout.
    Bytes that are no UTF-8 appear as \\xNN.
    """
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)
    except OSError as e:
        return f"cannot be run: {e.strerror}", "", ""
    try:
        streams = process.communicate(timeout=limit_s)
        code = process.returncode
        if code < 0:
            code = f"killed by {signal.Signals(-code).name}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        streams = process.communicate()
        code = f"stopped after {limit_s} s"
    return code, *((s or b"").decode("utf-8", "backslashreplace")
                   for s in streams)
