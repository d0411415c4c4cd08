"""Backfills a new column in batches, each in a transaction of its own that gives way to clients. Does I/O.

A batch is a range of pages. Rows that are written while the batches run get their value from a trigger or a default, so
one pass over the pages that existed at its start is enough. Rows that have a value already are left alone: an
interrupted run is resumed by running all batches again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.apply.lag import Throttle
from reconciler.apply.locks import LockRetryPolicy, retried
from reconciler.apply.others import read_others_code
from reconciler.apply.transaction import run_counted
from reconciler.db.connections import SEARCH_PATH, execute, fetch_one, transaction
from reconciler.db.search_path import searching, unfiltered
from reconciler.db.sqlfiles import trusted
from reconciler.db.statements import apply_error
from reconciler.errors import ApplyError
from reconciler.model.events import BackfillProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply.events import Events
    from reconciler.apply.others import OthersCode
    from reconciler.db.connections import Connection
    from reconciler.model.plan import Statement
    from reconciler.model.replication import MaxLag

__all__ = ["run_batches"]

# A client that wants a row of the running batch waits for its end: it is to be over in a fraction of a second.
_BATCH_S = 0.1
_FIRST_PAGES = 64
_MOST_PAGES = 1_024
# Pages that were empty say nothing of those that follow: a batch that takes longer is undone and made smaller.
_LONGEST_BATCH_MS = 500
# Less than deadlock_timeout's default: where a batch and a client hold rows that the other wants, the batch gives way.
_ROW_LOCK_TIMEOUT_MS = 200


def run_batches(
    connection: Connection,
    statement: Statement,
    position: int,
    patience: LockRetryPolicy,
    check_lease: Callable[[], None],
    events: Events,
    *,
    max_lag: MaxLag,
    left: str,
    search_path: str = SEARCH_PATH,
) -> float:
    """Runs the statement over all ranges of the table's pages; tells of each. Gives the duration in milliseconds.

    Between two it waits where somebody who reads the log is further behind than `max_lag`.
    Raises ApplyError, LockTimeoutError.
    """
    assert statement.batched is not None
    table = sql.Identifier(*statement.batched.name).as_string(connection)
    row = fetch_one(
        connection,
        "select s.pages, case when c.reltuples >= 0 and c.relpages > 0"
        " then (c.reltuples / c.relpages * s.pages)::bigint end from pg_catalog.pg_class c cross join lateral"
        " (select pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int) s(pages)"
        " where c.oid = %s::regclass",
        (table,),
    )
    pages, rows = (int(row[0]), row[1]) if row else (0, None)
    started = time.monotonic()
    start, size, before = 0, _FIRST_PAGES, 0
    found_missing = False
    timeout_ms = min(_ROW_LOCK_TIMEOUT_MS, patience.timeout_ms or _ROW_LOCK_TIMEOUT_MS)
    row_patience = replace(patience, timeout_ms=timeout_ms, retries=max(patience.retries, 1) * 10)
    with transaction(connection):
        others = read_others_code(connection)
    throttle = Throttle(limit=max_lag, pause=patience.pause)
    while start < pages:
        check_lease()
        throttle.wait(connection, check_lease, lambda behind: events.lagging(position, statement, behind))
        text = sql.SQL("{} AND ctid >= {} AND ctid < {}").format(
            sql.SQL(trusted(statement.sql)), sql.Literal(f"({start},0)"), sql.Literal(f"({start + size},0)")
        )
        batch = replace(statement, sql=text.as_string(connection))
        began = time.monotonic()
        limit_ms = _LONGEST_BATCH_MS if size > 1 else 0
        try:
            written = retried(
                connection,
                lambda _: _run_batch(connection, batch, position, timeout_ms, limit_ms, left, search_path, others),  # noqa: B023 - called at once
                row_patience,
            )
        except ApplyError as error:
            took_ms = (time.monotonic() - began) * 1000
            if error.sqlstate != psycopg.errors.QueryCanceled.sqlstate or not 0 < limit_ms <= took_ms:
                raise
            size = max(size // 4, 1)
            continue
        took = time.monotonic() - began
        start += size
        found_missing = found_missing or written > 0
        before = before if found_missing else min(start, pages)
        filled = BackfillProgress(share=min(start / pages, 1), before=before / pages, rows=rows)
        events.filled(position, statement, filled)
        if took < _BATCH_S / 2:
            size = min(size * 2, _MOST_PAGES)
        elif took > _BATCH_S * 2:
            size = max(size // 2, 1)
    duration_ms = round((time.monotonic() - started) * 1000, 3)
    events.finished(position, statement, duration_ms)
    return duration_ms


def _run_batch(
    connection: Connection,
    batch: Statement,
    position: int,
    timeout_ms: int,
    limit_ms: int,
    left: str,
    search_path: str,
    others: OthersCode,
) -> int:
    with transaction(connection):
        if batch.as_replica:
            _as_replica(connection, batch, position, left)
        execute(connection, "select pg_catalog.set_config('lock_timeout', %s, true)", (str(timeout_ms),))
        execute(connection, "select pg_catalog.set_config('statement_timeout', %s, true)", (str(limit_ms),))
        with unfiltered(connection), searching(connection, search_path):
            return run_counted(connection, batch, position, left=left, others=others, search_path=search_path)


def _as_replica(connection: Connection, batch: Statement, position: int, left: str) -> None:
    """Keeps usual triggers and rules from acting on the batch: to fill a column is no change to anybody.

    Raises ApplyError where this role may not, though the one that the plan was made for may.
    """
    try:
        execute(connection, "set local session_replication_role to replica")
    except psycopg.errors.InsufficientPrivilege as exc:
        error = apply_error(exc, batch, position)
        error.hint = "apply the plan as the role that it was made for, or make it again"
        error.left = left
        raise error from exc
