"""Reconciles when an application starts: waits for the server, migrates every plugin, can be stopped. Does I/O.

The work is the same for both functions; the asynchronous one has it done in a thread. A second thread watches: when the
time is over or the start is cancelled, it cancels the statement on the server until the work has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from reconciler.client import Reconciler, reconcile_all
from reconciler.db.connections import Watched, cancel_all, errors_as, transaction, watched, watching
from reconciler.errors import ApplyError, BehindError, ConnectError, DatabaseError, ReconcilerError
from reconciler.ledger.schema import who_is_at_work
from reconciler.options import OnDrift, Options, WhenBehind, with_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.db.connections import Connection
    from reconciler.db.targets import Database
    from reconciler.model.events import Event
    from reconciler.options import Drops
    from reconciler.results import MigrateResult
    from reconciler.source.source import Declaration

__all__ = ["reconcile_on_startup", "reconcile_on_startup_async"]

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_CANCEL_AGAIN_S = 0.2
# No waiting mends these; all else may be a server, a network or a name service that is not up yet.
_LASTING = ("authentication failed", "does not exist", "pg_hba.conf", "no password supplied", "permission denied")


def reconcile_on_startup(
    database: Database,
    sources: Mapping[str, Declaration],
    *,
    options: Options | None = None,
    timeout_s: float | None = None,
    wait_for_server_s: float = 30.0,
    allow_data_loss: bool = False,
    when_behind: WhenBehind | str | None = None,
    version: int | str | None = None,
    drops: Drops | str | None = None,
    on_drift: OnDrift | str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> dict[str, MigrateResult]:
    """Brings every plugin of `{plugin: source}` to its declaration; call it before the application serves.

    Any number of processes may start at once: one does the work, the others wait for it and find nothing to do. While
    the server is not up yet, it is tried again for `wait_for_server_s`. After `timeout_s`, if given, the running
    statement is cancelled on the server and rolled back.

    A declaration that is older than what the database is at, as an earlier migration recorded it or because the
    application's `version` is lower than one that was recorded, leaves the database alone; with `when_behind` the start
    waits (for `timeout_s`) until the database is as declared again, fails, or applies it. With `drops="later"` what is
    no longer declared is dropped by the next migration. What somebody changed by hand is brought back to the
    declaration, and logged as a warning for each object; with `on_drift` that is done silently (`heal`), the start is
    refused (`refuse`), or it stays as it is (`keep`). These four go before those of `options`.

    Raises PluginFailuresError with the error of each plugin that failed (the others are done), ConnectError where the
    server cannot be reached, ApplyError where the time is over.
    """
    options = _options(options, when_behind=when_behind, version=version, drops=drops, on_drift=on_drift)
    run = _Run(database, sources, options, timeout_s, wait_for_server_s, on_event, allow_data_loss=allow_data_loss)
    return run.execute()


async def reconcile_on_startup_async(
    database: Database,
    sources: Mapping[str, Declaration],
    *,
    options: Options | None = None,
    timeout_s: float | None = None,
    wait_for_server_s: float = 30.0,
    allow_data_loss: bool = False,
    when_behind: WhenBehind | str | None = None,
    version: int | str | None = None,
    drops: Drops | str | None = None,
    on_drift: OnDrift | str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> dict[str, MigrateResult]:
    """As `reconcile_on_startup`, without blocking the event loop: await it in the application's lifespan.

    Where the task is cancelled, the running statement is cancelled on the server, and CancelledError continues only
    when its transaction is rolled back; so is what runs in a scratch database. `on_event` is called in another thread.

    Raises as `reconcile_on_startup`.
    """
    options = _options(options, when_behind=when_behind, version=version, drops=drops, on_drift=on_drift)
    run = _Run(database, sources, options, timeout_s, wait_for_server_s, on_event, allow_data_loss=allow_data_loss)
    work = asyncio.ensure_future(asyncio.to_thread(run.execute))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        run.stop()
        while not work.done():
            # A second cancellation must not leave the thread behind either.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # it has been looked at: asyncio need not complain
        raise


def _options(
    options: Options | None,
    *,
    when_behind: WhenBehind | str | None,
    version: int | str | None,
    drops: Drops | str | None,
    on_drift: OnDrift | str | None,
) -> Options:
    """The options of a start, at which nobody looks: so it says what it brings back."""
    chosen = with_choices(
        options or Options(), when_behind=when_behind, version=version, drops=drops, on_drift=on_drift
    )
    return chosen if chosen.on_drift is not None else with_choices(chosen, on_drift=OnDrift.WARN)


class _StoppedError(BaseException):
    """The work was told to end; not an Exception, so that `reconcile_all` does not go on to the next plugin."""


class _Run:
    """One start: what it does, and how it is stopped from another thread."""

    def __init__(
        self,
        database: Database,
        sources: Mapping[str, Declaration],
        options: Options | None,
        timeout_s: float | None,
        wait_for_server_s: float,
        on_event: Callable[[Event], None] | None,
        *,
        allow_data_loss: bool,
    ) -> None:
        self._database = database
        self._sources = sources
        self._options = options
        self._timeout_s = timeout_s
        self._wait_s = wait_for_server_s
        self._on_event = on_event
        self._allow_data_loss = allow_data_loss
        self._connections = Watched()
        self._at_work: str | None = None
        self._behind: BehindError | None = None
        self._unreachable: ConnectError | None = None
        self._timed_out = False
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def stop(self) -> None:
        """Makes the work end soon; returns at once, from any thread."""
        self._stopping.set()

    def execute(self) -> dict[str, MigrateResult]:
        watcher = threading.Thread(target=self._watch, name="reconciler-startup", daemon=True)
        watcher.start()
        try:
            with watching(self._connections):
                return reconcile_all(self._database, self._sources, options=self._options, migrate=self._migrate)
        except _StoppedError as exc:
            raise self._reason(exc.__cause__) from exc.__cause__
        finally:
            self._ended.set()
            self._stopping.set()
            watcher.join()

    def _reason(self, cause: BaseException | None) -> ConnectError | BehindError | ApplyError:
        if self._unreachable is not None:
            return self._unreachable
        last = cause.left if isinstance(cause, ReconcilerError) else None
        left = f"the plugins that were done stay done; of the one at work: {last or 'nothing, it was rolled back'}"
        if self._timed_out and self._behind is not None and self._timeout_s is not None:
            return BehindError(self._behind.plugin, self._behind.behind, waited_s=self._timeout_s)
        if self._timed_out:
            waited = f"; it waited for another run: {self._at_work}" if self._at_work else ""
            return ApplyError(
                f"the start did not end within {self._timeout_s:g} s{waited}",
                hint="wait until that run has ended, or end it if it hangs"
                if self._at_work
                else "raise timeout_s, or find out which session holds the lock",
                left=left,
            )
        return ApplyError("the start was cancelled", left=left)

    def _migrate(self, reconciler: Reconciler, plugin: str, source: Declaration) -> MigrateResult:
        connection = self._connect(reconciler)
        try:
            with watched(connection), errors_as(DatabaseError, f"reconcile plugin {plugin}"):
                return self._reconcile(reconciler, plugin, source)
        except Exception as exc:
            if self._stopping.is_set():
                if isinstance(exc.__context__, BehindError):
                    self._behind = exc.__context__
                elif not isinstance(exc, ConnectError):
                    self._at_work = _at_work(connection, plugin)
                raise _StoppedError from exc
            raise

    def _reconcile(self, reconciler: Reconciler, plugin: str, source: Declaration) -> MigrateResult:
        while True:
            try:
                return reconciler.migrate(
                    source, plugin=plugin, allow_data_loss=self._allow_data_loss, on_event=self._tell
                )
            except BehindError:
                # Where the start may take some time, that is how long it waits.
                if self._timeout_s is None or reconciler.options.when_behind is not WhenBehind.WAIT:
                    raise

    def _tell(self, event: Event) -> None:
        self._check()
        if self._on_event is not None:
            self._on_event(event)

    def _check(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError

    def _connect(self, reconciler: Reconciler) -> Connection:
        """The reconciler's connection, as soon as the server is there."""
        deadline = time.monotonic() + self._wait_s
        pause = _FIRST_PAUSE_S
        while True:
            self._check()
            try:
                return reconciler.connection
            except ConnectError as error:
                if _is_lasting(error) or time.monotonic() + pause > deadline:
                    self._unreachable = error
                    raise _StoppedError from error
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _watch(self) -> None:
        if not self._stopping.wait(self._timeout_s):
            self._timed_out = True
            self._stopping.set()
        while not self._ended.is_set():
            cancel_all(self._connections)
            self._ended.wait(_CANCEL_AGAIN_S)


def _at_work(connection: Connection, plugin: str) -> str | None:
    """Which other run is at work on the plugin, as far as that can be asked now."""
    try:
        with transaction(connection):
            return who_is_at_work(connection, plugin)
    except (ReconcilerError, psycopg.Error):
        # The last request to cancel can meet this question, too; then the error says only that the time was over.
        return None


def _is_lasting(error: ConnectError) -> bool:
    """Whether no waiting helps: an unsupported version, a wrong password, a database that is not there."""
    return error.__cause__ is None or any(words in error.message for words in _LASTING)
