"""Changes in steps: what they say, where they end, and that a half-made one is resumed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from each_statement import before_each
from prepared import prepare

from reconciler.client import Reconciler
from reconciler.errors import ApplyError, LockTimeoutError
from reconciler.ledger.runs import load_runs
from reconciler.options import Options
from reconciler.report.text import status_text

if TYPE_CHECKING:
    from reconciler.model.plan import Plan, Statement

pytestmark = pytest.mark.one_server

BEFORE = """
create table parent (id int primary key);
create table t (id int primary key, a int, b int, p int, label text);
create index t_a on t (a);
"""
ROWS = """
insert into public.parent select generate_series(1, 10);
insert into public.t select n, n, n, n % 10 + 1, 'row ' || n from generate_series(1, 500) n;
"""
ONLINE = Options(online=True)
BLIND = Options(online=True, preflight=False)
CHANGES = {
    "an index": BEFORE + "create index t_b on t (b);",
    "a unique index": BEFORE + "create unique index t_b on t (b);",
    "a replaced index": BEFORE.replace("t (a)", "t (a, b)"),
    "a replaced index on a new column": BEFORE.replace("label text", "label text, c int").replace("t (a)", "t (a, c)"),
    "an index of a new column, with a comment": BEFORE.replace("label text", "label text, c int")
    + "create index t_c on t (c); comment on index t_c is 'new';",
    "a dropped index": BEFORE.replace("create index t_a on t (a);", ""),
    "not null": BEFORE.replace("a int", "a int not null"),
    "a check": BEFORE + "alter table t add constraint positive check (a > 0);",
    "a foreign key": BEFORE + "alter table t add constraint to_parent foreign key (p) references parent;",
    "a unique constraint": BEFORE + "alter table t add constraint t_b_key unique (b) include (a) deferrable;",
    "a key, and a reference to it": BEFORE
    + "alter table t add unique (b); create table other (b int references t (b));",
    "another primary key": BEFORE.replace("id int primary key, a int", "id int not null unique, a int primary key"),
}


def _prepare(url: str, text: str = BEFORE, rows: str = ROWS) -> None:
    prepare(url, text, rows)


def _texts(plan: Plan) -> list[str]:
    return [statement.sql for statement in plan.statements]


@pytest.mark.two_servers
@pytest.mark.parametrize("after", CHANGES.values(), ids=CHANGES)
def test_a_change_in_steps_ends_where_the_declaration_says(database: str, after: str) -> None:
    _prepare(database)
    with Reconciler(database, options=ONLINE) as reconciler:
        result = reconciler.migrate(after)
        assert result.idx == 1
        assert not all(each.transactional for each in result.statements) or len({e.step for e in result.statements}) > 1
        assert reconciler.plan(after).plan.is_empty
        assert [each.sql for each in reconciler.show(1).statements] == [each.sql for each in result.statements]
        assert reconciler.status().unfinished is None
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from public.t").fetchone() == (500,)


SERIAL = """
create table owner (id serial primary key, name text not null);
create table t (
    id int generated always as identity primary key,
    owner int not null references owner (id),
    n int default 7,
    "odd, name" int,
    check (n > 0)
);
create index t_n on t (n, lower(n::text)) where n > 1;
create unique index on t ("odd, name");
create statistics t_stats on n, owner from t;
create view sums as select owner, sum(n) from t group by owner;
comment on column t.n is 'how many';
create table line (t int references t (id), x int);
"""
SERIAL_ROWS = """
insert into public.owner (name) select 'owner ' || n from generate_series(1, 11) n;
insert into public.t (owner, n, "odd, name") select n % 10 + 1, n, n from generate_series(1, 3000) n;
insert into public.line select n, n from generate_series(1, 100) n;
"""
TYPES = {
    "identity primary key, referenced": SERIAL.replace("id int generated", "id bigint generated").replace(
        "(t int references", "(t bigint references"
    ),
    "serial primary key, referenced": SERIAL.replace("id serial", "id bigserial").replace("owner int", "owner bigint"),
    "default, check, index, view, statistics and comment": SERIAL.replace("n int default", "n bigint default"),
    "to text": SERIAL.replace('"odd, name" int', '"odd, name" text'),
    "with another default": SERIAL.replace("n int default 7", "n numeric default 8"),
}


@pytest.mark.parametrize("after", TYPES.values(), ids=TYPES)
def test_another_type_comes_without_a_rewrite(database: str, after: str) -> None:
    _prepare(database, SERIAL, SERIAL_ROWS)
    values = 'select count(*), sum(id), sum(owner), sum(n), sum("odd, name"::text::int) from public.t'
    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute(values).fetchone()
        plan = reconciler.plan(after).plan
        assert not [hazard for hazard in plan.hazards if hazard.kind in ("blocking_lock", "table_rewrite")]
        assert reconciler.migrate(after, allow_data_loss=True).idx == 1
        assert reconciler.plan(after).plan.is_empty
        assert connection.execute(values).fetchone() == before
        # The sequences go on where they were.
        assert connection.execute("insert into public.owner (name) values ('new') returning id").fetchone() == (12,)
        assert connection.execute("insert into public.t (owner) values (11) returning id").fetchone() == (3001,)
        assert not connection.execute("select from pg_class where relname ~ 'reconciler_tmp'").fetchall()


def test_a_new_column_whose_default_differs_for_each_row_is_backfilled_in_batches(database: str) -> None:
    _prepare(database)
    after = BEFORE.replace("label text", "label text, token uuid not null default gen_random_uuid()")
    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database) as connection:
        plan = reconciler.plan(after).plan
        assert [statement.batched is not None for statement in plan.statements].count(True) == 1
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        assert connection.execute("select count(distinct token) from public.t").fetchone() == (500,)


def test_what_clients_write_while_the_column_is_filled_is_in_the_new_one(database: str) -> None:
    _prepare(database, SERIAL, SERIAL_ROWS)
    after = TYPES["default, check, index, view, statistics and comment"]
    with psycopg.connect(database, autocommit=True) as client:

        def write(position: int) -> None:
            client.execute("insert into public.t (owner, n) values (1, %s)", (10_000 + position,))
            client.execute("update public.t set n = n + 1 where id = %s", (position,))
            client.execute("delete from public.t where id = %s", (1000 + position,))

        with Reconciler(database, options=ONLINE) as reconciler:
            # Inside the exchange's own transaction a client would wait for us.
            alone = [step.first for step in reconciler.plan(after).plan.steps if len(step.statements) == 1]
            assert len(alone) >= 4
            reconciler.migrate(after, on_event=before_each(lambda at, _: write(at) if at in alone else None))
        written = client.execute("select count(*), count(*) filter (where n >= 10000) from public.t").fetchone()
        assert written == (3000, len(alone))
        changed = client.execute("select n from public.t where id = %s", (alone[0],)).fetchone()
        assert changed == (alone[0] + 1,)


def test_no_statement_reads_all_rows_under_a_lock_that_blocks_clients(database: str) -> None:
    _prepare(database)
    everything = (
        BEFORE.replace("a int", "a int not null").replace("t (a)", "t (a, b)")
        + "create index t_b on t (b); alter table t add unique (label);"
        + "alter table t add foreign key (p) references parent; alter table t add check (b > 0);"
    )
    with Reconciler(database, options=ONLINE) as reconciler:
        plan = reconciler.plan(everything).plan
        assert not [hazard for hazard in plan.hazards if hazard.kind in ("blocking_lock", "table_rewrite")]
        for statement in plan.statements:
            assert statement.brief or statement.lock is None or not statement.lock.blocks_clients
        reconciler.migrate(everything)
        assert reconciler.plan(everything).plan.is_empty


@pytest.mark.smoke
def test_a_new_index_is_there_before_the_old_one_goes(database: str) -> None:
    _prepare(database)
    with Reconciler(database, options=ONLINE) as reconciler:
        texts = _texts(reconciler.plan(CHANGES["a replaced index"]).plan)
    assert texts[0].startswith("CREATE INDEX CONCURRENTLY")
    assert texts[-1].startswith("DROP INDEX CONCURRENTLY")
    assert len(texts) == 4


@pytest.mark.smoke
def test_small_tables_stay_in_the_one_transaction(database: str) -> None:
    _prepare(database)
    after = CHANGES["an index"]
    with Reconciler(database) as reconciler:
        assert reconciler.plan(after).plan.is_one_transaction
        assert reconciler.plan(after, options=Options(online_above_bytes=8192)).plan.statements[0].step == 1
        assert not reconciler.plan(after, options=Options(online_above_bytes=8192)).plan.is_one_transaction
        assert reconciler.plan(after, options=Options(online=False, online_above_bytes=0)).plan.is_one_transaction


def test_an_invalid_index_that_a_failed_build_left_is_built_again(database: str) -> None:
    _prepare(database)
    after = CHANGES["a unique index"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.t (id, b) values (1001, 1)")
        with Reconciler(database, options=ONLINE) as reconciler:
            with pytest.raises(ApplyError, match="could not create unique index") as caught:
                reconciler.migrate(after, options=BLIND)
            assert "which the next run ends" in str(caught.value.left)
            unfinished = reconciler.status().unfinished
            assert unfinished is not None
            assert (unfinished.steps_done, unfinished.step_count) == (0, 1)
            assert "unfinished: 0 of 1 steps" in status_text(reconciler.status())
            assert [run.outcome for run in load_runs(reconciler.connection)] == ["failed", "succeeded"]
            assert not reconciler.check(after).has_drift
            connection.execute("delete from public.t where id = 1001")
            texts = _texts(reconciler.plan(after).plan)
            assert [text.split(" INDEX")[0] for text in texts] == ["DROP", "CREATE UNIQUE"]
            reconciler.migrate(after)
            assert reconciler.plan(after).plan.is_empty


def test_a_constraint_that_was_not_validated_is_validated_by_the_next_run(database: str) -> None:
    _prepare(database)
    after = CHANGES["a check"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.t (id, a) values (1001, -1)")
        with Reconciler(database, options=ONLINE) as reconciler:
            with pytest.raises(ApplyError, match="violated"):
                reconciler.migrate(after, options=BLIND)
            connection.execute("delete from public.t where id = 1001")
            assert _texts(reconciler.plan(after).plan) == ['ALTER TABLE "public"."t" VALIDATE CONSTRAINT "positive"']
            assert reconciler.migrate(after).idx == 1
            # What the first run did is part of the migration.
            assert "NOT VALID" in reconciler.show(1).statements[0].sql


def test_the_lock_timeout_reaches_the_statement(database: str) -> None:
    after = """
    create function seen() returns text language sql volatile as
        'select current_setting(''lock_timeout'') || '' '' || current_setting(''statement_timeout'')';
    create table t (id int, seen text default seen());
    """
    _prepare(database, "create table t (id int);", "insert into public.t values (1);")
    with Reconciler(database, options=Options(lock_timeout_ms=321)) as reconciler:
        reconciler.migrate(after)
    with psycopg.connect(database) as connection:
        row = connection.execute("select seen from public.t").fetchone()
    assert row is not None
    # What the locks before it have left of the time.
    lock_timeout, statement_timeout = row[0].split()
    assert 0 < int(lock_timeout.removesuffix("ms")) <= 321
    assert statement_timeout == "0"


def test_a_lock_is_tried_again_and_everything_is_let_go_between(database: str) -> None:
    """The transaction that holds a lock can itself take what we want in between: nobody waits for a pause of ours."""
    _prepare(database)
    released = threading.Event()
    tried = threading.Event()

    with psycopg.connect(database) as holder:
        holder.execute("lock table public.t in share mode")

        def apply() -> None:
            def progress(_position: int, _statement: Statement) -> None:
                released.set()

            with Reconciler(database, options=Options(lock_timeout_ms=50, lock_retries=100)) as reconciler:
                tried.set()
                reconciler.migrate(BEFORE.replace("a int", "a int, c int"), on_event=before_each(progress))

        worker = threading.Thread(target=apply)
        worker.start()
        tried.wait()
        with psycopg.connect(database, autocommit=True) as client:
            for _ in range(20):
                client.execute("select count(*) from public.t")
        assert not released.is_set()
        holder.rollback()
        worker.join()
    assert released.is_set()


VACUUMED = {
    "a table": ("create table t (a int primary key, b text){};", "t"),
    "a partition": (
        """create table t (a int primary key, b text) partition by range (a);
        create table t1 partition of t for values from (0) to (1000000) partition by range (a);
        create table aa partition of t1 default{};""",
        "aa",
    ),
    "a child": ("create table t (a int primary key, b text); create table aa (c int) inherits (t){};", "aa"),
}


@pytest.mark.parametrize("case", VACUUMED)
def test_autovacuum_gives_way_without_a_client_or_a_second_try(database: str, case: str) -> None:
    declared, table = VACUUMED[case]
    slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1"
    before = declared.format(f" with ({slow}, autovacuum_vacuum_scale_factor = 0)")
    rows = f"insert into public.{table} (a, b) select n, repeat('x', 200) from generate_series(1, 20000) n"
    _prepare(database, before, rows)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter system set autovacuum_naptime = 1")
        connection.execute("select pg_reload_conf()")
        connection.execute("delete from public.t where a % 2 = 0")
        try:
            vacuum = f"select from pg_stat_progress_vacuum where relid = 'public.{table}'::regclass".encode()
            deadline = time.monotonic() + 60
            while connection.execute(vacuum).fetchone() is None:
                assert time.monotonic() < deadline, "autovacuum does not come"
                time.sleep(0.2)
            # Less than deadlock_timeout, so that autovacuum would never be asked to give way to the strong lock.
            options = Options(online=True, lock_timeout_ms=300, lock_retries=0)
            with Reconciler(database, options=options) as reconciler:
                reconciler.migrate(before.replace(", b text", ""), allow_data_loss=True)
        finally:
            connection.execute("alter system reset autovacuum_naptime")
            connection.execute("select pg_reload_conf()")


def test_a_lock_that_is_never_granted_ends_the_run_with_the_number_of_tries(database: str) -> None:
    _prepare(database)
    options = Options(lock_timeout_ms=20, lock_retries=2)
    with psycopg.connect(database) as holder, Reconciler(database, options=options) as reconciler:
        holder.execute("lock table public.t in access share mode")
        with pytest.raises(LockTimeoutError, match="tried 3 times"):
            reconciler.migrate(BEFORE.replace("a int", "a int, c int"))
        assert [run.outcome for run in load_runs(reconciler.connection)] == ["failed", "succeeded"]


def test_while_a_run_takes_steps_another_waits_and_finds_the_work_done(database: str) -> None:
    _prepare(database)
    after = CHANGES["a replaced index"]
    results: list[int | None] = []

    def apply() -> None:
        with Reconciler(database, options=ONLINE) as reconciler:
            results.append(reconciler.migrate(after).idx)

    workers = [threading.Thread(target=apply) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(results, key=str) == [1, None, None, None]


def test_a_connection_in_a_transaction_changes_nothing_in_steps_unless_it_is_told_to(database: str) -> None:
    _prepare(database)
    after = CHANGES["an index"]
    with psycopg.connect(database) as connection:
        connection.execute("select 1")
        reconciler = Reconciler(connection, options=Options(online_above_bytes=0))
        assert reconciler.plan(after).plan.is_one_transaction
        with pytest.raises(ApplyError, match="several transactions"):
            reconciler.migrate(after, options=ONLINE)


PARTITIONED = """
create table p (a int not null, b int, primary key (a)) partition by list (a);
create index p_b on p (b);
create table p1 partition of p for values in (1);
create table p2 partition of p for values in (2, 3);
"""
DETACHED = """
create table p (a int not null, b int, primary key (a)) partition by list (a);
create index p_b on p (b);
create table p1 partition of p for values in (1);
create table p2 (a int not null, b int, constraint p2_pkey primary key (a));
create index p2_b_idx on p2 (b);
"""


INDEXED = """
create table i (a int{column}) partition by list (a);
create table i1 partition of i for values in (1);
create table i2 partition of i for values in (2) partition by list (a);
create table i3 partition of i2 default;
"""
INDEX_CHANGES = {
    "a new one": (INDEXED.format(column=", b int"), INDEXED.format(column=", b int") + "create index on i (b);"),
    "a new one on a new column": (
        INDEXED.format(column=""),
        INDEXED.format(column=", b int") + "create index on i (b); create unique index on i (a, b);",
    ),
    "another one": (
        INDEXED.format(column=", b int") + "create index i_i on i (a, b);",
        INDEXED.format(column=", b int") + "create index i_i on i (b);",
    ),
    "another one, whose partitions have names of their own": (
        INDEXED.format(column=", b int") + "create index own on i1 (a, b); create index i_i on i (a, b);",
        INDEXED.format(column=", b int") + "create index own on i1 (b); create index i_i on i (b);",
    ),
}


@pytest.mark.two_servers
@pytest.mark.parametrize("change", INDEX_CHANGES)
def test_an_index_of_a_partitioned_table_is_built_in_its_partitions_while_clients_write(
    database: str, change: str
) -> None:
    before, after = INDEX_CHANGES[change]
    _prepare(database, before, "insert into public.i (a) values (1), (2)")
    with psycopg.connect(database, autocommit=True) as client:

        def write(_position: int, statement: Statement) -> None:
            if not statement.transactional:
                client.execute("insert into public.i (a) values (1), (2)")

        with Reconciler(database, options=ONLINE) as reconciler:
            plan = reconciler.plan(after).plan
            assert not [hazard for hazard in plan.hazards if hazard.kind == "blocking_lock"]
            wholes = {"i", "i2"}
            built = [each for each in plan.statements if "INDEX CONCURRENTLY" in each.sql]
            assert len({each.locks.name[1] for each in built if each.locks is not None} - wholes) == 2
            reconciler.migrate(after, on_event=before_each(write))
            assert reconciler.plan(after).plan.is_empty


@pytest.mark.two_servers
def test_a_partition_is_detached_while_its_parent_is_used(database: str) -> None:
    _prepare(database, PARTITIONED, "insert into public.p values (1, 1), (2, 2)")
    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        plan = reconciler.plan(DETACHED).plan
        assert _texts(plan)[0] == 'ALTER TABLE "public"."p" DETACH PARTITION "public"."p2" CONCURRENTLY'
        reconciler.migrate(DETACHED)
        assert reconciler.plan(DETACHED).plan.is_empty
        assert connection.execute("select * from p2").fetchall() == [(2, 2)]
        checks = "select count(*) from pg_constraint where contype = 'c' and conrelid = 'p2'::regclass"
        assert connection.execute(checks).fetchone() == (0,), "what Postgres adds meanwhile is gone again"


@pytest.mark.two_servers
def test_with_a_default_partition_it_is_detached_under_a_lock(database: str) -> None:
    rest = "create table rest partition of p default;"
    _prepare(database, PARTITIONED + rest, "insert into public.p values (1, 1), (2, 2)")
    with Reconciler(database, options=ONLINE) as reconciler:
        detach = _texts(reconciler.plan(DETACHED + rest).plan)[0]
        assert detach == 'ALTER TABLE "public"."p" DETACH PARTITION "public"."p2"'
        reconciler.migrate(DETACHED + rest)
        assert reconciler.plan(DETACHED + rest).plan.is_empty


@pytest.mark.two_servers
@pytest.mark.parametrize("after", [PARTITIONED, DETACHED], ids=["and it is to stay", "and it is to go"])
def test_a_detach_that_was_interrupted_is_finished(database: str, after: str) -> None:
    _prepare(database, PARTITIONED, "insert into public.p values (1, 1), (2, 2)")
    with psycopg.connect(database) as reader, psycopg.connect(database, autocommit=True) as connection:
        reader.execute("select * from public.p")

        def detach() -> None:
            with psycopg.connect(database, autocommit=True) as other, pytest.raises(psycopg.errors.QueryCanceled):
                other.execute("alter table public.p detach partition public.p2 concurrently")

        worker = threading.Thread(target=detach)
        worker.start()
        pending = "select inhdetachpending from pg_inherits where inhrelid = 'p2'::regclass"
        while connection.execute(pending).fetchone() != (True,):
            pass
        connection.execute(
            "select pg_cancel_backend(pid) from pg_stat_activity where query ilike 'alter table public.p detach%'"
        )
        worker.join()
        reader.rollback()
        with Reconciler(database, options=ONLINE) as reconciler:
            assert reconciler.check(after).has_drift, "it was detached by hand"
            assert "FINALIZE" in _texts(reconciler.plan(after).plan)[0]
            reconciler.migrate(after)
            assert reconciler.plan(after).plan.is_empty
        rows = 2 if after == PARTITIONED else 1
        assert connection.execute("select count(*) from p").fetchone() == (rows,)


MOOD = """
create type mood as enum ('sad', 'ok');
create table t (id int primary key, feels mood, a int);
"""


@pytest.mark.parametrize("use", ["default", "check", "index", "backfill"])
@pytest.mark.parametrize("online", [None, True], ids=["small", "in steps"])
def test_a_new_enum_value_is_used_by_the_plan_that_adds_it(database: str, use: str, online: bool | None) -> None:
    _prepare(database, MOOD, "insert into public.t select n, 'ok', n from generate_series(1, 50) n")
    added = MOOD.replace("'ok')", "'ok', 'glad')")
    after = {
        "default": added.replace("feels mood", "feels mood default 'glad'"),
        "check": added.replace("a int", "a int, check (feels <> 'glad')"),
        "index": added + "create index t_glad on t (a) where feels = 'glad';",
        "backfill": added.replace("a int", "a int, later mood not null -- reconciler: backfill 'glad'\n"),
    }[use]
    with Reconciler(database, options=Options(online=online)) as reconciler:
        plan = reconciler.plan(after).plan
        adds = [statement for statement in plan.statements if "ADD VALUE" in statement.sql]
        if online:
            assert [(each.step, each is plan.statements[0]) for each in adds] == [(1, True)]
            assert plan.statements[1].step == 2, "it is committed before it is used"
            assert not [hazard for hazard in plan.hazards if hazard.message.startswith("rewrites")]
        else:
            assert not adds
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from public.t where feels = 'ok'").fetchone() == (50,)


NUMBERED = {
    "serial": "n serial",
    "a small serial that is no key": "n smallserial",
    "serial primary key": "n bigserial primary key",
    "identity": "n bigint generated always as identity",
    "identity with options, as a key": "n int generated by default as identity (start 100 increment 5) primary key",
    "identity that counts down": "n int generated always as identity (increment -1)",
}
ROWS_OF_T = "create table t (a int not null, b text)"


@pytest.mark.parametrize("added", NUMBERED.values(), ids=NUMBERED)
def test_a_new_column_that_numbers_the_rows_comes_without_a_rewrite(database: str, added: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 3000) n")
    after = ROWS_OF_T.replace("b text", f"b text, {added}")
    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        plan = reconciler.plan(after).plan
        assert not [hazard for hazard in plan.hazards if hazard.kind in ("blocking_lock", "table_rewrite")]
        assert [statement.batched is not None for statement in plan.statements].count(True) == 1
        assert all(each.brief or each.lock is None or not each.lock.blocks_clients for each in plan.statements)
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        numbers = connection.execute("select count(distinct n), min(n), max(n) from public.t").fetchone()
        assert numbers is not None
        count, least, greatest = numbers
        assert count == 3000
        step = 5 if "increment 5" in added else 1
        assert greatest - least == 2999 * step
        following = least - 1 if "increment -1" in added else greatest + step
        inserted = connection.execute("insert into public.t (a) values (0) returning n").fetchone()
        assert inserted == (following,), "it goes on where the rows end"
        assert not connection.execute("select from pg_class where relname ~ 'reconciler_tmp'").fetchall()


def test_a_new_required_column_is_filled_as_its_hint_says_while_clients_write(database: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 3000) n")
    hinted = "b text,\nlength int not null default 7 -- reconciler: backfill length(t.b) + t.a\n"
    after = ROWS_OF_T.replace("b text", hinted)
    with psycopg.connect(database, autocommit=True) as client:

        def write(position: int) -> None:
            client.execute("insert into public.t (a, b) values (%s, 'four')", (10_000 + position,))

        with Reconciler(database, options=ONLINE) as reconciler:
            plan = reconciler.plan(after).plan
            assert all(each.brief or each.lock is None or not each.lock.blocks_clients for each in plan.statements)
            alone = [step.first for step in plan.steps if len(step.statements) == 1]
            assert len(alone) >= 2
            reconciler.migrate(after, on_event=before_each(lambda at, _: write(at) if at in alone else None))
            assert reconciler.plan(after).plan.is_empty
        wrong = client.execute("select a, b, length from public.t where length <> length(b) + a").fetchall()
        assert not wrong
        assert client.execute("select count(*) from public.t").fetchone() == (3000 + len(alone),)
        later = client.execute("insert into public.t (a) values (0) returning length").fetchone()
        assert later == (7,), "the default is for the rows to come"


def test_new_required_columns_that_come_together_are_filled_each_as_its_hint_says(database: str) -> None:
    before = "create table t (a int not null, b text, c text)"
    _prepare(database, before, "insert into public.t select n, 'row' from generate_series(1, 3000) n")
    hinted = """b text, c text not null, -- reconciler: backfill 'none'
    length int not null, -- reconciler: backfill length(t.b) + A
    "Twice A" int not null default 0, -- reconciler: backfill t.a * 2
    e int default 4, f uuid default gen_random_uuid()"""
    after = before.replace("b text, c text", hinted)
    with psycopg.connect(database, autocommit=True) as client:

        def write(position: int) -> None:
            client.execute("insert into public.t (a, b, c) values (%s, 'four', 'none')", (10_000 + position,))
            client.execute("update public.t set b = 'longer' where a = %s", (position,))

        with Reconciler(database, options=ONLINE) as reconciler:
            plan = reconciler.plan(after).plan
            assert not [hazard for hazard in plan.hazards if hazard.kind in ("blocking_lock", "table_rewrite")]
            assert len({each.sql for each in plan.statements if each.batched}) == 4
            alone = [step.first for step in plan.steps if len(step.statements) == 1]
            reconciler.migrate(after, on_event=before_each(lambda at, _: write(at) if at in alone else None))
            assert reconciler.plan(after).plan.is_empty
        wrong = "select from public.t where \"Twice A\" <> a * 2 or length not in (a + 3, a + 4, a + 6) or f is null or c <> 'none'"
        assert not client.execute(wrong).fetchall()
        assert client.execute("select count(*) from public.t").fetchone() == (3000 + len(alone),)


def test_a_hint_that_names_a_column_that_comes_too_is_followed_in_one_transaction(database: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 30) n")
    hinted = "b text, c int default 3,\nd int not null -- reconciler: backfill t.c + 1\n"
    after = ROWS_OF_T.replace("b text", hinted)
    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database) as connection:
        assert not [each for each in reconciler.plan(after).plan.statements if each.batched]
        reconciler.migrate(after)
        assert connection.execute("select distinct c, d from public.t").fetchall() == [(3, 4)]


@pytest.mark.parametrize("added", ["n serial", "n bigint generated always as identity"], ids=["serial", "identity"])
def test_clients_without_a_right_to_the_sequence_write_while_rows_are_assigned_from_it(
    database: str, added: str
) -> None:
    before = ROWS_OF_T + "; grant insert, select, update on t to clerk;"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("create role clerk")
        try:
            with Reconciler(database) as reconciler:  # no clone of what names a role that is dropped again
                reconciler.migrate(before)
            owner.execute("insert into public.t select n, 'row' from generate_series(1, 3000) n")
            after = before.replace("b text", f"b text, {added}")
            with psycopg.connect(database, autocommit=True) as client:
                client.execute("set role clerk")

                def write(position: int) -> None:
                    client.execute("insert into public.t (a) values (%s)", (10_000 + position,))
                    client.execute("update public.t set b = 'changed' where a = %s", (position,))

                with Reconciler(database, options=ONLINE) as reconciler:
                    alone = [step.first for step in reconciler.plan(after).plan.steps if len(step.statements) == 1]
                    reconciler.migrate(after, on_event=before_each(lambda at, _: write(at) if at in alone else None))
                    assert reconciler.plan(after).plan.is_empty
            counted = owner.execute("select count(*), count(distinct n) from public.t").fetchone()
            assert counted == (3000 + len(alone), 3000 + len(alone))
        finally:
            owner.execute("drop owned by clerk; drop role clerk")


class CutOffError(Exception):
    """What a run ends with where a test stops it."""


def _interrupt(reconciler: Reconciler, after: str) -> None:
    """A run to `after` that ends before anything is validated."""

    def cut(_position: int, statement: Statement) -> None:
        if "VALIDATE" in statement.sql:
            raise CutOffError

    with pytest.raises(CutOffError):
        reconciler.migrate(after, on_event=before_each(cut))


@pytest.mark.parametrize("added", ["n serial", "n bigint generated always as identity"], ids=["serial", "identity"])
def test_a_numbering_that_was_interrupted_is_resumed(database: str, added: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 3000) n")
    after = ROWS_OF_T.replace("b text", f"b text, {added}")

    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database) as connection:
        _interrupt(reconciler, after)
        assert not reconciler.check(after).has_drift
        texts = _texts(reconciler.plan(after).plan)
        assert not [text for text in texts if "CREATE SEQUENCE" in text or "ADD COLUMN" in text]
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        counted = connection.execute("select count(distinct n), max(n) from public.t").fetchone()
        assert counted == (3000, 3000), "no row was assigned twice"


def test_an_interrupted_numbering_that_nobody_wants_any_more_is_taken_away(database: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 3000) n")
    after = ROWS_OF_T.replace("b text", "b text, n bigint generated always as identity")

    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database) as connection:
        _interrupt(reconciler, after)
        reconciler.migrate(ROWS_OF_T, when_behind="apply")
        assert reconciler.plan(ROWS_OF_T).plan.is_empty
        assert not connection.execute("select from pg_class where relname ~ 'reconciler_tmp'").fetchall()


def test_that_a_stored_generated_column_can_only_be_computed_under_a_lock_is_said(database: str) -> None:
    _prepare(database, ROWS_OF_T, "insert into public.t select n, 'row' from generate_series(1, 10) n")
    after = ROWS_OF_T.replace("b text", "b text, n int generated always as (a + 1) stored")
    with Reconciler(database, options=ONLINE) as reconciler:
        (hazard,) = reconciler.plan(after).plan.hazards
    assert hazard.kind == "table_rewrite"
    assert "Postgres cannot do that without blocking the table" in hazard.message


TREES = {
    "partitions": """
        create table p (a int not null, b int not null default 1, c text) partition by list (a);
        create table p1 partition of p for values in (1);
        create table p2 partition of p for values in (2, 3) partition by range (c);
        create table p2x partition of p2 default;
    """,
    "children": """
        create table p (a int not null, b int not null default 1, c text);
        create table p1 (own int) inherits (p);
        create table p2 () inherits (p1);
        create table p2x () inherits (p);
    """,
}
OF_ALL = """
    create view sums as select a, sum(b) from p group by a;
    create view firsts as select b from p1;
    comment on column p.b is 'how many'; comment on column p1.b is 'how many of the first';
    alter table p1 alter column b set statistics 7; alter table p1 alter column b set default 9;
