"""Drift as incidents in the ledger: opened once, acknowledged for a time, closed by what ended them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import psycopg
import pytest
from older_ledger import take_back
from psycopg.conninfo import make_conninfo

from reconciler import ConfigError, Reconciler
from reconciler.cli.commands import run
from reconciler.model.incidents import ClosedBy, IncidentStatus

if TYPE_CHECKING:
    from reconciler import CheckResult

JSON_SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text())
SCHEMA = "create table users (id bigint primary key, mail text default 'x');"
START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Watched:
    """A database with a plugin, what is done to it by hand, and the incidents that come of it."""

    def __init__(self, database: str) -> None:
        self.url = database
        self.clock = Clock()
        self.reconciler = Reconciler(database, clock=self.clock)
        self.reconciler.migrate(SCHEMA, plugin="app")

    def by_hand(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("set search_path = app, public")
            connection.execute(statement.encode())

    def check(self, source: str | None = None) -> CheckResult:
        self.clock.now += timedelta(minutes=1)
        return self.reconciler.record_incidents(self.reconciler.check(source, plugin="app"))

    def told(self) -> list[tuple[int, int, str]]:
        with psycopg.connect(self.url) as connection:
            query = "select incident_id, revision, event from migrations._outbox order by incident_id, revision"
            return connection.execute(query).fetchall()

    def closed(self) -> dict[str, ClosedBy | None]:
        found = self.reconciler.incidents(plugin="app", closed=True)
        return {each.fact.key: each.closed_by for each in found if each.closed_at is not None}


@pytest.fixture
def watched(database: str) -> Watched:
    found = Watched(database)
    yield found
    found.reconciler.close()


def test_what_somebody_did_is_one_incident_however_often_it_is_seen(watched: Watched) -> None:
    assert watched.check().incidents is not None
    assert watched.told() == []
    watched.by_hand("alter table users add column note text not null default 'n'")
    watched.by_hand("alter table users drop column mail")
    watched.by_hand("create index users_hot on users (id)")
    for source in (None, SCHEMA, None):
        result = watched.check(source)
        assert result.incidents is not None
        found = {each.fact.key: (each.change, each.status) for each in result.incidents.standing}
        assert found == {
            "column:app.users.note": ("added", "open"),
            "column:app.users.mail": ("removed", "open"),
            "index:app.users.users_hot": ("added", "open"),
        }
    assert [event for _, _, event in watched.told()] == ["opened"] * 3
    first = watched.reconciler.incidents()[0]
    assert (first.opened_at, first.seen_at) == (START + timedelta(minutes=2), watched.clock.now)
    # A second change of the same is another state of the same incident.
    watched.by_hand("drop index users_hot; create index users_hot on users (id desc)")
    assert watched.check().incidents.changed[0].fact.key == "index:app.users.users_hot"
    assert [event for _, _, event in watched.told()].count("changed") == 1


def test_what_ended_an_incident_is_told(watched: Watched) -> None:
    def drift() -> None:
        watched.by_hand("create index users_hot on users (id)")
        assert watched.check().drift

    drift()
    watched.by_hand("drop index users_hot")
    assert watched.check().incidents.resolved[0].closed_by is ClosedBy.HAND
    drift()
    watched.reconciler.repair(SCHEMA, plugin="app")
    (closed,) = watched.check().incidents.resolved
    assert (closed.closed_by, closed.closed_idx) == (ClosedBy.REPAIR, 1)
    drift()
    watched.reconciler.migrate(SCHEMA, plugin="app")
    assert watched.check().incidents.resolved[0].closed_by is ClosedBy.MIGRATION
    drift()
    watched.reconciler.repair(SCHEMA, plugin="app", accept=True)
    assert watched.check().incidents.resolved[0].closed_by is ClosedBy.ACCEPT
    assert [event for _, _, event in watched.told()] == ["opened", "resolved"] * 4
    assert watched.check().incidents.standing == ()


def test_an_acknowledgement_holds_for_that_drift_and_until_its_end(watched: Watched) -> None:
    watched.by_hand("alter table users alter mail set default 'y'")
    (incident,) = watched.check().incidents.standing
    assert not watched.check().is_acknowledged
    with pytest.raises(ConfigError, match="needs a reason"):
        watched.reconciler.acknowledge(incident.id, " ")
    with pytest.raises(ConfigError, match="over already"):
        watched.reconciler.acknowledge(incident.id, "known", until=START)
    with pytest.raises(ConfigError, match="incident 4711 does not exist"):
        watched.reconciler.acknowledge(4711, "known")
    end = watched.clock.now + timedelta(hours=1)
    known = watched.reconciler.acknowledge(incident.id, "known", until=end)
    assert known.status is IncidentStatus.ACKNOWLEDGED
    assert watched.check().is_acknowledged
    watched.clock.now = end
    result = watched.check()
    assert not result.is_acknowledged
    assert result.incidents.changed[0].status is IncidentStatus.OPEN
    watched.check()
    # Acknowledged for good, but what was changed once more is not what was acknowledged.
    watched.reconciler.acknowledge(incident.id, "known")
    assert watched.check().is_acknowledged
    watched.by_hand("alter table users alter mail set default 'z'")
    assert not watched.check().is_acknowledged
    assert [event for _, _, event in watched.told()] == ["opened", *["changed"] * 4]
    watched.by_hand("alter table users alter mail set default 'x'")
    watched.check()
    with pytest.raises(ConfigError, match="closed by hand"):
        watched.reconciler.acknowledge(incident.id, "known")


def test_incidents_survive_new_addresses_and_a_reset_closes_them_as_told(watched: Watched) -> None:
    watched.by_hand("create index users_hot on users (id)")
    (incident,) = watched.check().incidents.standing
    # As after a dump and restore: the same index at another address.
    watched.by_hand("drop index users_hot; create index users_hot on users (id)")
    assert [each.id for each in watched.check().incidents.standing] == [incident.id]
    assert [event for _, _, event in watched.told()] == ["opened"]
    watched.by_hand("alter table users rename to people")
    for source in (None, SCHEMA):
        found = {each.fact.key: each.change for each in watched.check(source).incidents.standing}
        assert found["table:app.users"] == "removed"
        assert "table:app.people" not in found
    assert watched.reconciler.rename_plugin("app", "other") > 0
    assert {each.plugin for each in watched.reconciler.incidents()} == {"other"}
    watched.reconciler.reset(plugin="other")
    assert watched.reconciler.incidents()


@pytest.mark.one_server
def test_the_command_line_lists_acknowledges_and_exits_with_what_is_open(
    watched: Watched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, dsn: str = watched.url) -> tuple[int, str, str]:
        code = run([*arguments, "--dsn", dsn])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert call("incidents") == (0, "No incident.\n", "")
    watched.by_hand("create index users_hot on users (id)")
    code, out, _ = call("check", "--plugin", "app")
    assert code == 4
    assert "incident 1 (open): index app.users.users_hot added, plugin app, since " in out
    assert call("check", "--all-plugins")[0] == 4
    code, out, _ = call("incidents", "--format", "json")
    document = json.loads(out)
    jsonschema.validate(document, JSON_SCHEMA)
    assert (code, document["incidents"][0]["fact"]) == (4, "index:app.users.users_hot")
    assert call("incidents", "acknowledge", "1", "--reason", "a test", "--until", "soon")[0] == 1
    code, out, _ = call("incidents", "acknowledge", "1", "--reason", "a test", "--until", "7d")
    assert code == 0
    assert "acknowledged by" in out
    assert call("incidents")[0] == 0
    code, out, _ = call("check", "--plugin", "app", "--format", "json")
    document = json.loads(out)
    jsonschema.validate(document, JSON_SCHEMA)
    assert (code, document["has_drift"], document["is_acknowledged"]) == (0, True, True)
    watched.by_hand("drop index users_hot")
    assert "closed by hand" in call("check", "--plugin", "app")[1]
    assert call("incidents", "--closed")[1].count("resolved") == 1


@pytest.mark.one_server
def test_who_may_only_read_is_told_that_nothing_is_recorded_and_honours_what_is(
    watched: Watched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    watched.by_hand("drop role if exists incident_reader")
    watched.by_hand("create role incident_reader login password 'incident_reader'")
    try:
        for grant in (
            "grant usage on schema migrations, app to incident_reader",
            "grant select on all tables in schema migrations to incident_reader",
        ):
            watched.by_hand(grant)
        reader = make_conninfo(watched.url, user="incident_reader", password="incident_reader")
        watched.by_hand("create index users_hot on users (id)")
        assert run(["check", "--plugin", "app", "--dsn", reader]) == 4
        assert "no incident is recorded: this role may only read the ledger" in capsys.readouterr().err
        assert watched.told() == []
        for incident in watched.check().incidents.standing:
            watched.reconciler.acknowledge(incident.id, "a test")
        # The command line's clock is the real one: the acknowledgement is for good.
        assert run(["check", "--plugin", "app", "--dsn", reader]) == 0
    finally:
        watched.by_hand("drop owned by incident_reader; drop role incident_reader")


@pytest.mark.one_server
def test_a_ledger_of_before_is_left_as_it_is_by_a_check(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    take_back(watched.url, 5)
    watched.by_hand("create index users_hot on users (id)")
    assert run(["check", "--plugin", "app", "--dsn", watched.url]) == 4
    assert "the next `reconciler apply` brings it up to date" in capsys.readouterr().err
    watched.reconciler.initialize()
    assert [each.fact.key for each in watched.check().incidents.standing] == ["index:app.users.users_hot"]


@pytest.mark.one_server
def test_a_ledger_that_is_not_ours_hides_no_drift(
    watched: Watched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    watched.by_hand("create index users_hot on users (id)")
    watched.by_hand("create function app.f() returns trigger language plpgsql as $$ begin return new; end $$")
    watched.by_hand("create trigger f before insert on migrations._incidents for each row execute function app.f()")
    assert run(["check", "--plugin", "app", "--dsn", watched.url]) == 4
    assert "no incident is recorded: the ledger is not as reconciler makes it" in capsys.readouterr().err
    assert watched.told() == []
