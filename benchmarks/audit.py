"""What the log of DDL costs each statement, and a start with nothing to do with it and without.

    python benchmarks/audit.py URL [TABLES]

URL is a superuser's, of an empty database on this machine (Linux). Times are medians of what the server's process spent on
a processor, in milliseconds, so that other load does not matter.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from reconciler.audit.install import audit_digest, install, uninstall
from reconciler.audit.standing import read_standing
from reconciler.catalog.snapshot_reader import read_mark

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 60
STATEMENTS = {
    "CREATE TABLE (5 columns, a key)": "CREATE TABLE bench.t{} (a int PRIMARY KEY, b text, c int, d text, e int)",
    "ALTER TABLE ADD COLUMN": "ALTER TABLE bench.t{} ADD f integer",
    "CREATE INDEX": "CREATE INDEX t{}_b ON bench.t{} (b)",
    "COMMENT": "COMMENT ON TABLE bench.t{} IS 'x'",
    "GRANT": "GRANT SELECT ON bench.t{} TO PUBLIC",
    "DROP TABLE": "DROP TABLE bench.t{}",
}


def spent_ms(connection: psycopg.Connection) -> float:
    """How long the server's process has been on a processor."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text("ascii").split()[0]) / 1e6


def medians(connection: psycopg.Connection) -> dict[str, float]:
    """The median time of each statement."""
    found: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for round_ in range(ROUNDS):
        for name, text in STATEMENTS.items():
            began = spent_ms(connection)
            connection.execute(text.replace("{}", str(round_)))
            found[name].append(spent_ms(connection) - began)
    return {name: statistics.median(times) for name, times in found.items()}


def timed(run: Callable[..., object], connection: psycopg.Connection, *values: object) -> float:
    """The median time of a call."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = spent_ms(connection)
        run(connection, *values)
        times.append(spent_ms(connection) - began)
    return statistics.median(times)


def main(url: str, tables: int) -> None:
    """Prints both tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bench; CREATE SCHEMA held")
        for number in range(tables):
            connection.execute(f"CREATE TABLE held.t{number} (a int PRIMARY KEY, b text, c int, d text, e int)")
        without = medians(connection)
        install(connection)
        with_log = medians(connection)
        row = connection.execute(
            "SELECT avg(pg_column_size(d.*)) FROM reconciler_audit.ddl AS d WHERE tag = 'CREATE TABLE'"
        ).fetchone()
        print(f"{connection.info.server_version // 10000}, {tables} tables: ms without, with the log, times")
        for name, time_ms in without.items():
            print(f"  {name:32} {time_ms:7.2f} {with_log[name]:7.2f} {with_log[name] / time_ms:5.1f}")
        print(f"  bytes a row of CREATE TABLE: {row[0] if row else 0:.0f}")
        connection.execute("SELECT 1")
        with connection.transaction():
            standing = read_standing(connection, None, None)
            assert standing is not None
            print(f"  mark {timed(read_mark, connection, ['held']):7.2f}")
            print(f"  standing {timed(read_standing, connection, standing.position, standing.counters):7.2f}")
            print(f"  of it, whether the log is intact {timed(audit_digest, connection):7.2f}")
        uninstall(connection)
        connection.execute("DROP SCHEMA bench CASCADE")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100)
