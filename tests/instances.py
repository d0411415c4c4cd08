"""Instances of an application as real processes: each reconciles at its start, then works on its tables until it is stopped."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

import psycopg

from reconciler import ReconcilerError, reconcile_on_startup

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_DEADLINE_S = 120.0
_fork = multiprocessing.get_context("fork")


class Instance:
    """One process of one version: what it declares, and the statements that its clients run again and again."""

    def __init__(self, dsn: str, declared: str, client: str = "", **choices: Any) -> None:
        self._ours, theirs = _fork.Pipe()
        self._process = _fork.Process(
            target=_live, args=(theirs, self._ours, dsn, declared, client, choices), daemon=True
        )
        self._process.start()
        theirs.close()
        self.behind: object = None
        self.idx: int | None = None

    def started(self) -> Instance:
        """The same, when its start has ended. Fails with the start's own error."""
        said = self._hear()
        assert said[0] == "started", said[1]
        self.idx, self.behind = said[1]
        return self

    def failed(self) -> str:
        """The error with which its start failed."""
        said = self._hear()
        assert said[0] == "failed", said[1]
        return said[1]

    def stop(self) -> int:
        """Ends it as a deployment does; how often its clients' statements ran. Fails where one of them failed."""
        self._ours.send("stop")
        said = self._hear()
        self._process.join(_DEADLINE_S)
        assert said[0] == "stopped", said[1]
        return said[1]

    def signal(self, number: int) -> None:
        """What happens to processes: SIGKILL, SIGSTOP, SIGCONT."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.signal(signal.SIGKILL)
        self._process.join(_DEADLINE_S)

    def _hear(self) -> Any:
        assert self._ours.poll(_DEADLINE_S), "it does not answer"
        return self._ours.recv()


def _live(pipe: Connection, parents: Connection, dsn: str, declared: str, client: str, choices: dict[str, Any]) -> None:
    parents.close()
    try:
        done = reconcile_on_startup(dsn, {"default": declared}, **choices)["default"]
    except ReconcilerError as error:
        pipe.send(("failed", error.describe()))
        return
    pipe.send(("started", (done.idx, done.behind)))
    runs = 0
    try:
        while not pipe.poll(0.05):
            if client:
                with psycopg.connect(dsn, prepare_threshold=None) as connection:
                    connection.execute(client.encode())
                runs += 1
        pipe.recv()
    except (psycopg.Error, EOFError):
        pipe.send(("broken", traceback.format_exc()))
        return
    pipe.send(("stopped", runs))
