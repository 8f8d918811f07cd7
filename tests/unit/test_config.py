"""The agent's settings: from where each comes, what is refused, and that --help tells all of them."""

import click
import pytest
from click.testing import CliRunner

from felixpy.cli.run import run
from felixpy.config import PREFIX, Settings
from felixpy.daemon.settings import options, settle
from felixpy.model.errors import Usage

KNOWN = options(Settings, PREFIX)


def test_a_flag_goes_before_the_environment_and_that_before_the_default() -> None:
    environment = {"FELIXPY_RESYNC_S": "30", "FELIXPY_NODE": "n1"}
    given = settle(Settings, PREFIX, {"resync_s": "10"}, environment)
    assert (given.resync_s, given.node, given.protocol, given.metrics_port) == (10.0, "n1", 80, 0)
    assert settle(Settings, PREFIX, {}, environment).resync_s == 30.0
    assert settle(Settings, PREFIX, {}, {}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resync_s", "abc"), ("resync_s", "-1"), ("resync_s", "86401"), ("resync_s", "nan"),
        ("protocol", "4"), ("protocol", "256"), ("metrics_port", "65536"), ("log_level", "loud"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_origin(name: str, value: str) -> None:
    variable = f"FELIXPY_{name.upper()}"
    with pytest.raises(Usage, match=rf"{variable}={value} \(environment\)"):
        settle(Settings, PREFIX, {}, {variable: value})
    with pytest.raises(Usage, match=f"--{name.replace('_', '-')} {value}"):
        settle(Settings, PREFIX, {name: value}, {})


def test_help_tells_every_setting_with_its_environment() -> None:
    assert isinstance(run, click.Command)
    text = " ".join(CliRunner().invoke(run, ["--help"]).output.split())
    assert len(KNOWN) >= 13
    for option in KNOWN:
        assert option.flag in text
        assert option.variable in text
