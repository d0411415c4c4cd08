"""Reads pg_locks after each statement that a plan runs: what blocks clients must have been locked before the first.

A relation lock blocks clients where it conflicts with what SELECT, INSERT, UPDATE or DELETE take. It counts on what was
there when the transaction began, whoever owns it; an index and a TOAST table are behind their table's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.apply import transaction

if TYPE_CHECKING:
    import pytest

    from reconciler.db.connections import Connection
    from reconciler.model.plan import Statement

# Each holds off what those before it do.
MODES = ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
HELD = """
    select pg_catalog.now()::text, l.relation::bigint, c.oid::regclass::text, l.mode,
        coalesce(i.indrelid, t.oid)::bigint
    from pg_catalog.pg_locks l
    join pg_catalog.pg_class c on c.oid = l.relation
    left join pg_catalog.pg_index i on i.indexrelid = coalesce(
        (select b.indrelid from pg_catalog.pg_index b where b.indexrelid = c.oid and c.relkind = 'i' and
            c.relnamespace = 'pg_toast'::regnamespace), c.oid)
    left join pg_catalog.pg_class t on t.reltoastrelid = coalesce(
        (select b.indrelid from pg_catalog.pg_index b where b.indexrelid = c.oid), c.oid) and t.reltoastrelid <> 0
    where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted
        and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        and c.oid >= 16384 and c.relnamespace <> coalesce(to_regnamespace('migrations'), 0)
"""


class LockWatch:
    """What of the locks that the statements of all applied plans took was not taken before them."""

    def __init__(self) -> None:
        self.late: list[str] = []
        self.statements = 0
        self._transaction = ""
        self._first: dict[int, int] = {}
        self._there: frozenset[int] = frozenset()

    def patched(self, monkeypatch: pytest.MonkeyPatch) -> LockWatch:
        """The watch, which sees all that is applied from now on."""
        run = transaction.run_counted

        def watched(connection: Connection, statement: Statement, position: int, **details: Any) -> int:
            self._begin(connection)
            rows = run(connection, statement, position, **details)
            self._look(connection, statement)
            return rows

        monkeypatch.setattr(transaction, "run_counted", watched)
        return self

    def _begin(self, connection: Connection) -> None:
        row = connection.execute("select pg_catalog.now()::text").fetchone()
        assert row is not None
        if row[0] == self._transaction:
            return
        self._transaction = row[0]
        self._first = self._modes(connection)
        there = connection.execute("select oid::bigint from pg_catalog.pg_class where oid >= 16384")
        self._there = frozenset(oid for (oid,) in there)

    def _modes(self, connection: Connection) -> dict[int, int]:
        found: dict[int, int] = {}
        for _, oid, _, mode, _ in connection.execute(HELD):
            found[oid] = max(found.get(oid, -1), MODES.index(mode) if mode in MODES else -1)
        return found

    def _look(self, connection: Connection, statement: Statement) -> None:
        self.statements += 1
        for _, oid, name, mode, table in connection.execute(HELD).fetchall():
            taken = MODES.index(mode) if mode in MODES else 0
            held = max(self._first.get(oid, -1), self._first.get(table, -1))
            if taken > 0 and held < taken and oid in self._there and (table is None or table in self._there):
                self.late.append(f"{mode} on {name} by {statement.sql}")
                self._first[oid] = taken
