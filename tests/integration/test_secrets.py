"""A secret of a declaration is in no output, no file, no traceback and no table of the ledger; nor are values of rows."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from secret_ways import OBJECTS, WAYS, declaration

from reconciler import Options, Reconciler, ReconcilerError
from reconciler.cli.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "Canary"
LEDGER = "select relname::text from pg_class where relnamespace = 'migrations'::regnamespace and relkind = 'r'"


def ledger(database: str) -> str:
    """All rows of all tables of the ledger as text."""
    with psycopg.connect(database) as connection:
        tables = [name for (name,) in connection.execute(LEDGER).fetchall()]
        rows = [
            connection.execute(f"select t::text from migrations.{name} as t".encode()).fetchall() for name in tables
        ]
    return "\n".join(str(row) for each in rows for row in each)


def leaks(text: str) -> list[str]:
    """The statements whose secrets are in the text."""
    return [WAYS[int(number) - 1] for number in dict.fromkeys(re.findall(rf"{CANARY}(\d+)", text))]


@pytest.fixture
def drop_subscriptions(database: str) -> object:
    """A database with a subscription cannot be dropped."""
    yield
    with psycopg.connect(database, autocommit=True) as connection:
        for (name,) in connection.execute(
            "select quote_ident(subname) from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())"
        ).fetchall():
            connection.execute(f"alter subscription {name} set (slot_name = none)".encode())
            connection.execute(f"drop subscription {name}".encode())


@pytest.mark.one_server
@pytest.mark.usefixtures("drop_subscriptions")
def test_no_way_to_write_a_secret_gets_it_anywhere(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    Path("before.sql").write_text(declaration(CANARY))
    Path("after.sql").write_text(declaration(f"Other{CANARY}"))
    said: dict[str, str] = {}

    def call(*arguments: str, codes: tuple[int, ...] = (0, 2)) -> None:
        caplog.clear()
        code = run([*arguments, "--dsn", database])
        out, err = capsys.readouterr()
        said[" ".join(arguments)] = f"{out}{err}{caplog.text}"
        assert code in codes, (arguments, err)

    scratch = ("--scratch", "database")
    for output in ("text", "json", "sql", "sarif"):
        call("plan", "before.sql", *scratch, "--format", output)
    call("plan", "before.sql", *scratch, "--out", "plan.json", codes=(1,))
    call("apply", "before.sql", *scratch, "--allow", "all")
    for output in ("text", "json", "sql"):
        call("plan", "after.sql", *scratch, "--format", output)
        call("check", "after.sql", *scratch, "--format", output, codes=(0, 2, 4))
        call("show", "0", "--format", output)
    call("apply", "after.sql", *scratch, "--allow", "all", "--format", "json")
    call("dump")
    call("history", "--format", "json")
    call("status")
    call("plan", "after.sql", *scratch, "--out", "plan.json")
    call("rollback", "--to", "0", "--yes", *scratch, "--allow", "all", codes=(0, 1))
    said["the plan file"] = Path("plan.json").read_text()
    said["the ledger"] = ledger(database)
    assert {name: found for name, text in said.items() if (found := leaks(text))} == {}


@pytest.mark.one_server
def test_no_error_about_a_statement_with_a_secret_shows_it(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each way with a mistake beside the secret, so that the server quotes what stands there; also in tracebacks."""
    caplog.set_level(logging.DEBUG)
    found: dict[str, str] = {}
    options = Options(scratch="database", allow=frozenset({"all"}))
    with Reconciler(database, options=options) as reconciler:
        for number, way in enumerate(WAYS, start=1):
            statement = way.format(n=number, c=f"{CANARY}{number}")
            broken = [
                re.sub(rf"({CANARY}{number})", r"\1' 'x", statement),
                statement.replace(");", ", nonsense =);"),
                re.sub(r"(options \()", rf"\1 '{CANARY}{number}' ", statement),
                statement.replace("s" + str(number), "missing").replace("wrapper w", "wrapper missing"),
            ]
            for text in broken:
                caplog.clear()
                try:
                    reconciler.plan(f"{OBJECTS}{text}")
                except ReconcilerError as error:
                    shown = "".join(traceback.format_exception(error)) + error.describe()
                    if leaks(shown + caplog.text):
                        found[text] = shown[-600:]
    assert found == {}
    assert leaks(ledger(database) if _has_ledger(database) else "") == []


def _has_ledger(database: str) -> bool:
    with psycopg.connect(database) as connection:
        return connection.execute("select to_regnamespace('migrations')").fetchone() != (None,)


ROWS = (
    "create table t (id int primary key, mail text, age text); insert into t values (1, 'bob@example.org', 'x-alice');"
)
RAISING = """
    create function public.refuse() returns trigger language plpgsql set search_path = pg_catalog as
        $$begin raise exception 'no such mail: %', new.mail; end$$;
    create trigger refuse before update on public.t for each row execute function public.refuse();
"""


@pytest.mark.one_server
@pytest.mark.parametrize("kept", [False, True])
def test_values_of_rows_are_shown_and_not_recorded(make_database: Callable[[], str], kept: bool) -> None:
    database = make_database()
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(ROWS)
        admin.execute("insert into t values (2, 'bob@example.org', '3'), (3, null, '4')")
    table = "create table t (id int primary key, mail text{0}, age {1});"
    said: list[str] = []
    for preflight in (True, False):
        options = Options(preflight=preflight, record_values=kept, allow=frozenset({"all"}))
        with Reconciler(database, options=options) as reconciler:
            for changed in (
                table.format(" not null", "text"),
                table.format(" unique", "text"),
                table.format(" check (mail not like 'bob%')", "text"),
                "create table t (id int primary key, mail text,\n-- reconciler: using age::int\nage int);",
                table.format("", "text") + "create unique index on t (lower(mail));",
            ):
                with pytest.raises(ReconcilerError) as caught:
                    reconciler.migrate(changed)
                said.append(caught.value.describe())
    assert any("bob@example.org" in each for each in said), "the person at the terminal sees which rows"
    recorded = ledger(database)
    values = [each for each in ("bob@example.org", "x-alice", "id = 1", "(id)=(") if each in recorded]
    assert bool(values) is kept, values
    assert "duplicate" in recorded
