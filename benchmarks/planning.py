"""Times `reconciler plan` as a whole process, proof included, and prints how it grows with the schema.

usage: python benchmarks/planning.py [TABLES ...] [--dsn URL] [--runs N]

For each number of tables (100, 1000 and 10000 by default) a database holds the schema of `synthetic.py`; the declaration
then changes 1 table in 100, and all of them. Beside it stand what Postgres's own tools take: `pg_dump -s` of the
database, and `psql` loading the same schema into an empty one. A plan builds the declaration once and the rehearsal's
copy of live once, so two loads and four reads are its floor. --dsn is a URL on the server to use; the default is a private
embedded one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from synthetic import schema

from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAME = "reconciler_planning"


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        settings = {"fsync": "off", "max_locks_per_transaction": "1024"}
        dsn = arguments.dsn or stack.enter_context(EmbeddedServer(None, settings=settings)).url
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with psycopg.connect(dsn) as connection:
            version = connection.info.parameter_status("server_version")
        python = sys.version.split()[0]
        print(f"{datetime.now(UTC):%Y-%m-%d}, Postgres {version}, Python {python}, {os.cpu_count()} cores")
        print(f"{'tables':>7} {'pg_dump -s':>11} {'psql':>8} {'plan, 1 in 100':>26} {'plan, all':>26}")
        for tables in arguments.tables:
            print(_measured(dsn, folder, tables, arguments.runs), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", type=int, default=[100, 1000, 10000])
    parser.add_argument("--dsn")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


def _measured(dsn: str, folder: Path, tables: int, runs: int) -> str:
    files = {changed: folder / f"{tables}_{changed}.sql" for changed in (0, max(tables // 100, 1), tables)}
    for changed, file in files.items():
        file.write_text(schema(tables, changed), encoding="utf-8")
    same, few, every = files.values()
    url = urlsplit(dsn)._replace(path=f"/{_NAME}").geturl()

    def load() -> None:
        _fresh(dsn)
        _run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(same)])

    loads = [_seconds(load) for _ in range(runs)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    dumps = [_seconds(lambda: _run(["pg_dump", "-s", url])) for _ in range(runs)]
    cells = [_plans(url, file, runs, statistics.median(loads)) for file in (few, every)]
    _drop(dsn)
    return (
        f"{tables:7} {statistics.median(dumps):10.2f}s {statistics.median(loads):7.2f}s {cells[0]:>26} {cells[1]:>26}"
    )


def _plans(url: str, file: Path, runs: int, load_seconds: float) -> str:
    command = ["reconciler", "plan", str(file), "--dsn", url, "--scratch", "database", "--format", "sql"]
    seconds, memory = [], 0
    for _ in range(runs):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - started)
        memory = max(memory, usage.ru_maxrss // 1024)
        if os.waitstatus_to_exitcode(status) != 2:
            raise SystemExit(f"reconciler plan exited {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    median = statistics.median(seconds)
    return f"{median:.2f}s, {median / load_seconds:.1f} loads, {memory} MB"


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _fresh(dsn: str) -> None:
    _drop(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(_NAME)))


def _drop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_NAME)))


if __name__ == "__main__":
    main()
