"""Fixtures of the contract suites."""

from tests.namespaces import netns

__all__ = ["netns"]
