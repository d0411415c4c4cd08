"""Which relations a transaction will lock against clients, and the lock on each of them. Does I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.connections import errors_as, execute, fetch_all
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.model.plan import LockMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.plan import Statement

__all__ = [
    "HARMLESS",
    "LOCK_ERRORS",
    "Relation",
    "lock",
    "lock_in_turn",
    "lock_weakly",
    "read_relations",
    "refused",
    "set_for_now",
]

# A deadlock that is resolved against us is a lock that was not granted, too.
LOCK_ERRORS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

_MODES = tuple(LockMode)
# What lets clients read and write, and conflicts with itself: pg_locks' words for it and for the stronger ones.
HARMLESS = LockMode.SHARE_UPDATE_EXCLUSIVE
_MAINTENANCE = [
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]
_TABLES = frozenset({"r", "p"})
_COMPOSITE = "c"
_NO_ATTRIBUTE = f"reconciler_{secrets.token_hex(16)}"
_WORDS = {
    "r": "TABLE",
    "p": "TABLE",
    "v": "VIEW",
    "m": "MATERIALIZED VIEW",
    "S": "SEQUENCE",
    "f": "FOREIGN TABLE",
    "c": "TYPE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation to be locked; `kind` is pg_class's letter. `is_maintained`: somebody works on it who is no client."""

    oid: int
    name: tuple[str, ...]
    kind: str
    owner: str
    mode: LockMode
    is_maintained: bool = False

    def __str__(self) -> str:
        return f"{_WORDS[self.kind].lower()} {'.'.join(self.name)}"


def read_relations(connection: Connection, statements: Sequence[Statement]) -> list[Relation]:
    """What the statements will lock strongly, of that which this role may lock, each after what clients lock before."""
    wanted = dict.fromkeys(lock for statement in statements for lock in statement.relation_locks)
    if not wanted:
        return []
    rows = fetch_all(
        connection,
        trusted(read_sql("apply/relations.sql")),
        {
            "schemas": [lock.relation.name[0] for lock in wanted],
            "names": [lock.relation.name[1] for lock in wanted],
            "former_schemas": [lock.former.name[0] if lock.former else None for lock in wanted],
            "former_names": [lock.former.name[1] if lock.former else None for lock in wanted],
            "modes": [_MODES.index(lock.mode) for lock in wanted],
            "reach": [",".join(sorted(lock.reach)) for lock in wanted],
            "exclusive": _MODES.index(LockMode.ACCESS_EXCLUSIVE),
            "foreign_key": _MODES.index(LockMode.SHARE_ROW_EXCLUSIVE),
            "blocking": next(place for place, mode in enumerate(_MODES) if mode.blocks),
            "maintenance": _MAINTENANCE,
        },
    )
    found = {
        int(oid): Relation(
            oid=int(oid),
            name=(str(schema), str(name)),
            kind=str(kind),
            owner=str(owner),
            mode=_MODES[int(mode)],
            is_maintained=bool(is_maintained),
        )
        for oid, schema, name, kind, owner, mode, _, is_maintained in rows
    }
    before = {int(row[0]): {int(oid) for oid in row[6]} & found.keys() for row in rows}
    ordered: list[Relation] = []
    sorter = TopologicalSorter(before)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda oid: found[oid].name)
        ordered += [found[oid] for oid in ready]
        sorter.done(*ready)
    return ordered


def lock(connection: Connection, relation: Relation, mode: LockMode, timeout_ms: int) -> None:
    """Waits for the lock. Raises psycopg's LockNotAvailable or DeadlockDetected."""
    set_for_now(connection, "lock_timeout", timeout_ms)
    execute(connection, _lock_text(relation, mode))


def lock_in_turn(
    connection: Connection, relations: Sequence[Relation], limit_ms: int, first_ms: int, brief_ms: int
) -> None:
    """Waits `first_ms` for the first lock, and `brief_ms` for each further one; for all of them `limit_ms` at most.

    All in one request: between two locks nobody waits for this side of the connection.
    Raises psycopg's LockNotAvailable or DeadlockDetected, of which `refused` tells the relation.
    """
    first, *others = [sql.SQL("{};").format(_lock_text(relation, relation.mode)) for relation in relations]
    brief = sql.SQL(
        "perform set_config('lock_timeout', greatest(1, least({}, extract(epoch from until - clock_timestamp())"
        " * 1000)::int)::text, true);"
    ).format(brief_ms)
    body = sql.SQL(
        "declare until timestamptz := clock_timestamp() + {} * interval '1 millisecond';"
        " begin perform set_config('lock_timeout', {}, true); {} end"
    ).format(limit_ms, str(first_ms), sql.Composed([first, *(each for other in others for each in (brief, other))]))
    execute(connection, sql.SQL("do {}").format(body.as_string(connection)))


def refused(exc: psycopg.Error, relations: Sequence[Relation]) -> Relation:
    """Which of the relations it was that `lock_in_turn` did not get: Postgres quotes the statement that waited."""
    context = exc.diag.context or ""
    found = (relation for relation in relations if _lock_text(relation, relation.mode).as_string() in context)
    return next(found, relations[0])


def lock_weakly(connection: Connection, relation: Relation) -> None:
    """Takes a lock on the relation that conflicts with those that are waited for here, and with none of clients."""
    identifier = sql.Identifier(*relation.name)
    if relation.kind in _TABLES:
        execute(connection, sql.SQL("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE").format(identifier))
    else:
        execute(connection, sql.SQL("SELECT FROM {} LIMIT 0").format(identifier))


def _lock_text(relation: Relation, mode: LockMode) -> sql.Composed:
    """The statement that takes the lock.

    LOCK takes tables, and of a view all that it reads too. The others are altered in a way that changes nothing and
    takes ACCESS EXCLUSIVE: to the owner that they have, or without an attribute that no composite type has.
    """
    identifier = sql.Identifier(*relation.name)
    if relation.kind in _TABLES:
        return sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(identifier, sql.SQL(trusted(mode.value)))
    if relation.kind == _COMPOSITE:
        return sql.SQL("ALTER TYPE {} DROP ATTRIBUTE IF EXISTS {} CASCADE").format(
            identifier, sql.Identifier(_NO_ATTRIBUTE)
        )
    words = sql.SQL(trusted(_WORDS[relation.kind]))
    return sql.SQL("ALTER {} {} OWNER TO {}").format(words, identifier, sql.Identifier(relation.owner))


def set_for_now(connection: Connection, setting: str, milliseconds: int) -> None:
    with errors_as(doing="prepare a statement"):
        execute(connection, "select pg_catalog.set_config(%s, %s, true)", (setting, str(milliseconds)))