"""
TREE_ROWS = """
insert into public.p select n % 3 + 1, n, 'row' from generate_series(1, 3000) n;
insert into public.p1 (a, b) select 1, n from generate_series(3001, 4000) n;
insert into public.p2x (a, b) select 2, n from generate_series(4001, 5000) n;
"""
TREE_CHANGES = {
    "another type": ("b int", "b bigint"),
    "a default for each row": ("c text", "t uuid not null default gen_random_uuid(), c text"),
    "serial": ("c text", "t bigserial, c text"),
    "identity": ("c text", "t bigint generated by default as identity, c text"),
}


@pytest.mark.two_servers
@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("change", TREE_CHANGES)
def test_tables_that_belong_together_get_their_column_in_steps(database: str, tree: str, change: str) -> None:
    before = TREES[tree] + OF_ALL
    after = before.replace(*TREE_CHANGES[change])
    _prepare(database, before, TREE_ROWS)
    with psycopg.connect(database, autocommit=True) as client:

        def write(position: int) -> None:
            client.execute("insert into public.p (a, b, c) values (1, %s, 'new')", (10_000 + position,))
            client.execute("insert into public.p2x (a, b, c) values (2, %s, 'new')", (20_000 + position,))
            client.execute("update public.p set b = b + 1 where b = %s", (position,))

        with Reconciler(database, options=ONLINE) as reconciler:
            plan = reconciler.plan(after).plan
            assert not [hazard for hazard in plan.hazards if hazard.kind in ("blocking_lock", "table_rewrite")]
            alone = [step.first for step in plan.steps if len(step.statements) == 1]
            reconciler.migrate(after, on_event=before_each(lambda at, _: write(at) if at in alone else None))
            assert reconciler.plan(after).plan.is_empty
        written = client.execute("select count(*), count(*) filter (where b > 10000) from public.p").fetchone()
        assert written == (5000 + 2 * len(alone), 2 * len(alone))
        if change == "another type":
            total = client.execute("select sum(b) from public.p where b <= 10000").fetchone()
            # Rows that were raised to the next number may have been raised again.
            assert total is not None
            assert total[0] >= 5000 * 5001 // 2 + len(alone)
        else:
            assert client.execute("select count(distinct t) from public.p").fetchone() == (5000 + 2 * len(alone),)
        assert not client.execute("select from pg_trigger where tgname ~ 'reconciler_tmp'").fetchall()


@pytest.mark.parametrize("tree", TREES)
def test_an_exchange_in_tables_that_belong_together_that_was_interrupted_is_resumed(database: str, tree: str) -> None:
    before = TREES[tree] + OF_ALL
    after = before.replace("b int", "b bigint")
    _prepare(database, before, TREE_ROWS)

    with Reconciler(database, options=ONLINE) as reconciler, psycopg.connect(database) as connection:
        _interrupt(reconciler, after)
        assert not reconciler.check(after).has_drift
        texts = _texts(reconciler.plan(after).plan)
        assert not [text for text in texts if "ADD COLUMN" in text or "CREATE TRIGGER" in text or "NOT VALID" in text]
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        assert connection.execute("select sum(b) from public.p").fetchone() == (5000 * 5001 // 2,)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("create index on p (b);", "an index or constraint of a table with partitions or children is on it"),
        ("alter table p add check (b > 0);", "an index or constraint of a table with partitions or children is on it"),
        ("alter table p1 add g int generated always as (b + 1) stored;", "a generated column depends on it"),
    ],
    ids=["index", "check", "generated"],
)
def test_why_a_type_is_not_changed_in_steps_is_said(database: str, more: str, reason: str) -> None:
    before = TREES["children"] + more
    after = before.replace("b int", "b bigint")
    _prepare(database, before, TREE_ROWS)
    with Reconciler(database, options=ONLINE) as reconciler:
        plan = reconciler.plan(after).plan
        rewrites = [hazard.message for hazard in plan.hazards if hazard.kind == "table_rewrite"]
        assert f"rewrites table public.p: column public.p.b becomes bigint (not in steps: {reason})" in rewrites
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        assert "not in steps" not in str(reconciler.plan(before, options=Options(online=False)).plan.hazards)
