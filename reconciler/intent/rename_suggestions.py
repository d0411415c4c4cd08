"""What looks like a rename that no hint asks for: something goes, and something of the same shape comes. Pure: no I/O.

Only a person knows whether it is one. So it is pointed out, with the line that would make it one, where there is a
single best pair; nothing is ever renamed because of it unasked.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.model.intent import Suggestion
from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.model.snapshot import Snapshot

__all__ = ["as_hint", "suggest"]

# Of what two tables have together: less is another table.
_LEAST_IN_COMMON = 0.7
# Names of columns between which there is a choice must be that alike (SequenceMatcher's ratio).
_LEAST_ALIKE = 0.5
_MOST_PAIRS = 10_000
_BY_DEFINITION = ("enum", "domain", "composite_type", "sequence")


def as_hint(suggestions: Sequence[Suggestion]) -> str:
    """What to write where they are renames."""
    return "; ".join(f"if {each.new} was {each.old}, write beside it: {each.line}" for each in suggestions)


def suggest(live: Snapshot, goal: Snapshot) -> tuple[Suggestion, ...]:
    """The probable renames between the two; `live` is as it is after the renames that were asked for.

    Without those that a comment of one line could not name as they are.
    """
    gone = [fact for fact in live.facts if fact not in goal.facts]
    come = [fact for fact in goal.facts if fact not in live.facts]
    tables = list(_tables(gone, come, live, goal))
    found = [*tables, *_columns(gone, come, live, goal), *_labels(live, goal)]
    owned = {fact.name for fact in (*gone, *come) if fact.kind == "owned_by"}  # such a sequence follows its column
    for kind in _BY_DEFINITION:
        olds = [fact for fact in gone if fact.kind == kind and fact.name not in owned]
        news = [fact for fact in come if fact.kind == kind and fact.name not in owned]

        def alike(old: FactId, new: FactId) -> float:
            return 1.0 if live.facts[old] == goal.facts[new] else 0.0

        found += [
            Suggestion(old=old, new=new, why="the same definition") for old, new in _pairs(olds, news, alike, 1.0)
        ]
    return tuple(each for each in found if visible_line(each.line_anywhere) == each.line_anywhere)


def _pairs(
    olds: Sequence[FactId], news: Sequence[FactId], score: Callable[[FactId, FactId], float], least: float
) -> Iterable[tuple[FactId, FactId]]:
    """Pairs of which each is the other's one best. Where everything is new, nothing is compared with everything."""
    if len(olds) * len(news) > _MOST_PAIRS:
        return
    scores = {(old, new): score(old, new) for old in olds for new in news}
    best: dict[FactId, list[float]] = {}
    for pair, value in scores.items():
        for fact in pair:
            best[fact] = sorted([*best.get(fact, []), value])[-2:]
    for (old, new), value in scores.items():
        if value >= least and all(best[fact][-1] == value and best[fact].count(value) == 1 for fact in (old, new)):
            yield old, new


def _shape(table: FactId, state: Snapshot) -> frozenset[tuple[str, str]]:
    columns = [each for each in state.children.get(table, ()) if each.kind == "column"]
    return frozenset((column.name[2], str(state.definition(column)["type"])) for column in columns)


def _tables(gone: Sequence[FactId], come: Sequence[FactId], live: Snapshot, goal: Snapshot) -> Iterable[Suggestion]:
    olds = {fact: _shape(fact, live) for fact in gone if fact.kind == "table"}
    news = {fact: _shape(fact, goal) for fact in come if fact.kind == "table"}

    def score(old: FactId, new: FactId) -> float:
        whole = max(len(olds[old]), len(news[new]))
        return len(olds[old] & news[new]) / whole if whole else 0.0

    for old, new in _pairs(list(olds), list(news), score, _LEAST_IN_COMMON):
        common = len(olds[old] & news[new])
        yield Suggestion(old=old, new=new, why=f"{common} of {len(olds[old])} columns are the same")


def _columns(gone: Sequence[FactId], come: Sequence[FactId], live: Snapshot, goal: Snapshot) -> Iterable[Suggestion]:
    """Columns of one type in a table that stays."""
    olds: dict[tuple[tuple[str, ...], str], list[FactId]] = {}
    news: dict[tuple[tuple[str, ...], str], list[FactId]] = {}
    for facts, state, other, found in ((gone, live, goal, olds), (come, goal, live, news)):
        for fact in facts:
            table = state.parent(fact) if fact.kind == "column" else None
            if table is None or table.kind != "table" or table not in other.facts:
                continue
            definition = state.definition(fact)
            if "generated" not in definition:
                found.setdefault((table.name, str(definition["type"])), []).append(fact)
    for key, left in olds.items():
        right = news.get(key, [])
        if len(left) == len(right) == 1:
            yield Suggestion(old=left[0], new=right[0], why=f"the same table and type ({key[1]})")
            continue
        for old, new in _pairs(left, right, _likeness, _LEAST_ALIKE):
            yield Suggestion(old=old, new=new, why=f"the same table and type ({key[1]}), and a similar name")


def _likeness(old: FactId, new: FactId) -> float:
    return SequenceMatcher(None, old.name[-1], new.name[-1]).ratio()


def _labels(live: Snapshot, goal: Snapshot) -> Iterable[Suggestion]:
    """A label in the place of another, where all others stay."""
    for enum in live.facts:
        if enum.kind != "enum" or enum not in goal.facts or live.facts[enum] == goal.facts[enum]:
            continue
        before, after = (cast("list[str]", state.definition(enum)["labels"]) for state in (live, goal))
        other = [place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]]
        if len(before) != len(after) or len(other) != 1:
            continue
        old, new = before[other[0]], after[other[0]]
        if old not in after and new not in before:
            yield Suggestion(
                old=FactId("enum_label", (*enum.name, old)),
                new=FactId("enum_label", (*enum.name, new)),
                why="the same place among the same values",
            )
