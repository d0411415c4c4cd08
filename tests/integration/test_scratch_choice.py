"""Which scratch is taken where none is asked for: never one that would block others, if there is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler.client import Reconciler
from reconciler.errors import ScratchError, SourceError
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from typing import LiteralString

pytestmark = pytest.mark.one_server

SOURCE = "create table things (id bigint primary key);"
DISTURBED: dict[str, tuple[LiteralString, str]] = {
    "a foreign key to a table outside": (
        """create schema crm; create table crm.clients (id bigint primary key);
        create table public.orders (client bigint references crm.clients);""",
        "foreign keys to crm.clients would lock it",
    ),
    "an event trigger": (
        """create function public.watch() returns event_trigger language plpgsql as 'begin end';
        create event trigger watches on ddl_command_end execute function public.watch();""",
        "event trigger watches would fire",
    ),
    "an extension that cannot move": (
        """create extension dblink schema public;
        update pg_extension set extrelocatable = false where extname = 'dblink';""",
        "extension dblink cannot leave a managed schema",
    ),
}


@pytest.mark.parametrize("case", DISTURBED)
def test_what_stepping_aside_would_disturb_goes_to_a_database(database: str, case: str) -> None:
    statements, why = DISTURBED[case]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statements)
    with Reconciler(database) as reconciler:
        assert reconciler.plan(SOURCE, plugin="default").scratch == f"database: {why}"


def test_a_large_source_does_not_take_the_lock_table_for_itself(database: str) -> None:
    many = "".join(f"create table t{number} (id bigint);\n" for number in range(20))
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int"
        ).fetchone()
    assert row is not None
    comments = "comment on table t0 is 'x';\n" * (row[0] // 32)
    with Reconciler(database) as reconciler:
        assert reconciler.plan(many).scratch.startswith("schema: ")
        planned = reconciler.plan(many + comments)
    assert planned.scratch.startswith("database: one transaction would take about ")


def test_who_may_not_make_databases_takes_the_schema_all_the_same(database: str) -> None:
    statements, why = DISTURBED["a foreign key to a table outside"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statements)
        connection.execute("create role modest login")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("grant create on database {} to modest").format(name))
        connection.execute("alter schema public owner to modest; alter table public.orders owner to modest")
        connection.execute("grant usage on schema crm to modest; grant references on crm.clients to modest")
    try:
        with Reconciler(database, options=Options(proof=Proof.OFF)) as reconciler:
            reconciler.connection.execute("set role modest")
            planned = reconciler.plan("create table orders (client bigint);")
            assert (
                planned.scratch
                == f"schema: the managed schemas can be renamed out of the way in one transaction, although {why}"
            )
            reconciler.connection.execute("reset role")
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("reassign owned by modest to current_user; drop owned by modest; drop role modest")


def test_what_the_wanted_scratch_has_already_is_an_error_that_ends(database: str) -> None:
    published = "create publication news;"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(published)
    with (
        Reconciler(database, options=Options(scratch="schema")) as reconciler,
        pytest.raises(SourceError, match="already exists"),
    ):
        reconciler.migrate(published)


def test_a_scratch_that_cannot_be_had_says_which(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create role modest login")
    try:
        with Reconciler(database, options=Options(scratch="database")) as reconciler:
            reconciler.connection.execute("set role modest")
            with pytest.raises(ScratchError, match="may not create a temporary database"):
                reconciler.plan(SOURCE)
            reconciler.connection.execute("reset role")
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("drop role modest")
