"""The use cases for asynchronous programs: the same work in a thread, stopped on the server when it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from reconciler.client import Reconciler
from reconciler.db.connections import Watched, cancel_all, watched, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from reconciler.db.targets import Database
    from reconciler.options import Drops, Options, WhenBehind
    from reconciler.results import CheckResult, MigrateResult, PlanResult, Status
    from reconciler.source.source import Declaration

__all__ = ["AsyncReconciler"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_CANCEL_AGAIN_S = 0.2


class AsyncReconciler:
    """A `Reconciler` to be awaited; its methods take and return the same, and raise the same.

    Use cases run one after the other, in a thread of its own. Where a task is cancelled, the running statement is
    cancelled on the server, and CancelledError goes on when its transaction is rolled back.
    """

    def __init__(self, database: Database, *, options: Options | None = None) -> None:
        self._reconciler = Reconciler(database, options=options)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="reconciler")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection if it is ours, and ends the thread."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._reconciler.close)
        self._executor.shutdown()

    async def plan(self, source: Declaration, *, plugin: str = "default", options: Options | None = None) -> PlanResult:
        """As `Reconciler.plan`."""
        return await self._run(self._reconciler.plan, source, plugin=plugin, options=options)

    async def check(
        self, source: Declaration | None = None, *, plugin: str = "default", options: Options | None = None
    ) -> CheckResult:
        """As `Reconciler.check`."""
        return await self._run(self._reconciler.check, source, plugin=plugin, options=options)

    async def apply(self, planned: PlanResult) -> MigrateResult:
        """As `Reconciler.apply`."""
        return await self._run(self._reconciler.apply, planned)

    async def migrate(
        self,
        source: Declaration,
        *,
        plugin: str = "default",
        allow_data_loss: bool = False,
        dry_run: bool = False,
        when_behind: WhenBehind | str | None = None,
        version: int | str | None = None,
        drops: Drops | str | None = None,
        options: Options | None = None,
    ) -> MigrateResult:
        """As `Reconciler.migrate`."""
        return await self._run(
            self._reconciler.migrate,
            source,
            plugin=plugin,
            allow_data_loss=allow_data_loss,
            dry_run=dry_run,
            when_behind=when_behind,
            version=version,
            drops=drops,
            options=options,
        )

    async def repair(
        self,
        source: Declaration,
        *,
        plugin: str = "default",
        accept: bool = False,
        objects: Sequence[str] = (),
        options: Options | None = None,
        dry_run: bool = False,
    ) -> MigrateResult:
        """As `Reconciler.repair`."""
        return await self._run(
            self._reconciler.repair,
            source,
            plugin=plugin,
            accept=accept,
            objects=objects,
            options=options,
            dry_run=dry_run,
        )

    async def adopt(
        self, source: Declaration, *, plugin: str = "default", change: bool = False, options: Options | None = None
    ) -> MigrateResult:
        """As `Reconciler.adopt`."""
        return await self._run(self._reconciler.adopt, source, plugin=plugin, change=change, options=options)

    async def status(self, *, plugin: str = "default") -> Status:
        """As `Reconciler.status`."""
        return await self._run(self._reconciler.status, plugin=plugin)

    async def _run(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        connections = Watched()

        def watched_work() -> _T:
            with watching(connections), watched(self._reconciler.connection):
                return work(*arguments, **named)

        running = asyncio.get_running_loop().run_in_executor(self._executor, watched_work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                await asyncio.shield(asyncio.to_thread(cancel_all, connections))
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({running}, timeout=_CANCEL_AGAIN_S)
            if not running.cancelled():
                running.exception()  # it has been looked at: asyncio need not complain
            raise
