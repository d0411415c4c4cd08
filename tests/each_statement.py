"""What a test does before each statement of a run, from `on_event`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.events import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.events import Event
    from reconciler.model.plan import Statement

__all__ = ["before_each"]


def before_each(act: Callable[[int, Statement], object]) -> Callable[[Event], None]:
    """Calls `act` with the position, from 1, and the statement that comes next."""

    def on_event(event: Event) -> None:
        if event.phase is Phase.STARTED:
            act(event.position, event.statement)

    return on_event
