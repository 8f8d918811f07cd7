"""What a CNI call answers when it fails: the specification's codes, and ours from 100 on. Pure."""

from felixpy.model.errors import Trouble

INCOMPATIBLE_VERSION = 1
UNKNOWN_CONTAINER = 3
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
UNDECODABLE = 6
INVALID_CONFIG = 7
TRY_AGAIN = 11
UNAVAILABLE = 50  # STATUS: the plugin cannot serve ADD now
NO_ADDRESS = 100
KERNEL_REFUSED = 101
INTERNAL = 999


class CniError(Trouble):
    """One failed call: `code`, a short `message`, and `details` that say what to do."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(f"{message}: {details}" if details else message)
        self.code, self.message, self.details = code, message, details


def document(version: str, error: CniError) -> dict[str, object]:
    """The error as the specification wants it on stdout."""
    found: dict[str, object] = {"cniVersion": version, "code": error.code, "msg": error.message}
    if error.details:
        found["details"] = error.details
    return found
