"""What live was when it was last seen to be as declared: a mark, and where its objects lay. Does I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from psycopg import sql

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.ledger.trust import MARK_IS_TRUSTED, TRUSTED_ROLES, damage
from reconciler.model.facts import FactId, Json, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from reconciler.db.connections import Connection
    from reconciler.model.facts import Address

__all__ = ["Mark", "keep_standing", "load_addresses", "load_mark", "may_write_marks", "save_mark"]

_VERSION_WITH_ADDRESSES = 3
_VERSION_WITH_LATER = 5
_VERSION_WITH_STANDING = 7
_UNFINISHED: LiteralString = (
    "EXISTS (SELECT FROM :ledger._runs WHERE plugin_name = %(plugin)s AND outcome = 'running')"
    " OR EXISTS (SELECT FROM :ledger._steps WHERE plugin_name = %(plugin)s AND idx IS NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The cheap mark of the live catalog when it was last seen to equal the declaration, and what it was taken over.

    `mark` is None where live was not as the whole declaration says: then nothing may be skipped. `settled` is false
    where a run of the plugin is unfinished, where the mark is not of its last record, or where somebody else can have
    written either. `later` has what the declaration no longer has and was left in place. `has_log` tells whether there
    is a log of DDL, `log_position` and `counters` where that and the catalogs stood when the mark was last found equal.
    """

    idx: int
    mark: str | None
    schemas: tuple[str, ...]
    desired_fingerprint: str
    scope: Json = None
    settled: bool = True
    later: tuple[FactId, ...] = ()
    has_log: bool = False
    log_position: str | None = None
    counters: str | None = None


def save_mark(connection: Connection, plugin: str, mark: Mark, addresses: Mapping[FactId, Address]) -> None:
    """Keeps the plugin's mark, instead of the one before, and where live's objects lay in the catalogs."""
    places = [[fact.kind, list(fact.name), *address] for fact, address in addresses.items()]
    with errors_as(LedgerError, f"write the mark of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "INSERT INTO :ledger._marks"
            " (plugin_name, idx, mark, schemas, desired_fingerprint, scope, addresses, later)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb)"
            " ON CONFLICT (plugin_name) DO UPDATE SET idx = excluded.idx, mark = excluded.mark,"
            " schemas = excluded.schemas, desired_fingerprint = excluded.desired_fingerprint,"
            " scope = excluded.scope, addresses = excluded.addresses, later = excluded.later, updated_at = now(),"
            " log_position = NULL, counters = NULL",
            [
                plugin,
                mark.idx,
                mark.mark,
                list(mark.schemas),
                mark.desired_fingerprint,
                canonical_json(mark.scope),
                json.dumps(places),
                json.dumps([[fact.kind, list(fact.name)] for fact in mark.later]),
            ],
        )


def keep_standing(connection: Connection, plugin: str, mark: Mark, position: str, counters: str) -> None:
    """Writes down where log and catalogs stood when the mark was found equal, unless somebody else writes the mark."""
    with errors_as(LedgerError, f"write the mark of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._marks SET log_position = %(position)s, counters = %(counters)s"
            " WHERE ctid IN (SELECT ctid FROM :ledger._marks WHERE plugin_name = %(plugin)s AND mark = %(mark)s"
            " AND idx = %(idx)s FOR UPDATE SKIP LOCKED)",
            {"position": position, "counters": counters, "plugin": plugin, "mark": mark.mark, "idx": mark.idx},
        )


def may_write_marks(connection: Connection) -> bool:
    """Whether this role may write a mark, here and now."""
    with errors_as(LedgerError, "look at the marks"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "SELECT NOT pg_catalog.pg_is_in_recovery()"
            " AND NOT pg_catalog.current_setting('transaction_read_only')::boolean"
            " AND pg_catalog.has_table_privilege(':ledger._marks', 'UPDATE')"
        ).fetchone()
    return bool(row and row[0])


def load_addresses(connection: Connection, plugin: str) -> Mapping[FactId, Address]:
    """Where the objects of live lay when the plugin's mark was taken; empty where that was not written down."""
    state = ledger_state(connection)
    if "_marks" not in state or (state.version or 0) < _VERSION_WITH_ADDRESSES:
        return {}
    with errors_as(LedgerError, f"read the mark of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "SELECT addresses::text FROM :ledger._marks WHERE plugin_name = %s AND addresses IS NOT NULL", [plugin]
        ).fetchone()
    try:
        places = cast("list[tuple[str, list[str], int, int, int]]", json.loads(row[0]) if row else [])
        return {
            FactId(str(kind), tuple(map(str, name))): (int(classid), int(objid), int(subid))
            for kind, name, classid, objid, subid in places
        }
    except (TypeError, ValueError, RecursionError):
        return {}  # as where an older program wrote none; the next run writes them again


def load_mark(connection: Connection, plugin: str) -> Mark | None:
    """The plugin's mark, or None where none was kept."""
    state = ledger_state(connection)
    if "_marks" not in state:
        return None
    query = sql.SQL(_MARK).format(
        roles=TRUSTED_ROLES,
        unfinished=sql.SQL(_UNFINISHED if "_steps" in state else "false"),
        is_trusted=MARK_IS_TRUSTED,
        later=sql.SQL("mark.later::text" if (state.version or 0) >= _VERSION_WITH_LATER else "NULL"),
        standing=sql.SQL(
            "mark.log_position, mark.counters" if (state.version or 0) >= _VERSION_WITH_STANDING else "NULL, NULL"
        ),
    )
    with errors_as(LedgerError, f"read the mark of plugin {plugin}"), ledger_cursor(connection) as rows:
        row = rows.execute(query, {"plugin": plugin}).fetchone()
    if row is None:
        return None
    idx, mark, schemas, desired_fingerprint, scope, settled, later, log_position, counters, has_log = row
    with damage(
        connection, f"the mark of plugin {plugin}", "delete its row of :ledger._marks: the next run writes it again"
    ):
        return Mark(
            idx=idx,
            mark=mark,
            schemas=tuple(schemas),
            desired_fingerprint=desired_fingerprint,
            scope=json.loads(scope),
            settled=settled,
            later=tuple(
                FactId(str(kind), tuple(map(str, name)))
                for kind, name in cast("list[tuple[str, list[str]]]", json.loads(later or "[]"))
            ),
            has_log=has_log,
            log_position=log_position,
            counters=counters,
        )


# A mark is of the migration that was recorded last, with the fingerprint that was recorded with it.
_MARK: LiteralString = """
    {roles}
    SELECT mark.idx, mark.mark, mark.schemas, mark.desired_fingerprint, mark.scope::text,
        NOT ({unfinished}) AND {is_trusted} AND EXISTS (
            SELECT FROM :ledger._sources AS source
            JOIN :ledger._migrations AS migration ON migration.id = source.migration_id
            WHERE source.plugin_name = mark.plugin_name AND source.idx = mark.idx
                AND migration.plugin_name = mark.plugin_name AND migration.hash = mark.desired_fingerprint
        ) AND NOT EXISTS (
            SELECT FROM :ledger._snapshots AS later
            WHERE later.plugin_name = mark.plugin_name AND later.idx > mark.idx
        ), {later}, {standing}, pg_catalog.to_regnamespace('reconciler_audit') IS NOT NULL
    FROM :ledger._marks AS mark WHERE mark.plugin_name = %(plugin)s
"""
