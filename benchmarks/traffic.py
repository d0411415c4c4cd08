"""What clients that never pause meet while a declaration is applied: by reconciler, and by plain `psql -1`.

usage: python benchmarks/traffic.py [--bindir DIR] [--clients N] [--rounds N] [--patience S] [--way NAME ...]

Each client runs one transaction after the other and uses what the change is about: two tables, in both orders; a view
and its table; partitions through their parent; a sequence before the table that it numbers. Each change is made and
taken back --rounds times. For each: how long a change took, how often it was tried in vain (psql -1 is tried again for
--patience seconds with the same lock_timeout), the longest that a client waited for its transaction, how many clients
were the victims of deadlocks, and their other errors.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from reconciler.client import Reconciler
from reconciler.embedded import EmbeddedServer
from reconciler.errors import LockTimeoutError
from reconciler.options import Options, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_KEYS = 100
_LOCK_TIMEOUT_MS = 1_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """Two declarations, the SQL that people write for the change and its rollback, and what clients do meanwhile."""

    name: str
    before: str
    after: str
    there: str
    back: str
    clients: Sequence[str]


_A = "create table a (id int primary key, v int);\n"
_B = "create table b (id int primary key, v int{});\n"
_T = "create table t (id int primary key, v {});\n"
_PARTS = (
    "create table p (id int, v int) partition by range (id);\n"
    "create table p1 partition of p for values from (0) to (100000);\n"
)
_FURTHER = "create table p2 partition of p for values from (100000) to (200000);\n"
_SEQUENCE = "create sequence numbers as {};\n"

CHANGES = (
    Change(
        name="column added to both of two tables",
        before=_A + _B.format(""),
        after=_A.replace("v int", "v int, w int") + _B.format(", w int"),
        there="alter table public.a add w int; alter table public.b add w int;",
        back="alter table public.a drop w; alter table public.b drop w;",
        clients=("update public.a set v = v + 1 where id = {k}", "update public.b set v = v + 1 where id = {k}"),
    ),
    Change(
        name="foreign key between them",
        before=_A + _B.format(""),
        after=_A + _B.format("") + "alter table b add constraint b_a foreign key (id) references a (id);\n",
        there="alter table public.b add constraint b_a foreign key (id) references public.a (id);",
        back="alter table public.b drop constraint b_a;",
        clients=("update public.a set v = v + 1 where id = {k}", "update public.b set v = v + 1 where id = {k}"),
    ),
    Change(
        name="column's type under a view",
        before=_T.format("int") + "create view w as select id, v from t;\n",
        after=_T.format("bigint") + "create view w as select id, v from t;\n",
        there="drop view public.w; alter table public.t alter v type bigint; create view public.w as select id, v from public.t;",
        back="drop view public.w; alter table public.t alter v type int; create view public.w as select id, v from public.t;",
        clients=("select v from public.w where id = {k}", "update public.t set v = v + 1 where id = {k}"),
    ),
    Change(
        name="partition added and dropped",
        before=_PARTS,
        after=_PARTS + _FURTHER,
        there="create table public.p2 partition of public.p for values from (100000) to (200000);",
        back="drop table public.p2;",
        clients=("update public.p set v = v + 1 where id = {k}", "select v from public.p where id = {k}"),
    ),
    Change(
        name="sequence's type",
        before=_SEQUENCE.format("int") + _A,
        after=_SEQUENCE.format("bigint") + _A,
        there="alter sequence public.numbers as bigint;",
        back="alter sequence public.numbers as int;",
        clients=("select nextval('public.numbers')", "update public.a set v = v + 1 where id = {k}"),
    ),
)
_ROWS = """
do $$ declare t regclass; begin
    for t in select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and not relispartition loop
        execute format('insert into %s (id, v) select n, 0 from generate_series(1, 5000) n', t);
    end loop; end $$
