"""Drift as incidents in the ledger: opened, seen again, acknowledged, closed, and what is to be told of it. Does I/O.

All that is told stands in the outbox, written in the transaction in which it became so, under one lock of this ledger:
so each revision of an incident is there once, whoever looks at the same time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import ConfigError, LedgerError
from reconciler.ledger.runs import RunKind
from reconciler.ledger.schema import LONGEST_WAIT_MS, TABLES, ledger_state, lock_key
from reconciler.ledger.trust import damage, require_own_ledger
from reconciler.model.facts import FactId, Json, canonical_json
from reconciler.model.incidents import (
    Acknowledgement,
    ClosedBy,
    Incident,
    IncidentChange,
    IncidentChanges,
    IncidentEvent,
    IncidentStatus,
    describe_incident,
    fingerprint_of,
)
from reconciler.model.plugins import lock_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from psycopg.abc import Params
    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection
    from reconciler.model.incidents import DriftedFact

__all__ = [
    "Author",
    "Look",
    "acknowledge_incident",
    "forget_incidents",
    "load_incidents",
    "note_heal",
    "record_look",
    "tries_since",
    "why_unrecorded",
]

_LOCK = lock_id("reconciler: incidents")
_WRITTEN = ("_incidents", "_acknowledgements", "_outbox")
_DAMAGED = "delete that row: the next look opens the incident again where the drift is still there"
# What ends an incident that is not there any more, by the last run of the plugin that succeeded since it was seen.
_ENDED_BY = {
    RunKind.REPAIR: ClosedBy.REPAIR,
    RunKind.APPLY: ClosedBy.MIGRATION,
    RunKind.ADOPT: ClosedBy.ACCEPT,
    RunKind.ROLLBACK: ClosedBy.MIGRATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who a log proves to have made the drift: the login role, and what the log says of it."""

    role: str
    evidence: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a plugin found: its drift, what live has of any fact, and what is not to be concluded about.

    `healed` is set where a policy's repair came just before, `author` gives who made a drift where that is known.
    """

    plugin: str
    at: datetime
    drift: Sequence[DriftedFact]
    live: Mapping[FactId, str]
    unsettled: frozenset[FactId] = frozenset()
    followed: frozenset[FactId] = frozenset()
    healed: bool = False
    author: Callable[[DriftedFact], Author | None] | None = None


def why_unrecorded(connection: Connection) -> str | None:
    """Why incidents cannot be written down here, in words; None where they can be."""
    state = ledger_state(connection)
    if state.version is None:
        return "nothing is recorded in this database"
    if not all(table in state for table in _WRITTEN):
        return "the ledger is an earlier version's: the next `reconciler apply` brings it up to date"
    row = _one(
        connection,
        "SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(relation.oid, 'INSERT')"
        " AND pg_catalog.has_table_privilege(relation.oid, 'UPDATE'))"
        " AND NOT pg_catalog.pg_is_in_recovery()"
        " AND pg_catalog.current_setting('default_transaction_read_only') OPERATOR(pg_catalog.=) 'off'"
        " FROM pg_catalog.pg_class AS relation"
        " JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace"
        " WHERE namespace.nspname = :'ledger' AND relation.relname = ANY(%s)",
        [list(_WRITTEN)],
    )
    return None if row is not None and row[0] else "this role may only read the ledger, or the server takes no writes"


def record_look(connection: Connection, look: Look) -> IncidentChanges:
    """Opens, updates and closes the plugin's incidents by what was seen; without either nothing is written.

    Needs a READ COMMITTED transaction. Raises LedgerError.
    """
    standing = {each.fact: each for each in load_incidents(connection, look.plugin, at=look.at)}
    if not standing and not look.drift:
        return IncidentChanges()
    _begin(connection)
    standing = {each.fact: each for each in load_incidents(connection, look.plugin, at=look.at)}
    run, kind, idx = _last_run(connection, look.plugin)
    found = {each.fact: each for each in look.drift}
    opened: list[Incident] = []
    changed: list[Incident] = []
    resolved: list[Incident] = []
    kept: list[Incident] = []
    with errors_as(LedgerError, f"record incidents of plugin {look.plugin}"):
        for fact, drift in found.items():
            incident = standing.get(fact)
            if incident is None:
                opened.append(_open(connection, look, drift, run))
                kept.append(opened[-1])
                continue
            incident, has_moved = _see(connection, look, incident, drift, run)
            kept.append(incident)
            if has_moved:
                changed.append(incident)
        for fact, incident in standing.items():
            if fact in found:
                continue
            if fact in look.unsettled:
                kept.append(incident)
                continue
            since = _seen_run(connection, incident.id)
            by = _what_ended(incident, look, kind if run > since else None)
            resolved.append(_close(connection, incident, look.at, by, idx if run > since else None))
    return IncidentChanges(opened=tuple(opened), changed=tuple(changed), resolved=tuple(resolved), standing=tuple(kept))


def forget_incidents(connection: Connection, recorded: Sequence[str], at: datetime) -> tuple[Incident, ...]:
    """Closes the incidents of plugins that are not `recorded` any more, in the open transaction."""
    left = [each for each in load_incidents(connection, at=at) if each.plugin not in recorded]
    if not left:
        return ()
    _begin(connection)
    left = [each for each in load_incidents(connection, at=at) if each.plugin not in recorded]
    with errors_as(LedgerError, "close the incidents of plugins that are not recorded"):
        return tuple(_close(connection, each, at, ClosedBy.FORGOTTEN, None) for each in left)


def acknowledge_incident(
    connection: Connection, incident_id: int, *, by: str, reason: str, until: datetime | None, at: datetime
) -> Incident:
    """Writes down that the drift is known, in the open transaction, and gives the incident.

    Raises ConfigError where there is no such incident, it is over, or nothing says why.
    """
    if not reason.strip():
        raise ConfigError("an acknowledgement needs a reason", hint='pass --reason "..."')
    if until is not None and until <= at:
        raise ConfigError(f"{until:%Y-%m-%d %H:%M} UTC is over already", hint="name a time to come")
    _begin(connection)
    incident = next(iter(load_incidents(connection, incident_id=incident_id, closed=True, at=at)), None)
    if incident is None:
        raise ConfigError(f"incident {incident_id} does not exist", hint="`reconciler incidents` lists them")
    if incident.closed_at is not None:
        raise ConfigError(f"incident {incident_id} is over: it was closed by {incident.closed_by}")
    with errors_as(LedgerError, f"acknowledge incident {incident_id}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._acknowledgements SET ended_at = %s WHERE incident_id = %s AND ended_at IS NULL",
            [at, incident_id],
        )
        rows.execute(
            "INSERT INTO :ledger._acknowledgements (incident_id, by_role, at, reason, until, fingerprint)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [incident_id, by, at, reason.strip(), until, incident.fingerprint],
        )
        known = Acknowledgement(by=by, at=at, reason=reason.strip(), until=until)
        return _tell(
            connection,
            replace(incident, status=IncidentStatus.ACKNOWLEDGED, acknowledgement=known),
            IncidentEvent.CHANGED,
            at,
        )


def note_heal(connection: Connection, incident_id: int, note: str | None, *, at: datetime, tried: bool) -> None:
    """Writes down that a policy tried a repair, or why it did not, and tells that where it is new.

    Needs a READ COMMITTED transaction; does nothing for an incident that is over.
    """
    _begin(connection)
    incident = next(iter(load_incidents(connection, incident_id=incident_id, at=at)), None)
    if incident is None:
        return
    with errors_as(LedgerError, f"note what was done about incident {incident_id}"), ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._incidents SET heal_tries = heal_tries + %s, healed_at = COALESCE(%s, healed_at),"
            " note = %s WHERE id = %s",
            [1 if tried else 0, at if tried else None, note, incident_id],
        )
        if note is not None and note != incident.note:
            _tell(connection, replace(incident, note=note), IncidentEvent.CHANGED, at)


def tries_since(connection: Connection, plugin: str, fact: FactId, since: datetime) -> tuple[int, datetime | None]:
    """How often policies tried to repair the fact since then, in this incident and earlier ones, and when last."""
    with errors_as(LedgerError, f"read the incidents of plugin {plugin}"):
        row = _one(
            connection,
            "SELECT pg_catalog.sum(heal_tries), pg_catalog.max(healed_at) FROM :ledger._incidents"
            " WHERE plugin_name = %s AND fact = %s::jsonb AND healed_at >= %s",
            [plugin, _fact_json(fact), since],
        )
    assert row is not None
    return int(row[0] or 0), row[1].astimezone(UTC) if row[1] is not None else None


def load_incidents(
    connection: Connection,
    plugin: str | None = None,
    *,
    incident_id: int | None = None,
    closed: bool = False,
    limit: int | None = None,
    at: datetime,
) -> tuple[Incident, ...]:
    """The incidents of one plugin or of all, newest first; those that are over only with `closed`.

    `at` decides whether an acknowledgement still holds. Empty where there is no ledger that has any.
    """
    if "_incidents" not in ledger_state(connection):
        return ()
    with errors_as(LedgerError, "read the incidents"), damage(connection, "a row of :ledger._incidents", _DAMAGED):
        found = _all(
            connection,
            _INCIDENTS,
            {"plugin": plugin, "id": incident_id, "closed": closed, "limit": limit, "at": at},
        )
        return tuple(map(_incident, found))


_INCIDENTS = """
    SELECT incident.id, incident.plugin_name, incident.object::text, incident.fact::text, incident.change,
        incident.is_conflict, incident.live, incident.expected, incident.opened_at, incident.seen_at,
        incident.revision, incident.author, incident.evidence::text, incident.closed_at, incident.closed_by,
        incident.closed_idx, incident.heal_tries, incident.healed_at, incident.note,
        known.by_role, known.at, known.reason, known.until
    FROM :ledger._incidents AS incident
    LEFT JOIN LATERAL (
        SELECT by_role, at, reason, until FROM :ledger._acknowledgements AS known
        WHERE known.incident_id = incident.id AND known.ended_at IS NULL
            AND known.fingerprint = incident.fingerprint AND (known.until IS NULL OR known.until > %(at)s)
        ORDER BY known.id DESC LIMIT 1
    ) AS known ON true
    WHERE (%(plugin)s::text IS NULL OR incident.plugin_name = %(plugin)s)
        AND (%(id)s::bigint IS NULL OR incident.id = %(id)s)
        AND (%(closed)s OR incident.closed_at IS NULL)
    ORDER BY incident.id DESC
    LIMIT %(limit)s
