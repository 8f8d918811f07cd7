"""What manifests/monitoring asks of Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "manifests" / "monitoring"
ALERTS = FOLDER / "alerts.yaml"
DASHBOARD = FOLDER / "dashboard.json"
NAME = re.compile(r"\b(?:felixpy|birdpy)_\w+")
SUFFIXES = ("_bucket", "_count", "_sum")


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["spec"]["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Every expression of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def names(expression: str) -> set[str]:
    """The metrics of ours that an expression asks for, by the name under which they are documented."""
    return {re.sub(f"({'|'.join(SUFFIXES)})$", "", name) for name in NAME.findall(expression)}
