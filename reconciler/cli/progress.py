"""How far a long statement has come, on a terminal: a second connection asks the server while it runs. Does I/O.

Postgres tells of building indexes and of ANALYZE (pg_stat_progress_*), by server process. Behind a pooler the process
is not known, so nothing is asked. How far the filling of a column is, is told after each batch of its rows. Whatever
fails here fails silently: it is only for the eye.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from reconciler.apply.events import describe_event
from reconciler.cli.console import is_shown, working
from reconciler.db.connections import connect, fetch_one
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from reconciler.client import Reconciler
    from reconciler.db.connections import Connection
    from reconciler.model.events import Event

__all__ = ["ProgressPoller", "following", "server_process"]

_EVERY_S = 1.0
# Most statements are over before anybody would look.
_FIRST_AFTER_S = 2.0


@contextmanager
def following(what: str, reconciler: Reconciler) -> Generator[Callable[[Event], None]]:
    """Shows `what` and then each event and, on a terminal, how far its statement is; gives what is to be told."""
    with working(what) as say:
        pid = server_process(reconciler.connection) if is_shown() else None
        if pid is None:
            yield lambda event: say(describe_event(event))
            return
        follower = ProgressPoller(reconciler.dsn, pid, say)
        thread = threading.Thread(target=follower.run, name="reconciler-progress", daemon=True)
        thread.start()
        try:
            yield lambda event: follower.say(describe_event(event))
        finally:
            follower.stop()
            thread.join()


def server_process(connection: Connection) -> int | None:
    """The server process of the connection; None behind a pooler, which may use another one for each transaction."""
    row = fetch_one(connection, "select pg_catalog.pg_backend_pid()")
    pid = int(row[0]) if row else None
    return pid if pid == connection.info.backend_pid else None


class ProgressPoller:
    """Asks how far the statement of a server process is, and adds that to what is shown."""

    def __init__(
        self, dsn: str, pid: int, show: Callable[[str], None], *, first_after_s: float = _FIRST_AFTER_S
    ) -> None:
        self._dsn = dsn
        self._pid = pid
        self._show = show
        self._first_after_s = first_after_s
        self._text = ""
        self._ended = threading.Event()

    def say(self, text: str) -> None:
        """What is shown from now on."""
        self._text = text
        self._show(text)

    def stop(self) -> None:
        """Ends `run` soon; returns at once."""
        self._ended.set()

    def run(self) -> None:
        """Asks again and again until it is stopped, or cannot."""
        if self._ended.wait(self._first_after_s):
            return
        try:
            with connect(self._dsn, autocommit=True, application_name="reconciler progress") as connection:
                while not self._ended.is_set():
                    if (done := self._ask(connection)) is not None:
                        self._show(f"{self._text}  [{done}]")
                    self._ended.wait(_EVERY_S)
        except (ReconcilerError, psycopg.Error):
            return

    def _ask(self, connection: Connection) -> str | None:
        query = trusted(read_sql("progress.sql"))
        row = fetch_one(connection, query, {"pid": self._pid})
        if row is None:
            return None
        what, phase, done, total = row
        share = f", {100 * done // total} %" if total else ""
        return f"{what}: {phase}{share}"
