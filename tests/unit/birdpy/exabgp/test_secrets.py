"""Whether a folder is in memory."""

from pathlib import Path

import pytest

from birdpy.exabgp.secrets import in_memory


@pytest.mark.parametrize(
    ("mounted", "kind", "expected"),
    [("run", "tmpfs", True), ("run", "ext4", False), ("", "tmpfs", False), ("run/with space", "ramfs", True)],
)
def test_the_nearest_mount_decides(tmp_path: Path, mounted: str, kind: str, expected: bool) -> None:
    folder = tmp_path / "run" / "with space" / "exabgp"
    folder.mkdir(parents=True)
    at = str(tmp_path / mounted).replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"30 22 0:25 / {at} rw,nosuid shared:5 - {kind if mounted else 'tmpfs'} none rw\n"
        f"31 22 0:26 / {tmp_path}/run rw - {'ext4' if not mounted or mounted != 'run' else kind} none rw\n"
    )
    assert in_memory(folder, table) is expected


def test_a_machine_has_a_root() -> None:
    assert isinstance(in_memory(Path("/")), bool)
