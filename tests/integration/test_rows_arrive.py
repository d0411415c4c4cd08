"""No row and no value is lost, whatever guards the table: the matrix of tests/guards.py, judged by a superuser."""

from __future__ import annotations

import ast
import re
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, Self

import psycopg
import pytest
from each_statement import before_each
from guards import CHANGES, ROLES, ROWS, Case, sample
from psycopg import sql
from psycopg.conninfo import make_conninfo

import reconciler
from reconciler.client import Reconciler
from reconciler.errors import ReconcilerError, RowsNotCarriedOverError
from reconciler.options import Options, Proof
from reconciler.planner.sql.quoting import compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Generator

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.plan import Statement

PLANNER = Path(reconciler.__file__).parent / "planner"
WRITES = re.compile(r"(INSERT INTO|UPDATE|UPDATE ONLY|DELETE FROM) \{\} |CREATE UNLOGGED TABLE \{\} AS ")
# What these write is for people to run on a subscriber, and no statement of a plan.
SHOWN = {"reroute_rows.leaving", "reroute_rows.moved_of", "sent_columns._touch"}
_PASSWORD = "arrive"
REFERRING = 30
# The statement before which a guard appears: the first that find a temporary column in place.
LATE = 2


def test_each_function_that_writes_rows_has_a_change_in_the_matrix() -> None:
    writing: set[str] = set()
    for path in PLANNER.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(each, ast.Constant) and isinstance(each.value, str) and WRITES.match(each.value)
                for each in ast.walk(function)
            ):
                writing.add(f"{path.stem}.{function.name}")
    assert writing - SHOWN == {each for change in CHANGES for each in change.covers}


TABLE = "create table t (id int primary key, k text, v int);"
PARTED = """create table t (id int primary key, k text, v int) partition by range (id);
create table t_1 partition of t for values from (0) to ({0});
create table t_2 partition of t for values from ({0}) to (1000);"""
ROWS_OF_T = "insert into public.t select g, 'k', g from generate_series(1, 90) g"
SKIP = """create function public.skip() returns trigger language plpgsql as 'begin return null; end';
create trigger late before update on public.t for each row execute function public.skip();
alter table public.t enable always trigger late;"""
# What no plan can know: a rule that appears in the plan's own transaction, before the rows are written.
AMBUSH = """create schema hidden; create function hidden.ambush() returns event_trigger language plpgsql as $$ begin
    if to_regclass('public.t') is not null and not exists (select from pg_rules where rulename = 'late') then
        execute 'create rule late as on insert to public.t do instead nothing';
    end if; end $$;
create event trigger ambush on ddl_command_end when tag in ({}) execute function hidden.ambush()"""


def test_values_that_were_turned_away_end_an_exchange_with_the_old_column_whole(database: str) -> None:
    after = TABLE.replace("v int", "v bigint")
    options = Options(online=True)
    values = "select count(*), count(v), sum(v) from public.t"
    with psycopg.connect(database, autocommit=True) as boss, Reconciler(database, options=options) as runner:
        runner.migrate(TABLE)
        boss.execute(ROWS_OF_T)

        def appear(_position: int, statement: Statement) -> None:
            if statement.batched is not None:
                boss.execute(SKIP)

        with pytest.raises(RowsNotCarriedOverError) as caught:
            runner.migrate(after, on_event=before_each(appear))
        error = caught.value
        assert (error.rows, error.message) == (90, "90 values of column public.t.v did not arrive in the new column")
        assert error.left is not None
        assert "recorded" in error.left
        assert boss.execute(values).fetchone() == (90, 90, 4095)
        assert boss.execute("select format_type(atttypid, null) from pg_attribute where attname = 'v'").fetchone() == (
            "integer",
        )
        # With the guard gone the run is resumed: the rows that were turned away are filled, and proven again.
        boss.execute("drop trigger late on public.t; drop function public.skip()")
        runner.migrate(after)
        assert boss.execute(values).fetchone() == (90, 90, 4095)
        assert runner.plan(after).plan.is_empty
        assert not boss.execute("select from pg_constraint where conname ~ 'reconciler_tmp'").fetchall()


