"""Fixtures of the tests against a real kernel."""

from tests.namespaces import netns

__all__ = ["netns"]
