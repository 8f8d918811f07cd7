"""The dashboard and the alerts ask for metrics that exist."""

import json

from tests.metrics_table import PATH
from tests.monitoring import DASHBOARD, expressions, names, rules


def documented() -> set[str]:
    return {line.split("`")[1] for line in PATH.read_text().splitlines() if line.startswith("| `")}


def test_every_metric_that_a_panel_or_an_alert_asks_for_is_documented() -> None:
    asked = {name for it in (*expressions(), *(rule["expr"] for rule in rules())) for name in names(it)}
    assert asked - documented() == set()
    assert len(asked) > 25


def test_a_name_that_is_misspelt_would_be_seen() -> None:
    assert names('rate(birdpy_peer_upp{x="y"}[5m]) / felixpy_cni_call_seconds_bucket') == {
        "birdpy_peer_upp", "felixpy_cni_call_seconds",
    }  # fmt: skip
    assert "birdpy_peer_upp" not in documented() and "felixpy_cni_call_seconds" in documented()


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in rules():
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_no_panel_covers_another_and_each_has_its_own_number() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
