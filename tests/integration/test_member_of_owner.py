"""Plans of a role that does not own the schema and what is in it: a member of the role that does, or a superuser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler import Options, Reconciler

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARED = """
    create type app.mood as enum ('sad', 'ok');
    create function app.first() returns int language sql immutable as 'select 1';
    create function app.touch() returns trigger language plpgsql as 'begin return new; end';
    create table app.t (id int primary key, v int, m app.mood, constraint c check (v > app.first()){more});
    create trigger touch before update on app.t for each row execute function app.touch();
    create view app.seen as select id, v from app.t;
    create materialized view app.kept as select id from app.t;
    create function app.lent() returns int language sql as 'select 2';
"""
CHANGES = {
    "a plain column": ", x int",
    "an identity": ", x bigint generated always as identity",
    "a serial": ", x bigserial",
    "a value that is computed": ", x uuid default gen_random_uuid()",
    "a foreign key": ", x int references app.t",
}


@pytest.fixture
def member(database: str) -> Iterator[str]:
    """The URL of the member, for a database that it may create in, where all belongs to the group but one function."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role grp; create role lender; create role member login createdb password 'x' in role grp")
        try:
            admin.execute(f"grant create on database {admin.info.dbname} to grp".encode())
            admin.execute("create schema app authorization grp; grant create, usage on schema app to lender")
            admin.execute("set role grp")
            admin.execute(DECLARED.format(more="").encode())
            admin.execute("insert into app.t (id, v) select g, 5 from generate_series(1, 30) g; reset role")
            admin.execute("alter function app.lent() owner to lender")
            yield make_conninfo(database, user="member", password="x")
        finally:
            for role in ("member", "grp", "lender"):
                admin.execute(f"drop owned by {role} cascade; drop role {role}".encode())


@pytest.mark.parametrize(("who", "scratch"), [("member", "schema"), ("member", "database"), ("superuser", "schema")])
@pytest.mark.parametrize("online", [False, True], ids=["plain", "online"])
def test_it_changes_what_another_role_owns(member: str, database: str, who: str, scratch: str, online: bool) -> None:
    url = {"member": member, "superuser": database}[who]
    options = Options(schemas=("app",), scratch=scratch, online=online, allow=frozenset({"all"}))
    with Reconciler(url, options=options) as reconciler, psycopg.connect(database, autocommit=True) as client:
        assert reconciler.migrate(DECLARED.format(more="")).statements == ()
        for name, more in CHANGES.items():
            planned = reconciler.plan(DECLARED.format(more=more))
            client.execute("update app.t set v = v + 1")
            assert reconciler.apply(planned).idx is not None, name
            assert reconciler.plan(DECLARED.format(more=more)).plan.is_empty, name
            reconciler.migrate(DECLARED.format(more=""), options=replace(options, when_behind="apply"))
