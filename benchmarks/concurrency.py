"""Many processes that start at once: one application a plugin, no deadlock, no error, with and without a pooler.

    python benchmarks/concurrency.py [--processes 50] [--plugins 20]

Every process is one that an orchestrator would start: a Python of its own that reconciles and ends. All of them wait
until the last is up, so that they begin at the same moment. PgBouncer (where it is installed) gives them ten server
connections in transaction mode.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pooler import pgbouncer, pooler

SCHEMA = """
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE notes (id bigint PRIMARY KEY, author bigint NOT NULL REFERENCES users, body text);
CREATE INDEX ON notes (author);
CREATE VIEW authors AS SELECT DISTINCT author FROM notes;
"""
WORKER = """
import sys, time
from reconciler import reconcile_on_startup
dsn, plugin, source = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
done = reconcile_on_startup(dsn, {plugin: source})[plugin]
print(time.monotonic() - began, done.idx is not None)
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`applied` counts the processes that say they applied, `recorded` the migrations in the ledger."""

    wall_s: float
    longest_s: float
    median_s: float
    failed: int
    applied: int
    recorded: int
    deadlocks: int


def measure(server: EmbeddedServer, name: str, plugins: list[str], *, pooled: bool) -> Outcome:
    """Starts one process for each name in `plugins` on a fresh database."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    direct = server.url_of(name)
    through: AbstractContextManager[str] = pooler(direct, pool_size=10) if pooled else nullcontext(direct)
    with through as dsn:
        workers = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", WORKER, dsn, plugin, SCHEMA],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for plugin in plugins
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        began = time.monotonic()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate() for worker in workers]
        wall_s = time.monotonic() - began
    failed = [error for worker, (_, error) in zip(workers, answers, strict=True) if worker.returncode]
    for error in failed[:3]:
        print(error, file=sys.stderr)
    done = [answer.split() for worker, (answer, _) in zip(workers, answers, strict=True) if not worker.returncode]
    with psycopg.connect(direct) as connection:
        recorded = connection.execute("SELECT count(*) FROM migrations._migrations").fetchone()
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        deadlocks = connection.execute(query).fetchone()
    times = [float(seconds) for seconds, _ in done] or [0.0]
    assert recorded is not None
    assert deadlocks is not None
    return Outcome(
        wall_s=wall_s,
        longest_s=max(times),
        median_s=statistics.median(times),
        failed=len(failed),
        applied=sum(applied == "True" for _, applied in done),
        recorded=recorded[0],
        deadlocks=deadlocks[0],
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--plugins", type=int, default=20)
    chosen = parser.parse_args()
    cases = {
        "one plugin": ["shop"] * chosen.processes,
        "each its own": [f"plugin{number}" for number in range(chosen.plugins)],
    }
    bad = 0
    print(f"{'case':<14}{'pooler':<8}{'processes':>9}{'wall s':>8}{'median s':>9}{'longest s':>10}", end="")
    print(f"{'applied':>8}{'recorded':>9}{'errors':>7}{'deadlocks':>10}")
    with EmbeddedServer(None, settings={"fsync": "off"}) as server:
        for pooled in (False, True) if pgbouncer() else (False,):
            for number, (case, plugins) in enumerate(cases.items()):
                found = measure(server, f"case_{pooled}_{number}".lower(), plugins, pooled=pooled)
                print(f"{case:<14}{'yes' if pooled else 'no':<8}{len(plugins):>9}{found.wall_s:>8.1f}", end="")
                print(f"{found.median_s:>9.2f}{found.longest_s:>10.2f}{found.applied:>8}{found.recorded:>9}", end="")
                print(f"{found.failed:>7}{found.deadlocks:>10}")
                wanted = len(set(plugins))
                bad += found.failed + found.deadlocks + abs(found.recorded - wanted) + abs(found.applied - wanted)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
