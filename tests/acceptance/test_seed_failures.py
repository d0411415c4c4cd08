"""What elizaOS (E1-E12) and Drizzle (D1-D6) get wrong, each seen to be right here, on real servers."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.errors import ApplyError, HazardError, PreflightError, ReconcilerError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options
from reconciler.source.reading import parse_source
from reconciler.source.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.results import MigrateResult

pytestmark = pytest.mark.one_server

PLUGIN = "@elizaos/plugin-notes"
SCHEMA = "notes"
NOTES = """
create table notes (
    id bigint generated always as identity primary key,
    title text not null,
    body text,
    priority integer not null default 0
);
create index notes_title on notes (title);
"""


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def migrate(url: str, source: str, **options: bool) -> MigrateResult:
    with Reconciler(url) as reconciler:
        return reconciler.migrate(source, plugin=PLUGIN, **options)


def rows(url: str, table: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier("migrations", table))
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else -1


def test_e1_d6_what_is_dropped_by_hand_is_seen_and_comes_back(database: str) -> None:
    migrate(database, NOTES)
    run(database, "alter table notes.notes drop column body")
    with Reconciler(database) as reconciler:
        drifted = reconciler.check(NOTES, plugin=PLUGIN).of(State.DRIFTED)
    assert [state.object.key for state in drifted] == ["table:notes.notes"]
    assert migrate(database, NOTES).statements
    assert (
        value(
            database, "select count(*) from pg_attribute where attrelid = 'notes.notes'::regclass and attname = 'body'"
        )
        == 1
    )
    run(database, "drop table notes.notes")
    migrate(database, NOTES)
    assert value(database, "select to_regclass('notes.notes') is not null") is True


def test_e2_the_first_run_on_an_existing_schema_adds_what_is_missing(database: str) -> None:
    run(
        database,
        "create schema notes; create table notes.notes (id bigint generated always as identity primary key,"
        " title text not null, priority integer not null default 0); insert into notes.notes (title) values ('kept')",
    )
    result = migrate(database, NOTES)
    assert any("ADD COLUMN" in statement.sql for statement in result.statements)
    assert value(database, "select title from notes.notes") == "kept"


def _worker(url: str, source: str, plugin: str, start: object, failures: object) -> None:
    start.wait()
    try:
        with Reconciler(url) as reconciler:
            reconciler.migrate(source, plugin=plugin)
    except Exception as error:
        failures.put(f"{type(error).__name__}: {error}")


def at_once(url: str, jobs: list[tuple[str, str]]) -> list[str]:
    """Runs (plugin, source) pairs in processes of their own that begin together; gives what went wrong."""
    context = multiprocessing.get_context("spawn")
    start, failures = context.Event(), context.Queue()
    workers = [context.Process(target=_worker, args=(url, source, plugin, start, failures)) for plugin, source in jobs]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join()
    found = []
    while not failures.empty():
        found.append(failures.get())
    return found


def test_e3_e4_d3_twenty_processes_on_a_fresh_database_leave_one_row(database: str) -> None:
    source = "create extension if not exists plpgsql;" + NOTES
    assert at_once(database, [(PLUGIN, source)] * 20) == []
    assert rows(database, "_migrations") == 1
    assert rows(database, "_snapshots") == 1
    assert value(database, "select jsonb_array_length(entries) from migrations._journal") == 1


def test_ten_plugins_in_parallel_are_all_done(database: str) -> None:
    assert at_once(database, [(f"plugin-p{number}", NOTES) for number in range(10)]) == []
    assert rows(database, "_migrations") == 10


def test_e5_enum_columns_work_and_grow(database: str) -> None:
    migrate(database, "create type mood as enum ('calm', 'glad'); create table t (m mood not null default 'calm');")
    run(database, "insert into notes.t values ('glad')")
    migrate(
        database, "create type mood as enum ('calm', 'keen', 'glad'); create table t (m mood not null default 'calm');"
    )
    assert value(database, "select array_agg(e::text) from unnest(enum_range(null::notes.mood)) e") == [
        "calm",
        "keen",
        "glad",
    ]
    migrate(database, "create type mood as enum ('glad', 'calm'); create table t (m mood not null default 'calm');")
    assert value(database, "select m::text from notes.t") == "glad"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("create table t (a int primary key, b int not null)", "create table t (a int, b int primary key)"),
        ("create table t (a int check (a > 0))", "create table t (a int check (a > 1))"),
        ("create table t (a timestamp)", "create table t (a timestamptz)"),
        ("create table t (a int)", "create table t (a int, b int generated always as (a * 2) stored)"),
        ("create table t (a int)", "create table t (a int generated always as identity)"),
        (
            "create table t (a int); create index i on t (a)",
            "create table t (a int); create index i on t (a) where a > 0",
        ),
    ],
)
def test_e6_what_is_recorded_is_applied(database: str, before: str, after: str) -> None:
    migrate(database, before)
    assert migrate(database, after, allow_data_loss=True).statements
    with Reconciler(database) as reconciler:
        assert reconciler.plan(after, plugin=PLUGIN).plan.is_empty


def test_e7_an_index_outside_of_public_is_really_dropped(database: str) -> None:
    migrate(database, NOTES)
    migrate(database, NOTES.replace("create index notes_title on notes (title);", ""))
    assert value(database, "select to_regclass('notes.notes_title')") is None


def test_e8_d1_a_rename_is_not_silently_a_loss(database: str) -> None:
    """A renamed column is a drop and an addition: refused, with what it would cost, until data loss is allowed."""
    migrate(database, NOTES)
    run(database, "insert into notes.notes (title, body) values ('t', 'b')")
    with pytest.raises(HazardError, match=r"column notes\.notes\.body with all of its values"):
        migrate(database, NOTES.replace("body text", "content text"))
    assert value(database, "select body from notes.notes") == "b"


def test_e9_a_dry_run_writes_nothing(database: str) -> None:
    result = migrate(database, NOTES, dry_run=True)
    assert result.statements
    assert result.dry_run
    assert value(database, "select to_regnamespace('migrations') is null and to_regnamespace('notes') is null") is True
    migrate(database, NOTES)
    destructive = migrate(database, "create table other (a int)", dry_run=True)
    assert any(hazard.kind is HazardKind.DATA_LOSS for s in destructive.statements for hazard in s.hazards)
    assert rows(database, "_migrations") == 1


def test_e10_an_unchanged_schema_is_no_data_loss(database: str) -> None:
    migrate(database, NOTES)
    with Reconciler(database) as reconciler:
        assert reconciler.check_migration(NOTES, plugin=PLUGIN) is None
        lost = reconciler.check_migration("create table other (a int)", plugin=PLUGIN)
    assert lost is not None
    assert lost[0].kind is HazardKind.DATA_LOSS


def test_e11_adopting_an_identical_database_runs_no_statement(database: str) -> None:
    run(database, f"create schema notes; set search_path = notes; {NOTES}")
    with Reconciler(database) as reconciler:
        result = reconciler.adopt(NOTES, plugin=PLUGIN)
        assert result.idx == 0
        assert result.statements == ()
        assert reconciler.history(plugin=PLUGIN)[0].tag.startswith("introspected_")
        assert reconciler.check(NOTES, plugin=PLUGIN).plan.is_empty


def test_e12_others_objects_in_public_are_left_alone(database: str) -> None:
    run(
        database,
        "create table theirs (a int); create index theirs_a on theirs (a); create view theirs_v as select 1 as one",
    )
    with Reconciler(database, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate("create table ours (a int);")
        reconciler.migrate("create table other (a int);")
    assert value(database, "select to_regclass('theirs_a') is not null and to_regclass('theirs_v') is not null") is True
    assert value(database, "select to_regclass('ours')") is None


def test_d2_2352_a_failing_statement_rolls_everything_back(database: str) -> None:
    migrate(database, NOTES)
    run(database, "insert into notes.notes (title) values ('twice'), ('twice')")
    failing = NOTES + "alter table notes add constraint once unique (title); create table later (a int);"
    with (
        Reconciler(database, options=Options(preflight=False)) as reconciler,
        pytest.raises(ApplyError, match="could not create unique index") as caught,
    ):
        reconciler.migrate(failing, plugin=PLUGIN)
    assert "once" in str(caught.value.statement)
    assert caught.value.left is not None
    assert value(database, "select to_regclass('notes.later')") is None
    assert rows(database, "_migrations") == 1
    with Reconciler(database) as reconciler:
        run_row = reconciler.status(plugin=PLUGIN).last_run
        assert run_row is not None
        assert run_row.outcome == "failed"
    run(database, "delete from notes.notes")
    assert migrate(database, failing).idx == 1


def test_d4_d5_an_edited_declaration_is_noticed_whatever_the_clock_says(database: str) -> None:
    from datetime import UTC, datetime

    late, early = datetime(2040, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    with Reconciler(database, clock=lambda: late) as reconciler:
        reconciler.migrate(NOTES, plugin=PLUGIN)
    with Reconciler(database, clock=lambda: early) as reconciler:
        assert reconciler.migrate(NOTES + "create table later (a int);", plugin=PLUGIN).idx == 1
        assert reconciler.status(plugin=PLUGIN).last_migration.idx == 1
    assert value(database, "select to_regclass('notes.later') is not null") is True


def test_d2_a_failing_source_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError):
        parse_source(["cmd:echo 'Error: cannot find the schema' >&2"], cwd=tmp_path)


@pytest.mark.parametrize(
    ("spelled", "same"),
    [
        (
            "create table t (a int4, b varchar(20), c decimal(10,2), d timestamptz, e bool)",
            "create table t (a integer, b character varying(20), c numeric(10,2), d timestamp with time zone, e boolean)",
        ),
        ("create table t (a int8 default 1 + 1)", "create table t (a bigint default (1 + 1))"),
    ],
)
def test_equivalent_spellings_of_types_are_no_change(database: str, spelled: str, same: str) -> None:
    migrate(database, spelled)
    result = migrate(database, same)
    assert result.statements == ()


def test_text_that_is_no_number_fails_and_rolls_back(database: str) -> None:
    migrate(database, "create table t (a text)")
    run(database, "insert into notes.t values ('seven')")
    with pytest.raises(PreflightError, match="becomes integer, but the value does not fit"):
        migrate(database, "create table t (a integer)")
    assert value(database, "select a from notes.t") == "seven"
    run(database, "update notes.t set a = '7'")
    migrate(database, "create table t (a integer)")
    assert value(database, "select a from notes.t") == 7


@pytest.mark.parametrize(
    ("after", "bad", "clean"),
    [
        ("create table t (a int not null, b int)", "insert into notes.t values (null, 1)", "delete from notes.t"),
        (
            "create table t (a int, b int, unique (a))",
            "insert into notes.t values (1, 1), (1, 2)",
            "delete from notes.t where b = 2",
        ),
        (
            "create table t (a int, b int, check (a > 0))",
            "insert into notes.t values (-1, 1)",
            "update notes.t set a = 1",
        ),
        (
            "create table t (a int, b int); create table p (id int primary key); alter table t add foreign key (a) references p",
            "insert into notes.t values (9, 1)",
            "delete from notes.t",
        ),
    ],
)
def test_rows_that_forbid_a_change_warn_fail_and_can_be_cleaned(
    database: str, after: str, bad: str, clean: str
) -> None:
    migrate(database, "create table t (a int, b int)")
    run(database, bad)
    with Reconciler(database) as reconciler:
        hazards = {hazard.kind for hazard in reconciler.plan(after, plugin=PLUGIN).plan.hazards}
    assert HazardKind.MAY_FAIL in hazards
    with pytest.raises(PreflightError):
        migrate(database, after)
    run(database, clean)
    assert migrate(database, after).idx == 1


def test_foreign_keys_change_and_go(database: str) -> None:
    tables = "create table p (id int primary key, up int references p); create table c (a int, b int, p int{});"
    for clause in (" references p", " references p on delete cascade", ""):
        migrate(database, tables.format(clause))
        with Reconciler(database) as reconciler:
            assert reconciler.check(tables.format(clause), plugin=PLUGIN).plan.is_empty


def test_reset_forgets_and_leaves_the_tables(database: str) -> None:
    migrate(database, NOTES)
    with Reconciler(database) as reconciler:
        reconciler.initialize()
        reconciler.initialize()
        assert reconciler.reset(plugin=PLUGIN) > 0
        assert not reconciler.status(plugin=PLUGIN).has_run
    assert value(database, "select to_regclass('notes.notes') is not null") is True
    assert migrate(database, NOTES).idx == 0


def test_an_empty_source_is_refused(database: str) -> None:
    migrate(database, NOTES)
    with Reconciler(database) as reconciler, pytest.raises(ReconcilerError):
        reconciler.migrate(Source(statements=(), text="", description="nothing"), plugin=PLUGIN)
    assert value(database, "select to_regclass('notes.notes') is not null") is True


def test_core_and_plugin_are_isolated(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table core (a int);", plugin="@elizaos/plugin-sql")
        reconciler.migrate(NOTES, plugin=PLUGIN)
        assert reconciler.status(plugin="@elizaos/plugin-sql").has_run
        assert reconciler.status(plugin=PLUGIN).has_run
    assert value(database, "select to_regclass('public.core') is not null") is True


def test_fifty_tables_are_adopted(database: str) -> None:
    many = "".join(f"create table t{n} (id int primary key, p int references t{max(n - 1, 0)});" for n in range(55))
    run(database, f"create schema notes; set search_path = notes; {many}")
    with Reconciler(database) as reconciler:
        assert reconciler.adopt(many, plugin=PLUGIN).statements == ()


def test_the_lock_is_free_after_a_failure(database: str, make_database: Callable[[], str]) -> None:
    with Reconciler(database) as reconciler:
        with pytest.raises(ReconcilerError):
            reconciler.migrate("create table t (a nosuchtype)", plugin=PLUGIN)
        with Reconciler(database) as other:
            assert other.migrate(NOTES, plugin=PLUGIN).idx == 0
