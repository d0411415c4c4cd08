"""Reads the log of DDL: entries, what became visible since a moment, seals. Does I/O on a connection that is handed in.

What "since" means is a snapshot (`pg_current_snapshot`), not the highest id or transaction: a lower one that commits
later would be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

from reconciler.audit.install import audit_state
from reconciler.db.connections import cursor, errors_as, fetch_one, transaction
from reconciler.errors import AuditError
from reconciler.model.audit import Actor, Entry, Seal
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from psycopg.abc import Params, QueryNoTemplate
    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection
    from reconciler.model.facts import Address

__all__ = [
    "AUDIT_SCHEMA",
    "CHANNEL",
    "broken_seals",
    "entries_about",
    "entries_between",
    "entries_since",
    "has_moved",
    "last_seal",
    "position",
    "prune",
    "require_log",
    "seal",
    "seal_with",
]

AUDIT_SCHEMA = "reconciler_audit"
# One notification for each transaction with logged DDL, at its commit; nothing in it. Only where installed with notify.
CHANNEL = "reconciler_audit"
_BATCH = 5_000
# How times are printed is the caller's, and psycopg cannot read them all.
_AS_READ = {"DateStyle": "ISO, MDY", "TimeZone": "UTC"}
_READ_HINT = "`reconciler audit install --reader ROLE` allows it"

# Rows of this server and database only: of others, OIDs and transactions mean something else.
_ENTRIES: LiteralString = """
    SELECT entry.id, entry.xid::text::bigint, entry.at, entry.event, entry.tag, entry.classid::bigint,
        entry.objid::bigint, entry.objsubid, entry.object_type, entry.identity, entry.login_role::text,
        entry.session_role::text,
        entry.effective_role::text, entry.authenticated, entry.application, pg_catalog.host(entry.client), entry.pid,
        entry.backend_start, entry.statement, entry.context, entry.names, entry.relation::bigint, entry.versions,
        entry.commands
    FROM reconciler_audit.ddl AS entry
    WHERE entry.system = (SELECT system_identifier FROM pg_catalog.pg_control_system())
        AND entry.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND {} ORDER BY entry.id
"""
_SEAL: LiteralString = "SELECT id, at, rows, pg_catalog.encode(hash, 'hex') FROM reconciler_audit.seal"
_SINCE: LiteralString = """
    entry.xid >= pg_catalog.pg_snapshot_xmin(%(since)s::pg_snapshot)
        AND NOT pg_catalog.pg_visible_in_snapshot(entry.xid, %(since)s::pg_snapshot)
