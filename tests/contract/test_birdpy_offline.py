"""`birdpy config` and `birdpy policy test` on a files store, as a user runs them: no daemon anywhere."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from felixpy.datastore.files import FilesDatastore
from tests.unit.birdpy.builders import affinity, node, peer, pool


@pytest.fixture
def store(tmp_path: Path) -> str:
    async def fill() -> None:
        files = FilesDatastore(tmp_path)
        for one in (
            node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"), pool("10.65.0.0/16", "pods", block_size=26),
            affinity("n1", "10.65.0.0/26"), peer("tor", peer_ip="10.0.0.254", as_number=65001, filters=("gone",)),
        ):  # fmt: skip
            await files.create(one)
        await files.close()

    asyncio.run(fill())
    return f"files:{tmp_path}"


def birdpy(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "birdpy", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, input=stdin)


def test_config_prints_one_document_and_problems_apart_from_it(store: str) -> None:
    done = birdpy("config", "--node", "n1", "--datastore", store)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["sessions"]] == ["Global_10_0_0_254", "Mesh_10_0_0_2"]
    assert (found["aggregates"], found["export_accept"]) == (["10.65.0.0/26"], ["10.65.0.0/16"])
    assert "BGPPeer tor: spec.filters: there is no BGPFilter gone" in done.stderr


def test_config_as_a_table_has_one_line_per_session(store: str) -> None:
    done = birdpy("config", "--node", "n1", "--datastore", store, "-o", "wide")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", "Global_10_0_0_254", "Mesh_10_0_0_2"]


def test_config_says_what_a_change_will_do_to_each_session(store: str, tmp_path: Path) -> None:
    before = birdpy("config", "--node", "n1", "--datastore", store).stdout
    (tmp_path / "before.json").write_text(before)
    words = ("config", "--node", "n1", "--datastore", store, "--router-id", "hash", "--since")
    done = birdpy(*words, str(tmp_path / "before.json"))
    assert done.returncode == 0
    assert {(row["session"], row["effect"]) for row in json.loads(done.stdout)["sessions"]} == {
        ("Global_10_0_0_254", "reset"), ("Mesh_10_0_0_2", "reset"),
    }  # fmt: skip
    same = birdpy("config", "--node", "n1", "--datastore", store, "--since", "-", stdin=before)
    assert json.loads(same.stdout)["sessions"] == []
    wrong = birdpy(*words, "-", stdin="[]")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "birdpy: --since: not an answer of birdpy config -o json" in wrong.stderr


def test_an_unknown_node_is_one_line_of_trouble(store: str) -> None:
    done = birdpy("config", "--node", "n9", "--datastore", store)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "birdpy: no Node is named 'n9'; there are: n1, n2\n"


def test_policy_test_answers_for_a_route(store: str) -> None:
    words = ("policy", "test", "--node", "n1", "--datastore", store, "--peer", "10.0.0.254", "--direction", "import")
    done = birdpy(*words, "--route", "-", stdin='{"prefix": "0.0.0.0/0"}')
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert list(answer) == ["action", "rule", "route"]
    assert (answer["action"], answer["rule"]) == ("reject", "default route")


@pytest.mark.parametrize(
    ("peer_name", "route", "says"),
    [
        ("10.0.0.254", '{"prefx": "0.0.0.0/0"}', "prefx"),
        ("10.0.0.254", '{"prefix": "0.0.0.0/0", "med": "x"}', "med"),
        ("10.0.0.254", "nonsense", "--route"),
        ("10.0.0.254", '{"prefix": "10.0.0.1/8"}', "host bits"),
        ("Mesh_1", '{"prefix": "0.0.0.0/0"}', "it has: Global_10_0_0_254, Mesh_10_0_0_2"),
    ],
)
def test_wrong_input_is_wrong_usage_and_says_what_is_right(store: str, peer_name: str, route: str, says: str) -> None:
    words = ("policy", "test", "--node", "n1", "--datastore", store, "--peer", peer_name, "--direction", "export")
    done = birdpy(*words, "--route", route)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
