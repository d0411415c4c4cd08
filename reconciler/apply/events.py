"""Tells whoever wants to know how a run goes on: the caller's function, and the log `reconciler`. Does I/O."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model.events import BackfillProgress, Event, Phase
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.model.plan import Statement
    from reconciler.model.replication import Reader

__all__ = ["Events", "describe_event"]

_LOG = logging.getLogger("reconciler")
_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class Events:
    """The events of one plan. What `on_event` raises ends the run."""

    plugin: str
    total: int
    on_event: Callable[[Event], None] | None = None

    def started(self, position: int, statement: Statement) -> None:
        """The statement comes next."""
        self._tell(self._event(Phase.STARTED, position, statement))

    def finished(self, position: int, statement: Statement, duration_ms: float) -> None:
        """The statement has run."""
        event = self._event(Phase.FINISHED, position, statement, duration_ms=duration_ms)
        _LOG.info("plugin %s: %s", self.plugin, describe_event(event))
        self._tell(event)

    def filled(self, position: int, statement: Statement, backfill: BackfillProgress) -> None:
        """One more batch of its rows is committed."""
        self._tell(self._event(Phase.FILLED, position, statement, backfill=backfill))

    def lagging(self, position: int, statement: Statement, readers: tuple[Reader, ...]) -> None:
        """Its next batch waits for those who are too far behind."""
        self._tell(self._event(Phase.LAGGING, position, statement, readers=readers))

    def _event(
        self,
        phase: Phase,
        position: int,
        statement: Statement,
        *,
        duration_ms: float | None = None,
        backfill: BackfillProgress | None = None,
        readers: tuple[Reader, ...] = (),
    ) -> Event:
        return Event(
            plugin=self.plugin,
            phase=phase,
            position=position,
            total=self.total,
            statement=statement,
            duration_ms=duration_ms,
            backfill=backfill,
            readers=readers,
        )

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)


def describe_event(event: Event) -> str:
    """The event in a line: `2/4 ALTER TABLE t ADD COLUMN a integer, 0.3 s`; secrets are masked."""
    text = f"{event.position}/{event.total} {' '.join(redact_sql(event.statement.sql).split())[:_SHOWN]}"
    if event.duration_ms is not None:
        return f"{text}, {event.duration_ms / 1000:.1f} s"
    if event.backfill is not None:
        return f"{text}  [{_describe_backfill(event.backfill)}]"
    return f"{text}  [{_describe_readers(event.readers)}]" if event.readers else text


def _describe_readers(readers: Sequence[Reader]) -> str:
    return f"waits for {'; '.join(str(each) for each in readers)}"


def _describe_backfill(filled: BackfillProgress) -> str:
    """`filled about 1,200 of 5,000 rows, 24 %`, and where an earlier run was resumed."""

    def amount(share: float) -> str:
        return f"{100 * share:.0f} %" if filled.rows is None else f"about {filled.rows * share:,.0f}"

    done = amount(filled.share)
    if filled.rows is not None:
        done = f"{done} of {filled.rows:,} rows, {100 * filled.share:.0f} %"
    if not filled.before:
        return f"filled {done}"
    if filled.before < filled.share:
        return f"filled {done}; resumed after {amount(filled.before)}"
    return f"filled {done}, which had values before"
