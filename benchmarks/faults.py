"""What is left when a run in steps meets a fault in each of its phases, while clients write.

usage: python benchmarks/faults.py [--bindir DIR] [--trials N] [--fault NAME ...] [--phase NAME ...]

A column gets another type, and NOT NULL, an index and a check come with it, online. In each trial the run stops at the
phase until the fault is there. Then the same declaration is applied again, and it is looked at what must hold: rows as
in the clients' own log, indexes as amcheck wants them, nothing of ours left over, nothing planned, pending, drifted or
unfinished, an error that says what is left and what to do, no deadlock met by a client. The table has, for each fault
and phase, in how many trials all of that held, of how many.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.apply import locks
from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.embedded import EmbeddedServer
from reconciler.errors import ReconcilerError
from reconciler.model.events import Phase
from reconciler.options import Options, Proof, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.model.events import Event
    from reconciler.model.plan import Plan, Statement

ROWS = 10_000
CLIENTS = 3
BEFORE = """
create table parent (id int primary key);
create table kept (id int primary key, n int, p int, label text);
create index kept_n on kept (n);
create view labels as select id, label, n from kept;
"""
AFTER = (
    BEFORE.replace("n int,", "n bigint not null default 0,")
    + "create index kept_label on kept (label); alter table kept add constraint positive check (n >= 0);"
    + "alter table kept add constraint kept_p foreign key (p) references parent (id);"
)
OTHER = BEFORE + "create table other (id int primary key);"
FILL = (
    "insert into public.parent select generate_series(1, 5);"
    f"insert into public.kept select n, n, n % 5 + 1, 'row ' || n from generate_series(1, {ROWS}) n"
)
PHASES = ("prepare", "steps", "backfill", "exchange", "record")
LEFT = """
    select 'relation ' || relname from pg_class where relname ~ 'reconciler_'
    union all select 'column ' || attname from pg_attribute where attname ~ 'reconciler_' and not attisdropped
    union all select 'trigger ' || tgname from pg_trigger where tgname ~ 'reconciler_'
    union all select 'function ' || proname from pg_proc where proname ~ 'reconciler_'
    union all select 'constraint ' || conname from pg_constraint where conname ~ 'reconciler_' or not convalidated
    union all select 'index ' || indexrelid::regclass from pg_index where not indisvalid
    union all select 'schema ' || nspname from pg_namespace where nspname ~ 'reconciler_'
    union all select 'database ' || datname from pg_database where datname ~ 'reconciler_'
