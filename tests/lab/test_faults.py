"""`felixpy lab break`: every fault of the catalogue is found by the check of its name, and mended without a trace."""

import json
import time
from collections.abc import Iterator

import pytest

from felixpy.cli.viewing import network, resources, targets_of
from felixpy.insight.doctor.examine import CLUSTER_CHECKS, NODE_CHECKS, findings
from felixpy.lab import registry
from felixpy.lab.faults import NOT_IN_A_LAB, catalogue
from felixpy.lab.spoil import broken, mend, spoil
from tests.lab.conftest import Running, until

FAULTS = catalogue().faults
pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


def found(lab: Running) -> set[str]:
    """The checks that find something: what `felixpy doctor` prints, without starting it each time."""
    targets = targets_of(lab.name)
    view = network(targets, resources(targets, None), system=True)
    return {f"{it.check} {it.node} {it.text}" for it in findings(view, time.time())}


def checks(lab: Running) -> set[str]:
    return {text.split()[0] for text in found(lab)}


@pytest.fixture
def mended(quickstart: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The lab in order, and mended afterwards also when the test failed."""
    monkeypatch.setenv("FELIXPY_LABS_DIR", str(quickstart.labs.folder))
    yield quickstart
    lab = registry.find_lab(quickstart.name)
    for name in broken(lab):
        mend(lab, name)
    until(lambda: not found(quickstart), seconds=60)


def test_every_check_has_its_fault_or_is_named_as_impossible_in_a_lab() -> None:
    known = {*(it.name for it in NODE_CHECKS), *(it.name for it in CLUSTER_CHECKS)}
    assert known == {*FAULTS, *NOT_IN_A_LAB}
    assert not NOT_IN_A_LAB & set(FAULTS)
    assert len(known) >= 30


@pytest.mark.parametrize("fault", FAULTS)
def test_the_doctor_finds(mended: Running, fault: str) -> None:
    lab = registry.find_lab(mended.name)
    spoil(lab, fault)
    until(lambda: fault in checks(mended), seconds=20)
    mend(lab, fault)
    left: set[str] = set()

    def silent() -> bool:
        left.clear()
        left.update(found(mended))
        return not left

    try:
        until(silent, seconds=40)
    except AssertionError:
        pytest.fail(f"after it was mended there is still: {left}")


def test_the_command_says_what_it_found_and_its_exit_code_too(mended: Running) -> None:
    done = mended.labs.felixpy("doctor", "--lab", mended.name, "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, [])
    done = mended.labs.felixpy("lab", "break", "policy-rules", "--lab", mended.name)
    assert done.returncode == 0, done.stderr
    done = mended.labs.felixpy("doctor", "--lab", mended.name, "-o", "json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, finding["severity"]) == (1, "warning")
    assert (finding["check"], finding["node"]) == ("policy-rules", "n1")
    assert "policy rule 100" in mended.labs.felixpy("doctor", "--lab", mended.name).stdout
    done = mended.labs.felixpy("lab", "heal", "--lab", mended.name)
    assert (done.returncode, "policy-rules is mended" in done.stderr) == (0, True)


def test_a_fault_that_is_unknown_and_one_that_is_broken_twice_are_wrong_arguments(mended: Running) -> None:
    unknown = mended.labs.felixpy("lab", "break", "everything", "--lab", mended.name)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no fault is named 'everything'" in unknown.stderr
    assert mended.labs.felixpy("lab", "break", "policy-rules", "--lab", mended.name).returncode == 0
    again = mended.labs.felixpy("lab", "break", "policy-rules", "--lab", mended.name)
    assert (again.returncode, "broken already" in again.stderr) == (2, True)
    listed = json.loads(mended.labs.felixpy("lab", "break", "--lab", mended.name, "-o", "json").stdout)["faults"]
    assert [it["name"] for it in listed if it["broken"]] == ["policy-rules"]
