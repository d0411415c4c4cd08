"""Times reconciler beside `pg_dump -s` on the same databases and prints the ratios.

usage: python benchmarks/speed.py SCHEMA.sql [SCHEMA.sql ...] [--dsn URL] [--runs N] [--no-diff]

Each schema file is loaded into two databases of its own on the server of --dsn (a URL of a database there; the default
is a private embedded server). Printed for each, as medians of N runs taken in turn: pg_dump -s; our snapshot of the
live database; `reconciler diff` of the two equal databases as a whole process; `migrate()` with nothing to do, in
process, live looked at; the peak memory of the diff. `benchmarks/synthetic.py N` writes a schema of N tables.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.client import Reconciler
from reconciler.db.connections import connect
from reconciler.embedded import EmbeddedServer
from reconciler.options import Options, Proof
from reconciler.source.loader import load
from reconciler.source.reading import source_from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        dsn = arguments.dsn or stack.enter_context(EmbeddedServer(None, settings={"fsync": "off"})).url
        with psycopg.connect(dsn) as connection:
            version = connection.info.parameter_status("server_version")
        print(
            f"{datetime.now(UTC):%Y-%m-%d}, Postgres {version}, Python {sys.version.split()[0]}, {os.cpu_count()} cores"
        )
        print(
            f"{'schema':>16} {'facts':>8} {'pg_dump -s':>11} {'snapshot':>15} {'diff':>15} {'no-op migrate':>17} {'memory':>9}"
        )
        for file in arguments.files:
            print(_measured(dsn, file, arguments.runs, with_diff=not arguments.no_diff), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--dsn")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-diff", action="store_true")
    return parser.parse_args()


def _measured(dsn: str, file: Path, runs: int, *, with_diff: bool) -> str:
    names = [f"speed_{file.stem}_{side}" for side in ("a", "b")]
    urls = [urlsplit(dsn)._replace(path=f"/{name}").geturl() for name in names]
    text = file.read_text(encoding="utf-8")
    for name, url in zip(names, urls, strict=True):
        _fresh(dsn, name)
        with connect(url, autocommit=True) as connection:
            connection.execute("SET search_path = public")
            load(connection, source_from_text(text, file.name), transactional=False)
            connection.execute("VACUUM ANALYZE pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_depend")
    with (
        connect(urls[0]) as connection,
        Reconciler(urls[1], options=Options(proof=Proof.OFF, scratch="database")) as reconciler,
    ):
        facts = len(read_snapshot(connection, ("public",)))
        reconciler.adopt(text)
        dump = lambda: _process(["pg_dump", "-s", urls[0]])  # noqa: E731
        timed: list[Callable[[], object]] = [
            dump,
            lambda: read_snapshot(connection, ("public",)),
            lambda: _process(["reconciler", "diff", *urls]) if with_diff else None,
            lambda: reconciler.migrate(text),
        ]
        medians = _medians(timed, runs)
    for name in names:
        _drop(dsn, name)
    base = medians[0]
    cells = [f"{seconds:8.3f} {seconds / base:5.2f}x" for seconds in medians[1:3]]
    noop = f"{medians[3]:8.4f} 1/{base / medians[3]:.0f}"
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return f"{file.stem:>16} {facts:8} {base:10.3f}s {cells[0]:>15} {cells[1]:>15} {noop:>17} {memory:6} MB"


def _medians(timed: Sequence[Callable[[], object]], runs: int) -> list[float]:
    found: list[list[float]] = [[] for _ in timed]
    for _ in range(runs):
        for seconds, work in zip(found, timed, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in found]


def _process(command: Sequence[str]) -> None:
    # An installed package is compiled already: what is measured is no compilation of its modules.
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=compiled)


def _fresh(dsn: str, name: str) -> None:
    _drop(dsn, name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def _drop(dsn: str, name: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
