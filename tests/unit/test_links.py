"""What of a link's change matters."""

from dataclasses import replace

import pytest

from felixpy.model.links import Link
from felixpy.model.routes import Device

DOWN = Link(2, Device("cali1"), up=False, carrier=False, mac="ee:ee:ee:ee:ee:ee")
UP = replace(DOWN, up=True)
WIRED = replace(UP, carrier=True)


@pytest.mark.parametrize(
    ("before", "after", "gained"),
    [
        (DOWN, UP, True),
        (UP, WIRED, True),
        (DOWN, WIRED, True),
        (WIRED, WIRED, False),
        (WIRED, UP, False),
        (WIRED, DOWN, False),
        (replace(DOWN, carrier=True), UP, False),
        (UP, replace(WIRED, mac="02:00:00:00:00:01"), False),
        (UP, replace(WIRED, name=Device("cali2")), False),
    ],
)
def test_a_link_that_only_gained_lost_nothing(before: Link, after: Link, gained: bool) -> None:
    assert after.only_gained(before) is gained
