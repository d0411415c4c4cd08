"""What a watcher costs the server while nothing happens, and how soon it knows: `python benchmarks/watch.py`.

Server time is what the kernel says that the watcher's sessions ran (/proc/PID/schedstat), so Linux alone.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import threading
import time
from pathlib import Path

import psycopg

from reconciler import Options, Reconciler
from reconciler.audit.install import install
from reconciler.embedded import EmbeddedServer
from reconciler.watch.watcher import Watcher, WatchTimes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds")
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--bindir", type=Path)
    chosen = parser.parse_args()
    with EmbeddedServer(None, bindir=chosen.bindir, settings={"max_locks_per_transaction": "1024"}) as server:
        with Reconciler(server.url) as reconciler:
            source = "".join(
                f"create table t{number} (id bigint primary key, a text, b int not null default 1);"
                for number in range(chosen.tables)
            )
            reconciler.migrate(source, plugin="app")
        for logged in (False, True):
            if logged:
                with psycopg.connect(server.url) as connection:
                    install(connection, notify=True)
            measure(server.url, chosen, "with the log" if logged else "without any right", logged=logged)


def measure(url: str, chosen: argparse.Namespace, name: str, *, logged: bool) -> None:
    watcher = Watcher(url, options=Options(), times=WatchTimes())
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        until(lambda: watcher.status.looks >= 2)
        time.sleep(5)
        before, began = server_time_s(url), time.monotonic()
        time.sleep(chosen.idle)
        idle_ms = (server_time_s(url) - before) * 1000 / (time.monotonic() - began)
        waits: list[float] = []
        held: list[psycopg.Connection] = []
        memory: list[int] = []
        for number in range(chosen.changes):
            # A session that goes on: what it wrote is counted only when it next idles for long enough.
            connection = psycopg.connect(url, autocommit=True)
            held.append(connection)
            looks = watcher.status.looks
            connection.execute(f"create index watched_{number} on app.t{number} (a)".encode())
            began = time.monotonic()
            until(lambda: watcher.status.verdicts["app"].open == number + 1)  # noqa: B023 - called at once
            waits.append(time.monotonic() - began)
            until(lambda: watcher.status.looks > looks)  # noqa: B023 - called at once
            gc.collect()
            memory.append(resident_kb())
        for number, connection in enumerate(held):
            connection.execute(f"drop index app.watched_{number}".encode())
            connection.close()
        until(lambda: watcher.status.verdicts["app"].open == 0)
        print(
            f"{name} ({watcher.status.detector}), {chosen.tables} tables: idle {idle_ms:.2f} ms of server time a second;"
            f" commit to verdict median {statistics.median(waits):.2f} s, worst {max(waits):.2f} s;"
            f" last look {watcher.status.verdicts['app'].duration_s:.2f} s;"
            f" memory {memory[0] // 1024} MB after the first look of these, {memory[-1] // 1024} MB after the last"
        )
    finally:
        watcher.stop()
        thread.join()
    assert not logged or watcher.status.log_intact


def server_time_s(url: str) -> float:
    with psycopg.connect(url) as connection:
        pids = connection.execute("select pid from pg_stat_activity where application_name = 'reconciler'").fetchall()
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for (pid,) in pids) / 1e9


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def until(condition: object) -> None:
    end = time.monotonic() + 300
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise SystemExit("it took longer than 300 s")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
