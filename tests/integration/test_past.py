"""Schemas as they were: any moment of a random history is what was there then, and `blame` names the transactions."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import ConfigError, Reconciler
from reconciler.audit.install import install, uninstall
from reconciler.cli.commands import run
from reconciler.db.connections import transaction
from reconciler.diff.states import state_after, state_to_text
from reconciler.ledger.states import keep_state, load_chain, load_state_of
from reconciler.workflows.past import compare_past, keep_look, rebuild_past, state_then
from reconciler.workflows.timeline import blame

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.snapshot import Snapshot

DECLARED = "CREATE TABLE t0 (id integer PRIMARY KEY, a text); CREATE VIEW v0 AS SELECT id FROM t0;"


def columns(state: Snapshot) -> dict[str, list[str]]:
    """The columns of each relation, in their order."""
    found: dict[str, list[str]] = {}
    for fact in state.facts:
        if fact.kind == "column":
            found.setdefault(fact.name[1], []).append(fact.name[2])
    return found


@dataclass
class History:
    """Random DDL on a plugin's schema, and what was there after each transaction."""

    url: str
    tape: random.Random
    tables: dict[str, list[str]] = field(default_factory=lambda: {"t0": ["id", "a"]})
    number: int = 0
    moments: list[tuple[datetime, Snapshot]] = field(default_factory=list)
    # Which transaction a column, constraint or index is since.
    since: dict[str, int] = field(default_factory=dict)

    def statement(self) -> str:
        self.number += 1
        table = self.tape.choice(sorted(self.tables))
        columns = self.tables[table]
        column, new = self.tape.choice(columns), f"n{self.number}"
        match self.tape.randrange(11):
            case 0:
                self.tables[new] = ["id", "a"]
                return f"CREATE TABLE app.{new} (id integer PRIMARY KEY, a text DEFAULT 'x')"
            case 1 if len(self.tables) > 2:
                del self.tables[table]
                return f"DROP TABLE app.{table} CASCADE"
            case 2 if len(columns) > 2:
                columns.remove(column)
                return f"ALTER TABLE app.{table} DROP COLUMN {column} CASCADE"
            case 3:
                return f"CREATE INDEX {new} ON app.{table} ({column})"
            case 4:
                return f"ALTER TABLE app.{table} ADD CONSTRAINT {new} CHECK ({column} IS NOT NULL)"
            case 5:
                return f"COMMENT ON COLUMN app.{table}.{column} IS '{new}'"
            case 6:
                return f"CREATE VIEW app.v{self.number} AS SELECT {column} FROM app.{table}"
            case 7:
                return f"CREATE FUNCTION app.{new}() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM app.{table}'"
            case 8:
                self.tables[new] = self.tables.pop(table)
                self.since = {
                    f"{new}.{key.partition('.')[2]}" if key.startswith(f"{table}.") else key: xid
                    for key, xid in self.since.items()
                }
                return f"ALTER TABLE app.{table} RENAME TO {new}"
            case _:
                columns.append(new)
                return f"ALTER TABLE app.{table} ADD {new} integer DEFAULT {self.number}"

    def step(self, connection: psycopg.Connection, reconciler: Reconciler, *, look: bool) -> None:
        """One transaction of one to three statements; the state after it is kept by a look, and read apart from it."""
        before = self.moments[-1][1] if self.moments else None
        with connection.transaction():
            for _ in range(self.tape.choice([1, 1, 2, 3])):
                connection.execute(self.statement().encode())
            (xid,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        result = reconciler.check_recorded("app")
        assert result.live is not None
        if look:
            keep_look(reconciler.connection, result)
        (now,) = connection.execute("SELECT clock_timestamp()").fetchone()
        self.moments.append((now.astimezone(UTC), result.live))
        for fact in result.live.facts:
            key = ".".join(fact.name[1:])
            if fact.kind in ("column", "constraint", "index") and before is not None and fact not in before.facts:
                self.since.setdefault(key, xid)
        there = {".".join(fact.name[1:]) for fact in result.live.facts}
        self.since = {key: xid for key, xid in self.since.items() if key in there}


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("transactions", "moments"), [(40, 40), pytest.param(1000, 200, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_each_moment_is_as_it_was_and_blame_names_the_transactions(
    database: str, transactions: int, moments: int
) -> None:
    history = History(database, random.Random(19))
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        install(connection)
        reconciler.migrate(DECLARED, plugin="app")
        for _ in range(transactions):
            history.step(connection, reconciler, look=history.tape.random() < 0.9)
        unclear = 0
        for at, then in history.tape.sample(history.moments, moments):
            past = state_then(reconciler.connection, "app", at)
            if past.notes:
                unclear += 1
                assert "nobody looked" in past.notes[0]
                continue
            assert past.snapshot.facts == then.facts
            assert columns(past.snapshot) == columns(then)
        assert unclear <= moments // 10
        blamed: dict[str, set[int]] = {}
        for table in history.tables:
            for fact, found in blame(reconciler.connection, f"app.{table}"):
                if found is not None and fact.kind in ("column", "constraint", "index"):
                    blamed[".".join(fact.name[1:])] = {entry.xid for entry in found.entries}
        known = {key: xid for key, xid in history.since.items() if key.partition(".")[0] in history.tables}
        assert len(known) > 5
        assert {key: xid for key, xid in known.items() if xid not in blamed.get(key, ())} == {}
        sizes = "SELECT sum(pg_column_size(t)) FROM {} AS t"
        (log,) = connection.execute(sizes.format("reconciler_audit.ddl").encode()).fetchone()
        (states,) = connection.execute(sizes.format("migrations._states").encode()).fetchone()
        assert states < 3 * log
        uninstall(connection)


def test_a_state_is_rebuilt_and_compared(database: str, two_databases: tuple[str, str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED, plugin="app")
        (first,) = connection.execute("SELECT clock_timestamp()").fetchone()
        keep_look(reconciler.connection, reconciler.check_recorded("app"))
        reconciler.migrate(DECLARED.replace("a text", "a text, b integer NOT NULL DEFAULT 0"), plugin="app")
        connection.execute("CREATE INDEX by_hand ON app.t0 (b); DROP VIEW app.v0")
        keep_look(reconciler.connection, reconciler.check_recorded("app"))
        for moment, target in ((0, two_databases[0]), (first, two_databases[1])):
            plan, past = rebuild_past(reconciler.connection, "app", moment)
            assert not past.notes
            with psycopg.connect(target, autocommit=True) as other:
                for each in plan.statements:
                    other.execute(each.sql.encode())
                names = (
                    "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid ="
                )
                assert other.execute(f"{names} 'app.v0'::regclass".encode()).fetchone() == ("id",)
                assert other.execute(f"{names} 'app.t0'::regclass".encode()).fetchone() == ("id a",)
        plan, _ = compare_past(reconciler.connection, "app", 0, 1)
        assert [each.sql.split()[:3] for each in plan.statements] == [["ALTER", "TABLE", '"app"."t0"']]
        plan, notes = compare_past(reconciler.connection, "app", 1, None)
        assert [each.sql.split()[0] for each in plan.statements] == ["DROP", "CREATE"]
        assert notes == ()
        # What happened after the last look is not known without a log.
        (now,) = connection.execute("SELECT clock_timestamp()").fetchone()
        assert "nobody looked after" in state_then(reconciler.connection, "app", now).notes[0]
        with pytest.raises(ConfigError, match="nothing is known of the schemas of plugin app at 2020-01-01"):
            state_then(reconciler.connection, "app", datetime(2020, 1, 1, tzinfo=UTC))
        with pytest.raises(ConfigError, match="plugin app has no migration 7"):
            state_then(reconciler.connection, "app", 7)
        connection.execute("DELETE FROM migrations._states")
        assert "an older program" in state_then(reconciler.connection, "app", 0).notes[0]


@pytest.mark.one_server
def test_the_command_line_prints_and_compares_what_was(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED, plugin="app")
        reconciler.migrate(DECLARED.replace("a text", "a text, b integer"), plugin="app")
    common = ("--plugin", "app", "--dsn", database)
    assert run(["dump", "--at", "0", *common]) == 0
    out = capsys.readouterr().out
    assert "CREATE VIEW" in out
    assert '"b"' not in out
    assert run(["diff", "--from", "0", "--to", "1", *common]) == 2
    assert 'ADD COLUMN "b" integer' in capsys.readouterr().out
    assert run(["diff", "--from", "1", *common]) == 0
    assert run(["diff", "--to", "1", *common]) == 1
    assert "--from" in capsys.readouterr().err
    assert run(["dump", "--at", "yesterday", *common]) == 1
    assert run(["dump", "--at", "0", "--schema", "app", *common]) == 1


@pytest.mark.one_server
def test_differences_lead_from_one_state_to_the_other_in_their_order(database: str) -> None:
    def read(statements: str) -> Snapshot:
        connection.execute(statements.encode())
        found = reconciler.check_recorded("app").live
        assert found is not None
        return found

    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED, plugin="app")
        states = [
            read("SELECT"),
            read("ALTER TABLE app.t0 ADD b integer, ADD c integer"),
            # The same columns, with another order.
            read("ALTER TABLE app.t0 DROP b; ALTER TABLE app.t0 ADD b integer"),
            read("DROP VIEW app.v0; DROP TABLE app.t0; CREATE TABLE app.t0 (c integer, id integer, a text)"),
        ]
    texts = [state_to_text(states[0], None).text]
    for before, after in itertools.pairwise(states):
        found = state_to_text(after, before)
        assert found.has_changes
        texts.append(found.text)
        assert not state_to_text(after, after).has_changes
    for number, state in enumerate(states, start=1):
        again = state_after(None, texts[:number])
        assert again.facts == state.facts
        assert again.dependencies.keys() <= state.dependencies.keys()
        assert columns(again) == columns(state)


def test_a_state_that_was_kept_meanwhile_is_the_one_before(database: str) -> None:
    """A run reads the last state before its locks; a watcher may keep one until it ends."""
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as somebody:
        reconciler.migrate("CREATE TABLE a (x int);")
        connection = reconciler.connection
        chain = load_chain(connection, "default")
        somebody.execute("ALTER TABLE a ADD COLUMN y int")
        keep_look(connection, reconciler.check())
        somebody.execute("ALTER TABLE a ADD COLUMN z int")
        live = reconciler.check().live
        assert live is not None
        with transaction(connection):
            keep_state(connection, "default", live, idx=7, chain=chain)
        last, state = load_chain(connection, "default").last, load_state_of(connection, "default", 7)
        assert last is not None
        assert state is not None
        assert (last.idx, state.snapshot.facts) == (7, live.facts)
