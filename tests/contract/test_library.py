"""The packages as others use them: installed from a wheel, typed, with the names that the README lists."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = (sys.executable, "-m", "uv")
README = (ROOT / "README.md").read_text()
LISTED = {
    match[1]: sorted(re.findall(r"`(\w+)`", match[2]))
    for match in re.finditer(r"^\| `((?:felixpy|birdpy)\.[\w.]+)` \| (.*) \|$", README, re.MULTILINE)
}


def run(*command: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=110, env=env
    )


def test_the_readme_lists_modules_of_all_three_packages() -> None:
    assert {name.rsplit(".", 1)[0] for name in LISTED} == {"felixpy.model", "birdpy.policy", "birdpy.rib"}
    assert len(LISTED) > 20


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_module_has_the_names_that_the_readme_lists(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == LISTED[name]
    nameless = [each for each in module.__all__ if not hasattr(module, each)]
    assert nameless == []
    assert [each for each in module.__all__ if not documented(module, each)] == []


def documented(module: object, name: str) -> bool:
    """Whether a class or function says what it is; other names are aliases of types."""
    value = getattr(module, name)
    return not isinstance(value, type) or bool((value.__doc__ or "").strip())


def example() -> tuple[str, str]:
    """The README's Python and what it prints."""
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1], found[2]


def test_the_readmes_example_is_typed_and_prints_what_it_says(tmp_path: Path) -> None:
    code, printed = example()
    script = tmp_path / "example.py"
    script.write_text(code)
    done = run(sys.executable, script)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
    checked = run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", script)
    assert checked.returncode == 0, checked.stdout


def test_a_misuse_of_the_library_does_not_pass_the_type_check(tmp_path: Path) -> None:
    """The control: with types that were not found, anything would pass."""
    script = tmp_path / "example.py"
    script.write_text(example()[0].replace("choice.best.next_hop", "choice.best.nexthop"))
    checked = run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", script)
    assert '"Path" has no attribute "nexthop"' in checked.stdout


def test_what_decides_opens_no_file_and_no_socket(tmp_path: Path) -> None:
    edges = "asyncio", "socket", "pyroute2", "exabgp", "felixpy.kernel", "felixpy.datastore", "birdpy.exabgp"
    script = tmp_path / "example.py"
    script.write_text(f"{example()[0]}\nimport sys\nprint([name for name in {edges} if name in sys.modules])\n")
    done = run(sys.executable, script)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what is tracked, so that nothing of the working tree gets in and nothing is left there."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked("."):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps")
    done = run(*pip, "--no-build-isolation", "--no-index", "-w", made, source)
    assert done.returncode == 0, done.stderr
    (built,) = made.glob("*.whl")
    return built


def tracked(*where: str) -> list[str]:
    listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *where).stdout
    return [name for name in listed.splitlines() if (ROOT / name).exists()]


def test_every_file_of_the_packages_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == set(tracked("felixpy", "birdpy"))
    assert {"felixpy/py.typed", "birdpy/py.typed", "felixpy/cni/shim.c", "birdpy/exabgp/patches.py"} <= inside


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the locked dependencies and the wheel; its bin folder."""
    folder = tmp_path_factory.mktemp("venv") / "empty"
    assert run(*UV, "venv", "-q", "--python", sys.executable, folder).returncode == 0
    lock = folder / "runtime.lock"
    lock.write_text("".join(locked(name) for name in sorted(needed())))
    install = (*UV, "pip", "install", "-q", "--no-deps", "--python", folder / "bin" / "python")
    done = run(*install, "--require-hashes", "-r", lock)
    if done.returncode != 0:
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    done = run(*install, "--no-index", wheel)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def needed() -> set[str]:
    """What pyproject.toml asks for, and what that asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    todo, found = list(project["dependencies"]), set[str]()
    while todo:
        text = todo.pop()
        name = re.split(r"[^\w.-]", text, maxsplit=1)[0].lower().replace("_", "-")
        if "extra ==" not in text and "python_version <" not in text and name not in found:
            found.add(name)
            todo += metadata.requires(name) or []
    return found


def locked(name: str) -> str:
    """The lines of requirements.lock for one package."""
    pattern = rf"^{re.escape(name)}==.*?(?=^\S|\Z)"
    found = re.search(pattern, (ROOT / "requirements.lock").read_text(), re.DOTALL | re.MULTILINE)
    assert found, name
    return found[0]


def test_the_wheel_works_in_an_empty_virtual_environment(installed: Path, tmp_path: Path) -> None:
    env = {"PATH": f"{installed}:{os.environ['PATH']}", "HOME": str(tmp_path), "COLUMNS": "100"}
    for program in ("felixpy", "birdpy"):
        shown = run(installed / program, "--help", env=env)
        assert (shown.returncode, "Usage:" in shown.stdout) == (0, True), shown.stderr
    checked = run(*UV, "pip", "check", "--python", installed / "python")
    assert checked.returncode == 0, checked.stderr
    script = tmp_path / "example.py"
    script.write_text(example()[0])
    done = run(installed / "python", script, env=env)
    assert (done.returncode, done.stdout) == (0, example()[1]), done.stderr
    code = "import birdpy.daemon, felixpy.process, birdpy.exabgp.launch; print(birdpy.__file__)"
    done = run(installed / "python", "-I", "-c", code, env=env)
    assert done.returncode == 0 and str(installed.parent) in done.stdout, done.stderr
