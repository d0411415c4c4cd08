"""What is to be told of incidents, to whom, and which of several watchers does so. Does I/O.

An event is delivered at least once: who was told is written down after he took it. Its id is the same at each try, by
which a receiver knows it again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.trust import damage
from reconciler.model.incidents import IncidentEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from reconciler.db.connections import Connection
    from reconciler.model.facts import Json

__all__ = [
    "OutboxEvent",
    "count_undelivered",
    "load_undelivered",
    "mark_delivered",
    "prune_outbox",
    "register_target",
    "release_lease",
    "take_lease",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """One thing to tell: `key` is the same at each try, `incident` the document of the incident as it then was."""

    id: int
    incident_id: int
    revision: int
    event: IncidentEvent
    at: datetime
    incident: dict[str, Json]

    @property
    def key(self) -> str:
        """The incident and which of its events this is: `12.1`."""
        return f"{self.incident_id}.{self.revision}"


def register_target(connection: Connection, target: str, description: str, at: datetime) -> None:
    """Has the target told from now on, and of all incidents that are not over. Call it in a transaction."""
    with errors_as(LedgerError, "write down who is told of incidents"), ledger_cursor(connection) as rows:
        is_new = rows.execute(
            "INSERT INTO :ledger._targets (target, since, description) VALUES (%s, %s, %s)"
            " ON CONFLICT (target) DO NOTHING",
            [target, at, description],
        ).rowcount
        if is_new:
            rows.execute(
                "UPDATE :ledger._outbox AS event SET delivered_to = pg_catalog.array_append(delivered_to, %s)"
                " FROM :ledger._incidents AS incident"
                " WHERE incident.id = event.incident_id AND incident.closed_at IS NOT NULL",
                [target],
            )


def load_undelivered(
    connection: Connection, target: str, plugins: Sequence[str] | None, limit: int
) -> tuple[OutboxEvent, ...]:
    """What the target was not told yet, the oldest first; of these plugins, or of all."""
    with (
        errors_as(LedgerError, "read the outbox"),
        damage(connection, "a row of :ledger._outbox", "delete that row: nobody is told of it then"),
        ledger_cursor(connection) as rows,
    ):
        found = rows.execute(
            "SELECT id, incident_id, revision, event, at, body::text FROM :ledger._outbox"
            " WHERE NOT %(target)s = ANY(delivered_to)"
            " AND (%(plugins)s::text[] IS NULL OR plugin_name = ANY(%(plugins)s)) ORDER BY id LIMIT %(limit)s",
            {"target": target, "plugins": None if plugins is None else list(plugins), "limit": limit},
        ).fetchall()
        return tuple(
            OutboxEvent(
                id=id_,
                incident_id=incident_id,
                revision=revision,
                event=IncidentEvent(event),
                at=at.astimezone(UTC),
                incident=cast("dict[str, Json]", json.loads(body)),
            )
            for id_, incident_id, revision, event, at, body in found
        )


def count_undelivered(connection: Connection, targets: Sequence[str]) -> int:
    """How much is still to be told to these, all together."""
    with errors_as(LedgerError, "read the outbox"), ledger_cursor(connection) as rows:
        row = rows.execute(
            "SELECT pg_catalog.count(*) FROM :ledger._outbox, pg_catalog.unnest(%s::text[]) AS target(name)"
            " WHERE NOT target.name = ANY(delivered_to)",
            [list(targets)],
        ).fetchone()
    return int(row[0]) if row is not None else 0


def mark_delivered(connection: Connection, event_id: int, target: str) -> None:
    """Writes down that the target was told."""
    with errors_as(LedgerError, "write down who was told"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._outbox SET delivered_to = pg_catalog.array_append(delivered_to, %s)"
            " WHERE id = %s AND NOT %s = ANY(delivered_to)",
            [target, event_id, target],
        )


def prune_outbox(connection: Connection, before: datetime) -> int:
    """Deletes what was told of incidents that were over by then, whoever was not reached; gives how many rows."""
    with errors_as(LedgerError, "delete old rows of the outbox"), ledger_cursor(connection) as rows:
        return rows.execute(
            "DELETE FROM :ledger._outbox AS event USING :ledger._incidents AS incident"
            " WHERE incident.id = event.incident_id AND incident.closed_at < %s",
            [before],
        ).rowcount


def take_lease(connection: Connection, name: str, holder: str, description: str, lasts: timedelta) -> str | None:
    """Takes or renews the lease, by the server's clock; gives who has it where that is somebody else."""
    with errors_as(LedgerError, "take the lease of the watchers"), ledger_cursor(connection) as rows:
        taken = rows.execute(
            "INSERT INTO :ledger._watchers AS watcher (name, holder, description, expires_at)"
            " VALUES (%(name)s, %(holder)s, %(description)s, pg_catalog.clock_timestamp() + %(lasts)s)"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, description = excluded.description,"
            " expires_at = excluded.expires_at"
            " WHERE watcher.holder = excluded.holder OR watcher.expires_at < pg_catalog.clock_timestamp()",
            {"name": name, "holder": holder, "description": description, "lasts": lasts},
        ).rowcount
        if taken:
            return None
        row = rows.execute("SELECT description FROM :ledger._watchers WHERE name = %s", [name]).fetchone()
    return str(row[0]) if row is not None else "another watcher"


def release_lease(connection: Connection, name: str, holder: str) -> None:
    """Lets another watcher act at once."""
    with errors_as(LedgerError, "release the lease of the watchers"), ledger_cursor(connection) as rows:
        rows.execute("DELETE FROM :ledger._watchers WHERE name = %s AND holder = %s", [name, holder])
