"""What there is to decide: each object that drifted, with its three states side by side. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from reconciler.diff.drift import State
from reconciler.report.summary import value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.facts import FactId
    from reconciler.results import CheckResult, PlanResult

__all__ = ["Item", "Side", "items_of"]

_TO_DECIDE = (State.DRIFTED, State.CONFLICT, State.UNMANAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One fact as it was recorded, as live has it and as it is declared, in words; `-` where it is not."""

    fact: FactId
    recorded: str
    live: str
    declared: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An object that drifted. `author` says whose it is, with the time, where a log of DDL tells."""

    object: FactId
    state: State
    sides: tuple[Side, ...]
    renamed: tuple[str, ...] = ()
    author: str | None = None


def items_of(found: CheckResult, planned: PlanResult) -> tuple[Item, ...]:
    """What is to be decided, in the order of `found`; `planned` is the repair that would bring back all of it."""
    recorded: Mapping[FactId, str] = planned.recorded.snapshot.facts if planned.recorded is not None else {}
    live, declared = planned.live.facts, planned.goal.snapshot.facts
    items: list[Item] = []
    for each in found.of(*_TO_DECIDE):
        if each.state is State.UNMANAGED and each.object in planned.goal.foreign:
            continue
        whose = found.attribution_of(each)
        items.append(
            Item(
                object=each.object,
                state=each.state,
                sides=tuple(
                    Side(
                        fact=difference.fact,
                        recorded=_in_words(recorded.get(difference.fact)),
                        live=_in_words(live.get(difference.fact)),
                        declared=_in_words(declared.get(difference.fact)),
                    )
                    for difference in each.differences
                ),
                renamed=tuple(f"{rename.old} is called {rename.new}" for rename in each.renames),
                author=None if whose is None else str(whose),
            )
        )
    return tuple(items)


def _in_words(text: str | None) -> str:
    """A definition on one line; `-` where there is none, `there` where it says nothing more."""
    if text is None:
        return "-"
    values = cast("dict[str, object]", json.loads(text))
    shown = {name: value for name, value in values.items() if value not in (None, False)}
    if not shown:
        return "there"
    return value_text(next(iter(shown.values())) if len(shown) == 1 else shown)
