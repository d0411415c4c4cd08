"""The ledger is written to and believed only where it is as reconciler makes it, and survives rows that are damaged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler import Reconciler
from reconciler.db.connections import connect
from reconciler.errors import LedgerError
from reconciler.ledger.marks import load_mark
from reconciler.ledger.schema import TABLES, ensure_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.db.connections import Connection

DECLARED = "create table public.users (id int primary key);"
# What somebody who may create in the database can put in our way: each runs, or would run, with our rights.
TRAP = """
    create table public.alarms (who text);
    grant insert on public.alarms to public;
    create function public.alarm() returns trigger language plpgsql as
        'begin insert into public.alarms values (current_user); return new; end';
    create function public.alarm_value() returns text language plpgsql as
        'begin insert into public.alarms values (current_user); return ''x''; end';
    create function public.alarm_check(text) returns boolean language plpgsql immutable as
        'begin return true; end';
"""
TABLE = "migrations._migrations"
# What is changed in a ledger that is ours -> what is said of it, and the statement that mends it.
CHANGES = {
    f"create trigger t before insert on {TABLE} for each row execute function public.alarm()": (
        "has trigger t, which calls public.alarm()",
        f"DROP TRIGGER t ON {TABLE}",
    ),
    f"create table public.keys (id int references {TABLE} on delete cascade)": (
        "has foreign key keys_id_fkey of public.keys",
        "ALTER TABLE public.keys DROP CONSTRAINT keys_id_fkey",
    ),
    f"create rule r as on insert to {TABLE} do also insert into public.alarms values (public.alarm_value())": (
        "has rule r",
        f"DROP RULE r ON {TABLE}",
    ),
    f"alter table {TABLE} enable row level security": (
        "has row security",
        f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ),
    f"create policy p on {TABLE} using (public.alarm_check(hash))": ("has policy p", f"DROP POLICY p ON {TABLE}"),
    f"create table public.child () inherits ({TABLE})": (
        "is inherited by public.child",
        f"ALTER TABLE public.child NO INHERIT {TABLE}",
    ),
    f"alter table {TABLE} alter column created_at set default length(public.alarm_value())": (
        "has default length(",
        f"ALTER TABLE {TABLE} ALTER COLUMN created_at DROP DEFAULT",
    ),
    "alter table migrations._runs alter column database_user set default 'nobody'": (
        "has default 'nobody'::text of column database_user",
        "ALTER TABLE migrations._runs ALTER COLUMN database_user SET DEFAULT SESSION_USER",
    ),
    f"create sequence public.s; alter table {TABLE} alter column id set default nextval('public.s')": (
        "has default nextval('public.s'",
        f"ALTER TABLE {TABLE} ALTER COLUMN id SET DEFAULT nextval('migrations._migrations_id_seq'::regclass)",
    ),
    f"alter table {TABLE} add check (public.alarm_check(hash))": (
        "has constraint _migrations_hash_check, which uses function",
        f"ALTER TABLE {TABLE} DROP CONSTRAINT _migrations_hash_check",
    ),
    f"create index i on {TABLE} (public.alarm_check(hash))": (
        "has index migrations.i, which uses function",
        "DROP INDEX migrations.i",
    ),
    f"create statistics public.st on (public.alarm_check(hash)), id from {TABLE}": (
        "has statistics st, which use function",
        "DROP STATISTICS public.st",
    ),
    f"create domain public.word as text check (public.alarm_check(value)); alter table {TABLE} alter hash type public.word": (
        "has column hash of type public.word",
        None,
    ),
    f"alter table {TABLE} add extra text generated always as (hash || 'x') stored": (
        "has column extra of type text",
        f"ALTER TABLE {TABLE} DROP COLUMN extra",
    ),
    "alter table migrations._runs rename to other; create view migrations._runs as select * from migrations.other": (
        "is no plain table, but a view",
        None,
    ),
    f"grant trigger on {TABLE} to mallory": (
        "gives TRIGGER to mallory",
        f"REVOKE TRIGGER ON TABLE {TABLE} FROM mallory",
    ),
    f"grant insert on {TABLE} to public": ("gives INSERT to PUBLIC", f"REVOKE INSERT ON TABLE {TABLE} FROM PUBLIC"),
    f"grant update (hash) on {TABLE} to public": (
        "gives UPDATE (hash) to PUBLIC",
        f"REVOKE UPDATE (hash) ON TABLE {TABLE} FROM PUBLIC",
    ),
    "grant usage on sequence migrations._snapshots_id_seq to public": (
        "gives USAGE to PUBLIC",
        "REVOKE USAGE ON SEQUENCE migrations._snapshots_id_seq FROM PUBLIC",
    ),
    "grant create on schema migrations to mallory": (
        "gives CREATE to mallory",
        "REVOKE CREATE ON SCHEMA migrations FROM mallory",
    ),
    f"alter table {TABLE} owner to mallory": ("belongs to role mallory", f"ALTER TABLE {TABLE} OWNER TO postgres"),
    "alter schema migrations owner to mallory": (
        "schema migrations belongs to role mallory",
        "ALTER SCHEMA migrations OWNER TO postgres",
    ),
}


@pytest.fixture
def mallory(database: str) -> Iterator[str]:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("drop role if exists mallory")
        admin.execute("create role mallory login")
    yield "mallory"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("drop owned by mallory cascade")
        admin.execute("drop role mallory")


def run(database: str, *statements: str, role: str | None = None) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        if role is not None:
            admin.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for statement in statements:
            admin.execute(statement.encode())


def refusal(connection: Connection, use: Callable[[Reconciler], object]) -> LedgerError | None:
    """The error of the ledger that `use` ends in, or None; what it did is rolled back."""
    try:
        with connection.transaction(force_rollback=True):
            use(Reconciler(connection))
    except LedgerError as error:
        return error
    return None


def alarms(database: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as admin:
        return admin.execute("select * from public.alarms").fetchall()


def test_a_schema_that_was_there_before_us_gets_none_of_our_rights(database: str, mallory: str) -> None:
    run(database, "grant create on schema public to mallory", TRAP)
    run(database, f"grant create on database {database.rsplit('/', 1)[1].split('?', maxsplit=1)[0]} to mallory")
    columns = "id serial primary key, plugin_name text, hash text, created_at bigint"
    run(
        database,
        "create schema migrations",
        f"create table migrations._migrations ({columns})",
        "create trigger t before insert on migrations._migrations for each row execute function public.alarm()",
        "grant all on all tables in schema migrations to public",
        "grant all on schema migrations to public",
        role=mallory,
    )
    with Reconciler(database) as reconciler:
        for attempt in (reconciler.migrate, partial(reconciler.adopt, change=True)):
            with pytest.raises(LedgerError, match="schema migrations belongs to role mallory") as caught:
                attempt(DECLARED)
            assert "ALTER SCHEMA migrations OWNER TO postgres;" in (caught.value.hint or "")
            assert "DROP TRIGGER t ON migrations._migrations;" in (caught.value.hint or "")
        with pytest.raises(LedgerError, match="belongs to role mallory"):
            reconciler.reset()
        with pytest.raises(LedgerError, match="belongs to role mallory"):
            reconciler.initialize()
        assert reconciler.history() == ()
    assert alarms(database) == []
    mending = (caught.value.hint or "").split(" run: ")[1].strip("; ").split("; ")
    run(database, *mending)
    with Reconciler(database) as reconciler:
        assert reconciler.migrate(DECLARED).idx == 0
    assert alarms(database) == []


@pytest.mark.every_server
def test_whatever_is_changed_in_the_ledger_is_refused_with_the_statement_that_mends_it(
    database: str, mallory: str
) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED)
    run(database, TRAP)
    for change, (said, mending) in CHANGES.items():
        with connect(database) as connection:
            ensure_ledger(connection)
            connection.execute(change.encode())
            with pytest.raises(LedgerError) as caught:
                ensure_ledger(connection)
            assert said in caught.value.message, change
            error = refusal(connection, lambda each: (each.history(), load_mark(each.connection, "default")))
            assert error is None or "the ledger is not as reconciler makes it" in error.message, change
            if mending is not None:
                assert f"{mending};" in (caught.value.hint or ""), change
                connection.execute(mending.encode())
                ensure_ledger(connection)
            connection.rollback()
    assert alarms(database) == []


def test_who_is_a_member_of_the_owner_may_go_on(database: str, mallory: str) -> None:
    run(database, f"grant create on database {database.rsplit('/', 1)[1].split('?', maxsplit=1)[0]} to mallory")
    with connect(database) as connection:
        connection.execute("set role mallory")
        ensure_ledger(connection)
        connection.execute("reset role")
        with pytest.raises(LedgerError, match="belongs to role mallory") as caught:
            ensure_ledger(connection)
        assert "GRANT mallory TO CURRENT_USER" in (caught.value.hint or "")
        connection.execute("GRANT mallory TO CURRENT_USER")
        ensure_ledger(connection)
        connection.execute("REVOKE mallory FROM CURRENT_USER")
        connection.commit()


@pytest.mark.one_server
def test_a_forged_mark_makes_no_start_skip(database: str, mallory: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED)
        assert reconciler.migrate(DECLARED).skipped

        def settled() -> bool:
            with reconciler.connection.transaction():
                mark = load_mark(reconciler.connection, "default")
            assert mark is not None
            return mark.settled

        assert settled()
        for forged, back in {
            "update migrations._marks set idx = 1": "update migrations._marks set idx = 0",
            "update migrations._migrations set hash = 'x' || hash": "update migrations._migrations set hash = substr(hash, 2)",
            "insert into migrations._snapshots (plugin_name, idx, snapshot) values ('default', 1, '{}')": "delete from"
            " migrations._snapshots where idx = 1",
            "grant insert, update on migrations._marks to mallory": "revoke all on migrations._marks from mallory",
            "alter table migrations._marks owner to mallory": "alter table migrations._marks owner to current_user",
        }.items():
            reconciler.connection.execute(forged.encode())
            assert not settled(), forged
            reconciler.connection.execute(back.encode())
            assert settled(), back


DAMAGES = (
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{facts}', 'null')",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{facts}', '[[null, null, null]]')",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{facts}', '[[[\"a\"], {\"b\": 1}, [3]]]')",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{facts,0,2}', (repeat('[', 3000) || repeat(']', 3000))::jsonb)",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{schemas}', '5')",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{server_version}', '{}')",
    "update migrations._snapshots set snapshot = jsonb_set(snapshot, '{fingerprint}', '\"0\"')",
    'update migrations._journal set entries = \'[{"idx": 0, "when": 1e300, "tag": "x"}]\'',
    'update migrations._journal set entries = \'[{"idx": 0, "when": 99999999999999999, "tag": "x"}]\'',
    'update migrations._journal set entries = \'[{"idx": 0, "when": null, "tag": "x"}]\'',
    'update migrations._journal set entries = \'[{"idx": [0], "when": 1, "tag": "x"}]\'',
    "update migrations._journal set entries = '{\"idx\": 0}'",
    "update migrations._journal set entries = 'null'",
    "update migrations._journal set entries = ('[' || repeat('[', 3000) || repeat(']', 3000) || ']')::jsonb",
    "update migrations._journal set entries = ('[{\"idx\": ' || repeat('9', 5000) || '}]')::jsonb",
    "update migrations._statements set hazards = '5'",
    "update migrations._marks set addresses = '{\"a\": 1}'",
    "update migrations._marks set addresses = '[[1, 2, 3, 4, 5]]'",
    "update migrations._marks set scope = '[1]'",
    "update migrations._runs set started_at = 'infinity'",
    "update migrations._runs set finished_at = '4000-12-31 23:59:59 BC'",
    "alter table migrations._runs drop constraint _runs_kind_check; update migrations._runs set kind = 'sabotage'",
    "update migrations._runs set outcome = 'running', changes = '[1]'",
    "update migrations._runs set outcome = 'running', changes = '{\"a\": [2]}'",
)


@pytest.mark.one_server
def test_damaged_rows_end_in_one_clear_error_or_are_passed_over(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(DECLARED)
    changed = "create table public.users (id int primary key, email text);"
    for damage in DAMAGES:
        with connect(database, autocommit=True) as connection, connection.transaction(force_rollback=True):
            connection.execute(damage.encode())
            reconciler = Reconciler(connection)
            status = reconciler.status()
            reconciler.history()
            reconciler.check(changed)
            assert status.has_run or status.warnings, damage
            for use in (
                lambda each: each.migrate(changed),
                lambda each: each.check(),
                lambda each: each.plan_rollback(to=0),
                lambda each: each.show(0),
                lambda each: each.repair(changed),
            ):
                error = refusal(connection, use)
                assert error is None or ("is damaged" in error.message and error.hint), damage


def test_a_fresh_ledger_is_as_it_must_be_and_names_all_its_tables(database: str) -> None:
    with connect(database) as connection:
        ensure_ledger(connection)
        found = connection.execute(
            "select relname::text from pg_class where relnamespace = 'migrations'::regnamespace and relkind = 'r'"
        ).fetchall()
        assert {name for (name,) in found} == set(TABLES)