@pytest.mark.parametrize(
    ("before", "after", "tag"),
    [(TABLE, PARTED.format(50), "'CREATE TABLE'"), (PARTED.format(50), PARTED.format(30), "'CREATE TABLE AS'")],
    ids=["recreated", "rerouted"],
)
def test_rows_that_were_turned_away_end_a_move_with_all_rows_where_they_were(
    database: str, before: str, after: str, tag: str
) -> None:
    options = Options(online=False, proof=Proof.OFF, scratch="database")
    with psycopg.connect(database, autocommit=True) as boss, Reconciler(database, options=options) as runner:
        runner.migrate(before)
        boss.execute(ROWS_OF_T)
        boss.execute(AMBUSH.format(tag).encode())
        planned = runner.plan(after)
        assert any(statement.arrival is not None for statement in planned.plan.statements)
        with pytest.raises(RowsNotCarriedOverError) as caught:
            runner.apply(planned)
        assert caught.value.rows == (90 if before == TABLE else 20)
        assert caught.value.left == "nothing: everything was rolled back"
        assert boss.execute("select count(*), sum(v) from public.t").fetchone() == (90, 4095)
        boss.execute("drop event trigger ambush")
        assert runner.plan(before).plan.is_empty


def test_a_hint_that_was_not_carried_out_everywhere_ends_the_run(database: str) -> None:
    after = TABLE.replace("v int", "v int,\n s text not null -- reconciler: backfill 'x' || id\n")
    with psycopg.connect(database, autocommit=True) as boss:
        with Reconciler(database, options=Options(online=False, proof=Proof.OFF)) as runner:
            runner.migrate(TABLE)
            boss.execute(ROWS_OF_T)
            boss.execute(AMBUSH.replace("on insert", "on update").format("'ALTER TABLE'").encode())
            planned = runner.plan(after)
            with pytest.raises(RowsNotCarriedOverError, match=r"90 rows of table public\.t got no value for"):
                runner.apply(planned)
        assert boss.execute("select count(*), sum(v) from public.t").fetchone() == (90, 4095)


def test_no_row_is_lost_in_a_sample_of_guarded_changes(server: EmbeddedServer) -> None:
    _run(server, sample(24, seed=14), Proof.SCHEMA)


@pytest.mark.long
def test_no_row_is_lost_in_the_matrix_of_guarded_changes(server: EmbeddedServer) -> None:
    _run(server, sample(3_000, seed=41), Proof.OFF)


def _run(server: EmbeddedServer, cases: list[Case], proof: Proof) -> None:
    """Runs them, each in a schema of its own; says how many there were, and what became of them."""
    wrong: list[str] = []
    done = refused = 0
    with _databases(server) as urls:
        for number, case in enumerate(cases):
            verdict = _judge(urls[case.role], case, f"case_{number}", proof)
            done += verdict == "done"
            refused += verdict == "refused"
            if verdict not in ("done", "refused"):
                wrong.append(f"{case}: {verdict}")
    print(f"{len(cases)} cases: {done} done, {refused} refused with an error of ours, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


@contextmanager
def _databases(server: EmbeddedServer) -> Generator[dict[str, tuple[str, str]]]:
    """For each role a database of its own: the superuser's URL and the role's."""
    found: dict[str, tuple[str, str]] = {}
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("create role arrive_group")
        options_of = {"owner": "", "member": "in role arrive_group", "bypassrls": "bypassrls", "setter": ""}
        for role, options in options_of.items():
            name, words = sql.Identifier(f"arrive_{role}"), sql.SQL(options)  # pyright: ignore[reportArgumentType]
            admin.execute(sql.SQL("create role {} login password {} {}").format(name, sql.Literal(_PASSWORD), words))
        if admin.info.server_version >= 150000:
            admin.execute("grant set on parameter session_replication_role to arrive_setter")
        for role in ROLES:
            database = f"arrive_{role}"
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(database)))
            url = server.url_of(database)
            found[role] = (url, url)
            if role != "superuser":
                found[role] = (url, make_conninfo(url, user=database, password=_PASSWORD))
                admin.execute(sql.SQL("alter database {0} owner to {0}").format(sql.Identifier(database)))
        try:
            yield found
        finally:
            for role in ROLES:
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(f"arrive_{role}")))
            if admin.info.server_version >= 150000:
                admin.execute("revoke set on parameter session_replication_role from arrive_setter")
            for role in (*ROLES[1:], "group"):
                admin.execute(sql.SQL("drop role {}").format(sql.Identifier(f"arrive_{role}")))


