"""A name without a schema does not mean what somebody else has made where the source is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, Reconciler, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.every_server

HERS = """
    create function public.fits(numeric, int) returns bool language sql immutable as 'select false';
    create operator public.>= (leftarg = numeric, rightarg = int, function = public.fits);
    create function public.helper(int) returns int language sql immutable as 'select 1';
    create function public.lower(varchar) returns text language sql immutable as 'select null::text';
    create aggregate public.array_agg(varchar) (sfunc = array_append, stype = varchar[]);
    create domain public.amount as int check (value > 0);
    create type public.mood as enum ('sad');
    create table public.users (id int primary key, x int);
    create view public.seen as select 1 as n;
    create sequence public.numbers;
    create collation public.mine from "C";
    create text search configuration public.words (copy = pg_catalog.simple);
    grant all on public.users, public.seen to public;
    grant all on sequence public.numbers to public;
"""
# What is declared, and what of hers it takes.
DECLARED = {
    "create table app.t (n numeric check (n >= 0));": "operator public.>=(numeric,integer)",
    "create table app.t (n int check (helper(n) > 0));": "function public.helper(integer)",
    "create table app.t (n int default helper(1));": "function public.helper(integer)",
    "create table app.t (n int, m int generated always as (helper(n)) stored);": "function public.helper(integer)",
    "create table app.t (n int); create index on app.t (helper(n));": "function public.helper(integer)",
    "create table app.t (n int); create policy p on app.t using (helper(n) > 0);": "function public.helper(integer)",
    "create table app.t (n varchar); create view app.v as select lower(n) as n from app.t;": "public.lower(",
    "create table app.t (n varchar); create view app.v as select array_agg(n) as n from app.t;": "public.array_agg(",
    "create table app.t (n amount);": "type public.amount",
    "create table app.t (n mood[]);": "type public.mood",
    "create table app.t (n int references users);": "table public.users",
    "create table app.t () inherits (users);": "table public.users",
    "create view app.v as select n from seen;": "view public.seen",
    "create table app.t (n bigint default nextval('numbers'));": "sequence public.numbers",
    "create table app.t (n text collate mine);": "collation public.mine",
    "create table app.t (n text, v tsvector generated always as (to_tsvector('words', n)) stored);": (
        "text search configuration public.words"
    ),
    "create function app.f(amount) returns int language sql as 'select 1';": "type public.amount",
    "create domain app.d as int check (helper(value) > 0);": "function public.helper(integer)",
    "create table app.t (n int); do $$ begin perform helper(1); end $$;": "function public.helper(integer)",
    "create table app.t (n int); insert into app.t select helper(1);": "function public.helper(integer)",
    "create function app.f() returns int language plpgsql as $$ begin return helper(1); end $$;"
    " do $$ begin perform app.f(); end $$;": "function public.helper(integer)",
}
QUALIFIED = {
    "create table app.t (n numeric check (n operator(public.>=) 0));": "operator public.>=(numeric,integer)",
    "create table app.t (n int check (public.helper(n) > 0));": "function public.helper(integer)",
    "create table app.t (n public.amount, u int references public.users);": "type public.amount",
}


@pytest.fixture
def mallory(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role mallory; grant create on schema public to mallory; set role mallory")
        admin.execute(HERS.encode())
        admin.execute("reset role")
        try:
            yield admin
        finally:
            admin.execute("drop owned by mallory cascade; drop role mallory")


@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_a_name_without_a_schema_that_means_hers_is_refused(
    scratch: str, database: str, mallory: psycopg.Connection
) -> None:
    hides = ("operator public", "public.lower(", "public.array_agg(")
    options = Options(schemas=("app",), scratch=scratch)
    with Reconciler(database, options=options) as reconciler:
        for text, hers in DECLARED.items():
            source = f"create schema app; {text}"
            if scratch == "database" and hers.startswith(hides):
                # What could only be taken for the system's is not there at all.
                planned = reconciler.plan(source)
                assert "public" not in planned.plan.sql, text
                continue
            with pytest.raises(SourceError) as refused:
                reconciler.plan(source)
            said = str(refused.value)
            assert hers in said, text
            assert "of role mallory" in said, text
        for text, hers in QUALIFIED.items():
            if scratch == "database" and hers.startswith(hides):
                continue
            planned = reconciler.plan(f"create schema app; {text}")
            assert any(hers in line and "of role mallory" in line for line in (*planned.warnings, *planned.notes)), text


def test_what_is_taken_from_a_trusted_role_and_the_system_is_nobodys_business(
    database: str, mallory: psycopg.Connection
) -> None:
    mallory.execute("create function public.ours(int) returns int language sql immutable as 'select 1'")
    source = "create schema app; create table app.t (n int check (ours(n) > 0), helper int, users text);"
    with Reconciler(database, options=Options(schemas=("app",))) as reconciler:
        planned = reconciler.plan(source)
    assert not any("mallory" in line for line in (*planned.warnings, *planned.notes))
