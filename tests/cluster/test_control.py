"""etcd and the API server start, are restarted and go, without root."""

from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.control import Control, Shape, free_ports
from tests.cluster.places import Here

pytestmark = pytest.mark.timeout(180)


def test_an_api_server_keeps_what_it_was_told_over_restarts_of_both_its_parts(tmp_path: Path) -> None:
    if reason := binaries.missing_for_server():
        pytest.skip(reason)
    port, etcd_port = free_ports(2)
    control = Control(Here(tmp_path), Shape(port=port, etcd_port=etcd_port))
    try:
        control.start()
        control.kubectl("create", "namespace", "kept")
        control.restart("etcd")
        control.restart("kube-apiserver")
        assert "kept" in control.kubectl("get", "namespaces")
    finally:
        control.stop()
    assert not control.running