"""


def _incident(row: Sequence[object]) -> Incident:
    (id_, plugin, object_, fact, change, is_conflict, live, expected, opened, seen, revision, *more) = row
    author, evidence, closed_at, closed_by, closed_idx, tries, healed_at, note, by, at, reason, until = more
    acknowledgement = None
    if by is not None:
        acknowledgement = Acknowledgement(
            by=str(by), at=cast("datetime", _utc(at)), reason=str(reason), until=_utc(until)
        )
    if closed_at is not None:
        status = IncidentStatus.RESOLVED
    else:
        status = IncidentStatus.OPEN if acknowledgement is None else IncidentStatus.ACKNOWLEDGED
    return Incident(
        id=cast("int", id_),
        plugin=str(plugin),
        object=_fact(str(object_)),
        fact=_fact(str(fact)),
        change=IncidentChange(str(change)),
        is_conflict=bool(is_conflict),
        live=cast("str | None", live),
        expected=cast("str | None", expected),
        opened_at=cast("datetime", _utc(opened)),
        seen_at=cast("datetime", _utc(seen)),
        revision=cast("int", revision),
        status=status,
        author=cast("str | None", author),
        evidence=json.loads(str(evidence)) if evidence is not None else None,
        acknowledgement=acknowledgement,
        closed_at=_utc(closed_at),
        closed_by=None if closed_by is None else ClosedBy(str(closed_by)),
        closed_idx=cast("int | None", closed_idx),
        heal_tries=cast("int", tries),
        healed_at=_utc(healed_at),
        note=cast("str | None", note),
    )


def _utc(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _fact(text: str) -> FactId:
    kind, name = cast("tuple[str, list[str]]", json.loads(text))
    return FactId(str(kind), tuple(map(str, name)))


def _fact_json(fact: FactId) -> str:
    return canonical_json([fact.kind, list(fact.name)])


def _one(connection: Connection, query: LiteralString, values: Params | None = None) -> TupleRow | None:
    with ledger_cursor(connection) as rows:
        return rows.execute(query, values).fetchone()


def _all(connection: Connection, query: LiteralString, values: Params) -> list[TupleRow]:
    with ledger_cursor(connection) as rows:
        return rows.execute(query, values).fetchall()


def _begin(connection: Connection) -> None:
    require_own_ledger(connection, TABLES)
    lock_key(connection, _LOCK, "the incidents", LONGEST_WAIT_MS)


def _last_run(connection: Connection, plugin: str) -> tuple[int, RunKind | None, int | None]:
    """The plugin's last run that succeeded: its id, kind and migration; 0 where there is none."""
    with errors_as(LedgerError, f"read the runs of plugin {plugin}"):
        row = _one(
            connection,
            "SELECT id, kind, idx FROM :ledger._runs WHERE plugin_name = %s AND outcome = 'succeeded'"
            " ORDER BY id DESC LIMIT 1",
            [plugin],
        )
    return (row[0], RunKind(row[1]), row[2]) if row is not None else (0, None, None)


