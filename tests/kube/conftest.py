"""Fixtures of the tests against a real API server."""

from tests.kube.server import api_server

__all__ = ["api_server"]