class _CutOffError(Exception):
    """What a run ends with where a case stops it."""


def _judge(urls: tuple[str, str], case: Case, schema: str, proof: Proof) -> str:
    """`done`, `refused`, or what is wrong."""
    boss_url, url = urls
    guard = case.guard.sql.replace("{t}", case.place).replace("{s}", schema).replace("{audit}", "audit")
    is_kept = case.mode != "late" and (case.place == "t" or case.change.guard_after)
    audit = "create table audit (what text);\n"
    options = Options(
        schemas=(schema,),
        online=case.mode != "plain",
        keep_column_order=case.mode == "ordered",
        proof=proof,
        allow=frozenset({"all"}),
        lock_timeout_ms=500,
        search_path=(schema,) if "table other" in case.change.before else (),
    )
    reads = case.change.reads
    with psycopg.connect(boss_url, autocommit=True) as boss:
        _prepare(boss, case, schema, case.change.before + audit, "" if case.mode == "late" else guard)
        before = _read(boss, schema, reads[0])
        assert len(before) == ROWS + (REFERRING if case.guard.refers else 0)
        with _writing(boss_url, schema, before, reads[0], at_once=case.writes) as complaints:
            after = case.change.after + audit + (guard if is_kept else "")
            with _Late(boss_url, schema, guard if case.mode == "late" else "") as late:
                said = _change(url, case, schema, after, options, late)
        # A run that ended with an error may have renamed a column in a step before.
        is_renamed = reads[0] != reads[1] and not _has_column(boss, schema, "v")
        arrived = _read(boss, schema, reads[1] if said == "done" or is_renamed else reads[0])
        try:
            if complaints:
                return f"a client's write failed: {complaints[0]}"
            return _lost(boss, case, schema, before, arrived, said) or said
        finally:
            boss.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


def _lost(
    boss: psycopg.Connection, case: Case, schema: str, before: dict[int, str], after: dict[int, str], said: str
) -> str | None:
    """What is wrong with the rows; None where all is right."""
    if case.guard.changes:
        before, after = ({key: row.replace("!", "") for key, row in rows.items()} for rows in (before, after))
    if before != after:
        differing = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        example = differing[0]
        return f"LOST ({said}): {len(differing)}, e.g. {before.get(example)} -> {after.get(example)}"
    if said == "done":
        wrong = compose("({}) IS NOT TRUE", raw(case.change.holds))
        if case.change.adds is not None:
            wrong = compose("{} OR {} IS NULL", raw(wrong), name(case.change.adds))
        row = boss.execute(
            compose("SELECT count(*) FROM {} WHERE {}", name(schema, "t"), raw(wrong)).encode()
        ).fetchone()
        assert row is not None
        if row[0]:
            return f"{row[0]} rows have no {case.change.adds}, or another than they should"
    return None


def _prepare(boss: psycopg.Connection, case: Case, schema: str, tables: str, guard: str) -> None:
    owner = {"superuser": "postgres", "member": "arrive_group"}.get(case.role, f"arrive_{case.role}")
    with boss.transaction():
        boss.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        boss.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(schema)))
        boss.execute(tables.encode())
        spread = "t_1" if "inherits" in tables else "t"
        boss.execute(sql.SQL("insert into t select g, 'k' || g % 3, g from generate_series(1, 40) g"))
        rest = sql.SQL("insert into {} select g, 'k' || g % 3, nullif(g, 50) from generate_series(41, 60) g")
        if "t text not null" not in case.change.after and "v text not null" in case.change.after:
            rest = sql.SQL("insert into {} select g, 'k' || g % 3, g from generate_series(41, 60) g")
        boss.execute(rest.format(sql.Identifier(spread)))
        if "table other" in tables:
            boss.execute("insert into other select id, k, v from t where id <= 40")
        boss.execute(guard.encode())
        if case.guard.refers and guard:
            boss.execute("insert into ref select g, g from generate_series(11, 40) g")
            boss.execute("set constraints all immediate")
        boss.execute(sql.SQL("alter schema {} owner to {}").format(sql.Identifier(schema), sql.Identifier(owner)))
        for (table,) in boss.execute(
            "select oid::regclass::text from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'p')",
            (schema,),
        ).fetchall():
            boss.execute(f"alter table {table} owner to {owner}".encode())
        for (function,) in boss.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = %s::regnamespace", (schema,)
        ).fetchall():
            boss.execute(f"alter function {function} owner to {owner}".encode())


