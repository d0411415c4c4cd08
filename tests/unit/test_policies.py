"""Policies: which one fits, when it heals, and what stands in the configuration."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from reconciler.cli.config_file import parse_configuration
from reconciler.errors import ConfigError
from reconciler.model.facts import FactId
from reconciler.model.incidents import Incident, IncidentChange, IncidentStatus
from reconciler.model.policies import Policy, PolicyAction, decide, parse_duration, parse_window, policy_for

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
INCIDENT = Incident(
    id=1,
    plugin="app",
    object=FactId("table", ("app", "users")),
    fact=FactId("column", ("app", "users", "note")),
    change=IncidentChange.ADDED,
    is_conflict=False,
    live="{}",
    expected=None,
    opened_at=NOON,
    seen_at=NOON,
    revision=1,
    status=IncidentStatus.OPEN,
)
HEAL = Policy(action=PolicyAction.HEAL, tries=3, within=timedelta(hours=1), back_off=timedelta(seconds=30))


def test_the_first_that_fits_decides() -> None:
    by_ann = Policy(action=PolicyAction.FAIL, author="ann*")
    of_object = Policy(action=PolicyAction.REPORT, object="table:app.*", plugin="a*")
    of_fact = Policy(action=PolicyAction.HEAL, object="column:*.note")
    of_others = Policy(action=PolicyAction.HEAL, plugin="other")
    assert policy_for([by_ann, of_others, of_fact, of_object], INCIDENT) is of_fact
    assert policy_for([by_ann, of_object, of_fact], INCIDENT) is of_object
    assert policy_for([by_ann], replace(INCIDENT, author="ann_2")) is by_ann
    assert policy_for([by_ann, of_others], INCIDENT) is None


def test_tries_wait_longer_and_longer_then_pause_until_they_are_long_ago() -> None:
    def after(tries: int, seconds: float) -> tuple[bool, bool]:
        found = decide(HEAL, INCIDENT, tries, NOON, NOON + timedelta(seconds=seconds))
        return found.heals, found.note is not None

    assert decide(HEAL, INCIDENT, 0, None, NOON).heals
    assert [after(1, seconds) for seconds in (29, 30)] == [(False, False), (True, False)]
    assert [after(2, seconds) for seconds in (59, 60)] == [(False, False), (True, False)]
    assert after(3, 3000) == (False, True)
    paused = decide(HEAL, INCIDENT, 3, NOON, NOON)
    assert paused.again_at == NOON + timedelta(hours=1)
    assert "paused: 3 tries" in str(paused.note)


def test_a_conflict_is_never_healed_and_a_window_may_go_over_midnight() -> None:
    conflict = decide(HEAL, replace(INCIDENT, is_conflict=True), 0, None, NOON)
    assert (conflict.heals, conflict.note is not None) == (False, True)
    at_night = replace(HEAL, window=(time(22), time(6)))
    hours = [hour for hour in range(24) if decide(at_night, INCIDENT, 0, None, NOON.replace(hour=hour)).heals]
    assert hours == [0, 1, 2, 3, 4, 5, 22, 23]
    by_day = replace(HEAL, window=(time(9), time(17, 30)))
    assert decide(by_day, INCIDENT, 0, None, NOON.replace(hour=17)).heals
    assert not decide(by_day, INCIDENT, 0, None, NOON.replace(hour=18)).heals


def test_times_and_windows_are_read_or_are_none() -> None:
    assert parse_duration("90 s") == timedelta(seconds=90)
    assert parse_duration("2w") == timedelta(days=14)
    assert parse_window("22:00-06:30") == (time(22), time(6, 30))
    assert [parse_duration(text) for text in ("", "7", "1y", "-1s")] == [None] * 4
    assert [parse_window(text) for text in ("", "22:00", "25:00-06:00")] == [None] * 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"action": "destroy"}, "action must be one of report, acknowledge, heal, fail"),
        ({"action": "heal", "what": "x"}, "unknown key what"),
        ({"action": "acknowledge"}, "an acknowledgement needs a reason"),
        ({"action": "heal", "back-off": "soon"}, "back-off must be a time like"),
        ({"action": "heal", "window": "night"}, "window must be a part of the day"),
        ({"action": "heal", "allow": ["everything"]}, "hazard everything does not exist"),
    ],
)
def test_what_cannot_be_meant_is_an_error(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_configuration({"policy": [table]}, Path("reconciler.toml"))


def test_the_configuration_says_policies() -> None:
    table = {"action": "heal", "object": "table:*", "back-off": "5s", "window": "22:00-06:00", "allow": ["data-loss"]}
    found = parse_configuration({"policy": [table]}, Path("reconciler.toml"))
    assert found.get("policy")
    (policy,) = found.get("policy")
    assert policy.back_off == timedelta(seconds=5)
    assert policy.allow == {"data_loss"}
    assert policy.where == "reconciler.toml: policy[1]"
