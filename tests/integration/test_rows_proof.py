"""A plan is rehearsed on sampled rows: what keeps them passes, and a plan that loses some is caught before it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import ProofError
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import Statement
from reconciler.options import Options, Proof
from reconciler.proof.rehearsal import prove
from reconciler.proof.rows import RowRehearsal
from reconciler.proof.sampling import sample_rows
from reconciler.scratch.choice import choose_scratch

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.plan import Plan

pytestmark = pytest.mark.one_server

OPTIONS = Options(proof=Proof.ROWS, allow=frozenset(HazardKind))
BEFORE = """
create type mood as enum ('a', 'b', 'c');
create type pair as (x int, y text);
create table "per%cent" ("id (%s)" int generated always as identity primary key, up int references "per%cent", m mood, c pair);
create table child (id int primary key, parent int not null references "per%cent" deferrable initially deferred,
    n int, t text
    , d int generated always as (n * 2) stored, other int);
create table ring (id int primary key, child int references child);
alter table child add constraint back foreign key (other) references ring;
create table part (id int, at int) partition by range (at);
create table part1 partition of part for values from (0) to (10);
create table part2 partition of part for values from (10) to (20);
create function fired() returns trigger language plpgsql as $$ begin raise 'fired'; end $$;
create trigger t before insert on child for each row execute function fired();
alter table child disable trigger t;
create table untouched (id int);
"""
ROWS = """
insert into "per%cent" (up, m, c) select nullif(n - 1, 0), 'a', (n, 'y')::pair from generate_series(1, 1000) n;
insert into child select n, 1001 - n, n, 'text ' || n from generate_series(1, 1000) n;
insert into ring select n, 1001 - n from generate_series(1, 1000) n;
update child set other = id; set constraints all immediate;
alter table child enable always trigger t;
insert into part select n, n % 20 from generate_series(1, 50) n;
analyze;
"""
AFTER = (
    BEFORE.replace("('a', 'b', 'c')", "('c', 'a')")
    .replace("(x int, y text)", "(y text, x int)")
    .replace(
        "n int, t text", "n bigint, extra int default 5,\n    renamed varchar(20) -- reconciler: renamed from t\n    "
    )
    .replace("(10) to (20)", "(10) to (30)")
    .replace("alter table child disable trigger t", "alter table child enable always trigger t")
)


@pytest.fixture
def filled(database: str) -> str:
    """The URL of a database with BEFORE and its rows."""
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(BEFORE)
    with psycopg.connect(database) as connection:
        connection.execute(ROWS.encode())
    return database


@pytest.mark.parametrize(("scratch", "online"), [("schema", None), ("database", None), ("database", True)])
def test_a_plan_that_keeps_the_rows_passes(filled: str, scratch: str, online: bool | None) -> None:
    options = replace(OPTIONS, scratch=scratch, online=online)
    with Reconciler(filled, options=options) as reconciler:
        planned = reconciler.plan(AFTER)
        assert planned.warnings == ()
        reconciler.apply(planned)
        assert reconciler.plan(AFTER).plan.is_empty


def _rehearse(url: str, after: str, change: Callable[[Plan], Plan]) -> RowRehearsal:
    """Rehearses the plan for `after` as `change` made it, with rows."""
    with Reconciler(url, options=replace(OPTIONS, proof=Proof.OFF)) as reconciler:
        planned = reconciler.plan(after)
        plan, live, goal = change(planned.plan), planned.live, planned.goal.snapshot
        with reconciler.connection.transaction(force_rollback=True):
            rows = RowRehearsal(sample=sample_rows(reconciler.connection, plan, live, goal))
            scratch = choose_scratch(reconciler.connection, "auto", planned.scope, dsn=url)
            user = str(reconciler.connection.info.user)
            prove(plan, live, goal, scratch, planned.scope, current_user=user, rows=rows)
    return rows


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("update public.child set n = null", r"column public.child.n does not keep its values: \d+ of \d+ are lost"),
        ("update public.child set parent = 1", r"column public.child.parent does not keep its values: \d+ of \d+"),
        ("delete from public.ring; delete from public.child where id = 7", "table public.c[a-z]+ has"),
        ("update public.part set id = 0 where at = 12", "column public.part.id does not keep its values"),
        ("delete from public.part where id = 12", r"table public.part has \d+ rows of \d+"),
        (
            "update public.child set other = 3 - other where other in (1, 2)",
            "public.child: its columns keep their values, but its rows do not",
        ),
    ],
)
def test_a_plan_that_loses_rows_or_values_is_caught(filled: str, loss: str, message: str) -> None:
    after = AFTER.replace("renamed varchar(20) -- reconciler: renamed from t", "t text")
    quiet = "set local session_replication_role = replica"

    def losing(plan: Plan) -> Plan:
        return replace(plan, statements=(Statement(sql=quiet), *plan.statements, Statement(sql=loss)))

    with pytest.raises(ProofError, match=message):
        _rehearse(filled, after, losing)
    rows = _rehearse(filled, after, lambda plan: plan)
    assert rows.warnings == ()
    assert {fact.name[1] for fact in rows.sample.tables} == {"per%cent", "child", "ring", "part2"}


def test_values_that_cannot_be_converted_show_before_the_plan_runs(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("create table t (a text);")
        with psycopg.connect(database) as connection:
            connection.execute("insert into t values ('1'), ('one')")
        assert reconciler.plan("create table t (a int);", options=replace(OPTIONS, proof=Proof.SCHEMA)).plan.statements
        with pytest.raises(ProofError, match=r"fails on a copy of live with sampled rows: .*\"one\""):
            reconciler.plan("create table t (a int);")


def test_rows_that_a_plan_will_refer_to_are_rehearsed_too(database: str) -> None:
    """What a backfill, a conversion and a default refer to, though no row does so far."""
    before = """
    create table par (id int primary key, "a ""b" text unique);
    create table kid (id int primary key, pid int references par, code varchar(9), k int);
    create function second() returns int language sql stable as 'select min(id) from public.par where id > 1';
    """
    after = before.replace(
        "pid int references par", "pid int not null references par -- reconciler: backfill public.second()\n"
    )
    after = after.replace(
        "code varchar(9), k int",
        """code text references par ("a ""b"), -- reconciler: using upper(code)
        k int, fresh int default 3 references par""",
    )
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(before.replace("create function second()", "create or replace function second()"))
        with psycopg.connect(database) as connection:
            connection.execute("insert into par select n, 'P' || n from generate_series(1, 3000) n")
            connection.execute("insert into kid select n, null, 'p' || n, n from generate_series(10, 20) n; analyze")
            connection.execute("alter table par disable trigger user")
        planned = reconciler.plan(after)
        assert planned.warnings == ()
        reconciler.apply(planned)
        with psycopg.connect(database) as connection:
            assert connection.execute("select distinct pid, fresh from kid").fetchall() == [(2, 3)]


def test_values_that_are_written_by_a_name_are_no_loss_when_the_name_changes(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("create type mood as enum ('a', 'b'); create table t (id int, m mood, r regclass);")
        with psycopg.connect(database) as connection:
            connection.execute("insert into t values (1, 'a', 't')")
        reconciler.migrate(
            "create type mood as enum ('x', -- reconciler: renamed from 'a'\n 'b');"
            "create table renamed (id int, m mood, r regclass); -- reconciler: renamed from t\n"
        )
        with psycopg.connect(database) as connection:
            assert connection.execute("select m::text, r::text from renamed").fetchall() == [("x", "renamed")]


def test_a_hint_that_fails_on_a_copy_is_what_the_error_speaks_of(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("create table t (a int);")
        with psycopg.connect(database) as connection:
            connection.execute("insert into t values (null)")
        with pytest.raises(ProofError, match="fails on a copy of live with sampled rows") as raised:
            reconciler.plan("create table t (a int not null -- reconciler: backfill 1 / 0\n);")
        assert "what a hint or a default makes of them" in str(raised.value.hint)
        for proof in Proof.ROWS, Proof.SCHEMA:
            with pytest.raises(ProofError, match="no_such") as raised:
                reconciler.plan(
                    "create table t (a int not null -- reconciler: backfill no_such(1)\n);",
                    options=replace(OPTIONS, proof=proof),
                )
            assert "report" not in str(raised.value.hint)


def test_a_column_that_is_dropped_on_purpose_is_not_compared(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate("create table t (a text, b int); create table u (a int);")
        with psycopg.connect(database) as connection:
            connection.execute("insert into t values ('1', 2); insert into u values (1)")
        reconciler.migrate("create table t (b int);")
        with psycopg.connect(database) as connection:
            assert connection.execute("select * from t").fetchall() == [(2,)]


def test_a_table_that_cannot_be_loaded_is_named(database: str) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        tables = "create table t (a int); create table u (a int);"
        declared = tables + "alter table t add constraint few check (a < 10) not valid;"
        reconciler.migrate(tables)
        with psycopg.connect(database) as connection:
            connection.execute("insert into t values (11)")
        reconciler.migrate(declared)
        planned = reconciler.plan(declared.replace("a int", "a bigint"))
    assert [warning.partition(":")[0] for warning in planned.warnings] == ["table public.t"]
    assert "violates check constraint" in planned.warnings[0]


def test_a_table_with_a_foreign_partition_is_named_and_not_read(database: str) -> None:
    before = (
        "create foreign data wrapper w; create server far foreign data wrapper w;"
        "create table p (id int, v int) partition by range (id);"
        "create table near partition of p for values from (0) to (10);"
        "create foreign table away partition of p for values from (10) to (20) server far;"
    )
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(before)
        with psycopg.connect(database) as connection:
            connection.execute("insert into public.near values (1, 1)")
        planned = reconciler.plan(before.replace("v int", "v bigint"))
        assert [note for note in planned.notes if "foreign table" in note] == [
            "table public.near: not rehearsed on its rows: a partition of table public.p is a foreign table"
        ]
        reconciler.apply(planned)