def _read(boss: psycopg.Connection, schema: str, values: str) -> dict[int, str]:
    """All rows that a superuser sees, as text; those of a table that refers to it have negative keys."""
    text = compose("SELECT id, ROW({})::text FROM {}", raw(values), name(schema, "t"))
    if boss.execute("select to_regclass(%s)", (f"{schema}.ref",)).fetchone() != (None,):
        text += compose(" UNION ALL SELECT -id, ROW(t_id)::text FROM {}", name(schema, "ref"))
    return {int(key): str(row) for key, row in boss.execute(text.encode()).fetchall()}


def _has_column(boss: psycopg.Connection, schema: str, column: str) -> bool:
    text = "select 1 from pg_attribute where attrelid = %s::regclass and attname = %s and not attisdropped"
    return boss.execute(text, (f"{schema}.t", column)).fetchone() is not None


class _Late:
    """A guard that somebody creates in the middle of a run, when the table is not locked."""

    def __init__(self, url: str, schema: str, guard: str) -> None:
        self._guard = guard
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema)))
        self._connection.execute("set lock_timeout to '50ms'")

    def __call__(self, position: int) -> None:
        if not self._guard or position < LATE:
            return
        try:
            with self._connection.transaction():
                self._connection.execute(self._guard.encode())
            self._guard = ""
        except psycopg.errors.LockNotAvailable:
            pass  # the run holds the table: at the next statement

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _change(url: str, case: Case, schema: str, after: str, options: Options, late: _Late) -> str:
    """Runs the change; a run that is resumed is stopped before two of its statements first."""
    stops = [3, 6] if case.mode == "resumed" else []
    while True:

        def progress(position: int, _statement: Statement) -> None:
            late(position)
            if stops and position >= stops[0]:
                raise _CutOffError

        try:
            with Reconciler(url, options=options) as runner:
                runner.migrate(after, plugin=schema, on_event=before_each(progress))
            return "done"
        except _CutOffError:
            del stops[0]
        except ReconcilerError:
            return "refused"
        except psycopg.Error as exc:
            return f"an error of psycopg's left the API: {exc}"


@contextmanager
def _writing(url: str, schema: str, rows: dict[int, str], values: str, *, at_once: bool) -> Generator[list[str]]:
    """Somebody who adds rows and changes them while the run works; `rows` follows. Gives what failed because of us."""
    complaints: list[str] = []
    if not at_once:
        yield complaints
        return
    end = threading.Event()
    table = sql.Identifier(schema, "t")
    shown = compose("SELECT ROW({})::text FROM {} WHERE id = %s", raw(values), name(schema, "t")).encode()
    writes: tuple[LiteralString, ...] = (
        "insert into {} (id, k, v) values (%s, 'new', 7)",
        "update {} set v = 1000 where id = %s",
        "delete from {} where id = %s",
    )

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as client:
            for number in range(100, 100_000):
                if end.is_set():
                    return
                for key, text in zip((number, number % ROWS + 1, number - 7), writes, strict=True):
                    if key in range(ROWS + 1, 100):
                        continue
                    try:
                        with client.transaction():
                            client.execute(sql.SQL(text).format(table), (key,))
                            found = client.execute(shown, (key,)).fetchone()
                        if found is not None:
                            rows[key] = str(found[0])
                        else:
                            rows.pop(key, None)
                    except psycopg.Error as exc:
                        if "reconciler" in str(exc):
                            complaints.append(str(exc))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield complaints
    finally:
        end.set()
        thread.join()
