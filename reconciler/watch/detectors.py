"""Whether anything can have changed since the last look. Does I/O on a connection that is handed in.

From the dearest to the cheapest: a full reading, the mark of a plugin's schemas, the counters of the catalogs' writes,
and what the log of DDL tells. None of them is a proof that nothing changed but the first, which the watcher makes every
hour; the counters and the log only say when the marks are to be read.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from reconciler.audit.install import audit_state
from reconciler.audit.log import CHANNEL, has_moved, last_seal, position
from reconciler.catalog.snapshot_reader import FOR_CATALOGS, read_mark
from reconciler.db.connections import connect, errors_as, execute, fetch_one, transaction
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.db.connections import Connection

__all__ = ["Detector"]

# Of the time, reading marks takes no more than a twentieth, however often something is written to the catalogs.
_MARK_SHARE = 20
_PROBE_S = 1.0


class Detector:
    """Remembers, for one connection, what was seen last."""

    def __init__(self, connection: Connection, dsn: str) -> None:
        self._connection = connection
        self._counters: str | None = None
        self._head: tuple[object, ...] | None = None
        self._position: str | None = None
        self._marks: dict[str, str] = {}
        self._marks_not_before = 0.0
        self._is_suspicious = True
        self.log_intact: bool | None = None
        self.seal: str | None = None
        self.listens = False
        self.kind = "counters"
        self._find_log(dsn)

    def _find_log(self, dsn: str) -> None:
        """Chooses what changes are noticed by, with why it is not better."""
        with transaction(self._connection):
            state = audit_state(self._connection)
        if not state.installed:
            self.kind = "counters (there is no log of DDL)"
            return
        self.log_intact = state.is_intact
        if not state.readable:
            self.kind = "counters (this role may not read the log of DDL)"
            return
        self._position = self._now()
        if not state.notifies:
            self.kind = "the log of DDL, asked each time (it is installed without notifications)"
            return
        self.listens = self._listen(dsn)
        self.kind = "notifications of the log of DDL"
        if not self.listens:
            self.kind = "the log of DDL, asked each time (a pooler is between, through which LISTEN does not work)"

    def _listen(self, dsn: str) -> bool:
        """Whether notifications reach this session: through a pooler that shares servers they do not."""
        with errors_as():
            execute(self._connection, trusted(f"LISTEN {CHANNEL}"))
            row = fetch_one(self._connection, "SELECT pg_catalog.pg_backend_pid()")
            if row is not None and row[0] == self._connection.info.backend_pid:
                return True
            with connect(dsn, autocommit=True) as other:
                execute(other, "SELECT pg_catalog.pg_notify(%s, '')", [CHANNEL])
            return self.wait(_PROBE_S)

    def wait(self, seconds: float) -> bool:
        """Waits for a notification; whether one came. Raises DatabaseError where the connection is lost."""
        with errors_as():
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def has_moved(self) -> bool:
        """Whether the marks are to be read: somebody may have changed something, or a run was recorded."""
        with transaction(self._connection):
            counters = fetch_one(self._connection, trusted(read_sql("watch/counters.sql")))
            head = self._read_head()
            logged = self._position is not None and has_moved(self._connection, self._position)
        seen = str(counters[0]) if counters is not None else ""
        if seen != self._counters or logged:
            self._is_suspicious = True
        if head != self._head:
            self._marks.clear()
            self._is_suspicious = True
        self._counters, self._head = seen, head
        if logged:
            self._position = self._now()
        return self._is_suspicious and time.monotonic() >= self._marks_not_before

    @property
    def put_off_s(self) -> float | None:
        """In how many seconds the marks are to be read; None where nothing says that they are."""
        return max(self._marks_not_before - time.monotonic(), 0.0) if self._is_suspicious else None

    def moved(self, schemas: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
        """Those of the plugins whose mark is not what it was at their last look."""
        began = time.monotonic()
        self._is_suspicious = False
        found: set[str] = set()
        for plugin, marked in schemas.items():
            if self._marks.get(plugin) != self.read_mark(marked):
                found.add(plugin)
        ended = time.monotonic()
        self._marks_not_before = ended + _MARK_SHARE * (ended - began)
        return frozenset(found)

    def read_mark(self, schemas: tuple[str, ...]) -> str:
        """The mark of these schemas now."""
        with transaction(self._connection, also=FOR_CATALOGS):
            return read_mark(self._connection, schemas)

    def looked(self, plugin: str, mark: str) -> None:
        """A look at the plugin has ended, before which the mark was this."""
        self._marks[plugin] = mark

    def forget(self, plugin: str) -> None:
        """Makes the next question about the plugin be answered with yes."""
        self._marks.pop(plugin, None)
        self._is_suspicious = True

    def read_log(self) -> None:
        """Looks whether the log of DDL can still be believed, and at its last seal."""
        if self.log_intact is None:
            return
        with transaction(self._connection):
            state = audit_state(self._connection)
            self.log_intact = state.installed and state.is_intact
            sealed = last_seal(self._connection) if state.installed and state.readable else None
        self.seal = sealed.hash if sealed is not None else None

    def _read_head(self) -> tuple[object, ...]:
        """How far the ledger has come, which no catalog tells: an accepted drift is over without any DDL."""
        try:
            with transaction(self._connection), ledger_cursor(self._connection) as rows:
                row = rows.execute(
                    "SELECT (SELECT pg_catalog.max(id) FROM :ledger._runs),"
                    " (SELECT pg_catalog.max(id) FROM :ledger._acknowledgements)"
                ).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege, ReconcilerError):
            return ()
        return tuple(row or ())

    def _now(self) -> str:
        with transaction(self._connection):
            return position(self._connection)
