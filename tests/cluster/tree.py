"""The image of felixpy and birdpy as a file tree of this machine: what Containerfile installs, without an engine.

The interpreter that runs this, its library without what nobody imports, the locked packages that the product needs
(not those of development), both packages, the static plugin, `ip` and `nft`, and every shared object that they load.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.built import NAME
from tests.cluster.images import Image

ROOT = Path(__file__).parents[2]
PLACE = "/opt/felixpy"
SKIPPED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "distutils", "pydoc_data",
           "dist-packages", "site-packages", "__pycache__"}  # fmt: skip
UNUSED = re.compile(r"(_tkinter|_sqlite3|_curses\w*|_dbm|_gdbm|nis|readline|_test\w*|xx\w*)\.")  # and their libraries
USERS = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
}
PROGRAMS = {"ip": "/usr/sbin", "nft": "/usr/sbin", "true": "/bin"}  # ExaBGP's configuration wants a program: true
LOADED = """
import contextlib, importlib, sys
for name in ("msgspec", "yaml", *sys.argv[1:]):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
print(open("/proc/self/maps").read())
"""
SCRIPT = "#!{python} -s\nfrom {name}.__main__ import main\nmain()\n"


def felixpy(scratch: Path) -> Image:
    """The image; `scratch` takes the few files that have to be written for it."""
    files: dict[str, Path] = {}
    files |= {str(path): path for path in _library()}
    python = Path(sys.executable).resolve()
    files[str(python)] = python
    files |= dict(_packages())
    for name in ("felixpy", "birdpy"):
        files |= {f"{PLACE}/{path.relative_to(ROOT)}": path for path in (ROOT / name).rglob("*") if _wanted(path)}
        script = scratch / name
        script.write_text(SCRIPT.format(python=python, name=name))
        script.chmod(0o755)
        files[f"/usr/local/bin/{name}"] = script
    for name, text in USERS.items():
        (scratch / name).write_text(text)
        files[f"/etc/{name}"] = scratch / name
    files[f"{PLACE}/felixpy/cni/felixpy-cni"] = _plugin(scratch)
    for name, place in PROGRAMS.items():
        if found := shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            files[f"{place}/{name}"] = Path(found).resolve()
    objects = dict(_shared_objects(files))
    links = {alias: name for alias, name in objects.items() if alias != name}
    files |= {name: Path(name) for name in objects.values()}
    environment = [f"PYTHONPATH={PLACE}", "PYTHONDONTWRITEBYTECODE=1"]
    return Image(NAME, files, links, ["felixpy"], environment)


def _library() -> Iterator[Path]:
    yield from (path for path in Path(sysconfig.get_path("stdlib")).rglob("*") if _wanted(path))


def _wanted(path: Path) -> bool:
    return path.is_file() and not SKIPPED & set(path.parts) and path.suffix != ".a" and not UNUSED.match(path.name)


def _packages() -> Iterator[tuple[str, Path]]:
    """The files of every package that felixpy requires, directly or not."""
    missing, seen = ["felixpy"], set[str]()
    while missing:
        name = missing.pop()
        found = importlib.metadata.distribution(name)
        for line in found.requires or ():
            needed = re.split(r"[^A-Za-z0-9._-]", line)[0].lower()
            if "extra ==" not in line and "platform" not in line and needed not in seen:
                seen.add(needed)
                missing.append(needed)
        if name == "felixpy":
            meta = Path(str(found.locate_file(""))) / f"felixpy-{found.version}.dist-info" / "METADATA"
            yield f"{PLACE}/{meta.parent.name}/METADATA", meta
            continue
        for file in found.files or ():
            path = Path(str(found.locate_file(file)))
            if _inside(file.parts) and path.is_file():
                yield f"{PLACE}/{file}", path


def _inside(parts: tuple[str, ...]) -> bool:
    return parts[0] != ".." and "__pycache__" not in parts


def _plugin(scratch: Path) -> Path:
    made = scratch / "felixpy-cni"
    line = ["cc", "-O2", "-static", "-o", str(made), str(ROOT / "felixpy/cni/shim.c")]
    subprocess.run(line, check=True, timeout=60)
    return made


def _shared_objects(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """What the loader needs for the programs and extension modules among `files`: name -> file."""
    modules = [path.name.partition(".")[0] for path in files.values() if path.suffix == ".so"]
    mapped = subprocess.run(
        [sys.executable, "-c", LOADED, *modules], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    programs = [str(path) for path in files.values() if path.parent.name in ("sbin", "bin")]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60, check=True).stdout
    for name in re.findall(r"(/\S+\.so\S*)$", mapped, re.MULTILINE) + re.findall(r"(/\S+) \(0x", listed):
        file = str(Path(name).resolve())
        if file not in map(str, files.values()):
            yield name, file
            # Programs ask for `libx.so.1` where memory shows `libx.so.1.2`.
            for link in Path(file).parent.glob(f"{Path(file).name.partition('.so')[0]}.so.*"):
                if str(link.resolve()) == file:
                    yield str(link), file
