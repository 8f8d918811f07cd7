"""The plugin's program: the static one where it was shipped or can be compiled, else a line of Python. Edge."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import felixpy.cni
from felixpy.model.errors import Trouble

SOURCE = Path(felixpy.cni.__file__).with_name("shim.c")
SHIPPED = SOURCE.with_name("felixpy-cni")  # `make cni`, and the image
COMPILE_S = 60
KINDS = ("auto", "shim", "python")

TWIN = """\
#!{interpreter} -I
# The CNI plugin felixpy, as felixpy cni install wrote it.
import sys

from felixpy.__main__ import main

sys.argv = ["felixpy", "cni"]
main()
"""


def program(kind: str = "auto") -> tuple[bytes, str]:
    """The program and what it is, for people. Trouble when `kind` is "shim" and there is none to be had."""
    if kind == "python":
        return twin()
    if SHIPPED.is_file():
        return SHIPPED.read_bytes(), "static, as shipped"
    compiled, reason = _compiled()
    if compiled:
        return compiled, "static, compiled here"
    if kind == "shim":
        raise Trouble(f"no static plugin was shipped ({SHIPPED}) and none can be compiled: {reason}")
    return twin()


def twin() -> tuple[bytes, str]:
    """The Python twin as a script for the interpreter that runs us."""
    interpreter = sys.executable
    if " " in interpreter or len(interpreter) > 200:  # execve(2): 256 bytes, no quoting
        raise Trouble(f"{interpreter}: a path that no #! line can name; build the static plugin (make cni)")
    return TWIN.format(interpreter=interpreter).encode(), f"Python, run by {interpreter}"


def is_ours(content: bytes) -> bool:
    """A program of our name in the runtime's folder is an older one of ours: no other plugin has it."""
    return bool(content)


def _compiled() -> tuple[bytes, str]:
    compiler = shutil.which("cc")
    if compiler is None:
        return b"", "there is no C compiler (cc)"
    with tempfile.TemporaryDirectory(prefix="felixpy-cni-") as folder:
        output = Path(folder) / "felixpy-cni"
        command = [compiler, "-O2", "-static", "-o", str(output), str(SOURCE)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMPILE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return b"", str(error)
        if done.returncode:
            return b"", (done.stderr.strip().splitlines() or ["the compiler failed"])[-1]
        return output.read_bytes(), ""
