"""Changes while the watcher, its sessions and the server are killed: none is missed, each is told once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from receiver import Receiver

from reconciler import Reconciler
from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.one_server

SECRET = "a long random text"
TABLES = 10
_LONGEST_S = 180.0
# Durable: what is killed here must find again what was committed.
SETTINGS = {"synchronous_commit": "on"}


class Killed:
    """A server, a watcher in a process of its own, and what is done to them."""

    def __init__(self, folder: Path, receiver: Receiver, tape: random.Random) -> None:
        self.server = EmbeddedServer(folder / "data", settings=SETTINGS).start()
        self.folder = folder
        self.receiver = receiver
        self.tape = tape
        source = "".join(f"create table t{number} (id bigint primary key, a text);" for number in range(TABLES))
        with Reconciler(self.server.url) as reconciler:
            reconciler.migrate(source, plugin="app")
        self.process = self.watch()

    def watch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "reconciler.cli.commands", "watch", "--all-plugins", "--lease", "2"]
        command += ["--poll", "0.1", "--webhook", self.receiver.url, "--dsn", self.server.url]
        environment = {**os.environ, "RECONCILER_WEBHOOK_SECRET": SECRET}
        with (self.folder / "watch.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stderr=log)

    def disturb(self) -> None:
        match self.tape.choice(["sessions", "sessions", "watcher", "frozen", "server"]):
            case "sessions":
                self.on_server(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reconciler'"
                )
            case "watcher":
                self.process.kill()
                self.process.wait()
                self.process = self.watch()
            case "frozen":
                self.process.send_signal(signal.SIGSTOP)
                time.sleep(self.tape.uniform(0, 1))
                self.process.send_signal(signal.SIGCONT)
            case _:
                self.server.stop()
                self.server.start()

    def on_server(self, statement: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(_LONGEST_S) == 0, (self.folder / "watch.log").read_text()
        self.server.stop()


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


@pytest.mark.parametrize("changes", [8, pytest.param(1000, marks=pytest.mark.long)])
def test_no_change_is_missed_and_each_is_opened_and_resolved_once(tmp_path: Path, changes: int) -> None:
    tape = random.Random(19)
    # Now and then who is told does not answer as he should.
    with Receiver(refuse=lambda _: 500 if tape.random() < 0.1 else None) as receiver:
        killed = Killed(tmp_path, receiver, tape)
        try:
            for number in range(changes):
                table = f"app.t{tape.randrange(TABLES)}"
                opened, resolved = 2 * number + 1, 2 * number + 2
                killed.on_server(f"create index hot_{number} on {table} (a)")
                if tape.random() < 0.3:
                    killed.disturb()
                until(lambda opened=opened: len(receiver.events()) >= opened, f"incident {number}")
                killed.on_server(f"drop index app.hot_{number}")
                if tape.random() < 0.3:
                    killed.disturb()
                until(lambda resolved=resolved: len(receiver.events()) >= resolved, f"the end of incident {number}")
            told = [(each.document["event"], each.document["incident"]["fact"]) for each in receiver.taken]
            ids = {each.document["id"] for each in receiver.taken}
            assert len(ids) == 2 * changes
            # What came once more came with the id that it had: at most one for each time the watcher was killed.
            assert len(set(told)) == len(ids)
            closed = {fact.rpartition("_")[2] for event, fact in told if event == "resolved"}
            assert closed == {str(number) for number in range(changes)}
            with Reconciler(killed.server.url) as reconciler:
                assert {each.closed_by for each in reconciler.incidents(closed=True)} == {"hand"}
        finally:
            killed.end()
