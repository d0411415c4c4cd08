"""What counts the columns of a table means what was declared, also where live has them in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import PlanError, ProofError
from reconciler.options import Options
from reconciler.workflows import compare

if TYPE_CHECKING:
    from collections.abc import Callable


LIVE = "create table t (c int, a int, b text);"
DECLARED = "create table t (a int, b text, c int);"
ROWS = "insert into public.t (a, b, c) values (1, 'x', 10), (2, 'y', 20)"
ROWS_OF_T = "create function rows_of_t() returns setof t language sql as 'select * from t';"
ALL = Options(allow=frozenset({"all"}))
V = "table public.v"
# What is there besides the table, what comes, and a query that shows what it means.
SAME: dict[str, tuple[str, str, str]] = {
    "names of columns": ("", "create view v as select x.p, x.q from t as x (p, q);", V),
    "words of people that look like them": (
        "",
        "create view v as select x.p from t as x (p, q); comment on column t.a is 'public.t x(p, q) isn''t (';",
        "select v.p, d.description from public.v, pg_catalog.pg_description d where d.objoid = 'public.t'::regclass",
    ),
    "names of columns, sampled": (
        "",
        "create view v as select x.p from only t as x (p, q) tablesample system (100);",
        V,
    ),
    "names of columns, twice": (
        "",
        "create view v as select x.p, y.c as r from t as x (p, q) join t as y (r, s) on x.p = y.r;",
        V,
    ),
    "names that Postgres invents": (
        "",
        "create view v as select * from t join (select a as n from t) as o (b) on o.b = t.a;".replace("*", "o.b, t.c"),
        V,
    ),
    "names of columns in live already": (
        "create view v as select x.p as o from t as x (z, p);",
        "create view v as select x.p as o from t as x (p);",
        V,
    ),
    "a column that came later": (
        "",
        "alter table t add d int; create view v as select x.p, x.r from t as x (p, q, r, s);",
        V,
    ),
    "a materialized view": ("", "create materialized view v as select x.p, x.q from t as x (p, q);", V),
    "rows of a function": (
        ROWS_OF_T,
        ROWS_OF_T + "create view v as select x.p, x.r from rows_of_t() as x (p, q, r);",
        V,
    ),
    "rows of a function, numbered": (
        ROWS_OF_T,
        ROWS_OF_T + "create view v as select * from rows_of_t() with ordinality;",
        "select a, b, c, ordinality from public.v",
    ),
    "rows of a function of Postgres": (
        "",
        'create view v as select x.p from jsonb_populate_recordset(null::t, \'[{"a": 5, "c": 6}]\') as x (p, q, r);',
        V,
    ),
    "an array of rows": (
        "create function all_of_t() returns t[] language sql as 'select array_agg(t) from t';",
        (
            "create function all_of_t() returns t[] language sql as 'select array_agg(t) from t';"
            "create view v as select x.p from unnest(all_of_t()) as x (p, q, r);"
        ),
        V,
    ),
    "a row": ("", "create view v as select (row(1, 'x,(', 2)::t).a, (row(7, null, 8)::t).c;", V),
    "a row in a row": (
        "",
        (
            "create view v as select (row((row(5, 'x', 6)::t).a, 'x', (select x.p from t as x (p) where x.r = 10))::t).*;"
        ).replace("x (p)", "x (p, q, r)"),
        "select a, b, c from public.v",
    ),
    "a row as a default": (
        "create table d (i int);",
        "create table d (i int, r t default row(1, case when true then 'x' end, 2)::t);",
        "insert into public.d values (1); select (r).a, (r).c from public.d",
    ),
    "all columns": ("", "create view v as select * from t;", "select a, b, c from public.v"),
    "rows and their comparison": (
        "",
        "create view v as select row(t.*) > row(1, 'x', 2) as x, t is not distinct from row(1, 'x', 10)::t as y from t;",
        V,
    ),
    "a common column": (
        "create table n (a int, z int);",
        "create table n (a int, z int); create view v as select * from t natural join n;",
        V,
    ),
    "the union of all columns": (
        "",
        "create view v as select * from t union select 1, 'x', 2;",
        "select a, b, c from public.v order by c",
    ),
    "a rule": (
        "create table r (a int, b text, c int);",
        (
            "create table r (a int, b text, c int); create rule o as on insert to r do also insert into t values (new.*);"
            "create rule u as on insert to r do also update t set c = y.p + 100 from t as y (p, q) where y.p = t.a;"
        ),
        "insert into public.r values (3, 'z', 5); select a, b, c from public.t order by a",
    ),
    "a policy": (
        "",
        "create policy p on t using ((select max(x.p) from t as x (p, q)) > 2);",
        "select pg_get_expr(polqual, polrelid) like '%max(x.p)%' from pg_policy",
    ),
    "a query in a function": (
        "",
        "create function f() returns bigint language sql begin atomic select sum(x.p) from t as x (p, q); end;",
        "select public.f()",
    ),
    "an INSERT in a function": (
        "",
        (
            "create function f() returns setof t language sql"
            " begin atomic insert into t values (3, 'z', 30) returning *; end;"
        ),
        "select a, b, c from public.f()",
    ),
    "what a function returns": (
        "",
        "create function f() returns setof t language sql begin atomic select * from t; end;",
        "select a, b, c from public.f()",
    ),
    "what a function computes": (
        "",
        (
            "create function f() returns setof t language sql begin atomic select sum(x.p)::int, max(x.q),"
            " case when true then 1 end from t as x (p, q) where x.p > 0 group by x.p order by 1; end;"
        ),
        "select a, b, c from public.f()",
    ),
    "a row that a function returns": (
        "",
        "create function f() returns t language sql return row(1, 'q', 3)::t;",
        "select (public.f()).a, (public.f()).b",
    ),
}
REFUSED: dict[str, tuple[str, str]] = {
    "by their places in a join": ("", "create view v as select j.p, j.s from (t join t u on true) as j (p, q, r, s);"),
    "by their places in several functions": (
        ROWS_OF_T,
        "create view v as select x.p from rows from (rows_of_t(), rows_of_t()) as x (p, q, r, s, u, v);",
    ),
    "by their places in a function that has several results": (
        ROWS_OF_T + "create function rows_of_t(n int) returns setof int language sql as 'select n';",
        "create view v as select x.p from rows_of_t() as x (p);",
    ),
    "in a literal": ("", "create view v as select ('(1,x,2)'::t).a;"),
    "in a row without a cast to its type": (
        "create function first(t) returns int language sql as 'select $1.a';",
        "create view v as select first(row(1, 'x', 2));",
    ),
    "in what it returns": (
        "",
        "create function f() returns setof t language sql begin atomic select * from t union all select * from t; end;",
    ),
}


def _run(url: str, text: str) -> list[tuple[object, ...]]:
    """Runs statements one by one and gives the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(text.encode())
        while rows.nextset():
            pass
        return rows.fetchall() if rows.description else []


