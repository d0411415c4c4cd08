"""Renames, conversions and what is left alone: hints on a live database, whose rows must survive."""

from __future__ import annotations

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.errors import SourceError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options

pytestmark = pytest.mark.one_server

BEFORE = """
create type mood as enum ('sad', 'ok');
create table users (
    id serial primary key, mail text not null unique, feels mood default 'sad', check (mail <> '')
);
create index on users (lower(mail));
create view calm as select id from users where feels = 'ok';
create table orders (id int primary key, user_id int references users (id));
comment on column users.mail is 'where to write to';
"""
AFTER = """
-- reconciler: renamed from mood
create type feeling as enum (
    'blue', -- reconciler: renamed from sad
    'ok'
);
-- reconciler: renamed from users
create table people (
    id serial primary key,
    email text not null unique, -- reconciler: renamed from mail
    feels feeling default 'blue',
    check (email <> '')
);
create index on people (lower(email));
create view calm as select id from people where feels = 'ok';
create table orders (
    id int primary key,
    -- reconciler: renamed from user_id
    person_id int references people (id)
);
comment on column people.email is 'where to write to';
"""


def _rows(database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def _run(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.smoke
def test_renames_keep_the_rows_and_nothing_is_dropped(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(BEFORE)
        _run(database, "insert into public.users (mail) values ('a@b')", "insert into public.orders values (1, 1)")
        planned = reconciler.plan(AFTER)
        assert all(statement.sql.startswith("ALTER") for statement in planned.plan.statements), planned.plan.sql
        assert {hazard.kind for hazard in planned.plan.hazards} == {HazardKind.BREAKS_CLIENTS}
        reconciler.apply(planned)
        assert reconciler.plan(AFTER).plan.is_empty
        assert not reconciler.check(AFTER).has_drift
    assert _rows(
        database, "select p.email, p.feels::text from public.people p join public.orders on person_id = p.id"
    ) == [("a@b", "blue")]


@pytest.mark.smoke
def test_a_pending_rename_is_shown_as_one_and_is_no_drift(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(BEFORE)
        result = reconciler.check(AFTER)
        table = next(each for each in result.objects if each.object.key == "table:public.people")
        assert table.state is State.PENDING
        assert "table public.users -> public.people" in [str(rename) for rename in table.renames]
        assert not result.has_drift
        assert "table:public.users" not in [each.object.key for each in result.objects]
        assert reconciler.repair(AFTER).statements == ()


def test_on_a_fresh_database_the_hints_are_harmless(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(AFTER)
        assert reconciler.plan(AFTER).plan.is_empty


def test_names_change_places_once(database: str) -> None:
    before = "create table t (a int, b int); create table u (x int); create table w (y int);"
    after = """
    create table t (
        a int, -- reconciler: renamed from b
        b int -- reconciler: renamed from a
    );
    -- reconciler: renamed from w
    create table u (y int);
    -- reconciler: renamed from u
    create table w (x int);
    """
    with Reconciler(database) as reconciler:
        reconciler.migrate(before)
        _run(database, "insert into public.t values (1, 2)", "insert into public.u values (7)")
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        reconciler.migrate(after + "-- reconciler: on table t: keep\n")
    assert _rows(database, "select a, b, x from public.t, public.w") == [(2, 1, 7)]


@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_a_schema_and_what_is_in_it_move(database: str, scratch: str) -> None:
    options = Options(schemas=("old", "other"), scratch=scratch)
    before = (
        "create schema old; create schema other;"
        " create table old.t (id int generated always as identity primary key);"
        " create function old.f(a int) returns int language sql as 'select 1'; create table old.moves (a int);"
    )
    after = """
    create schema other;
    -- reconciler: renamed from old
    create schema new;
    -- reconciler: renamed from t
    create table new.things (id int generated always as identity primary key);
    -- reconciler: renamed from f
    create function new.g(a int) returns int language sql as 'select 1';
    -- reconciler: renamed from old.moves
    create table other.moved (a int);
    """
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(before)
        _run(database, "insert into old.t default values", "insert into old.moves values (5)")
        later = Options(schemas=("new", "other"), scratch=scratch)
        reconciler.migrate(after, options=later)
        assert reconciler.plan(after, options=later).plan.is_empty
    assert _rows(database, "select id, a, new.g(1) from new.things, other.moved") == [(1, 5, 1)]


def test_every_renamable_part_is_renamed_in_place(database: str) -> None:
    before = """
    create table t (id int, v int, constraint c check (v > 0), constraint k primary key (id));
    create index i on t (v);
    create function f() returns trigger language plpgsql as 'begin return new; end';
    create trigger g before insert on t for each row execute function f();
    create policy p on t using (v > 1);
    create rule r as on delete to t do also notify x;
    create sequence s;
    create domain d as int constraint dc check (value > 0);
    create type pair as (a int, b int);
    create materialized view m as select v from t;
    create statistics st on id, v from t;
    """
    names = {
        "c": "c2",
        "k": "k2",
        "i": "i2",
        "g": "g2",
        "p": "p2",
        "r": "r2",
        "s": "s2",
        "dc": "dc2",
        "m": "m2",
        "st": "st2",
    }
    after = """
    create table t (
        id int, v int,
        constraint c2 check (v > 0), -- reconciler: renamed from c
        constraint k2 primary key (id) -- reconciler: renamed from k
    );
    create index i2 on t (v); -- reconciler: renamed from i
    create function f() returns trigger language plpgsql as 'begin return new; end';
    -- reconciler: renamed from g
    create trigger g2 before insert on t for each row execute function f();
    create policy p2 on t using (v > 1); -- reconciler: renamed from p
    create rule r2 as on delete to t do also notify x; -- reconciler: renamed from r
    create sequence s2; -- reconciler: renamed from s
    create domain d as int constraint dc2 check (value > 0);
    -- reconciler: on domain_constraint d.dc2: renamed from dc
    create type pair as (
        a2 int, -- reconciler: renamed from a
        b int
    );
    -- reconciler: renamed from m
    create materialized view m2 as select v from t;
    create statistics st2 on id, v from t; -- reconciler: renamed from st
    """
    with Reconciler(database) as reconciler:
        reconciler.migrate(before)
        planned = reconciler.plan(after)
        assert all(" RENAME " in statement.sql for statement in planned.plan.statements), planned.plan.sql
        assert len(planned.plan.statements) == len(names) + 1
        reconciler.apply(planned)
        assert reconciler.plan(after).plan.is_empty


def test_a_column_is_renamed_and_changes_its_type_in_one_go(database: str) -> None:
    after = """create table t (
        -- reconciler: renamed from born
        -- reconciler: using extract(year from birth_year)
        birth_year int
    );"""
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (born date);")
        _run(database, "insert into public.t values ('1999-05-01')")
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
    assert _rows(database, "select birth_year from public.t") == [(1999,)]


def test_a_partition_is_renamed_with_its_parent(database: str) -> None:
    before = "create table p (id int, at date, primary key (id, at)) partition by range (at);"
    before += "create table p_1 partition of p for values from ('2020-01-01') to ('2021-01-01');"
    after = """
    -- reconciler: renamed from p
    create table q (
        id int,
        day date, -- reconciler: renamed from at
        primary key (id, day)
    ) partition by range (day);
    -- reconciler: renamed from p_1
    create table q_1 partition of q for values from ('2020-01-01') to ('2021-01-01');
    """
    with Reconciler(database) as reconciler:
        reconciler.migrate(before)
        _run(database, "insert into public.p values (1, '2020-02-02')")
        planned = reconciler.plan(after)
        assert not [hazard for hazard in planned.plan.hazards if hazard.kind is HazardKind.DATA_LOSS]
        reconciler.apply(planned)
        assert reconciler.plan(after).plan.is_empty
    assert _rows(database, "select id from public.q_1") == [(1,)]


def test_a_new_column_without_a_null_is_backfilled(database: str) -> None:
    after = """create table t (
        a int not null, -- reconciler: backfill 0
        b text not null default 'new' -- reconciler: backfill 'row ' || coalesce(a, -1)
    );"""
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (a int);")
        _run(database, "insert into public.t values (1), (null)")
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        _run(database, "insert into public.t (a) values (3)")
    assert {row[0] for row in _rows(database, "select a from public.t")} == {0, 1, 3}
    assert "new" in {row[0] for row in _rows(database, "select b from public.t")}


def test_what_is_kept_stays_though_it_is_not_declared(database: str) -> None:
    after = "create table t (a int); -- reconciler: keep\n-- reconciler: on table old_t: keep\n"
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (a int, b int); create table old_t (a int);")
        assert len(reconciler.plan("create table t (a int);").plan.statements) == 2
        assert reconciler.plan(after).plan.is_empty
        reconciler.migrate(after)
        assert not reconciler.check(after).has_drift


def test_what_is_ignored_is_neither_planned_nor_drift(database: str) -> None:
    declared = "create table t (a int); -- reconciler: ignore\ncreate table u (a int);"
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (a int); create table u (a int);")
        _run(database, "alter table public.t add column b int, alter column a type bigint")
        assert reconciler.check("create table t (a int); create table u (a int);").has_drift
        assert reconciler.plan(declared).plan.is_empty
        reconciler.migrate(declared)
        assert not reconciler.check(declared).has_drift


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ("create table t (\n id int, name text -- reconciler: renamed from nmae\n);", "<string>:2: there is neither"),
        ("-- reconciler: renamed from x\ncreate table x ();", "<string>:1: .* renamed from itself"),
        ("drop table if exists t; -- reconciler: keep\ncreate table t ();", "is not beside anything"),
        (
            "create table t (\n id int, -- reconciler: renamed from label\n b text -- reconciler: renamed from label\n);",
            "<string>:3: column public.t.label cannot become column public.t.b",
        ),
        ("create table t (id int, label text);\n-- reconciler: on column t.c: renamed from label", "not declared"),
        ("-- reconciler: backfill 1\ncreate table t (id int, label text);", "<string>:1: `backfill` is for columns"),
        ("create table t (id int,\n-- reconciler: renamed from u.label\nname text);", "<string>:2: .*another table"),
    ],
)
def test_a_hint_that_makes_no_sense_is_an_error_with_file_and_line(database: str, after: str, message: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate("create table t (id int, label text);")
        with pytest.raises(SourceError, match=message):
            reconciler.plan(after)
