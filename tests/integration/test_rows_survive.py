"""Rows and values survive a change of the schema, there and back, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, WhenBehind

if TYPE_CHECKING:
    from reconciler.embedded import EmbeddedServer


class Case(NamedTuple):
    """Two declarations, the rows before, and a query that gives the same result through all of it."""

    old: str
    rows: str
    new: str
    query: str
    loses: bool = False


WITH_ALL = """
create table o (id int primary key); create table audit (n int);
create table t (id serial primary key, a text not null default 'x', o int references o, up int references t (id),
    constraint odd check (id <> 4) not valid){};
create index t_a on t (a); create view v as select * from t; comment on table t is 'it''s kept';
create materialized view m as select count(*) as n from v; create statistics s on id, a from t;
create table u (id int references t (id)); grant select on t to public;
create function f() returns trigger language plpgsql as 'begin insert into audit values (1); return new; end';
create trigger tr before insert on t for each row execute function f();
alter table t enable row level security; alter table t force row level security; create policy p on t using (id < 3);
"""

CASES: dict[str, Case] = {
    "a child no longer declares a column that it inherits": Case(
        """create table p (id int not null, n int); create table c (n int, x text default 'y', extra serial) inherits (p);
        create index c_n on c (n); create view v as select id, x from c; comment on column c.x is 'own';""",
        "insert into p values (1, 10); insert into c (id, n) values (2, 20), (3, null)",
        """create table p (id int not null, n int); create table c (x text default 'y', extra serial) inherits (p);
        create index c_n on c (n); create view v as select id, x from c; comment on column c.x is 'own';""",
        "select p.tableoid::regclass::text, p.*, c.x, c.extra from p left join c using (id) order by id",
    ),
    "an enum loses a label and another order": Case(
        "create type mood as enum ('a', 'b', 'c'); create table t (id int, m mood default 'a', many mood[]);",
        "insert into t values (1, 'a', '{a,b}'), (2, 'b', null)",
        "create type mood as enum ('b', 'a'); create table t (id int, m mood default 'a', many mood[]);",
        "select id, m::text, many::text from t order by id",
    ),
    "an enum within other types and under all that can hang on it": Case(
        """create type mood as enum ('a', 'b', 'c'); create domain dom as mood; create type pair as (x int, m mood);
        create table t (id int primary key, m mood not null default 'a', d dom, c pair, many pair[], check (m <> 'c'),
            g mood generated always as (case when id > 1 then 'a'::mood end) stored);
        create index on t (m) where m = 'a'; create unique index on t (id, m);
        create view v as select id, m from t where m = 'a'; create materialized view w as select m from t;
        create function f(m mood) returns mood language sql as $$select m$$; create policy p on t using (m = 'a');
        comment on column t.m is 'how it is';""",
        "insert into t values (1, 'a', 'b', '(1,b)', array['(2,a)'::pair]), (2, 'b', null, null, '{}')",
        """create type mood as enum ('b', 'a'); create domain dom as mood; create type pair as (x int, m mood);
        create table t (id int primary key, m mood not null default 'a', d dom, c pair, many pair[],
            check (m <> 'b' or id > 1), g mood generated always as (case when id > 1 then 'a'::mood end) stored);
        create index on t (m) where m = 'a'; create unique index on t (id, m);
        create view v as select id, m from t where m = 'a'; create materialized view w as select m from t;
        create function f(m mood) returns mood language sql as $$select m$$; create policy p on t using (m = 'a');
        comment on column t.m is 'how it is';""",
        "select id, m::text, d::text, c::text, many::text, g::text from t order by id",
    ),
    "the attributes of a composite type in another order": Case(
        """create type pair as (x int, y text); create domain dom as pair;
        create table t (id int, c pair, d dom, many pair[]); create view v as select (c).x from t;""",
        "insert into t values (1, '(1,hi)', '(3,\"it''s, (so)\")', array['(2,)'::pair]), (2, null, null, '{}')",
        """create type pair as (y text, x bigint); create domain dom as pair;
        create table t (id int, c pair, d dom, many pair[]); create view v as select (c).x from t;""",
        "select id, (c).x, (c).y, (d).x, (d).y, (many[1]).x, (many[1]).y from t order by id",
    ),
    "the attributes of a composite type of other types": Case(
        "create type pair as (x int, y text); create table t (id int, c pair);",
        "insert into t values (1, '(1,7)'), (2, '(,)')",
        "create type pair as (x text, y numeric, z date); create table t (id int, c pair);",
        "select id, (c).x::int, (c).y::text from t order by id",
        loses=True,
    ),
    "a domain over another type": Case(
        "create domain d as int check (value > 0); create table t (a d primary key, b d[]);",
        "insert into t values (5, '{6}')",
        "create domain d as bigint check (value > 1); create table t (a d primary key, b d[]);",
        "select a, b::text from t",
    ),
    "a table of a type that gets an attribute": Case(
        "create type row as (a int, b text); create table t of row (primary key (a));",
        "insert into t values (1, 'x')",
        "create type row as (a int, b text, c int); create table t of row (primary key (a));",
        "select a, b from t",
        loses=True,
    ),
    "a column of a type that is recreated, in parent and child": Case(
        "create type e as enum ('a', 'b'); create table p (a e, b int); create table c (d int) inherits (p);",
        "insert into p values ('a', 1); insert into c values ('b', 2, 3)",
        "create type e as enum ('b', 'a'); create table p (a e, b int); create table c (d int) inherits (p);",
        "select a::text, b from p order by b",
    ),
    "a table becomes partitioned under all that can hang on it": Case(
        WITH_ALL.format(""),
        "insert into o values (1); insert into t select nextval('t_id_seq'), 'x', 1 from generate_series(1, 3);"
        " insert into u values (3); delete from audit; refresh materialized view m",
        WITH_ALL.format(
            " partition by range (id); create table t1 partition of t for values from (0) to (2);"
            " create table t2 partition of t default"
        ),
        "select id, a, o, (select count(*) from audit), (select n from m), (select last_value from t_id_seq)"
        " from t order by id",
    ),
    "a partitioned table of another key and other partitions": Case(
        "create table t (id int primary key, a text) partition by range (id); create index on t (a);"
        " create table t1 partition of t for values from (0) to (5); create index own on t1 (a, id);"
        " create table t2 partition of t default;",
        "insert into t select g, 'x' || g from generate_series(1, 10) g",
        "create table t (id int primary key, a text) partition by hash (id); create index on t (a);"
        " create table t1 partition of t for values with (modulus 2, remainder 0); create index own on t1 (a, id);"
        " create table t3 partition of t for values with (modulus 2, remainder 1);",
        "select id, a from t order by id",
    ),
    "an identity column of a table that becomes partitioned stays where it is": Case(
        "create table t (id int generated always as identity (start 5), a text, g int generated always as (1) stored);",
        "insert into t (a) select 'x' from generate_series(1, 3); delete from t where id = 7",
        "create table t (id int generated always as identity (start 5), a text, g int generated always as (1) stored)"
        " partition by list (a); create table t1 partition of t for values in ('x');",
        "select id, a, (select last_value from t_id_seq) from t order by id",
    ),
    "a partition becomes partitioned, and leaves its parent no gap": Case(
        "create table r (id int, a text, primary key (id, a)) partition by list (a);"
        " create table t partition of r for values in ('x');",
        "insert into r values (1, 'x'), (2, 'x')",
        "create table r (id int, a text, primary key (id, a)) partition by list (a);"
        " create table t partition of r for values in ('x') partition by range (id);"
        " create table t1 partition of t default;",
        "select id, a from r order by id",
    ),
    "a partition that stays as a table of its own keeps its rows, another takes its place": Case(
        "create table t (id int, a text) partition by list (a); create table t1 partition of t for values in ('x');"
        " create table t2 partition of t for values in ('y'); create table t3 (id int, a text);",
        "insert into t values (1, 'x'), (2, 'y'); insert into t3 values (11, 'x')",
        "create table t (id int, a text) partition by range (id); create table t1 (id int, a text);"
        " create table t2 partition of t for values from (0) to (10);"
        " create table t3 partition of t for values from (10) to (20);",
        "select (select count(*) from t1), (select count(*) from t2), (select count(*) from t3)",
    ),
    "what a table needs changes as it becomes partitioned": Case(
        "create type e as enum ('a', 'b', 'c'); create function n() returns int language sql as 'select 1';"
        " create function ok(int) returns boolean language sql immutable as 'select true';"
        " create table t (id int default n(), a e, many e[], constraint c check (ok(id)));"
        " create table w (one t);",
        "insert into t values (1, 'a', '{a,b}'); insert into w values (row(1, 'a', '{a,b}'))",
        "create type e as enum ('b', 'a');"
        " create function ok(i int) returns boolean language sql immutable as 'select true';"
        " create table t (id int, a e, many e[], constraint c check (ok(id))) partition by list (a);"
        " create table t1 partition of t default; create table w (one t);",
        "select id, a::text, many::text, (select one::text from w) from t",
    ),
    "another function in the partition key": Case(
        "create function k1(int) returns int language sql immutable as 'select $1 + 1';"
        " create table t (id int) partition by range (k1(id)); create table t1 partition of t default;",
        "insert into t values (1), (2)",
        "create function k2(int) returns int language sql immutable as 'select $1 + 2';"
        " create table t (id int) partition by range (k2(id)); create table t1 partition of t default;",
        "select id from t order by id",
    ),
    "types within numbers and strings": Case(
        "create table t (a smallint, b int, c text, d date, e json, f bool);",
        "insert into t values (1, 2, '3', '2020-01-02', '{\"x\":1}', true), (null, null, null, null, null, null)",
        "create table t (a bigint, b text, c int, d text, e jsonb, f int);",
        "select a::text, b::text, c::text, d::text, e::jsonb, f::int from t order by a",
        loses=True,
    ),
    "a text becomes an enum": Case(
        "create table t (a text, b text[]);",
        "insert into t values ('x', '{x,y}'), (null, '{}')",
        "create type e as enum ('x', 'y'); create table t (a e, b e[]);",
        "select a::text, b::text from t order by a",
    ),
    "one value becomes an array": Case(
        "create table t (id int);",
        "insert into t values (5), (null)",
        "create table t (id text);",
        "select id::text from t order by id",
    ),
    "arrays of one element become the element": Case(
        "create table t (id int, a int[], b text[], c bigint[], d boolean[]);",
        "insert into t values (1, '{5}', '{x}', '{6}', '{t}'), (2, null, '{x,y}', null, null), (3, '[0:0]={7}', '{NULL}', null, null)",
        "create table t (id int, a int, b text, c smallint, d int);",
        "select id, trim('{}' from replace(a::text, '[0:0]=', '')), trim('{}' from b::text), trim('{}' from c::text),"
        " d is null from t order by id",
        loses=True,
    ),
    "a new column that children have in a way of their own": Case(
        "create table p (k int); create table c (x int) inherits (p); create table d () inherits (c);"
        " create table q (k int) partition by list (k); create table q1 partition of q for values in (1);",
        "insert into p values (1); insert into c values (2, 0); insert into d values (3, 0); insert into q values (1)",
        "create table p (k int, n int not null default 4, t text); create table c (x int) inherits (p);"
        " create table d () inherits (c); alter table c alter n drop default, alter n add generated always as identity;"
        " alter table p alter t set storage external; alter table d alter t set statistics 7, alter n set default 5;"
        " create table q (k int, n int default 0) partition by list (k); create table q1 partition of q for values in (1);"
        " alter table q1 alter n drop default, alter n set not null;",
        "select tableoid::regclass::text, k from p union all select tableoid::regclass::text, k from q order by 1, 2",
        loses=True,
    ),
    "new children that have a column in a way of their own": Case(
        "create table p (k int, n int default 4, t text);",
        "insert into p values (1)",
        "create table p (k int, n int default 4, t text); create table c (x int) inherits (p);"
        " create table d () inherits (c); alter table c alter n set not null, alter t set storage external;"
        " alter table d alter n drop default, alter n add generated always as identity;",
        "select k from p",
        loses=True,
    ),
    "an enum gets a label before its only one": Case(
        "create type e as enum ('b'); create table t (a e);",
        "insert into t values ('b')",
        "create type e as enum ('a', 'b'); create table t (a e);",
        "select a::text from t",
    ),
    "a label of many bytes is taken out of a type with a long name": Case(
        f"create type {'é' * 30} as enum ('a', 'b'); create table t (a {'é' * 30});",
        "insert into t values ('a')",
        f"create type {'é' * 30} as enum ('a'); create table t (a {'é' * 30});",
        "select a::text from t",
    ),
    "a domain within arrays and records gets a check and NOT NULL": Case(
        """create domain d as int; create domain e as text; create type pair as (x d, y e);
        create table t (a d[], b pair, c e);""",
        "insert into t values ('{1}', '(2,x)', 'y')",
        """create domain d as int constraint low check (value > 0); create domain e as text not null;
        create type pair as (x d, y e); create table t (a d[], b pair, c e);""",
        "select a::text, b::text, c::text from t",
    ),
    "a base type gets a function": Case(
        """create function ei(cstring) returns ev language internal immutable strict as 'int4in';
        create function eo(ev) returns cstring language internal immutable strict as 'int4out';
        create type ev (input = ei, output = eo, like = int4); create table t (a ev);""",
        "insert into t values ('5')",
        """create function ei(cstring) returns ev language internal immutable strict as 'int4in';
        create function eo(ev) returns cstring language internal immutable strict as 'int4out';
        create function es(ev) returns bytea language internal immutable strict as 'int4send';
        create type ev (input = ei, output = eo, send = es, like = int4); create table t (a ev);""",
        "select a::text from t",
    ),
    "a range of other numbers": Case(
        "create table t (a int4range, b int);",
        "insert into t values ('[1,5)', 1), (null, 2)",
        "create table t (a int8range, b int);",
        "select a::text from t order by b",
    ),
    "a range type of another subtype": Case(
        "create type r as range (subtype = int4); create table t (a r, b r[]);",
        "insert into t values ('[1,5)', '{\"[1,2)\"}')",
        "create type r as range (subtype = int8); create table t (a r, b r[]);",
        "select a::text, b::text from t",
    ),
    "a collation under an index and a view": Case(
        "create table t (a text); create index i on t (a); create view v as select a from t;",
        "insert into t values ('x'), ('Y')",
        'create table t (a text collate "C"); create index i on t (a); create view v as select a from t;',
        'select a from t order by a collate "C"',
    ),
    "a table that is not logged": Case(
        "create table t (id serial primary key, a text);",
        "insert into t (a) values ('x'), ('y')",
        "create unlogged table t (id serial primary key, a text);",
        "select id, a from t order by id",
    ),
    "a column stops being generated": Case(
        "create table t (a int, g int generated always as (a * 2) stored);",
        "insert into t values (1), (2)",
        "create table t (a int, g int);",
        "select a, g from t order by a",
        loses=True,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(database: str, case: str) -> None:
    _go_there_and_back(database, CASES[case])


def _go_there_and_back(database: str, case: Case) -> None:
    old, rows, new, query, loses = case
    with Reconciler(database, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate(old)
        _run(database, rows)
        wanted = _rows(database, query)
        assert wanted
        for source in (new, old):
            planned = reconciler.plan(source)
            lost = [hazard.message for hazard in planned.plan.hazards if hazard.kind is HazardKind.DATA_LOSS]
            assert loses or not lost
            reconciler.apply(planned)
            assert _rows(database, query) == wanted
            assert reconciler.plan(source).plan.is_empty


VIRTUAL_CASES: dict[str, Case] = {
    "a virtual column becomes a plain one": Case(
        """create table t (a int, g int generated always as (a * 2) virtual not null, check (g > 0));
        create view v as select g from t; comment on column t.g is 'computed';
        create function no() returns trigger language plpgsql as $$ begin raise 'fired'; end $$;
        create trigger no before update on t for each row execute function no();""",
        "insert into t values (1), (2)",
        """create table t (a int, g text collate "C" default 'x' not null, check (g > '')); create index on t (g);
        create view v as select g from t; comment on column t.g is 'computed';
        alter table t alter g set storage main, alter g set compression pglz;
        create function no() returns trigger language plpgsql as $$ begin raise 'fired'; end $$;
        create trigger no before update on t for each row execute function no();""",
        "select a, g::int from t order by a",
        loses=True,
    ),
    "a virtual column of parents becomes a plain one": Case(
        """create table p (a int, g int generated always as (a * 2) virtual) partition by range (a);
        create table p1 partition of p for values from (0) to (10); create view v as select g from p1;
        create table q (a int, g int generated always as (a * 3) virtual); create table q1 (b int) inherits (q);""",
        "insert into p values (1), (2); insert into q values (1); insert into q1 values (2)",
        """create table p (a int, g int) partition by range (a);
        create table p1 partition of p for values from (0) to (10); create view v as select g from p1;
        create table q (a int, g int); create table q1 (b int) inherits (q);""",
        "select a, g from p union all select a, g from q order by 1, 2",
        loses=True,
    ),
}


@pytest.mark.parametrize("case", VIRTUAL_CASES)
def test_values_that_were_computed_stay(database: str, case: str, server: EmbeddedServer) -> None:
    if server.server_version < 180000:
        pytest.skip("virtual columns came with Postgres 18")
    _go_there_and_back(database, VIRTUAL_CASES[case])


OWN_EXPRESSIONS = {
    "a child": "create table p (a int, g int generated always as (a + 1) stored, check (g > 0));"
    " create table c (b int, g int generated always as (a + {}) stored) inherits (p); create table d () inherits (c);",
    "a child of several parents": "create table q (z int);"
    " create table p (a int, g int generated always as (a + 1) stored);"
    " create table c (b int, g int generated always as (a + {}) stored) inherits (q, p); create table d () inherits (c);",
    "a child that declares all": "create table p (a int, g int generated always as (a + 1) stored);"
    " create table c (b int, a int, g int generated always as (a + {}) stored); alter table c inherit p;"
    " create table d () inherits (c); create view v as select g from c; create index i on c (g);",
    "a partition": "create table p (a int, b int, g int generated always as (a + 1) stored) partition by list (a);"
    " create table d partition of p for values in (3); create table c (a int, b int, g int generated always as (a + {}) stored);"
    " alter table p attach partition c for values in (2); create view v as select g from c; create index i on p (b);",
    "a parent of a partition": "create table p (a int, b int, g int generated always as (a + {}) stored)"
    " partition by list (a); create table d partition of p for values in (3);"
    " create table c (a int, b int, g int generated always as (a + b) stored);"
    " alter table p attach partition c for values in (2); create view v as select g from p; create index i on p (b);",
    "a parent of a child": "create table p (a int, b int, g int generated always as (a + {}) stored);"
    " create table d () inherits (p); create table c (g int generated always as (a + b) stored) inherits (p);"
    " create table e () inherits (c);",
    "a child under an inherited check": "create table p (a int, b int, g int generated always as (a + {}) stored,"
    " check (g > 0)); create table d () inherits (p); create table c () inherits (p);",
}


@pytest.mark.every_server
@pytest.mark.parametrize("tree", OWN_EXPRESSIONS.values(), ids=OWN_EXPRESSIONS)
def test_a_column_that_comes_with_a_parents_is_computed_otherwise(
    database: str, tree: str, server: EmbeddedServer
) -> None:
    if server.server_version < 160000:
        pytest.skip("before 16 Postgres refuses to declare it")
    meant = Options(allow=frozenset(HazardKind), when_behind=WhenBehind.APPLY)
    with Reconciler(database, options=meant) as reconciler:
        reconciler.migrate(tree.format("2"))
        _run(database, "insert into p (a) values (3); insert into c (a, b) values (2, 7); insert into d (a) values (3)")
        for added in (3, 2):
            source = tree.format(added)
            assert reconciler.migrate(source).statements
            assert reconciler.plan(source).plan.is_empty
            own = 9 if "(a + b)" in tree else 2 + added
            assert _rows(database, "select a, b, g from c where b = 7") == [(2, 7, own)]
            parents = 4 if "(a + 1)" in tree else 3 + added
            assert _rows(database, "select count(*), min(g) from p where a = 3") == [(2, parents)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id int primary key", "id int generated by default as identity primary key"),
        ("id int primary key", "id serial primary key"),
        ("id serial primary key", "id int generated by default as identity primary key"),
        ("id int generated by default as identity primary key", "id serial primary key"),
    ],
)
def test_numbers_go_on_after_what_is_there(database: str, old: str, new: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(f"create table t ({old}, a text);")
        _run(database, "insert into t values (41, 'x')")
        assert reconciler.migrate(f"create table t ({new}, a text);").statements
        _run(database, "insert into t (a) values ('y')")
        assert _rows(database, "select id from t order by id") == [(41,), (42,)]


NUMBERED_TREES = {
    "partitions": "create table t (k int{}) partition by list (k); create table t1 partition of t for values in (1);"
    " create table t2 partition of t for values in (2) partition by range (k); create table t3 partition of t2 default;",
    "children": "create table t (k int{}); create table t1 (x int) inherits (t); create table t3 () inherits (t1);",
}


@pytest.mark.every_server
@pytest.mark.parametrize("tree", NUMBERED_TREES.values(), ids=NUMBERED_TREES)
def test_an_identity_numbers_the_rows_of_all_tables_that_get_it_from_one(database: str, tree: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(tree.format(""))
        _run(database, "insert into t select 1 from generate_series(1, 3)")
        _run(database, "insert into t1 values (1); insert into t3 values (2), (2)")
        numbered = tree.format(
            ", n smallint generated always as identity (start 100 increment -5 minvalue 5 maxvalue 100)"
        )
        plan = reconciler.plan(numbered).plan
        assert [hazard.kind for hazard in plan.hazards if hazard.message.startswith("rewrites")]
        reconciler.migrate(numbered)
        assert reconciler.plan(numbered).plan.is_empty
    _run(database, "insert into t values (1)")
    assert _rows(database, "select n from t order by n") == [(70,), (75,), (80,), (85,), (90,), (95,), (100,)]


def test_an_empty_table_numbers_from_the_start(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (id int primary key, a text);")
        reconciler.migrate("create table t (id serial primary key, a text);")
        _run(database, "insert into t (a) values ('y')")
        assert _rows(database, "select id from t") == [(1,)]


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [("int", "int[]", "5"), ("text", "text[]", "'x'"), ("text", "int[]", "'{5}'"), ("int", "bool", "1")],
)
def test_a_value_becomes_what_a_person_would_expect(database: str, old: str, new: str, value: str) -> None:
    with Reconciler(database, options=Options(allow=frozenset(HazardKind))) as reconciler:
        reconciler.migrate(f"create table t (a {old});")
        _run(database, f"insert into t values ({value}), (null)")
        reconciler.migrate(f"create table t (a {new});")
        ((found,),) = _rows(database, "select a::text from t where a is not null")
    assert found == {"5": "{5}", "'x'": "{x}", "'{5}'": "{5}", "1": "true"}[value]


def _run(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
