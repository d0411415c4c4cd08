"""A mark sees whatever `check` compares: of each kind and attribute that the cases change, by hand, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from test_cases import ALL, ROLES, Case

from reconciler.catalog.snapshot_reader import managed_schemas, read_mark, read_snapshot
from reconciler.client import Reconciler
from reconciler.db.connections import connect
from reconciler.sqltext.lexer import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.embedded import EmbeddedServer

OWNER = "mark_owner"
# What no case changes alone.
MORE = {
    "user mapping": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;",
        (
            "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (a '1')",
            "ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (SET a '2')",
            "DROP USER MAPPING FOR PUBLIC SERVER s",
        ),
    ),
    "subscription": (
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = none)",
        (
            "ALTER SUBSCRIPTION s SET (binary = true)",
            "ALTER SUBSCRIPTION s SET (streaming = on)",
            "ALTER SUBSCRIPTION s SET (synchronous_commit = on)",
            "ALTER SUBSCRIPTION s SET (disable_on_error = true)",
            "ALTER SUBSCRIPTION s SET (run_as_owner = true)",
            "ALTER SUBSCRIPTION s SET (password_required = false)",
            "ALTER SUBSCRIPTION s SET (origin = none)",
            "ALTER SUBSCRIPTION s CONNECTION 'dbname=other'",
            "ALTER SUBSCRIPTION s SET PUBLICATION q WITH (refresh = false)",
            "ALTER SUBSCRIPTION s OWNER TO mark_owner",
            "COMMENT ON SUBSCRIPTION s IS 'c'",
            "DROP SUBSCRIPTION s",
        ),
    ),
    "member of an extension": (
        "CREATE EXTENSION hstore; CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        (
            "ALTER EXTENSION hstore ADD TABLE t",
            "ALTER EXTENSION hstore ADD FUNCTION f()",
            "ALTER EXTENSION hstore DROP TABLE t",
        ),
    ),
    "schema": (
        "SELECT",
        (
            "COMMENT ON SCHEMA public IS 'other'",
            "GRANT CREATE ON SCHEMA public TO case_reader",
            "ALTER SCHEMA public OWNER TO mark_owner",
        ),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _roles(server: EmbeddedServer) -> Iterator[None]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        # The cases' own fixture, of the whole session, may have made them.
        present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        made = sorted({*ROLES, OWNER} - present)
        for role in made:
            connection.execute(f"CREATE ROLE {role}{' SUPERUSER' if role == OWNER else ''}".encode())
        yield
        for role in made:
            connection.execute(f"DROP ROLE {role}".encode())


def _seen(url: str) -> tuple[str, str]:
    with connect(url) as connection, connection.transaction():
        schemas = managed_schemas(connection)
        return read_snapshot(connection, schemas).fingerprint, read_mark(connection, schemas)


def _unseen(url: str, before: str, changes: Iterator[str] | tuple[str, ...]) -> list[str]:
    """The changes that `check` sees and the mark does not."""
    found: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(before.encode())
        facts, mark = _seen(url)
        for change in changes:
            try:
                connection.execute(change.encode())
            except psycopg.errors.SyntaxError:  # an option that this version has not
                continue
            now, marked = _seen(url)
            if now != facts and marked == mark:
                found.append(change)
            facts, mark = now, marked
    return found


@pytest.mark.one_server
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.folder.name)
def test_a_mark_sees_each_statement_of_a_plan(
    case: Case, server: EmbeddedServer, make_database: Callable[[], str]
) -> None:
    if server.server_version // 10000 < case.min_version:
        pytest.skip(f"needs Postgres {case.min_version}")
    plan = case.expected(server.server_version // 10000)
    url = make_database()
    try:
        assert _unseen(url, case.sql("before.sql"), tuple(piece.sql for piece in split(plan, "plan"))) == []
    finally:
        _drop_subscriptions(url)


@pytest.mark.every_server
def test_a_mark_sees_what_no_case_changes_alone(make_database: Callable[[], str]) -> None:
    for kind, (before, changes) in MORE.items():
        url = make_database()
        try:
            assert _unseen(url, before, changes) == [], kind
        finally:
            _drop_subscriptions(url)


def _drop_subscriptions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SUBSCRIPTION IF EXISTS s")


@pytest.mark.one_server
def test_a_start_looks_properly_after_a_user_mapping_changed(database: str) -> None:
    source = (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE TABLE t (a int);"
        "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (a '1');"
    )
    with Reconciler(database) as reconciler:
        reconciler.migrate(source)
        assert reconciler.migrate(source).skipped
        with psycopg.connect(database) as connection:
            connection.execute("ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (SET a '2')")
        done = reconciler.migrate(source)
        assert not done.skipped
        assert [each.alters[0].kind for each in done.statements] == ["user_mapping"]
