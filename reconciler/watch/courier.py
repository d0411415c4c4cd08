"""Delivers what the outbox holds, in a thread of its own, so that who answers slowly delays no look. Does I/O."""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from reconciler.db.connections import transaction
from reconciler.db.session import Session
from reconciler.errors import DeliveryError, ReconcilerError
from reconciler.ledger.outbox import count_undelivered, load_undelivered, mark_delivered, register_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ledger.outbox import OutboxEvent
    from reconciler.watch.senders import Sender

__all__ = ["Courier"]

_LOG = logging.getLogger("reconciler")
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 300.0
_AT_ONCE = 100
_LOOK_S = 30.0


class Courier:
    """Tells each of the senders what it was not told yet, in order; one that fails is tried again, later and later."""

    def __init__(self, dsn: str, senders: Sequence[Sender], database: str, *, ledger_schema: str | None) -> None:
        self._session = Session(dsn, ledger_schema=ledger_schema)
        self._senders = senders
        self._database = database
        self._not_before = dict.fromkeys((each.target for each in senders), 0.0)
        self._failed = dict.fromkeys((each.target for each in senders), 0)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler-courier", daemon=True)
        self.plugins: tuple[str, ...] | None = None
        self.seal: str | None = None
        self.deliveries = 0
        self.failures = 0
        self.undelivered = 0

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to tell."""
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """Ends after the event at hand; waits for that."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._deliver()
            except (ReconcilerError, psycopg.Error) as error:
                # The outbox keeps what is to be told; the watcher itself says that the server is gone.
                _LOG.warning("what is to be told cannot be read: %s", error)
                self._session.close()
            pauses = [at - time.monotonic() for target, at in self._not_before.items() if self._failed[target]]
            self._wake.wait(max(min([_LOOK_S, *pauses]), _FIRST_PAUSE_S / 10))
            self._wake.clear()
        self._session.close()

    def _deliver(self) -> None:
        connection = self._session.connection
        with transaction(connection):
            for sender in self._senders:
                register_target(connection, sender.target, sender.description, datetime.now(UTC))
        for sender in self._senders:
            while not self._stopping.is_set() and time.monotonic() >= self._not_before[sender.target]:
                with transaction(connection):
                    events = load_undelivered(connection, sender.target, self.plugins, _AT_ONCE)
                if not events:
                    break
                for event in events:
                    if self._stopping.is_set() or not self._sent(sender, event):
                        break
        with transaction(connection):
            self.undelivered = count_undelivered(connection, [each.target for each in self._senders])

    def _sent(self, sender: Sender, event: OutboxEvent) -> bool:
        try:
            sender.send(event, self._database, self.seal)
        except DeliveryError as error:
            self.failures += 1
            self._failed[sender.target] += 1
            pause_s = min(_FIRST_PAUSE_S * 2 ** (self._failed[sender.target] - 1), _LONGEST_PAUSE_S)
            self._not_before[sender.target] = time.monotonic() + pause_s * random.uniform(0.5, 1.0)  # noqa: S311
            _LOG.warning("event %s was not delivered, and is tried again in %.0f s: %s", event.key, pause_s, error)
            return False
        self._failed[sender.target] = 0
        self.deliveries += 1
        with transaction(self._session.connection):
            mark_delivered(self._session.connection, event.id, sender.target)
        return True
