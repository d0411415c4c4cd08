"""What is renamed out of the way gets a name that nothing has, whatever its own and those of others are."""

from __future__ import annotations

import psycopg
from psycopg import sql

from reconciler.client import Reconciler

LONG = "app_very_long_type_name_for_collisions_abcdefghi_"
TAKEN = """
create type state__replaced as enum ('mine');
create table orders__replaced (id int);
create sequence orders_id_seq__replaced;
create table a__rerouted (id int);
"""
BEFORE = f"""
{TAKEN}
create type state as enum ('a', 'b');
create type {LONG}one as enum ('a', 'b');
create type {LONG}two as enum ('a', 'b');
create domain {LONG}three as int check (value > 0);
create domain {LONG}four as int check (value > 0);
create table t (x {LONG}one, y {LONG}two, s state, d {LONG}three, e {LONG}four);
create table orders (id int generated always as identity, at date);
create table {LONG}orders_one (id int, at date);
create table {LONG}orders_two (id int, at date);
create table p (id int) partition by range (id);
create table a partition of p for values from (0) to (100);
"""
AFTER = (
    BEFORE.replace("enum ('a', 'b')", "enum ('b')")
    .replace("as int check (value > 0)", "as bigint check (value > 0)")
    .replace("at date)", "at date) partition by range (at)")
    .replace("(0) to (100);", "(0) to (50); create table b partition of p for values from (50) to (100);")
    + "create table orders_all partition of orders default;"
    + f"create table one_all partition of {LONG}orders_one default;"
    + f"create table two_all partition of {LONG}orders_two default;"
)
ROWS = f"""
insert into public.t values ('b', 'b', 'b', 1, 2);
insert into public.orders (at) values ('2026-01-01');
insert into public.{LONG}orders_one values (1, '2026-01-01');
insert into public.{LONG}orders_two values (2, '2026-01-02');
insert into public.p values (10), (70);
"""


def test_names_that_are_taken_or_too_long_are_not_used_twice(database: str) -> None:
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        reconciler.migrate(BEFORE)
        connection.execute(ROWS.encode())
        reconciler.migrate(AFTER)
        assert reconciler.plan(AFTER).plan.is_empty
        row = connection.execute("select x::text, y::text, s::text, d, e from public.t").fetchone()
        assert row == ("b", "b", "b", 1, 2)
        for table, ids in (("orders_all", [1]), ("one_all", [1]), ("two_all", [2]), ("a", [10]), ("b", [70])):
            held = connection.execute(sql.SQL("select id from public.{}").format(sql.Identifier(table)))
            assert [each for (each,) in held.fetchall()] == ids
        left = "select relname from pg_class where relname ~ 'reconciler_tmp' union select typname from pg_type"
        left = f"{left} where typname ~ 'reconciler_tmp'"
        assert not connection.execute(left.encode()).fetchall()
