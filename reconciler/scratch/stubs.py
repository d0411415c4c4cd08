"""Roles of live that another server lacks: made there while a schema is built, and removed again. Does I/O."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.connections import execute, fetch_all, fetch_one, transaction
from reconciler.model.plugins import lock_id

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["hold_stubs", "remove_stubs", "stub_roles"]

# By its comment a run knows a stub that another one made, which may have crashed.
_COMMENT = "made by reconciler for the time in which it builds a schema: stands for a role of another server"
_KEY = lock_id("reconciler: roles of other servers")
_SHARED_ELSEWHERE = """
    select from pg_catalog.pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.pid <> pg_catalog.pg_backend_pid() and (l.classid::bigint << 32) | l.objid::bigint = %s limit 1
"""


def hold_stubs(keeper: Connection) -> None:
    """Lets nobody remove stubs until the keeper's transaction ends."""
    fetch_one(keeper, "select pg_catalog.pg_advisory_xact_lock_shared(%s)", (_KEY,))


def stub_roles(connection: Connection, live: Connection) -> None:
    """Makes the roles that live's server has and this one lacks; `hold_stubs` comes before."""
    roles = {row[0] for row in fetch_all(live, "select rolname::text from pg_catalog.pg_roles")}
    present = {row[0] for row in fetch_all(connection, "select rolname::text from pg_catalog.pg_roles")}
    for role in sorted(roles - present):
        if role.startswith("pg_"):
            continue
        name = sql.Identifier(role)
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation), transaction(connection):
            # Another run may make it at this moment.
            execute(connection, sql.SQL("CREATE ROLE {}").format(name))
            execute(connection, sql.SQL("COMMENT ON ROLE {} IS {}").format(name, _COMMENT))


def remove_stubs(admin: Connection) -> None:
    """Drops the stubs, those of crashed runs too, where no run uses them; the last one to end does it."""
    with transaction(admin):
        free = fetch_one(admin, "select pg_catalog.pg_try_advisory_xact_lock(%s)", (_KEY,))
        # Advisory locks are a database's own, roles are not.
        if not free or not free[0] or fetch_one(admin, _SHARED_ELSEWHERE, (_KEY,)) is not None:
            return
        rows = fetch_all(
            admin,
            "select rolname::text from pg_catalog.pg_roles"
            " where pg_catalog.shobj_description(oid, 'pg_authid') = %s order by 1",
            (_COMMENT,),
        )
        for (role,) in rows:
            # Somebody took it for a role of his own, or it is another role's.
            with (
                suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege),
                transaction(admin),
            ):
                execute(admin, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
