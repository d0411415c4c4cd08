"""Clients that never pause, while a declaration is applied: what they met.

Each client is a thread with a connection of its own that runs one transaction after the other. `{k}` in its statements
is a key that no other client uses, so that none waits for another's row. Half of the clients run the statements in the
opposite order: whoever locks two tables in one transaction meets clients that go the other way.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEYS = 100
# Who waits longer for a lock meets an error; generous, as the machine may be busy.
PATIENCE = "5s"


@dataclass
class Met:
    """What clients met: errors and how often each; how many transactions ended."""

    errors: Counter[str] = field(default_factory=Counter)
    transactions: int = 0


@contextmanager
def traffic(url: str, statements: Sequence[str], clients: int = 8, pause_s: float = 0.01) -> Iterator[Met]:
    """Clients at work inside; each has run a transaction before it begins, and pauses `pause_s` at most after each."""
    met, stop, ready = Met(), threading.Event(), threading.Barrier(clients + 1)

    def work(number: int) -> None:
        chosen = random.Random(number)
        order = statements if number % 2 else tuple(reversed(statements))
        with psycopg.connect(url, prepare_threshold=None, options=f"-c lock_timeout={PATIENCE}") as connection:
            first = True
            while not stop.is_set():
                key = number * KEYS + chosen.randrange(KEYS) + 1
                try:
                    for statement in order:
                        connection.execute(statement.format(k=key).encode())
                    connection.commit()
                    met.transactions += 1
                except psycopg.Error as error:
                    met.errors[str(error.diag.message_primary or error)] += 1
                    connection.rollback()
                if first:
                    first = False
                    ready.wait()
                # Between two transactions a real client is somewhere else for a moment, too.
                if pause_s:
                    stop.wait(chosen.random() * pause_s)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        yield met
    finally:
        stop.set()
        for thread in threads:
            thread.join()
