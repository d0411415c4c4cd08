"""`check` says whose a difference is, and only where the row versions of today prove it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.audit.install import install, uninstall
from reconciler.cli.commands import run
from reconciler.client import Reconciler
from reconciler.model.audit import AttributionKind
from reconciler.options import Options, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model.audit import Attribution

DECLARED = """
CREATE TABLE accounts (
    id integer PRIMARY KEY, name text NOT NULL DEFAULT 'x', kept integer, gone integer, CONSTRAINT positive CHECK (kept > 0)
);
COMMENT ON TABLE accounts IS 'said';
COMMENT ON COLUMN accounts.name IS 'said';
CREATE TABLE others (id integer);
CREATE INDEX accounts_name ON accounts (name);
CREATE VIEW names AS SELECT name FROM accounts;
CREATE TYPE mood AS ENUM ('good');
CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""
ROLES = ("audit_ann", "audit_bob")


@pytest.fixture
def live(database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database with the log, in which `app` was applied; ann and bob may do all."""
    with psycopg.connect(database, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'x'")
        install(connection)
        with Reconciler(database) as reconciler:
            reconciler.migrate(DECLARED, plugin="app")
        yield connection
        uninstall(connection)
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def by_hand(database: str, role: str, *statements: str) -> None:
    with psycopg.connect(database, user=role, password="x", autocommit=True, application_name="psql") as connection:
        for statement in statements:
            connection.execute(statement)


def whose(database: str, plugin: str = "app") -> Mapping[str, Attribution]:
    with Reconciler(database, options=Options(when_behind=WhenBehind.APPLY)) as reconciler:
        result = reconciler.check(plugin=plugin)
    return {fact.key: found for fact, found in result.attributions.items()}


def roles(found: Attribution) -> set[str]:
    return {entry.actor.login_role for entry in found.entries}


@pytest.mark.every_server
def test_each_difference_has_the_one_who_made_it(database: str, live: psycopg.Connection) -> None:
    by_hand(
        database,
        "audit_ann",
        "CREATE INDEX accounts_hot ON app.accounts (kept)",
        "ALTER TABLE app.accounts ADD added integer",
        "ALTER TABLE app.accounts DROP COLUMN gone",
        "COMMENT ON TABLE app.accounts IS NULL",
        "ALTER TABLE app.accounts ALTER name DROP DEFAULT",
        "ALTER TYPE app.mood ADD VALUE 'bad'",
        "ALTER TABLE app.others RENAME TO further",
        "GRANT SELECT ON app.accounts TO audit_bob",
    )
    by_hand(
        database,
        "audit_bob",
        "CREATE OR REPLACE FUNCTION app.one() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
        "COMMENT ON COLUMN app.accounts.name IS 'other'",
        "ALTER TABLE app.accounts DROP CONSTRAINT positive",
        "DROP INDEX app.accounts_name",
        "CREATE OR REPLACE VIEW app.names AS SELECT name, 1 AS one FROM app.accounts",
        "CREATE INDEX CONCURRENTLY accounts_late ON app.accounts (name)",
    )
    found = whose(database)
    assert {key: roles(each) for key, each in found.items()} == {
        "index:app.accounts.accounts_hot": {"audit_ann"},
        "column:app.accounts.added": {"audit_ann"},
        "column:app.accounts.gone": {"audit_ann"},
        "comment:table.app.accounts": {"audit_ann"},
        "default:app.accounts.name": {"audit_ann"},
        "enum:app.mood": {"audit_ann"},
        "table:app.others": {"audit_ann"},
        "table:app.further": {"audit_ann"},
        "column:app.others.id": {"audit_ann"},
        "column:app.further.id": {"audit_ann"},
        "owner:table.app.others": {"audit_ann"},
        "owner:table.app.further": {"audit_ann"},
        "privileges:table.app.accounts.audit_bob": {"audit_ann"},
        "function:app.one()": {"audit_bob"},
        "comment:column.app.accounts.name": {"audit_bob"},
        "constraint:app.accounts.positive": {"audit_bob"},
        "index:app.accounts.accounts_name": {"audit_bob"},
        "index:app.accounts.accounts_late": {"audit_bob"},
        "view:app.names": {"audit_bob"},
        "column:app.names.one": {"audit_bob"},
    }
    assert {each.kind for each in found.values()} == {AttributionKind.BY}
    hot = found["index:app.accounts.accounts_hot"]
    assert str(hot).startswith("by audit_ann (session role audit_ann, psql")
    assert str(hot).endswith(": CREATE INDEX accounts_hot ON app.accounts (kept)")


@pytest.mark.every_server
def test_what_no_logged_statement_did_is_said_to_be_nobodys(database: str, live: psycopg.Connection) -> None:
    by_hand(
        database,
        "audit_ann",
        "ALTER TABLE app.accounts ALTER kept SET STATISTICS 5",
        "GRANT SELECT ON app.others TO audit_bob",
    )
    live.execute(
        "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 'app.accounts'::regclass AND attname = 'kept'"
    )
    live.execute("ALTER EVENT TRIGGER reconciler_audit_2_end DISABLE")
    live.execute("ALTER TABLE app.others ADD unseen integer")
    live.execute("ALTER EVENT TRIGGER reconciler_audit_2_end ENABLE ALWAYS")
    found = whose(database)
    kept = found["column:app.accounts.kept"]
    assert kept.kind is AttributionKind.NOT_LOGGED
    assert roles(kept) == {"audit_ann"}  # known, and not taken for the author
    assert str(kept).startswith("not by logged DDL; before that by audit_ann")
    assert found["column:app.others.unseen"].kind is AttributionKind.NOT_LOGGED


def test_several_people_and_own_runs_are_told_apart(database: str, live: psycopg.Connection) -> None:
    by_hand(database, "audit_ann", "ALTER TABLE app.accounts ALTER kept SET NOT NULL")
    by_hand(database, "audit_bob", "ALTER TABLE app.accounts ALTER kept SET STATISTICS 7")
    # Whoever calls himself so is not reconciler; what another plugin's run does is that run's.
    by_hand(database, "audit_bob", "SET application_name = 'reconciler'; ALTER TABLE app.others ADD spoofed integer")
    with Reconciler(database, options=Options(share=True)) as reconciler:
        reconciler.migrate("CREATE INDEX beside ON app.others (id);", plugin="billing")
    found = whose(database)
    assert found["column:app.accounts.kept"].kind is AttributionKind.SEVERAL
    assert roles(found["column:app.accounts.kept"]) == {"audit_ann", "audit_bob"}
    assert roles(found["column:app.others.spoofed"]) == {"audit_bob"}
    with Reconciler(database, options=Options(when_behind=WhenBehind.APPLY)) as reconciler:
        reconciler.repair(DECLARED, plugin="app", accept=True)
        assert not reconciler.check(plugin="app").has_drift
    by_hand(database, "audit_bob", "ALTER TABLE app.accounts ALTER kept SET STATISTICS 9")
    assert roles(whose(database)["column:app.accounts.kept"]) >= {"audit_bob"}


def test_a_run_of_several_transactions_is_known_too(database: str, live: psycopg.Connection) -> None:
    newer = DECLARED + "CREATE INDEX accounts_online ON accounts (kept);"
    with Reconciler(database, options=Options(online=True, when_behind=WhenBehind.APPLY)) as reconciler:
        reconciler.migrate(newer, plugin="app")
    (row,) = live.execute(
        "SELECT d.id FROM reconciler_audit.ddl AS d JOIN migrations._steps AS s ON s.pid = d.pid AND NOT s.transactional"
        " WHERE d.identity = 'app.accounts_online'"
    ).fetchall()
    from reconciler.audit.log import entries_between
    from reconciler.ledger.own import own_runs

    own = own_runs(live, entries_between(live, None, None))
    assert own[row[0]].plugin == "app"
    entries = [entry for entry in entries_between(live, None, None) if (entry.identity or "").startswith("app.")]
    assert {entry.id for entry in entries} <= own.keys()


@pytest.mark.one_server
def test_check_tells_it_in_text_and_json(
    database: str, live: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(database, "audit_ann", "CREATE INDEX accounts_hot ON app.accounts (kept)")
    at = ["--plugin", "app", "--dsn", database]
    assert run(["check", *at]) == 4
    told = capsys.readouterr().out
    assert "added by audit_ann (session role audit_ann, psql" in told
    assert "CREATE INDEX accounts_hot ON app.accounts (kept)" in told
    assert run(["check", "--format", "json", *at]) == 4
    assert '"login_role": "audit_ann"' in capsys.readouterr().out


@pytest.mark.one_server
def test_check_shows_what_was_changed_since_then_or_by_somebody(
    database: str, live: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(database, "audit_ann", "CREATE INDEX accounts_hot ON app.accounts (kept)")
    at = ["--plugin", "app", "--dsn", database]
    (moment,) = live.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text").fetchone()
    by_hand(database, "audit_bob", "ALTER TABLE app.others ADD further integer")

    def shown(*options: str) -> tuple[int, bool, bool]:
        code = run(["check", *options, *at])
        told = capsys.readouterr().out
        return code, "accounts_hot" in told, "further" in told

    assert shown() == (4, True, True)
    assert shown("--by", "audit_ann") == (4, True, False)
    assert shown("--since", moment) == (4, False, True)
    assert shown("--since", "1h", "--by", "audit_bob") == (4, False, True)
    assert shown("--since", moment, "--by", "audit_ann") == (0, False, False)
    assert run(["check", "--by", "audit_ann", "--format", "sql", *at]) == 1
    # What was not shown is an incident all the same.
    capsys.readouterr()
    assert run(["incidents", "--plugin", "app", "--dsn", database]) == 4
    assert capsys.readouterr().out.count("(open)") == 2
    assert run(["check", "--format", "sarif", *at]) == 4
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    found = {each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]: each for each in results}
    assert {key: each["properties"]["author"] for key, each in found.items()} == {
        "index:app.accounts.accounts_hot": "audit_ann",
        "column:app.others.further": "audit_bob",
    }
    hot = found["index:app.accounts.accounts_hot"]
    assert (hot["ruleId"], hot["level"]) == ("drift", "error")
    assert hot["properties"]["statement"] == "CREATE INDEX accounts_hot ON app.accounts (kept)"
    assert hot["properties"]["at"] is not None
    uninstall(live)
    assert run(["check", "--by", "audit_ann", *at]) == 1
    assert "there is no log of DDL" in capsys.readouterr().err


@pytest.mark.one_server
def test_log_and_blame_tell_runs_and_people_in_one_line_of_time(
    database: str, live: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(database, "audit_ann", "ALTER TABLE app.accounts ADD added integer")
    by_hand(
        database,
        "audit_bob",
        "CREATE INDEX accounts_hot ON app.accounts (kept)",
        "ALTER TABLE app.others ADD o integer",
    )
    at = ["--dsn", database]
    capsys.readouterr()
    assert run(["log", *at]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 4
    assert "plugin app, migration 0 (apply by postgres)" in told[0]
    assert "audit_ann (session role audit_ann" in told[1]
    assert run(["log", "app.accounts", *at]) == 0
    assert "others" not in (told := capsys.readouterr().out)
    assert [word in told for word in ("migration 0", "ADD added", "accounts_hot")] == [True, True, True]
    assert run(["log", "--by", "audit_bob", "--since", "1h", "--format", "json", *at]) == 0
    assert '"login_role": "audit_ann"' not in capsys.readouterr().out
    assert run(["blame", "app.accounts", *at]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["column app.accounts.added"].startswith("by audit_ann")
    assert lines["index app.accounts.accounts_hot"].startswith("by audit_bob")
    assert lines["column app.accounts.kept"].startswith("by plugin app, migration 0 (postgres, on ")
    assert lines["constraint app.accounts.positive"].startswith("by plugin app, migration 0")
    uninstall(live)
    assert run(["blame", "app.accounts", *at]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["column app.accounts.kept"].startswith("by plugin app, migration 0 (on ")
    assert lines["column app.accounts.added"] == "not known"
    assert run(["log", "app.accounts", *at]) == 0
    told = capsys.readouterr()
    assert "migration 0" in told.out
    assert "there is no log of DDL" in told.err
    assert run(["blame", "app.nothing", *at]) == 1