"""


@dataclass
class Met:
    """What clients met."""

    worst_s: float = 0.0
    transactions: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def main() -> None:
    arguments = _arguments()
    ways: dict[str, Callable[[str, str, str, float], int | None]] = {"reconciler": _by_reconciler, "psql -1": _by_psql}
    with EmbeddedServer(None, bindir=arguments.bindir) as server:
        with psycopg.connect(server.url) as connection:
            version = connection.info.parameter_status("server_version")
        print(
            f"{datetime.now(UTC):%Y-%m-%d}, Postgres {version}, Python {sys.version.split()[0]}, {os.cpu_count()} cores,"
            f" {arguments.clients} clients, {arguments.rounds} times there and back\n"
        )
        print(
            f"{'way':<11} {'change':<36} {'took':>8} {'in vain':>8} {'worst':>8} {'deadlocks':>10} {'other errors':>13}"
        )
        for number, change in enumerate(CHANGES):
            for name in arguments.way or ways:
                url = server.create_database(f"traffic_{number}_{name.split(maxsplit=1)[0]}")
                _measure(url, name, ways[name], change, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bindir", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--way", action="append")
    return parser.parse_args()


def _measure(
    url: str,
    way: str,
    apply: Callable[[str, str, str, float], int | None],
    change: Change,
    arguments: argparse.Namespace,
) -> None:
    with Reconciler(url) as reconciler:
        reconciler.migrate(change.before)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_ROWS.encode())
    vain, given_up, began = 0, 0, time.monotonic()
    with _clients(url, change.clients, arguments.clients) as met:
        for _ in range(arguments.rounds):
            for declaration, plain in ((change.after, change.there), (change.before, change.back)):
                tries = apply(url, declaration, plain, arguments.patience)
                vain += tries or 0
                given_up += tries is None
        took = (time.monotonic() - began) / (2 * arguments.rounds)
    deadlocks = met.errors.pop("deadlock detected", 0)
    told = f"{took:.2f} s" if not given_up else f"{given_up} not"
    others = sum(met.errors.values())
    print(
        f"{way:<11} {change.name:<36} {told:>8} {vain:>8} {met.worst_s:>6.2f} s {deadlocks:>10} {others:>13}",
        flush=True,
    )
    for message, count in met.errors.items():
        print(f"{'':<11} {count} x {message}")


@contextmanager
def _clients(url: str, statements: Sequence[str], count: int) -> Iterator[Met]:
    """Clients at work inside, half of them with the statements in the opposite order."""
    met, stop, lock = Met(), threading.Event(), threading.Lock()
    ready = threading.Barrier(count + 1)

    def work(number: int) -> None:
        chosen = random.Random(number)
        order = statements if number % 2 else tuple(reversed(statements))
        with psycopg.connect(url, prepare_threshold=None) as connection:
            ready.wait()
            while not stop.is_set():
                key = number * _KEYS + chosen.randrange(_KEYS) + 1
                began, failure = time.monotonic(), None
                try:
                    for statement in order:
                        connection.execute(statement.format(k=key).encode())
                    connection.commit()
                except psycopg.Error as error:
                    failure = error.diag.message_primary or str(error)
                    connection.rollback()
                with lock:
                    met.worst_s = max(met.worst_s, time.monotonic() - began)
                    met.transactions += 1
                    met.errors.update([failure] if failure else [])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        yield met
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _by_reconciler(url: str, declaration: str, _plain: str, patience_s: float) -> int | None:
    """0, or None where it gave up: what it tried in vain is within, and blocks nobody for long."""
    retries = int(patience_s * 1_000 / _LOCK_TIMEOUT_MS)
    options = Options(lock_timeout_ms=_LOCK_TIMEOUT_MS, lock_retries=retries, when_behind=WhenBehind.APPLY)
    try:
        with Reconciler(url, options=options) as reconciler:
            reconciler.migrate(declaration, allow_data_loss=True)
    except LockTimeoutError:
        return None
    return 0


def _by_psql(url: str, _declaration: str, plain: str, patience_s: float) -> int | None:
    """How often it was tried in vain, or None where it was given up."""
    until, vain = time.monotonic() + patience_s, 0
    while time.monotonic() < until:
        try:
            with psycopg.connect(url, options=f"-c lock_timeout={_LOCK_TIMEOUT_MS}") as connection:
                connection.execute(plain.encode())
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            vain += 1
            continue
        return vain
    return None


if __name__ == "__main__":
    main()
