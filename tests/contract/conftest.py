"""Fixtures of the contract suites."""

from tests.kube.server import api_server
from tests.namespaces import netns

__all__ = ["api_server", "netns"]