def _seen_run(connection: Connection, incident_id: int) -> int:
    row = _one(connection, "SELECT seen_run FROM :ledger._incidents WHERE id = %s", [incident_id])
    return int(row[0]) if row is not None else 0


def _open(connection: Connection, look: Look, drift: DriftedFact, run: int) -> Incident:
    author = look.author(drift) if look.author is not None else None
    row = _one(
        connection,
        "INSERT INTO :ledger._incidents (plugin_name, object, fact, change, is_conflict, live, expected,"
        " fingerprint, opened_at, seen_at, seen_run, revision, author, evidence, heal_tries)"
        " VALUES (%s, %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s::jsonb, 0) RETURNING id",
        [
            look.plugin,
            _fact_json(drift.object),
            _fact_json(drift.fact),
            drift.change.value,
            drift.is_conflict,
            drift.live,
            drift.expected,
            drift.fingerprint,
            look.at,
            look.at,
            run,
            None if author is None else author.role,
            None if author is None else canonical_json(author.evidence),
        ],
    )
    assert row is not None
    incident = Incident(
        id=row[0],
        plugin=look.plugin,
        object=drift.object,
        fact=drift.fact,
        change=drift.change,
        is_conflict=drift.is_conflict,
        live=drift.live,
        expected=drift.expected,
        opened_at=look.at,
        seen_at=look.at,
        revision=0,
        status=IncidentStatus.OPEN,
        author=None if author is None else author.role,
        evidence=None if author is None else author.evidence,
    )
    return _tell(connection, incident, IncidentEvent.OPENED, look.at)


