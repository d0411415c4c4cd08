"""Every declaration that the database was seen to be as, and which of them is an earlier one. Does I/O.

A declaration is known by the digest of its texts, or by the fingerprint of the schema that it declares: the one stays
the same when the server or this program is upgraded, the other when the same schema is written differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.migrations import load_head
from reconciler.ledger.schema import ledger_state
from reconciler.model.versions import Behind, is_higher

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.ledger.migrations import Head

__all__ = [
    "Declared",
    "declare_again",
    "find_behind",
    "find_overtaken",
    "is_last",
    "is_version_known",
    "save_declaration",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is known of a declaration; `fingerprint` is None before it was built, `version` is the application's."""

    digest: str
    fingerprint: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    digest: str
    fingerprint: str
    idx: int
    version: str | None


def find_behind(connection: Connection, plugin: str, declared: Declared) -> Behind | None:
    """How far the declaration is behind; None where it is the last one, a new one, or not known yet.

    It is the last one where its digest or its fingerprint is that of the last migration. Else it is behind where its
    version is lower than one that was recorded, and where it is an earlier migration's and its version is not higher.
    Without a fingerprint only one whose digest is known can be told.
    """
    head = load_head(connection, plugin)
    if head.idx is None:
        return None
    rows = _load(connection, plugin)
    known = _same(rows, declared)
    if (not known and declared.fingerprint is None) or _is_head(head, known, declared):
        return None
    last = max((row.idx for row in known), default=None)
    highest = _highest(rows)
    if declared.version is not None and declared.version != highest:
        if highest is None or is_higher(declared.version, highest):
            return None
        if is_higher(highest, declared.version):
            return Behind(idx=last, head=head.idx, version=declared.version, head_version=highest)
    if last is None:
        return None
    return Behind(idx=last, head=head.idx, version=declared.version, head_version=highest)


def find_overtaken(connection: Connection, plugin: str, declared: Declared) -> Behind | None:
    """The same for the last migration's declaration where a run to another one is at work, or was interrupted."""
    head, rows = load_head(connection, plugin), _load(connection, plugin)
    known = _same(rows, declared)
    if head.idx is None or not _is_head(head, known, declared) or not _are_kept(connection):
        return None
    with errors_as(LedgerError, f"read the runs of plugin {plugin}"), ledger_cursor(connection) as found:
        row = found.execute(_UNFINISHED, {"plugin": plugin}).fetchone()
    if row is None:
        return None
    run, digest, fingerprint = row
    if (digest and digest == declared.digest) or fingerprint in {head.hash, declared.fingerprint}:
        return None
    return Behind(idx=head.idx, head=head.idx, version=declared.version, head_version=_highest(rows), run=run)


_UNFINISHED = """
    SELECT run.id, run.source_digest, run.desired_fingerprint
    FROM :ledger._runs AS run
    WHERE run.plugin_name = %(plugin)s AND (
        run.outcome = 'running'
        OR EXISTS (SELECT FROM :ledger._steps AS step WHERE step.run_id = run.id AND step.idx IS NULL)
    )
    ORDER BY run.id DESC LIMIT 1
"""


def is_last(connection: Connection, plugin: str, declared: Declared) -> bool:
    """Whether the declaration is that of the plugin's last migration."""
    return _is_head(load_head(connection, plugin), _same(_load(connection, plugin), declared), declared)


def is_version_known(connection: Connection, plugin: str, version: str | None) -> bool:
    """Whether nothing has to be written down of the version: it is None, or not higher than all that were recorded."""
    if version is None:
        return True
    highest = _highest(_load(connection, plugin))
    return highest is not None and not is_higher(version, highest)


def save_declaration(connection: Connection, plugin: str, idx: int, declared: Declared) -> None:
    """Writes down that migration `idx` is as the declaration says; call it where the plugin is locked."""
    version = declared.version
    for row in _load(connection, plugin):
        same = (row.digest, row.fingerprint) == (declared.digest, declared.fingerprint)
        if same and row.version is not None and (version is None or is_higher(row.version, version)):
            version = row.version
    with errors_as(LedgerError, f"record the declaration of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "INSERT INTO :ledger._declarations (plugin_name, digest, fingerprint, idx, app_version)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (plugin_name, fingerprint, digest)"
            " DO UPDATE SET idx = excluded.idx, app_version = excluded.app_version",
            [plugin, declared.digest, declared.fingerprint, idx, version],
        )


def declare_again(connection: Connection, plugin: str, target: int, idx: int, fingerprint: str) -> None:
    """Writes down that migration `idx` is as the texts say that declared migration `target`: a rollback to that."""
    with errors_as(LedgerError, f"record the declaration of plugin {plugin}"), ledger_cursor(connection) as rows:
        rows.execute(
            "INSERT INTO :ledger._declarations (plugin_name, digest, fingerprint, idx)"
            " SELECT DISTINCT known.plugin_name, known.digest, %(fingerprint)s, %(idx)s"
            " FROM :ledger._declarations AS known"
            " JOIN :ledger._sources AS source ON source.plugin_name = known.plugin_name AND source.idx = %(target)s"
            " JOIN :ledger._migrations AS migration ON migration.id = source.migration_id"
            " WHERE known.plugin_name = %(plugin)s AND known.fingerprint = migration.hash"
            " ON CONFLICT (plugin_name, fingerprint, digest) DO UPDATE SET idx = excluded.idx",
            {"plugin": plugin, "target": target, "idx": idx, "fingerprint": fingerprint},
        )


def _same(rows: list[_Row], declared: Declared) -> list[_Row]:
    return [
        row
        for row in rows
        if row.fingerprint == declared.fingerprint or (row.digest == declared.digest and declared.digest)
    ]


def _is_head(head: Head, known: list[_Row], declared: Declared) -> bool:
    if head.hash is not None and head.hash in {declared.fingerprint, *(row.fingerprint for row in known)}:
        return True
    return any(row.idx == head.idx for row in known)


def _are_kept(connection: Connection) -> bool:
    """Whether the ledger is of a version that keeps declarations."""
    return "_declarations" in ledger_state(connection)


def _highest(rows: list[_Row]) -> str | None:
    versions = [row.version for row in rows if row.version is not None]
    return reduce(lambda one, other: other if is_higher(other, one) else one, versions) if versions else None


def _load(connection: Connection, plugin: str) -> list[_Row]:
    if not _are_kept(connection):
        return []
    with errors_as(LedgerError, f"read the declarations of plugin {plugin}"), ledger_cursor(connection) as rows:
        found = rows.execute(
            "SELECT digest, fingerprint, idx, app_version FROM :ledger._declarations WHERE plugin_name = %s",
            [plugin],
        ).fetchall()
    return [_Row(digest=digest, fingerprint=text, idx=idx, version=version) for digest, text, idx, version in found]