"""
TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
FROZEN_MS = 1_000
HELD_S = 2.0
RECOVERY_S = 60.0


class Ground:
    """The server, which may be started again, and the database of a trial."""

    def __init__(self, folder: Path, bindir: Path | None) -> None:
        self._folder, self._bindir = folder, bindir
        self._server: EmbeddedServer | None = None
        self.database = ""
        self.start()

    def start(self) -> None:
        self.stop()
        settings = {"max_connections": "40", "fsync": "off"}
        self._server = EmbeddedServer(self._folder, bindir=self._bindir, settings=settings)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def restart(self) -> None:
        """As after `pg_ctl stop -m immediate`."""
        with self.connect() as connection:
            row = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        os.kill(int(str(row[0]).splitlines()[0]), signal.SIGQUIT)
        self.start()

    def create(self, name: str) -> None:
        assert self._server is not None
        self.database = name
        self._server.create_database(name)

    @property
    def url(self) -> str:
        assert self._server is not None
        return self._server.url_of(self.database)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, application_name="fault")

    def await_server(self) -> None:
        """Waits until it has recovered: a backend whose log cannot grow ends them all."""
        until = time.monotonic() + RECOVERY_S
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


# --- clients, and what they know ----------------------------------------------------------------------------------------


@dataclass
class Log:
    """What each row may hold by what its client was told; more than one value where no answer came."""

    rows: dict[int, set[int]] = field(default_factory=lambda: {n: {n} for n in range(1, ROWS + 1)})
    deadlocks: int = 0
    written: int = 0


@contextmanager
def _clients(ground: Ground) -> Iterator[Log]:
    log, stop = Log(), threading.Event()

    def work(number: int) -> None:
        connection: psycopg.Connection | None = None
        key, new = number, ROWS + number
        while not stop.is_set():
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(ground.url, autocommit=True, application_name="client")
            except (psycopg.Error, ReconcilerError, AssertionError):
                stop.wait(0.05)
                continue
            key = key % ROWS + CLIENTS
            _write(connection, log, key if key <= ROWS else number, "update public.kept set n = %s where id = %s")
            _write(connection, log, new, "insert into public.kept (n, id, p, label) values (%s, %s, 1, 'new')")
            new += CLIENTS
            stop.wait(0.02)
        if connection is not None:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, CLIENTS + 1)]
    for thread in threads:
        thread.start()
    try:
        yield log
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _write(connection: psycopg.Connection, log: Log, key: int, statement: str) -> None:
    if connection.closed:
        return
    value = log.written = log.written + 1
    before = log.rows.get(key, {-1})
    try:
        connection.execute(statement.encode(), (value, key))
        log.rows[key] = {value}
    except psycopg.Error as error:
        if connection.closed or error.sqlstate is None:
            log.rows[key] = before | {value}
        log.deadlocks += isinstance(error, psycopg.errors.DeadlockDetected)


# --- the run, in a process of its own -----------------------------------------------------------------------------------


def _child(url: str, phase: str) -> None:
    """Applies, and says "at" at the phase; goes on when it is told to. The last line is how it ended."""
    locks.FROZEN_MS = FROZEN_MS
    told = False
    with Reconciler(url, options=_options()) as reconciler:
        planned = reconciler.plan(AFTER)
        position, wanted = _place(planned.plan, phase)

        def on_event(event: Event) -> None:
            nonlocal told
            if not told and event.position == position and event.phase is wanted:
                told = True
                print("at", flush=True)
                sys.stdin.readline()

        try:
            reconciler.apply(planned, on_event=on_event)
            ended: dict[str, str | None] = {"error": None}
        except ReconcilerError as error:
            ended = {"error": str(error), "left": error.left, "hint": error.hint}
    print(json.dumps(ended), flush=True)


def _place(plan: Plan, phase: str) -> tuple[int, Phase]:
    """At which event a run is in the phase."""
    backfill = next(n for n, each in enumerate(plan.statements, start=1) if each.batched is not None)
    match phase:
        case "prepare":
            return 1, Phase.STARTED
        case "backfill":
            return backfill, Phase.FILLED
        case "steps":
            alone = (each.first for each in plan.steps if not each.is_transaction and each.first > backfill)
            return next(alone), Phase.STARTED
        case "exchange":
            return next(each.first for each in plan.steps if _drops(each.statements)), Phase.STARTED
        case _:
            return len(plan.statements), Phase.FINISHED


def _drops(statements: Sequence[Statement]) -> bool:
    return any("DROP COLUMN" in each.sql for each in statements)


def _options() -> Options:
    return Options(
        online=True,
        proof=Proof.OFF,
        scratch="schema",
        lock_timeout_ms=300,
        lock_retries=3,
        when_behind=WhenBehind.APPLY,
    )


# --- faults: each lets the run go on, and puts what is to be undone after it on the stack -------------------------------


def _go(run: subprocess.Popen[str]) -> None:
    assert run.stdin is not None
    with suppress(BrokenPipeError):
        run.stdin.write("go\n")
        run.stdin.flush()


def _killed(_ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    run.kill()


OURS = "from pg_stat_activity where application_name ~ '^reconciler' and datname = current_database()"


def _terminated(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with ground.connect() as connection:
        connection.execute(f"select pg_terminate_backend(pid, 5000) {OURS}".encode())
    _go(run)


def _cancelled(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with ground.connect() as connection:
        _go(run)
        for _ in range(200):
            query = f"select pg_cancel_backend(pid) {OURS} and state = 'active'"
            if run.poll() is not None or connection.execute(query.encode()).fetchone():
                return
            time.sleep(0.002)


def _restarted(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    ground.restart()
    _go(run)


def _frozen(_ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    run.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN_MS * 2 / 1000)
    run.send_signal(signal.SIGCONT)
    _go(run)


def _held(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with ground.connect() as connection, connection.transaction():
        connection.execute("set local lock_timeout to '500ms'")
        with suppress(psycopg.errors.LockNotAvailable):
            with connection.transaction():
                connection.execute("lock table public.kept in access exclusive mode")
            _go(run)
            time.sleep(HELD_S)
            return
    _go(run)


def _beside(declaration: str) -> Callable[[Ground, subprocess.Popen[str], ExitStack], None]:
    def fault(ground: Ground, run: subprocess.Popen[str], after: ExitStack) -> None:
        url = ground.url

        def work() -> None:
            with suppress(ReconcilerError), Reconciler(url, options=_options()) as reconciler:
                reconciler.migrate(declaration, allow_data_loss=True)

        thread = threading.Thread(target=work)
        thread.start()
        after.callback(thread.join)
        time.sleep(0.5)
        _go(run)

    return fault


def _looked(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with Reconciler(ground.url, options=_options()) as reconciler:
        reconciler.status()
        reconciler.check(AFTER)
        reconciler.check()
        reconciler.plan(AFTER)
    _go(run)


def _by_hand(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with ground.connect() as connection:
        connection.execute("set lock_timeout to '300ms'")
        for statement in ("alter table public.kept add column extra int", "alter table public.parent add extra int"):
            with suppress(psycopg.errors.LockNotAvailable):
                connection.execute(statement.encode())
    _go(run)


def _disk_full(ground: Ground, run: subprocess.Popen[str], _after: ExitStack) -> None:
    with ground.connect() as connection:
        query = (
            "select pid from pg_stat_activity where application_name = 'reconciler' and datname = current_database()"
        )
        for (pid,) in connection.execute(query.encode()).fetchall():
            connection.execute(f"copy (select) to program 'prlimit --pid {pid} --fsize=0:'".encode())
    _go(run)


def _no_temporary_files(ground: Ground, run: subprocess.Popen[str], after: ExitStack) -> None:
    def reset() -> None:
        with ground.connect() as connection:
            connection.execute("alter system reset all")
            connection.execute("select pg_reload_conf()")

    with ground.connect() as connection:
        connection.execute("alter system set temp_file_limit to 0")
        connection.execute("alter system set maintenance_work_mem to '1MB'")
        connection.execute("select pg_reload_conf()")
    after.callback(reset)
    _go(run)


def _timeouts(ground: Ground, run: subprocess.Popen[str], after: ExitStack) -> None:
    name = sql.Identifier(ground.database)

    def reset() -> None:
        with ground.connect() as connection:
            connection.execute(sql.SQL("alter database {} reset all").format(name))
            connection.execute(sql.SQL("alter role postgres in database {} reset all").format(name))

    with ground.connect() as connection:
        for setting in TIMEOUTS:
            value = sql.SQL("set {} to '40ms'").format(sql.Identifier(setting))
            connection.execute(sql.SQL("alter database {} {}").format(name, value))
            connection.execute(sql.SQL("alter role postgres in database {} {}").format(name, value))
    after.callback(reset)
    _go(run)


def _no_slots(ground: Ground, run: subprocess.Popen[str], after: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            after.enter_context(ground.connect())
    _go(run)


FAULTS: dict[str, Callable[[Ground, subprocess.Popen[str], ExitStack], None]] = {
    "process killed": _killed,
    "backends terminated": _terminated,
    "statement cancelled": _cancelled,
    "server restarted": _restarted,
    "run frozen": _frozen,
    "holder of a strong lock": _held,
    "second run of the same": _beside(AFTER),
    "second run of another version": _beside(OTHER),
    "plan, check, status": _looked,
    "DDL by hand": _by_hand,
    "disk full": _disk_full,
    "temp_file_limit": _no_temporary_files,
    "timeouts of database and role": _timeouts,
    "connection slots used up": _no_slots,
}


# --- a trial ------------------------------------------------------------------------------------------------------------


def _trial(ground: Ground, name: str, fault: str, phase: str) -> tuple[bool, list[str]]:
    """Whether the run itself came through, and what did not hold."""
    ground.create(name)
    with Reconciler(ground.url, options=_options()) as reconciler:
        reconciler.migrate(BEFORE)
    with ground.connect() as connection:
        connection.execute("create extension amcheck schema pg_catalog")
        connection.execute(FILL.encode())
    wrong: list[str] = []
    with _clients(ground) as log:
        command = [sys.executable, __file__, "--child", ground.url, phase]
        with (
            ExitStack() as after,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run,
        ):
            assert run.stdout is not None
            if run.stdout.readline() != "at\n":
                wrong.append("the run did not come to the phase")
            FAULTS[fault](ground, run, after)
            lines = run.stdout.read().splitlines()
        ended = json.loads(lines[-1]) if lines else {"error": "killed", "left": "?", "hint": "?"}
        if not lines and fault != "process killed":
            wrong.append("the run ended without a word")
        if ended["error"] and not (ended["left"] and ended["hint"]):
            wrong.append(f"says not what is left, or not what to do: {ended['error']}")
        ground.await_server()
        wrong += _next_run(ground)
    return ended["error"] is None, [*wrong, *_wrong_rows(ground, log)]


def _next_run(ground: Ground) -> list[str]:
    with Reconciler(ground.url, options=_options()) as reconciler:
        try:
            reconciler.status()
            reconciler.check()
            reconciler.migrate(AFTER, allow_data_loss=True)
        except ReconcilerError as error:
            return [f"the next run failed: {error}"]
        found = reconciler.check(AFTER)
        states = found.of(State.PENDING, State.DRIFTED, State.CONFLICT, State.UNFINISHED)
        wrong = [f"{each.object.key} is {each.state}" for each in states]
        if not found.plan.is_empty:
            wrong.append("there is a plan still")
        if reconciler.status().unfinished is not None:
            wrong.append("a run is unfinished still")
    return wrong


def _wrong_rows(ground: Ground, log: Log) -> list[str]:
    with ground.connect() as connection:
        found: dict[int, int] = dict(connection.execute("select id, n from public.kept").fetchall())
        wrong = [f"left over: {row[0]}" for row in connection.execute(LEFT.encode())]
        try:
            connection.execute(
                "select bt_index_check(i.indexrelid, true) from pg_index i join pg_class c on c.oid = i.indexrelid"
                " join pg_am a on a.oid = c.relam and a.amname = 'btree' where c.relpersistence = 'p'"
            )
        except psycopg.Error as error:
            wrong.append(f"amcheck: {error}")
    bad = [key for key, values in log.rows.items() if found.get(key, -1) not in values]
    bad += [key for key in found if key not in log.rows]
    if bad:
        wrong.append(f"{len(bad)} rows are not as the clients know them, such as {bad[0]}")
    if log.deadlocks:
        wrong.append(f"{log.deadlocks} clients were the victims of deadlocks")
    return wrong


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        _child(*arguments.child)
        return
    phases, faults = arguments.phase or PHASES, arguments.fault or FAULTS
    print(f"| fault | {' | '.join(phases)} |\n|---|{'---|' * len(phases)}")
    right = total = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ground = Ground(Path(folder) / "data", arguments.bindir)
        for fault in faults:
            cells: list[str] = []
            for phase in phases:
                held = came_through = 0
                for trial in range(arguments.trials):
                    came, wrong = _trial(ground, f"trial_{total}", fault, phase)
                    total += 1
                    held += not wrong
                    came_through += came
                    for each in wrong or ["all holds"]:
                        print(f"{fault}, {phase}, trial {trial + 1}: {each}", file=sys.stderr, flush=True)
                right += held
                cells.append(f"{held}/{arguments.trials}{', ended' if came_through < arguments.trials else ''}")
            print(f"| {fault} | {' | '.join(cells)} |", flush=True)
        with ground.connect() as connection:
            version = connection.info.parameter_status("server_version")
        ground.stop()
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, Postgres {version}, Python {sys.version.split()[0]}: {right} of {total} trials"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bindir", type=Path)
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    parser.add_argument("--phase", action="append", choices=PHASES)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
