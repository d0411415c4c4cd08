"""Which transactions were runs of reconciler, as the ledger knows them. Does I/O on a connection that is handed in.

Nothing that a session says of itself is believed: a run's row is written in the transaction of the run itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.db.connections import errors_as
from reconciler.db.ledger_schema import ledger_cursor
from reconciler.errors import LedgerError
from reconciler.ledger.schema import ledger_state
from reconciler.model.audit import OwnRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.audit import Entry

__all__ = ["own_runs"]

_VERSION_WITH_TRANSACTIONS = 7
# A statement that runs in no transaction of ours, such as CREATE INDEX CONCURRENTLY, has transactions of its own: it is
# known by its session and by the time between the two rows around it.
_OWN: LiteralString = """
    WITH given AS (
        SELECT * FROM ROWS FROM (pg_catalog.unnest(%(ids)s::bigint[]), pg_catalog.unnest(%(xids)s::text[]),
            pg_catalog.unnest(%(pids)s::integer[]), pg_catalog.unnest(%(starts)s::timestamptz[]),
            pg_catalog.unnest(%(times)s::timestamptz[])) AS given(id, xid, pid, backend_start, at)
    ),
    found AS (
        SELECT given.id, run.id AS run_id, run.idx
        FROM given JOIN :ledger._runs AS run ON run.xid = given.xid::xid8 AND run.pid = given.pid
            AND COALESCE(run.backend_start = given.backend_start, true)
        UNION ALL
        SELECT given.id, step.run_id, step.idx
        FROM given JOIN :ledger._steps AS step ON step.xid = given.xid::xid8 AND step.pid = given.pid
            AND COALESCE(step.backend_start = given.backend_start, true)
        UNION ALL
        SELECT given.id, step.run_id, step.idx
        FROM given JOIN :ledger._steps AS step ON step.pid = given.pid AND step.backend_start = given.backend_start
            AND NOT step.transactional
            AND given.at BETWEEN step.started_at AND COALESCE(step.finished_at, 'infinity')
    )
    SELECT DISTINCT ON (found.id) found.id, run.plugin_name, run.id, run.kind, COALESCE(run.idx, found.idx)
    FROM found JOIN :ledger._runs AS run ON run.id = found.run_id
    ORDER BY found.id, run.id
"""


def own_runs(connection: Connection, entries: Sequence[Entry]) -> dict[int, OwnRun]:
    """Of the entries that are of a run of reconciler, their ids and that run."""
    state = ledger_state(connection)
    if not entries or "_steps" not in state or (state.version or 0) < _VERSION_WITH_TRANSACTIONS:
        return {}
    values = {
        "ids": [entry.id for entry in entries],
        "xids": [str(entry.xid) for entry in entries],
        "pids": [entry.actor.pid for entry in entries],
        "starts": [entry.actor.backend_start for entry in entries],
        "times": [entry.at for entry in entries],
    }
    with errors_as(LedgerError, "read which transactions were runs"), ledger_cursor(connection) as rows:
        found = rows.execute(_OWN, values).fetchall()
    return {
        int(number): OwnRun(plugin=plugin, run_id=run_id, kind=kind, idx=idx)
        for number, plugin, run_id, kind, idx in found
    }
