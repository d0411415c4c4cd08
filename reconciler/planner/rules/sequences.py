"""Sequences and which column they belong to. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.columns.identity_backfill import given
from reconciler.planner.columns.sequence_values import (
    continue_after,
    explicit_bounds,
    first_value,
    new_bounds,
    widened_bounds,
)
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.online import filled_columns
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = [
    "OwnedByRule",
    "SequenceRule",
]

_OPTIONS: tuple[tuple[str, LiteralString, LiteralString], ...] = (
    ("type", "AS {}", "AS bigint"),
    ("increment", "INCREMENT BY {}", "INCREMENT BY 1"),
    ("min", "MINVALUE {}", "NO MINVALUE"),
    ("max", "MAXVALUE {}", "NO MAXVALUE"),
    ("cache", "CACHE {}", "CACHE 1"),
)


def owner_of_serial(sequence: FactId, context: Context) -> str | None:
    """Whose a new sequence is from the start, as it belongs to a column of a table in live that is another's."""
    owned = context.goal.find(FactId("owned_by", sequence.name))
    if owned is None or sequence not in context.creates:
        return None
    table = FactId("table", (str(owned["schema"]), str(owned["table"])))
    owner = context.other_owner(table) if context.persists(table) else None
    declared = context.goal.find(FactId("owner", ("sequence", *sequence.name)))
    return owner if declared is not None and declared["role"] == owner else None


class SequenceRule(Rule):
    """Sequences that are no identity column's."""

    kinds = ("sequence",)
    rank = 25
    unfold_priority = 3

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = [raw(compose(template, raw(str(new[key])))) for key, template, _ in _OPTIONS if key in new]
        if "start" in new:
            parts.append(raw(compose("START WITH {}", raw(str(new["start"])))))
        if new.get("cycle"):
            parts.append(raw("CYCLE"))
        template: LiteralString = "CREATE UNLOGGED SEQUENCE {}{}" if new.get("unlogged") else "CREATE SEQUENCE {}{}"
        options = raw(" " + joined(parts, " ").as_string(None) if parts else "")
        stage = Stage.BEFORE if filled_columns.numbers_rows(fact, context) else Stage.TOGETHER
        yield StatementDraft(sql=compose(template, qualified(fact), options), stage=stage)
        owner = owner_of_serial(fact, context)
        if owner is not None:
            yield given(fact, owner, stage)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(
            sql=compose("DROP SEQUENCE {}", qualified(fact)),
            hazards=() if self._is_followed(fact, context) or is_leftover(fact) else (hazards.loses_sequence(fact),),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=fact,
        )

    def _is_followed(self, fact: FactId, context: Context) -> bool:
        """Whether its column becomes an identity, which goes on from the values that are there."""
        owned = context.live.find(FactId("owned_by", fact.name))
        if owned is None:
            return False
        column = FactId("column", (str(owned["schema"]), str(owned["table"]), str(owned["column"])))
        return context.persists(column) and "identity" in context.new(column)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        room = widened_bounds(qualified(fact), old, new)
        moved = explicit_bounds(new) if room else new_bounds(old, new)
        parts = [
            raw(compose(template, raw(str(new[key])))) if key in new else raw(absent)
            for key, template, absent in _OPTIONS
            if key in changed and not (moved and key in ("min", "max"))
        ]
        parts += [raw(text) for text in moved]
        # A start that is left out follows from the bounds when a sequence is made, but not when it is altered.
        starts = [str(definition.get("start") or first_value(definition)) for definition in (old, new)]
        if starts[0] != starts[1]:
            parts.append(raw(compose("START WITH {}", raw(starts[1]))))
        if "cycle" in changed:
            parts.append(raw("CYCLE" if new.get("cycle") else "NO CYCLE"))
        if parts:
            for text in room:
                yield StatementDraft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=fact)
            text = compose("ALTER SEQUENCE {} {}", qualified(fact), joined(parts, " "))
            yield StatementDraft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=fact)
        if "unlogged" in changed:
            logged = raw("UNLOGGED" if new.get("unlogged") else "LOGGED")
            text = compose("ALTER SEQUENCE {} SET {}", qualified(fact), logged)
            yield exclusive(text, fact)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", *fact.name)


class OwnedByRule(Rule):
    """OWNED BY: the sequence of a serial column goes with it."""

    kinds = ("owned_by",)
    rank = 53

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        column = name(str(new["schema"]), str(new["table"]), str(new["column"]))
        yield self._draft(fact, column)
        owner = FactId("column", (str(new["schema"]), str(new["table"]), str(new["column"])))
        sequence = FactId("sequence", fact.name)
        if sequence in context.creates and sequence not in context.live and context.persists(owner):
            yield continue_after(owner, compose("{}", qualified(sequence)), context.new(sequence))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._draft(fact, raw("NONE"))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def _draft(self, fact: FactId, column: Part) -> StatementDraft:
        return StatementDraft(sql=compose("ALTER SEQUENCE {} OWNED BY {}", qualified(fact), column))
