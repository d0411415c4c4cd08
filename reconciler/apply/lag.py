"""Looks how far standbys and logical slots are behind, and waits for them while rows are backfilled. Does I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import fetch_all
from reconciler.db.ledger_schema import ledger_schema
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.model.replication import Reader, Replication

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.db.connections import Connection
    from reconciler.model.replication import MaxLag

__all__ = ["Throttle", "read_replication"]

# Lag is measured in seconds: to look more often than that costs more than it tells.
_EVERY_S = 1.0
_PAUSE_S = 0.5


def read_replication(connection: Connection) -> Replication:
    """Who reads the server's log, and which publications this role may alter, as far as it may see that."""
    slots: list[Reader] = []
    others: list[Reader] = []
    standbys: list[Reader] = []
    hot = False
    alterable: set[str] = set()
    for what, name, plugin, active, here, lag_bytes, lag_s, seen in fetch_all(
        connection, trusted(read_sql("replication.sql"))
    ):
        if what == "publication":
            if here:
                alterable.add(name)
            continue
        reader = Reader(
            name=name or "", plugin=plugin, is_active=active, lag_bytes=lag_bytes, lag_s=lag_s, is_seen=seen
        )
        if what == "standby":
            standbys.append(reader)
            hot = hot or here or not seen
        else:
            (slots if here else others).append(reader)
    return Replication(
        slots=tuple(slots),
        others=tuple(others),
        standbys=tuple(standbys),
        hot=hot,
        alterable=frozenset(alterable),
        ledger=ledger_schema(connection),
    )


@dataclass(kw_only=True)
class Throttle:
    """Keeps a backfill from running away from those who read the log."""

    limit: MaxLag
    pause: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic
    _looked: float | None = None

    def wait(
        self, connection: Connection, check_lease: Callable[[], None], tell: Callable[[tuple[Reader, ...]], None]
    ) -> None:
        """Returns when nobody is further behind than the limit; looks once a second at the most.

        `tell` gets those who are. The connection is in no transaction, so nothing is locked meanwhile. Inactive slots
        are not waited for, as nobody may ever come for what they keep.
        """
        if self.limit.is_off or (self._looked is not None and self.clock() - self._looked < _EVERY_S):
            return
        while behind := read_replication(connection).beyond(self.limit):
            tell(behind)
            self.pause(_PAUSE_S)
            check_lease()
        self._looked = self.clock()
