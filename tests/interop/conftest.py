"""Fixtures of the tests of the whole router against other people's routers."""

from tests.netns.conftest import fabric, netns

__all__ = ["fabric", "netns"]
