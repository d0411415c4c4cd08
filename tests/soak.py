"""The soak: random schemas, random changes, there and back, until the numbers are through or something fails.

Everything of a pair happens in one transaction that is rolled back: build the changed schema and read it, build the
first one with rows, run the plan, compare facts and rows, run the plan back, compare again. A pair is named by a number;
a failure prints it, what is left of the change when all that can be taken back is, and both schemas as SQL.

    python tests/soak.py --pairs 10000 --seed 1 --jobs 2
    python tests/soak.py --pair 1234        one pair again, its change not made smaller
    python tests/soak.py --show 1234        both schemas of that pair
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from generator import Generated, Table, Tape, generate
from psycopg import sql

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.diff.diff import diff
from reconciler.embedded import EmbeddedServer
from reconciler.errors import ReconcilerError
from reconciler.options import Options
from reconciler.planner.planner import make_plan
from reconciler.preflight.preflight import answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.model.snapshot import Snapshot

ROLES = ("soak_owner", "soak_reader", "soak_writer")
SCHEMAS = ("app", "other")
# One seed in so many changes is of another base schema altogether.
FAR = 10
# After so many pairs a process says how far it is.
_BATCH = 50


class UnfitRowsError(Exception):
    """The rows do not allow what is declared, e.g. a foreign key onto a new table: nothing that a plan could mend."""


@dataclass
class Tally:
    """What a run saw."""

    pairs: int = 0
    statements: int = 0
    unfit: int = 0
    failures: list[str] = field(default_factory=list)


def prepare(url: str) -> None:
    """The roles that generated schemas name."""
    with psycopg.connect(url, autocommit=True) as connection:
        present = {row[0] for row in connection.execute("SELECT rolname::text FROM pg_roles")}
        for role in ROLES:
            if role not in present:
                # Foreign keys are checked as the table's owner, who must be able to read both tables.
                connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER").format(sql.Identifier(role)))


def tapes(number: int) -> tuple[Tape, Tape]:
    """The two schemas of a pair."""
    before = Tape(seed=number // 4)
    return before, replace(before, change=number, rate=0.5 if number % FAR == 0 else 0.1, touched=set())


def check(connection: psycopg.Connection, before: Tape, after: Tape) -> int:
    """Goes there and back; gives the number of statements. Raises AssertionError or an error of the server or ours."""
    version = connection.info.server_version // 10000
    old, new = generate(before, version), generate(after, version)
    with _undone(connection):
        _run(connection, new.sql)
        goal = _snapshot(connection)
    with _undone(connection):
        _run(connection, old.sql)
        _run(connection, old.rows)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        start, kept = _snapshot(connection), _rows(connection, old.tables)
        there, reached = _move(connection, start, goal)
        _assert_rows(kept, _rows(connection, new.tables), old, new)
        back, _ = _move(connection, reached, start)
        return there + back


@contextmanager
def _undone(connection: psycopg.Connection) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        yield


def _run(connection: psycopg.Connection, text: str) -> None:
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    if text:
        connection.execute(text.encode())


def _snapshot(connection: psycopg.Connection) -> Snapshot:
    return read_snapshot(connection, SCHEMAS, dependencies=True)


def _move(connection: psycopg.Connection, live: Snapshot, goal: Snapshot) -> tuple[int, Snapshot]:
    """From where the database is, which is `live`, to the goal: the number of statements, and what is there then."""
    plan = make_plan(live, goal, current_user=str(connection.info.user))
    assert plan.unmodelled == ()
    assert make_plan(live, goal, current_user=str(connection.info.user)) == plan, "two plans of the same states differ"
    if answers := answered(connection, plan.questions, Options(), {}):
        plan = make_plan(live, goal, current_user=str(connection.info.user), answers=answers)
    connection.execute("SET LOCAL check_function_bodies = off")
    for statement in plan.statements:
        try:
            connection.execute(statement.sql.encode())
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as exc:
            raise UnfitRowsError from exc
        except psycopg.Error as exc:
            exc.add_note(f"in the plan's statement: {statement.sql}")
            raise
    reached = _snapshot(connection)
    left = diff(reached, goal)
    assert left == (), f"left over: {[(str(each.fact), each.attributes) for each in left[:5]]}"
    return len(plan.statements), reached


def _rows(connection: psycopg.Connection, tables: Iterable[Table]) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for table in tables:
        text = sql.SQL("SELECT to_jsonb(t) FROM {} t ORDER BY id").format(sql.Identifier("app", table.name))
        found[table.name] = [row[0] for row in connection.execute(text)]
    return found


def _assert_rows(
    was: dict[str, list[dict[str, object]]], now: dict[str, list[dict[str, object]]], old: Generated, new: Generated
) -> None:
    """A table that stays keeps its rows, and a column that keeps its type its values."""
    columns = {table.name: table.columns for table in new.tables}
    for table in old.tables:
        if table.name not in now:
            continue
        there = columns[table.name]
        # Of a composite value the attributes may come and go.
        same = [column for column, kind in table.columns.items() if there.get(column) == kind != "app.c0"]
        before, after = ([{column: row[column] for column in same} for row in rows[table.name]] for rows in (was, now))
        assert before == after, f"rows of {table.name}: {before} became {after}"


def smaller(connection: psycopg.Connection, before: Tape, after: Tape) -> Tape:
    """The change with every choice taken back that the failure does not need."""
    generate(after, 18)
    for path in sorted(after.touched):
        candidate = replace(after, without=after.without | {path}, touched=set())
        if _fails(connection, before, candidate):
            after = candidate
    return after


def _fails(connection: psycopg.Connection, before: Tape, after: Tape) -> bool:
    try:
        check(connection, before, after)
    except UnfitRowsError:
        return False
    except (AssertionError, ReconcilerError, psycopg.Error):
        return True
    return False


def run(url: str, numbers: Sequence[int], *, seconds: float | None = None, small: bool = True) -> Tally:
    """Checks these pairs, as many as `seconds` allow."""
    tally, end = Tally(), time.monotonic() + seconds if seconds else None
    with psycopg.connect(url, autocommit=True) as connection:
        for number in numbers:
            if end and time.monotonic() > end:
                break
            before, after = tapes(number)
            try:
                tally.statements += check(connection, before, after)
            except UnfitRowsError:
                tally.unfit += 1
            except (AssertionError, ReconcilerError, psycopg.Error) as exc:
                tally.failures.append(_report(connection, number, before, after, exc, small=small))
            tally.pairs += 1
    return tally


def _report(
    connection: psycopg.Connection, number: int, before: Tape, after: Tape, exc: Exception, *, small: bool
) -> str:
    if small:
        after = smaller(connection, before, after)
        try:
            check(connection, before, after)
        except (AssertionError, ReconcilerError, psycopg.Error) as again:
            exc = again
        except UnfitRowsError:
            pass
    version = connection.info.server_version // 10000
    after = replace(after, touched=set())
    texts = generate(before, version).sql, generate(after, version).sql
    lines = [set(text.splitlines()) for text in texts]
    notes = "\n".join(getattr(exc, "__notes__", ()))
    return "\n".join(
        [
            f"pair {number} on Postgres {version}: {type(exc).__name__}: {exc}\n{notes}",
            f"changed choices: {', '.join(sorted(after.touched))}",
            *(f"- {line}" for line in texts[0].splitlines() if line not in lines[1]),
            *(f"+ {line}" for line in texts[1].splitlines() if line not in lines[0]),
            f"again: python tests/soak.py --pair {number}; both schemas: python tests/soak.py --show {number}",
        ]
    )


def _worker(bindir: Path | None, numbers: Sequence[int], job: int, *, small: bool = True) -> Tally:
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_locks_per_transaction": "512",
    }
    whole = Tally()
    with EmbeddedServer(None, bindir=bindir, settings=settings) as server:
        prepare(server.url)
        for start in range(0, len(numbers), _BATCH):
            part = run(server.url, numbers[start : start + _BATCH], small=small)
            whole.pairs += part.pairs
            whole.statements += part.statements
            whole.unfit += part.unfit
            whole.failures += part.failures
            print(f"job {job}: {whole.pairs} of {len(numbers)} pairs, {len(whole.failures)} failures", flush=True)
            for failure in part.failures:
                print(failure, flush=True)
    return whole


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first pair's number")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bindir", type=Path, help="a Postgres bin folder; without it the embedded server")
    parser.add_argument("--as-is", action="store_true", help="report failures at once, without making them smaller")
    parser.add_argument("--pair", type=int, action="append", help="this pair alone; may be said again")
    parser.add_argument("--show", type=int, help="print both schemas of this pair")
    chosen = parser.parse_args()
    if chosen.pair:
        return 1 if _worker(chosen.bindir, chosen.pair, 1, small=False).failures else 0
    if chosen.show is not None:
        for tape in tapes(chosen.show):
            print(generate(tape, 18).sql, end="\n\n")
        return 0
    started = time.monotonic()
    numbers = range(chosen.seed, chosen.seed + chosen.pairs)
    print(f"{chosen.pairs} pairs from seed {chosen.seed} in {chosen.jobs} processes", flush=True)
    with ProcessPoolExecutor(max_workers=chosen.jobs) as pool:
        running = [
            pool.submit(_worker, chosen.bindir, numbers[job :: chosen.jobs], job + 1, small=not chosen.as_is)
            for job in range(chosen.jobs)
        ]
        tallies = [future.result() for future in running]
    total = Counter[str]()
    for tally in tallies:
        total.update(pairs=tally.pairs, statements=tally.statements, unfit=tally.unfit, failures=len(tally.failures))
    seconds = time.monotonic() - started
    print(
        f"{total['pairs']} pairs there and back, {total['statements']} statements,"
        f" {total['unfit']} pairs whose rows do not fit, {total['failures']} failures, {seconds:.0f} s"
    )
    return 1 if total["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
