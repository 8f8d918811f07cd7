"""Errors, named for who has to act. Anything that is not `Trouble` is a bug and ends the process."""


class Trouble(Exception):
    """Anything we expect can go wrong."""


class InvalidResource(Trouble):
    """Whoever wrote the object must act. We skip that object, say so on its status, and go on.

    `where` names file and object, `field` the path inside it (`spec.cidr`), `reason` what is wrong and the fix.
    `digest` is of the bytes that could not be decoded, so that exactly they can be replaced or deleted.
    """

    def __init__(self, where: str, field: str, reason: str) -> None:
        super().__init__(f"{where}: {field}: {reason}" if field else f"{where}: {reason}")
        self.where, self.field, self.reason, self.digest = where, field, reason, ""


class Refused(Trouble):
    """The other side (kernel, ExaBGP) said no to one key. That key is tried again later; the others go on.

    `code` is the kernel's errno where there is one, else 0.
    """

    def __init__(self, key: object, reason: str, code: int = 0) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason, self.code = key, reason, code


class Unreachable(Trouble):
    """The other side is not there. We wait, reconnect and read everything again."""


class Conflict(Trouble):
    """The stored object is not the one that was read: read again and decide again (compare-and-swap)."""


class Usage(Trouble):
    """The command was called wrongly: exit code 2."""


__all__ = ["Conflict", "InvalidResource", "Refused", "Trouble", "Unreachable", "Usage"]
