"""`felixpy leave --stay` holds a DaemonSet's pod alive after the work is done, and does nothing else."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.speakers import eventually, needs_root

STAY = (sys.executable, "-m", "felixpy", "leave", "--stay")


@needs_root
def test_the_first_process_of_a_pod_ends_when_it_is_told_and_has_touched_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "birdpy.pid"
    kept.write_text("of a daemon that was installed meanwhile\n")
    folders = {"FELIXPY_RUN_DIR": str(tmp_path), "FELIXPY_STATE_DIR": str(tmp_path)}
    pod = ("unshare", "--pid", "--fork", "--kill-child", "--", *STAY)
    with subprocess.Popen(pod, env=folders, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        first = int(eventually(children.read_text).split()[0])

        def told() -> bool:  # again and again: whatever comes before it waits is lost to a first process
            try:
                Path(f"/proc/{first}/stat").stat()
                subprocess.run(["kill", f"-{signal.SIGTERM}", str(first)], check=False, stderr=subprocess.DEVNULL)
                process.wait(0.1)
            except (subprocess.TimeoutExpired, FileNotFoundError):
                return process.poll() is not None
            return True

        try:
            eventually(told)
        finally:
            process.kill()
        assert (process.wait(5), process.stdout.read() if process.stdout else b"") == (0, b"")
    assert kept.read_text() == "of a daemon that was installed meanwhile\n"
