"""The installer on a copy of this machine, from which a package was removed: real apt, a real package.

The copy is an overlay in mount and PID namespaces of its own: a daemon that started would be seen there, and nothing
of it reaches the machine.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SANDBOX = """
set -e
T=$1; mount -t tmpfs -o mode=755 t $T; mkdir $T/u $T/w $T/r
mount -t overlay o -o lowerdir=/,upperdir=$T/u,workdir=$T/w $T/r
mount --rbind /dev $T/r/dev; mount -t proc p $T/r/proc
cp $2 $T/r/install.sh
chroot $T/r sh -c "$3"
"""
PURGE = "DEBIAN_FRONTEND=noninteractive dpkg --purge bird2 >/dev/null 2>&1; "  # as if it had never been there
HIDE = "mv /usr/sbin/bird /usr/sbin/bird.away; "  # quicker, where apt has no part in it
LOOK = "find /etc/systemd/system /etc/rc?.d \\( -path '*.wants/*' -o -name 'S[0-9]*' \\) | sort; "
POLICY = (
    "printf '#!/bin/sh\\nexit 104\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; "  # the user's own
)
SETTLE = "sleep 1; "
PROCESSES = "for f in /proc/[0-9]*/comm; do cat $f; done | grep -E 'bird|zebra|bgpd|watchfrr|staticd' || true; "


class Sandbox:
    """Runs a shell script in the copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, script: str, *, installer: str | None = None, network: bool = True) -> str:
        """What the script printed, stderr too."""
        file = self.folder / "install.sh"
        file.write_text(installer or (ROOT / "containerlab" / "install.sh").read_text())
        file.chmod(0o755)
        mount = self.folder / "root"
        mount.mkdir(exist_ok=True)
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
        done = subprocess.run(
            [*unshare, "sh", "-c", SANDBOX, "sandbox", str(mount), str(file), script],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        )  # fmt: skip
        return done.stdout


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    if os.geteuid() != 0:
        pytest.skip("needs root: overlays the machine's file system")
    if shutil.which("apt-get") is None:
        pytest.skip("needs apt-get")
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/run"))
    made = Sandbox(folder)
    try:
        if "ready" not in made.run("echo ready"):
            pytest.skip("no overlay of this machine's file system is possible")
        yield made
    finally:
        shutil.rmtree(folder)


def installs(sandbox: Sandbox) -> None:
    """Skip when this machine cannot reach its package mirror."""
    if "Inst bird2" not in sandbox.run("apt-get install --simulate --reinstall --yes bird2"):
        pytest.skip("apt knows no bird2 package here (no package lists)")


def test_what_it_installs_neither_runs_nor_starts_at_boot(sandbox: Sandbox) -> None:
    installs(sandbox)
    script = (
        f"{PURGE}({LOOK}) > /before; nft list ruleset > /rules; {POLICY}/install.sh; echo exit=$?; "
        f"{SETTLE}{PROCESSES}"
        f"({LOOK}) > /after; diff /before /after && echo services unchanged; "
        "nft list ruleset | diff /rules - && echo rules unchanged; "
        "command -v bird; cat /usr/sbin/policy-rc.d; ls /usr/sbin/policy-rc.d*"
    )
    said = sandbox.run(script)
    assert "missing: bird (Debian package bird2): the peer that tests compare with" in said
    assert "installing: bird2" in said
    assert said.partition("exit=")[2] == (  # and no process after the first line
        "0\nservices unchanged\nrules unchanged\n/usr/sbin/bird\n#!/bin/sh\nexit 104\n/usr/sbin/policy-rc.d\n"
    )
    assert not Path("/install.sh").exists()


def test_without_its_precautions_services_would_stay_enabled(sandbox: Sandbox) -> None:
    """The negative control: the same installation, with the part that puts things back taken out."""
    installs(sandbox)
    text = (ROOT / "containerlab" / "install.sh").read_text()
    careless = text.partition('started_at_boot >"$after"')[0]
    said = sandbox.run(f"{PURGE}({LOOK}) > /before; /install.sh; ({LOOK}) | diff /before -; true", installer=careless)
    assert "multi-user.target.wants/bird.service" in said


def test_with_no_install_it_only_says_what_is_missing(sandbox: Sandbox) -> None:
    said = sandbox.run(HIDE + "/install.sh --no-install; echo exit=$?; ls /usr/sbin/bird 2>&1")
    assert "missing: bird (Debian package bird2)" in said
    assert (
        "nothing was installed, as asked (--no-install); as root: apt-get install --no-install-recommends bird2"
        in said
    )
    assert "exit=1" in said
    assert "cannot access" in said


def test_a_user_is_told_exactly_what_to_ask_for(sandbox: Sandbox) -> None:
    said = sandbox.run(HIDE + "setpriv --reuid=65534 --regid=65534 --clear-groups sh /install.sh; echo exit=$?")
    assert "only root can install them: sudo apt-get install --no-install-recommends bird2" in said
    assert "exit=1" in said


def test_where_nothing_is_missing_it_says_nothing(sandbox: Sandbox) -> None:
    said = sandbox.run("/install.sh; echo exit=$?")
    if "missing" in said:
        pytest.skip(f"this machine itself lacks programs: {said}")
    assert said == "exit=0\n"


def test_an_unknown_option_is_refused(sandbox: Sandbox) -> None:
    assert "--noinstall: no such option" in sandbox.run("/install.sh --noinstall")