"""
_MOVED: LiteralString = "SELECT EXISTS (SELECT FROM reconciler_audit.ddl AS entry WHERE {})"


def require_log(connection: Connection) -> None:
    """Returns where there is a log that can be believed and that this role may read. Raises AuditError."""
    state = audit_state(connection)
    if not state.installed:
        raise AuditError("there is no log of DDL in this database", hint="`reconciler audit install` makes it")
    if state.problems:
        raise AuditError(
            f"the log is not as it was made, and is not believed: {'; '.join(state.problems)}",
            hint="find out who changed it; `reconciler audit uninstall` and `install` begin another one",
        )
    if not state.readable:
        raise AuditError("this role may not read the log of DDL", hint=_READ_HINT)


def position(connection: Connection) -> str:
    """Which transactions are visible now: what `has_moved` and `entries_since` want to be given back later."""
    row = fetch_one(connection, "SELECT pg_catalog.pg_current_snapshot()::text")
    assert row is not None
    return str(row[0])


def has_moved(connection: Connection, since: str) -> bool:
    """Whether a transaction with logged DDL is visible that was not at `since`; at the same cost at any size."""
    row = fetch_one(connection, sql.SQL(_MOVED).format(sql.SQL(_SINCE)), {"since": since})
    return bool(row and row[0])


def entries_since(connection: Connection, since: str) -> tuple[Entry, ...]:
    """The entries of transactions that are visible and were not at `since`, in the order in which they were written."""
    return _entries(connection, _SINCE, {"since": since})


def entries_between(connection: Connection, begin: datetime | None, end: datetime | None) -> tuple[Entry, ...]:
    """The entries that were written from `begin` on and before `end`; None is no limit."""
    return _entries(
        connection,
        "(%(begin)s::timestamptz IS NULL OR entry.at >= %(begin)s)"
        " AND (%(end)s::timestamptz IS NULL OR entry.at < %(end)s)",
        {"begin": begin, "end": end},
    )


def entries_about(
    connection: Connection, addresses: Collection[Address], relations: Collection[int] = (), names: Sequence[str] = ()
) -> tuple[Entry, ...]:
    """The entries about objects at these addresses, parts of these relations, and what was dropped in these schemas."""
    return _entries(
        connection,
        "((entry.classid, entry.objid) IN (SELECT * FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]),"
        " pg_catalog.unnest(%(objects)s::oid[])) AS asked)"
        " OR entry.relation = ANY(%(relations)s::oid[])"
        " OR (entry.event = 'sql_drop' AND entry.names[1] = ANY(%(names)s)))",
        {
            "classes": [address[0] for address in addresses],
            "objects": [address[1] for address in addresses],
            "relations": list(relations),
            "names": list(names),
        },
    )


def _entries(connection: Connection, condition: LiteralString, values: dict[str, object]) -> tuple[Entry, ...]:
    return tuple(map(_entry, _rows(connection, sql.SQL(_ENTRIES).format(sql.SQL(condition)), values)))


def _rows(connection: Connection, query: QueryNoTemplate, values: Params | None = None) -> list[TupleRow]:
    with errors_as(AuditError, "read the log"), transaction(connection, also=_AS_READ), cursor(connection) as rows:
        return rows.execute(query, values).fetchall()


def _entry(row: TupleRow) -> Entry:
    identity, what, roles, session, said, rest = row[:5], row[5:10], row[10:13], row[13:18], row[18:20], row[20:]
    classid, objid, subid, object_type, name = what
    names, relation, versions, commands = rest
    return Entry(
        id=identity[0],
        xid=identity[1],
        at=identity[2],
        event=identity[3],
        tag=identity[4],
        address=None if classid is None else (classid, objid, subid),
        object_type=object_type,
        identity=name,
        actor=Actor(
            login_role=roles[0] or roles[1],
            session_role=roles[1],
            effective_role=roles[2],
            authenticated=session[0],
            application=session[1] or None,
            client=session[2],
            pid=session[3],
            backend_start=session[4],
        ),
        statement=_masked(said[0]),
        context=_masked(said[1]),
        names=tuple(names or ()),
        relation=relation,
        versions=dict(zip(cast("list[str]", versions or []), cast("list[int]", commands or []), strict=True)),
    )


def _masked(text: str | None) -> str | None:
    """What is left of secrets in a text goes by the rules that hold for every text that is shown."""
    return None if text is None else redact_sql(text)


def last_seal(connection: Connection) -> Seal | None:
    """The last seal, or None where nothing is sealed."""
    return _seal(_rows(connection, _SEAL + " ORDER BY id DESC LIMIT 1"))


def seal(connection: Connection) -> Seal | None:
    """Seals what became visible since the last seal; None where nothing did, or another session just sealed it.

    Raises AuditError where this role may not.
    """
    return _seal(
        _rows(connection, "SELECT id, at, rows, pg_catalog.encode(hash, 'hex') FROM reconciler_audit.seal_now()")
    )


def seal_with(connection: Connection, digest: str) -> Seal | None:
    """The seal with this hash, such as one that was sent elsewhere; None where it is not there any more."""
    query = _SEAL + " WHERE pg_catalog.starts_with(pg_catalog.encode(hash, 'hex'), %s) ORDER BY id LIMIT 1"
    return _seal(_rows(connection, query, [digest.lower()]))


def broken_seals(connection: Connection) -> tuple[tuple[int, datetime, str], ...]:
    """The seals that do not match what they were made over any more, oldest first: id, time, and what is wrong."""
    found = _rows(connection, "SELECT id, at, what FROM reconciler_audit.broken_seals()")
    return tuple((int(number), at, str(what)) for number, at, what in found)


def _seal(rows: Sequence[TupleRow]) -> Seal | None:
    return Seal(id=rows[0][0], at=rows[0][1], rows=rows[0][2], hash=rows[0][3]) if rows else None


def prune(connection: Connection, keep: timedelta) -> int:
    """Deletes the entries of seals that are older than `keep`, in batches of a transaction each; gives their number.

    No lock is taken that a statement would wait for. What is not sealed stays. Raises AuditError.
    """
    deleted = 0
    with errors_as(AuditError, "delete old entries of the log"):
        while True:
            with transaction(connection), cursor(connection) as rows:
                found = rows.execute(_DELETE, {"keep": keep, "batch": _BATCH}).fetchone()
            assert found is not None
            deleted += int(found[0])
            if not found[0]:
                return deleted


_DELETE: LiteralString = """
    WITH old AS (
        UPDATE reconciler_audit.seal SET pruned = true
        WHERE at < pg_catalog.clock_timestamp() - %(keep)s AND NOT pruned RETURNING id
    ),
    doomed AS (
        SELECT entry.id FROM reconciler_audit.ddl AS entry
        WHERE pg_catalog.pg_visible_in_snapshot(entry.xid, (
            SELECT until FROM reconciler_audit.seal WHERE at < pg_catalog.clock_timestamp() - %(keep)s
            ORDER BY id DESC LIMIT 1
        ))
        ORDER BY entry.id LIMIT %(batch)s
    ),
    gone AS (
        DELETE FROM reconciler_audit.ddl AS entry USING doomed WHERE entry.id = doomed.id RETURNING 1
    )
    SELECT count(*) FROM gone
"""
