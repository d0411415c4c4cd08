"""What would make a statement fail is found before the first lock, and nothing stops a plan that would succeed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
import pytest
from prepared import prepare

from reconciler.cli.commands import run
from reconciler.client import Reconciler
from reconciler.errors import ApplyError, PreflightError
from reconciler.ledger.runs import load_runs
from reconciler.model.checks import FindingKind
from reconciler.options import Options, Proof
from reconciler.report import json, text
from reconciler.source.source import DatabaseSource

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

T = "create table t (id int primary key, a int, b text, c numeric);"
ROWS = "insert into public.t (id, a, b, c) select n, nullif(n, 3), 'x' || n % 4, n from generate_series(1, 5) n"
# Name of the case: before, rows, after, and what is said.
BLOCKED: dict[str, tuple[str, str, str, str]] = {
    "not null": (T, ROWS, T.replace("a int", "a int not null"), "has NULL values: 1 row of table public.t (id = 3)"),
    "a new column that must have a value": (
        T,
        ROWS,
        T.replace("a int", "a int, d int not null"),
        "have no value for it: 5 rows of table public.t (id = 1; id = 2; id = 3; ...)",
    ),
    "a unique index": (
        T,
        ROWS,
        T + "create unique index t_b on t (b);",
        "duplicate key value: 1 group of rows of table public.t (id = 1 and id = 5)",
    ),
    "a unique index on an expression, of some rows": (
        T,
        ROWS,
        T + "create unique index t_b on t (lower(b) desc, (a is null)) where c > 0;",
        "1 group of rows of table public.t (id = 1 and id = 5)",
    ),
    "a unique constraint": (T, ROWS, T + "alter table t add unique (b);", "(id = 1 and id = 5)"),
    "a primary key": (
        "create table t (a int);",
        "insert into public.t values (1), (2), (1), (2), (null)",
        "create table t (a int primary key);",
        "2 groups of rows of table public.t (ctid (0,",
    ),
    "a check": (
        T,
        ROWS,
        T + "alter table t add check (c < 4);",
        "does not hold: 2 rows of table public.t (id = 4; id = 5)",
    ),
    "a check of a column that is new, with its default": (
        T,
        ROWS,
        T.replace("a int", "a int, d numeric(5, 2) default 3 check (d > 5)"),
        "does not hold: 5 rows of table public.t (id = 1; id = 2; id = 3; ...)",
    ),
    "a check of a column that is new, without a value": (
        T,
        ROWS,
        T.replace("a int", "a int, d text") + "alter table t add check (d is not null or a > 2);",
        "does not hold: 2 rows of table public.t (id = 1; id = 2)",
    ),
    "a key of a column that is new": (
        T,
        ROWS,
        T.replace("a int", "a int, d varchar(9) default 'x'") + "create unique index t_d on t (d, (c > 2));",
        "2 groups of rows of table public.t (id = ",
    ),
    "a foreign key of a column that is new": (
        T + "create table p (id int primary key);",
        ROWS,
        T.replace("a int", "a int, d int default 7 references p") + "create table p (id int primary key);",
        "no matching row in table public.p: 5 rows of table public.t",
    ),
    "a key of a partition that leaves its parent": (
        "create table w (id int, a int) partition by range (id); create table w1 partition of w default;",
        "insert into public.w values (1, 1), (1, 2)",
        "create table w (id int, a int) partition by range (id); create table w1 (id int primary key, a int);",
        "duplicate key value: 1 group of rows of table public.w1 (ctid (0,",
    ),
    "a check of a child table that leaves its parent": (
        "create table w (id int); create table w1 () inherits (w);",
        "insert into public.w1 values (1), (2)",
        "create table w (id int); create table w1 (id int check (id > 1));",
        "does not hold: 1 row of table public.w1 (ctid (0,",
    ),
    "a check with hard words": (
        T,
        ROWS,
        T + "alter table t add constraint \"c)\" check (b <> 'x)''1' and b not in ('x1', '(')) no inherit;",
        "2 rows of table public.t (id = 1; id = 5)",
    ),
    "a check that becomes valid": (
        T + "alter table t add constraint few check (c < 4) not valid;",
        (
            "alter table public.t drop constraint few; insert into public.t (id, c) values (1, 9);"
            "alter table public.t add constraint few check (c < 4) not valid"
        ),
        T + "alter table t add constraint few check (c < 4);",
        "constraint public.t.few does not hold: 1 row",
    ),
    "a foreign key": (
        T + "create table p (id int primary key);",
        ROWS + "; insert into public.p values (1), (2)",
        T + "create table p (id int primary key); alter table t add foreign key (a) references p;",
        "no matching row in table public.p: 2 rows of table public.t (id = 4; id = 5)",
    ),
    "a foreign key onto a new table": (
        T,
        ROWS,
        T + "create table p (id int primary key); alter table t add foreign key (a) references p;",
        "4 rows of table public.t (id = 1; id = 2; id = 4; ...)",
    ),
    "a foreign key onto the table itself, of two columns that are both there or not": (
        T + "alter table t add unique (id, c);",
        ROWS,
        T + "alter table t add unique (id, c); alter table t add foreign key (a, c) references t (id, c) match full;",
        "no matching row in table public.t: 1 row of table public.t (id = 3)",
    ),
    "text that is no number": (
        T,
        ROWS + "; update public.t set b = '7' where id <> 2",
        T.replace("b text", "b int"),
        "becomes integer, but the value does not fit: 1 row of table public.t (id = 2)",
    ),
    "a string that is too long": (
        T,
        ROWS + "; update public.t set b = 'abc  ' where id = 1; update public.t set b = 'abcd' where id = 2",
        T.replace("b text", "b varchar(3)"),
        "becomes character varying(3), but the value does not fit: 1 row of table public.t (id = 2)",
    ),
    "a number that is too large": (
        T,
        ROWS + "; update public.t set c = 70000 where id > 3",
        T.replace("c numeric", "c smallint"),
        "2 rows of table public.t (id = 4; id = 5)",
    ),
    "an expression that fails": (
        T,
        ROWS,
        T.replace("c numeric", "c int -- reconciler: using 12 / (id - 4)\n"),
        "1 row of table public.t (id = 4)",
    ),
    "a domain's check": (
        "create domain d as int; create table t (id int primary key, v d);",
        "insert into public.t values (1, 1), (2, -1)",
        "create domain d as int check (value > 0); create table t (id int primary key, v d);",
        "does not hold for column public.t.v: 1 row of table public.t (id = 2)",
    ),
    "a domain that must have a value": (
        "create domain d as int; create table t (id int primary key, v d);",
        "insert into public.t values (1, 1), (2, null)",
        "create domain d as int not null; create table t (id int primary key, v d);",
        "1 row of table public.t (id = 2)",
    ),
    "a label that is in use": (
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood, all_of mood[]);",
        "insert into public.t values (1, 'ok', '{ok}'), (2, 'sad', '{ok,sad}')",
        "create type mood as enum ('ok'); create table t (id int primary key, m mood, all_of mood[]);",
        "loses 'sad', which is a value of column public.t.m: 1 row of table public.t (id = 2)",
    ),
    "rows outside of a partition's bounds": (
        "create table p (a int, b int) partition by range (a, b); create table t (a int, b int);",
        "insert into public.t values (1, 1), (1, 9), (2, 2)",
        (
            "create table p (a int, b int) partition by range (a, b);"
            "create table t partition of p for values from (1, 2) to (2, 2);"
        ),
        "does not fit FOR VALUES FROM (1, 2) TO (2, 2): 2 rows of table public.t (ctid (0,1); ctid (0,3))",
    ),
    "rows in a default partition that others refer to": (
        (
            "create table p (a text) partition by list (a); create table rest partition of p default;"
            "alter table rest add unique (a); create table q (a text references rest (a));"
        ),
        "insert into public.p values ('x'), ('y'), (null)",
        (
            "create table p (a text) partition by list (a); create table rest partition of p default;"
            "alter table rest add unique (a); create table q (a text references rest (a));"
            "create table t partition of p for values in ('x', null);"
        ),
        "is in the default partition: 2 rows of table public.rest",
    ),
    "rows that would belong to no partition": (
        (
            "create table p (a int) partition by range (a); create table low partition of p for values from (0) to (10);"
            "create table high partition of p for values from (10) to (20);"
        ),
        "insert into public.p select generate_series(0, 19)",
        (
            "create table p (a int) partition by range (a); create table low partition of p for values from (2) to (5);"
            "create table high partition of p for values from (5) to (20);"
        ),
        "has rows that fit no partition: 2 rows of table public.low",
    ),
    "rows that exclude each other": (
        "create table t (id int primary key, during int4range);",
        "insert into public.t values (1, '[1,5)'), (2, '[5,9)'), (3, '[4,6)')",
        "create table t (id int primary key, during int4range, exclude using gist (during with &&));",
        "conflicting key values: 2 pairs of rows of table public.t",
    ),
    "a column that is renamed too": (
        "create table t (id int primary key, a int, b text);",
        "insert into public.t values (1, 1, 'x'), (2, null, 'x')",
        (
            "-- reconciler: renamed from t\ncreate table u (\n    key int primary key, -- reconciler: renamed from id\n"
            "    z int not null, -- reconciler: renamed from a\n    b text\n);"
        ),
        "column public.u.z becomes NOT NULL, but has NULL values: 1 row of table public.u (key = 2)",
    ),
}


# Those for which a large table is changed in steps.
IN_STEPS = ("not null", "a unique index", "a unique constraint", "a check", "a foreign key", "text that is no number")
EACH_WAY = [*((case, False) for case in BLOCKED), *((case, True) for case in IN_STEPS)]


@pytest.mark.parametrize(
    ("case", "online"), EACH_WAY, ids=[f"{case}{', in steps' * online}" for case, online in EACH_WAY]
)
def test_rows_that_a_statement_would_fail_on_are_found_before_it(database: str, case: str, online: bool) -> None:
    before, rows, after, said = BLOCKED[case]
    prepare(database, before, rows)
    options = Options(online=online)
    with Reconciler(database, options=options) as reconciler:
        planned = reconciler.plan(after)
        found = [finding for finding in planned.findings if finding.blocks]
        assert found, planned.findings
        assert said in " ".join(finding.message for finding in found)
        with pytest.raises(PreflightError) as caught:
            reconciler.migrate(after, allow_data_loss=True)
        assert said in caught.value.message
        assert caught.value.findings == tuple(found)
        assert "nothing was locked" in str(caught.value.left)
        assert [run.outcome for run in load_runs(reconciler.connection)][:1] == ["failed"]
        # Without the look ahead it is the statement that tells.
        with pytest.raises(ApplyError):
            reconciler.migrate(after, allow_data_loss=True, options=Options(online=online, preflight=False))


P = "create table p (id int primary key);"
# Name of the case: before, rows, after; the rows look as if they would fail, and do not.
FREE: dict[str, tuple[str, str, str]] = {
    "not null with backfill": (T, ROWS, T.replace("a int", "a int not null -- reconciler: backfill 0\n")),
    "a new column with backfill": (T, ROWS, T.replace("a int", "a int, d int not null -- reconciler: backfill id\n")),
    "a check that the default of a new column fulfils": (
        T,
        ROWS,
        T.replace("a int", "a int, d numeric(5, 2) default 3 check (d < 5), e text check (e <> ''), f int unique"),
    ),
    "a key over the default of a new column that differs from row to row": (
        T,
        ROWS,
        T.replace("a int", "a int, d serial unique, e uuid default gen_random_uuid() unique"),
    ),
    "a new column with a default": (T, ROWS, T.replace("a int", "a int, d int not null default 7")),
    "a new column whose type has a default": (
        "create domain d as int default 7;" + T,
        ROWS,
        "create domain d as int default 7;" + T.replace("a int", "a int, d d not null"),
    ),
    "a new column in an empty table": (T, "select", T.replace("a int", "a int, d int not null")),
    "values that a hint converts": (
        T,
        ROWS,
        T.replace("b text", "b int -- reconciler: using replace(b, 'x', '')::int\n"),
    ),
    "a value that a conversion gives": (
        T,
        ROWS,
        T.replace("a int", "a bigint not null -- reconciler: using coalesce(a, 0)\n"),
    ),
    "a unique column that is backfilled": (
        T.replace("a int", "a int, d int"),
        ROWS + "; update public.t set d = 1 where id < 3",
        T.replace("a int", "a int, d bigint unique -- reconciler: using id\n"),
    ),
    "a check of a column that is backfilled": (
        T,
        ROWS,
        T.replace("a int", "a int not null check (a is not null) -- reconciler: backfill 1\n"),
    ),
    "a check through a function that is replaced": (
        "create function fits(int) returns boolean immutable language sql as 'select false';" + T,
        ROWS,
        "create function fits(int) returns boolean immutable language sql as 'select true';"
        + T
        + "alter table t add check (fits(a));",
    ),
    "an index of a function that calls another that is replaced": (
        "create function inner_one(int) returns int immutable language plpgsql as 'begin return 1; end';"
        "create function outer_one(int) returns int immutable language plpgsql as"
        " 'begin return public.inner_one($1); end';" + T,
        ROWS,
        "create function inner_one(int) returns int immutable language plpgsql as 'begin return $1; end';"
        "create function outer_one(int) returns int immutable language plpgsql as"
        " 'begin return public.inner_one($1); end';" + T + "create unique index t_f on t (outer_one(id));",
    ),
    "a key onto a table that is backfilled": (
        T + "create table p (id int primary key, k int);",
        ROWS + "; insert into public.p values (1), (2), (3), (4), (5)",
        T
        + "create table p (id int primary key, k int not null unique -- reconciler: backfill id\n);"
        + "alter table t add foreign key (id) references p (k);",
    ),
    "a constraint that is not valid": (T, ROWS, T + "alter table t add constraint few check (c < 4) not valid;"),
    "a foreign key from rows without a value": (
        T + P,
        "insert into public.t (id) values (1)",
        T + P + "alter table t add foreign key (a) references p;",
    ),
    "a unique constraint of nulls": (
        T,
        "insert into public.t (id) values (1), (2)",
        T + "alter table t add unique (a);",
    ),
    "rows of a partition that goes": (
        (
            "create table p (a int, b int) partition by list (a);"
            "create table p1 partition of p for values in (1); create table p2 partition of p for values in (2);"
        ),
        "insert into public.p values (1, 1), (2, 1)",
        (
            "create table p (a int, b int check (b > 0)) partition by list (a);"
            "create table p1 partition of p for values in (1); create table p2 (a int, b int);"
        ),
    ),
    "a unique key once a partition is gone": (
        (
            "create table p (a int, b int) partition by list (a);"
            "create table p1 partition of p for values in (1); create table p2 partition of p for values in (2);"
        ),
        "insert into public.p values (1, 1), (2, 1), (2, 1)",
        (
            "create table p (a int, b int, unique (a, b)) partition by list (a);"
            "create table p1 partition of p for values in (1); create table p2 (a int, b int);"
        ),
    ),
    "a label that is renamed": (
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood);",
        "insert into public.t values (1, 'ok'), (2, 'sad')",
        (
            "create type mood as enum ('ok', 'blue'); -- reconciler: on value mood.blue: renamed from 'sad'\n"
            "create table t (id int primary key, m mood);"
        ),
    ),
    "an enum that a column leaves": (
        "create type mood as enum ('sad', 'ok'); create table t (id int primary key, m mood);",
        "insert into public.t values (1, 'ok'), (2, 'sad')",
        "create type mood as enum ('ok'); create table t (id int primary key, m text);",
    ),
    "names that change places": (
        "create table t (id int primary key, a int, b int);",
        "insert into public.t values (1, null, 1), (2, null, 2)",
        (
            "create table t (\n    id int primary key,\n    a int not null, -- reconciler: renamed from b\n"
            "    b int -- reconciler: renamed from a\n);"
        ),
    ),
    "values that fit as the database reads dates": (
        "create table t (id int primary key, d text);",
        "insert into public.t values (1, '31/12/2020'); alter database {} set datestyle to 'ISO, DMY'",
        "create table t (id int primary key, d date);",
    ),
}


@pytest.mark.parametrize("case", FREE)
def test_a_plan_that_succeeds_is_not_stopped(database: str, case: str) -> None:
    before, rows, after = FREE[case]
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    prepare(database, before, rows.format(name) if "datestyle" in rows else rows)
    with Reconciler(database) as reconciler:
        assert not [finding for finding in reconciler.plan(after).findings if finding.blocks]
        assert reconciler.migrate(after, allow_data_loss=True).idx == 1


def test_findings_are_printed_and_in_the_documents(database: str) -> None:
    prepare(database, T, ROWS)
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(T.replace("a int", "a int not null"))
        printed = text.plan_text(planned)
        assert (
            "Blocking problems, because of which apply would refuse:\n  1. column public.t.a becomes NOT NULL"
            in printed
        )
        assert "backfill EXPRESSION" in printed
        (found,) = json.plan_document(planned)["findings"]
        assert found == {
            "kind": "rows",
            "message": "column public.t.a becomes NOT NULL, but has NULL values: 1 row of table public.t (id = 3)",
            "hint": "set these values first, or write `-- reconciler: backfill EXPRESSION` beside the column",
            "object": "column:public.t.a",
            "blocks": True,
            "count": 1,
            "at_least": False,
            "examples": ["id = 3"],
            "statement": 1,
        }
        with pytest.raises(PreflightError) as caught:
            reconciler.apply(planned)
        assert json.error_document(caught.value, 1)["findings"] == [found]


@pytest.mark.smoke
def test_what_is_mended_after_the_plan_is_looked_at_again(database: str) -> None:
    prepare(database, T, ROWS)
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        planned = reconciler.plan(T.replace("a int", "a int not null"))
        connection.execute("update public.t set a = 3 where id = 3")
        assert reconciler.apply(planned).idx == 1


def test_counts_are_bounded(database: str) -> None:
    prepare(database, T, "insert into public.t (id) select generate_series(1, 1500)")
    with Reconciler(database) as reconciler:
        (found,) = reconciler.plan(T.replace("a int", "a int not null")).findings
        assert (found.count, found.at_least, found.examples) == (1000, True, ("id = 1", "id = 2", "id = 3"))
        assert "at least 1,000 rows" in found.message


def test_a_query_that_takes_too_long_or_may_not_look_stops_nothing(
    make_database: Callable[[], str],
) -> None:
    slow = (
        "create function slow(int) returns boolean immutable language plpgsql as"
        " 'begin perform pg_catalog.pg_sleep(0.05); return true; end';"
    )
    url = make_database()
    prepare(url, slow + T, ROWS)
    with Reconciler(url, options=Options(preflight_timeout_ms=50)) as reconciler:
        after = slow + T + "alter table t add check (slow(id));"
        (found,) = reconciler.plan(after).findings
        assert (found.kind, found.blocks) == (FindingKind.NOT_CHECKED, False)
        assert "not within 50 ms" in found.message
        assert reconciler.migrate(after).idx == 1
    # A function that writes cannot be asked; what it would say is for the statement.
    url = make_database()
    writes = (
        "create table seen (id int); create function sees(int) returns boolean volatile language plpgsql as"
        " 'begin insert into public.seen values ($1); return true; end';"
    )
    prepare(url, writes + T, ROWS)
    with Reconciler(url) as reconciler:
        after = writes + T + "alter table t add check (sees(id));"
        (found,) = reconciler.plan(after).findings
        assert "read-only transaction" in found.message
        assert reconciler.migrate(after).idx == 1


def test_a_callers_transaction_goes_on_and_can_write(database: str) -> None:
    prepare(database, T, ROWS)
    after = T.replace("a int", "a int not null")
    with psycopg.connect(database) as connection:
        connection.execute("select 1")
        reconciler = Reconciler(connection)
        assert [finding.count for finding in reconciler.plan(after).findings] == [1]
        # What the caller has not committed counts.
        connection.execute("update public.t set a = 0 where a is null")
        assert not reconciler.plan(after).findings
        assert connection.execute("show statement_timeout").fetchone() == ("0",)
        assert reconciler.migrate(after).idx == 1


def test_owners_and_privileges_that_are_missing_are_found(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role preflight_other")
        admin.execute("create role preflight_mover")
        try:
            admin.execute("create schema app authorization preflight_mover")
            admin.execute("create table app.t (id int primary key); alter table app.t owner to preflight_other")
            admin.execute(f"grant create on database {admin.info.dbname} to preflight_mover")
            source = "create table app.t (id int primary key, a int); create index on app.t (a); create table app.u ();"
            options = Options(schemas=("app",), proof=Proof.OFF, scratch="schema")
            with psycopg.connect(database, autocommit=True) as mover:
                mover.execute("set role preflight_mover")
                planned = Reconciler(mover, options=options).plan(source)
                found = [finding.message for finding in planned.findings if finding.kind is FindingKind.PRIVILEGE]
                refers = "create table app.t (id int primary key); create table app.v (t int references app.t);"
                hints = [finding.hint for finding in Reconciler(mover, options=options).plan(refers).findings]
            assert found == ["table app.t belongs to preflight_other, and this role may not change it"]
            assert hints == ['GRANT REFERENCES ON "app"."t" TO preflight_mover']
        finally:
            admin.execute("drop schema app cascade")
            admin.execute("drop owned by preflight_mover, preflight_other")
            admin.execute("drop role preflight_mover, preflight_other")


def test_who_holds_a_lock_for_long_is_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(database, T, ROWS)
    monkeypatch.setattr("reconciler.preflight.preflight._HOLDS_LONG_S", 0)
    after = T.replace("a int", "a int, d int")
    with psycopg.connect(database) as holder, Reconciler(database) as reconciler:
        holder.execute("lock table public.t in access share mode")
        (found,) = reconciler.plan(after).findings
        assert (found.kind, found.blocks) == (FindingKind.HELD_UP, False)
        assert f"process {holder.info.backend_pid} of postgres holds a lock on table public.t" in found.message
        holder.rollback()
        assert not reconciler.plan(after).findings


@pytest.mark.smoke
def test_without_preflight_nothing_is_looked_for(database: str) -> None:
    prepare(database, T, ROWS)
    with Reconciler(database, options=Options(preflight=False)) as reconciler:
        assert not reconciler.plan(T.replace("a int", "a int not null")).findings
        with pytest.raises(ApplyError, match="contains null values"):
            reconciler.migrate(T.replace("a int", "a int not null"))


def test_a_dry_run_of_a_plan_file_looks_at_the_rows_of_now(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(database, T, "select")
    source, file = tmp_path / "after.sql", tmp_path / "plan.json"
    source.write_text(T.replace("a int", "a int not null"))
    assert run(["plan", str(source), "--out", str(file), "--dsn", database]) == 2
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.t (id) values (1)")
    capsys.readouterr()
    assert run(["apply", "--plan", str(file), "--dry-run", "--dsn", database]) == 1
    assert "has NULL values: 1 row of table public.t (id = 1)" in capsys.readouterr().out
    assert run(["apply", "--plan", str(file), "--dsn", database]) == 1
    assert "column public.t.a becomes NOT NULL" in capsys.readouterr().err
    assert run(["apply", "--plan", str(file), "--no-preflight", "--dsn", database]) == 1
    assert "contains null values" in capsys.readouterr().err


def test_a_role_that_is_not_there_is_named_with_the_statement_that_makes_it(make_database: Callable[[], str]) -> None:
    declared, live = make_database(), make_database()
    with psycopg.connect(declared, autocommit=True) as admin:
        admin.execute('create role "preflight clerk"')
        admin.execute('create table public.t (id int); grant select on public.t to "preflight clerk"')
        with Reconciler(live, options=Options(proof=Proof.OFF)) as reconciler:
            planned = reconciler.plan(DatabaseSource(url=declared))
            assert not planned.findings
            admin.execute('drop owned by "preflight clerk"; drop role "preflight clerk"')
            (found,) = reconciler.refresh_findings(planned).findings
            assert (found.kind, found.blocks) == (FindingKind.MISSING, True)
            assert found.message.endswith("role preflight clerk does not exist")
            assert found.hint == 'create it first: CREATE ROLE "preflight clerk"'
            with pytest.raises(PreflightError, match="role preflight clerk does not exist"):
                reconciler.apply(planned)
            made = reconciler.connection.execute("select to_regclass('public.t')").fetchone()
            assert made == (None,), "nothing was made"


def test_an_extension_that_the_server_does_not_have_is_named(make_database: Callable[[], str]) -> None:
    """Its files are in a folder that only the declaring database knows."""
    declared, live = make_database(), make_database()
    with TemporaryDirectory() as folder, psycopg.connect(declared, autocommit=True) as admin:
        if admin.info.server_version < 180000:
            pytest.skip("only 18 looks for extensions outside of its own folder")
        files = Path(folder, "extension")
        files.mkdir()
        files.joinpath("preflight_ext.control").write_text("default_version = '1'")
        files.joinpath("preflight_ext--1.sql").write_text("")
        for path in (Path(folder), files):
            path.chmod(0o755)
        admin.execute(f"set extension_control_path = '$system:{folder}'")
        admin.execute("create extension preflight_ext schema public")
        options = Options(proof=Proof.OFF, exact=True, all_schemas=True)
        with Reconciler(live, options=options) as reconciler:
            planned = reconciler.plan(DatabaseSource(url=declared))
            assert [finding.kind for finding in planned.findings] == [FindingKind.MISSING]
            assert planned.findings[0].message == "extension preflight_ext is not available on this server"
            with pytest.raises(PreflightError, match="preflight_ext is not available"):
                reconciler.apply(planned)


REWRITTEN = T.replace("a int", "a bigint")


def test_how_much_room_a_rewrite_takes_is_said_where_it_is_much(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(database, T, ROWS)
    with Reconciler(database) as reconciler:
        assert not reconciler.plan(REWRITTEN).findings
        monkeypatch.setattr("reconciler.preflight.preflight._MUCH_BYTES", 8192)
        (found,) = reconciler.plan(REWRITTEN).findings
        assert (found.kind, found.blocks) == (FindingKind.DISK, False)
        assert found.message.startswith("the plan rewrites table public.t: ")
        assert "kB, and as much more disk space until the commit" in found.message
        assert not reconciler.plan(T.replace("a int", "a int, d int")).findings, "nothing is written"
        assert reconciler.migrate(REWRITTEN).idx == 1, "it stops nothing"


def test_a_replication_slot_that_nobody_reads_from_is_named_where_much_is_written(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(database, T, ROWS)
    monkeypatch.setattr("reconciler.preflight.preflight._MUCH_BYTES", 8192)
    with psycopg.connect(database, autocommit=True) as admin, Reconciler(database) as reconciler:
        admin.execute("select pg_create_physical_replication_slot('preflight_slot', true)")
        try:
            found = [finding for finding in reconciler.plan(REWRITTEN).findings if "slot" in finding.message]
            assert not reconciler.plan(T.replace("a int", "a int, d int")).findings, "nothing is written"
        finally:
            admin.execute("select pg_drop_replication_slot('preflight_slot')")
        assert [(each.kind, each.blocks) for each in found] == [(FindingKind.DISK, False)]
        assert "replication slot preflight_slot is inactive" in found[0].message
        assert found[0].hint.endswith("SELECT pg_drop_replication_slot('preflight_slot')")


def test_a_transaction_that_began_before_is_named_where_an_index_is_built_concurrently(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(database, T, ROWS)
    monkeypatch.setattr("reconciler.preflight.preflight._HOLDS_LONG_S", 0)
    indexed = T + "create index t_a on t (a);"
    with psycopg.connect(database) as idle, Reconciler(database) as reconciler:
        idle.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        idle.execute("select 1")
        (found,) = reconciler.plan(indexed, options=Options(online=True)).findings
        assert (found.kind, found.blocks) == (FindingKind.HELD_UP, False)
        assert f"process {idle.info.backend_pid} of postgres is in a transaction that began before" in found.message
        assert not reconciler.plan(indexed).findings, "in one transaction nothing waits for it"