@pytest.mark.parametrize("name", SAME)
def test_it_means_what_was_declared(name: str, make_database: Callable[[], str]) -> None:
    before, after, query = SAME[name]
    live, declared = make_database(), make_database()
    _run(live, LIVE + ROWS + ";" + before)
    _run(declared, f"set search_path = public; {DECLARED}{ROWS};{after}")
    with Reconciler(live, options=ALL) as reconciler:
        assert reconciler.migrate(DECLARED + after).idx == 0
        assert reconciler.plan(DECLARED + after).plan.is_empty
        assert reconciler.check(DECLARED + after).plan.is_empty
        assert not reconciler.check().has_drift
    assert sorted(map(repr, _run(live, query))) == sorted(map(repr, _run(declared, query)))


@pytest.mark.parametrize("how", REFUSED)
def test_what_cannot_be_told_is_refused(how: str, database: str) -> None:
    before, after = REFUSED[how]
    with Reconciler(database, options=ALL) as reconciler:
        reconciler.migrate(LIVE + before)
        with pytest.raises(PlanError, match=rf"counts the columns of table public\.t {how}, and") as caught:
            reconciler.plan(DECLARED + before + after)
        assert "declare those of public.t in the database's order" in str(caught.value.hint)


def test_a_column_that_is_kept_has_its_place(database: str) -> None:
    _run(database, "create table t (k int, a int, b int); insert into t values (1, 2, 3)")
    source = "-- reconciler: keep\ncreate table t (b int, a int); create view v as select x.p from t as x (p, q);"
    with Reconciler(database) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.is_empty
    assert _run(database, V) == [(3,)]


def test_columns_that_come_stand_at_the_end(database: str) -> None:
    _run(database, "create table t (c int, a int); insert into t values (1, 2)")
    source = "create table t (a int, z int, c int, m int); create view v as select x.p, x.r from t as x (p, q, r, s);"
    with Reconciler(database) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.is_empty
    assert _run(database, V) == [(2, 1)]


def test_a_table_that_is_recreated_takes_the_declared_order(database: str) -> None:
    _run(database, LIVE + ROWS)
    source = (
        "create table t (a int, b text, c int) partition by list (a);"
        "create table t1 partition of t for values in (1, 2); create view v as select x.p from t as x (p, q);"
    )
    with Reconciler(database, options=ALL) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.is_empty
    assert sorted(map(repr, _run(database, V))) == ["(1,)", "(2,)"]


def test_others_texts_are_lives_already(database: str) -> None:
    _run(database, LIVE + "create view theirs as select x.p from t as x (z, p);")
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(DECLARED)
        assert planned.plan.is_empty
        assert reconciler.apply(planned).idx == 0


def test_what_reads_other_columns_than_declared_is_caught_by_the_rehearsal(database: str) -> None:
    """No text says what a polymorphic function gives; from 15 on Postgres says which columns are read."""
    same = "create function same(anyelement) returns setof anyelement language sql as 'select $1';"
    with Reconciler(database) as reconciler:
        if reconciler.connection.info.server_version < 150000:
            pytest.skip("Postgres says it from 15 on")
        reconciler.migrate(LIVE + same)
        with pytest.raises(ProofError, match=r"view public\.v counts columns of a table"):
            reconciler.plan(DECLARED + same + "create view v as select x.p from same(null::t) as x (p, q, r);")


def test_equal_texts_over_other_orders_are_a_difference(two_databases: tuple[str, str]) -> None:
    one, other = two_databases
    view = "create view v as select x.p from t as x (p, q);"
    _run(one, "create table t (a int, b int);" + view)
    _run(other, "create table t (b int, a int);" + view)
    plan = compare.compare_databases(one, other)
    assert [str(difference.fact) for difference in plan.differences] == ["view public.v"]
    _run(one, plan.sql)
    assert compare.compare_databases(one, other).is_empty
    _run(one, "insert into t (a, b) values (1, 2)")
    assert _run(one, V) == [(2,)]