def _see(connection: Connection, look: Look, incident: Incident, drift: DriftedFact, run: int) -> tuple[Incident, bool]:
    """The incident as it is now, and whether that is another state than the one that was told."""
    moved = drift.fingerprint != incident.fingerprint or drift.is_conflict != incident.is_conflict
    author = look.author(drift) if look.author is not None and (moved or incident.author is None) else None
    now = replace(
        incident,
        object=drift.object,
        change=drift.change,
        is_conflict=drift.is_conflict,
        live=drift.live,
        expected=drift.expected,
        seen_at=look.at,
        author=author.role if author is not None else None if moved else incident.author,
        evidence=author.evidence if author is not None else None if moved else incident.evidence,
        # What was acknowledged is another drift than this one.
        acknowledgement=None if drift.fingerprint != incident.fingerprint else incident.acknowledgement,
    )
    if now.acknowledgement is None:
        now = replace(now, status=IncidentStatus.OPEN)
    with ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._incidents SET object = %s::jsonb, change = %s, is_conflict = %s, live = %s,"
            " expected = %s, fingerprint = %s, seen_at = %s, seen_run = %s, author = %s, evidence = %s::jsonb"
            " WHERE id = %s",
            [
                _fact_json(now.object),
                now.change.value,
                now.is_conflict,
                now.live,
                now.expected,
                now.fingerprint,
                look.at,
                run,
                now.author,
                None if now.evidence is None else canonical_json(now.evidence),
                now.id,
            ],
        )
        ended = rows.execute(
            "UPDATE :ledger._acknowledgements SET ended_at = %s WHERE incident_id = %s AND ended_at IS NULL"
            " AND (fingerprint <> %s OR until <= %s)",
            [look.at, now.id, now.fingerprint, look.at],
        ).rowcount
    has_author = now.author is not None and incident.author is None
    if not moved and not ended and not has_author:
        return now, False
    return _tell(connection, now, IncidentEvent.CHANGED, look.at), True


def _what_ended(incident: Incident, look: Look, kind: RunKind | None) -> ClosedBy:
    """What ended it, with the kind of the run that came since (None: none did)."""
    if incident.fact in look.followed:
        return ClosedBy.MIGRATION
    if kind is None:
        return ClosedBy.HAND
    if kind is RunKind.REPAIR:
        now = look.live.get(incident.fact)
        if fingerprint_of(now, incident.expected) == incident.fingerprint:
            return ClosedBy.ACCEPT
        return ClosedBy.HEAL if look.healed else ClosedBy.REPAIR
    return _ENDED_BY[kind]


def _close(connection: Connection, incident: Incident, at: datetime, by: ClosedBy, idx: int | None) -> Incident:
    with ledger_cursor(connection) as rows:
        rows.execute(
            "UPDATE :ledger._incidents SET closed_at = %s, closed_by = %s, closed_idx = %s WHERE id = %s",
            [at, by.value, idx, incident.id],
        )
        rows.execute(
            "UPDATE :ledger._acknowledgements SET ended_at = %s WHERE incident_id = %s AND ended_at IS NULL",
            [at, incident.id],
        )
    closed = replace(incident, status=IncidentStatus.RESOLVED, closed_at=at, closed_by=by, closed_idx=idx)
    return _tell(connection, closed, IncidentEvent.RESOLVED, at)


def _tell(connection: Connection, incident: Incident, event: IncidentEvent, at: datetime) -> Incident:
    """Puts the incident as it is now into the outbox, as its next revision."""
    told = replace(incident, revision=incident.revision + 1)
    with ledger_cursor(connection) as rows:
        rows.execute("UPDATE :ledger._incidents SET revision = %s WHERE id = %s", [told.revision, told.id])
        rows.execute(
            "INSERT INTO :ledger._outbox (plugin_name, incident_id, revision, event, at, body, delivered_to)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, '{}')",
            [told.plugin, told.id, told.revision, event.value, at, canonical_json(describe_incident(told))],
        )
    return told
