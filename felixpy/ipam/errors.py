"""What allocation refuses, named by what the caller can do about it. Pure."""

from felixpy.model.errors import Trouble


class NoQualifiedPool(Trouble):
    """No enabled pool fits the request: whoever writes pools must act."""


class Shortage(Trouble):
    """The pools fit and are full, or this node may not take another block: add room, or release."""


class Taken(Trouble):
    """The one address that was asked for is somebody's, or may not be had."""


class NotTheHolder(Trouble):
    """A release named another handle or an older allocation than the present one; nothing was released."""


class BadAnnotation(Trouble):
    """A pod or namespace asks for what cannot be understood or is not offered: its author must act."""
