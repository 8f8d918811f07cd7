"""Run inside a node: `ask_prometheus.py BASE PATH...` prints what the Prometheus there answers, as one JSON list."""

import json
import sys
import urllib.error
import urllib.request
from typing import Any


def asked(base: str, path: str) -> Any:
    """What it answers, also when that is an error."""
    try:
        with urllib.request.urlopen(base + path, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read()
        return json.loads(said) if said.startswith(b"{") else {"status": "away", "error": said.decode()}
    except OSError as error:  # it is still starting
        return {"status": "away", "error": str(error)}


if __name__ == "__main__":
    _, base, *paths = sys.argv
    json.dump([asked(base, path) for path in paths], sys.stdout)
