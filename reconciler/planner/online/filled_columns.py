"""New columns whose value is another one in each row: backfilled in batches before they get their name. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.planner.columns.backfill import may_name_unsettled
from reconciler.planner.columns.identity_backfill import becomes_identity, counter_of, counting, next_of
from reconciler.planner.columns.not_null import is_required_online, required
from reconciler.planner.core import online, row_guards
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.online.exchanged_columns import is_swapped
from reconciler.planner.online.temporary_columns import (
    analyze,
    child_tables,
    fill,
    filling,
    hinted_value,
    is_large,
    proof_of_values,
    replacement_name,
    triggered,
    with_child_tables,
    without_trigger,
)
from reconciler.planner.partitions import publications
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = [
    "add_filled",
    "beside",
    "hides",
    "is_filled_online",
    "is_one_for_all",
    "numbers_rows",
]

_NEVER_FILLED = frozenset({"generated", "virtual", "fdw_options", "inherited"})
# Functions of which Postgres computes one value for all rows, without a rewrite.
_STABLE = re.compile(
    r"(timezone\('[^']*'::text, )?(now|transaction_timestamp|statement_timestamp)\([^()]*\)\)?(::[\w\s]+)?"
)


def beside(table: FactId, context: Context) -> set[FactId]:
    """The columns of the table that have a temporary one beside them in this plan."""
    columns = [*context.live.children.get(table, ()), *context.goal.children.get(table, ())]
    found = {each for each in columns if each in context.alters and is_swapped(each, context)}
    for each in columns:
        if each.kind == "column" and each in context.creates and each not in context.drops:
            default = context.goal.find(FactId("default", each.name))
            if is_filled_online(each, str(default["expression"]) if default else None, context):
                found.add(each)
    return found


def hides(table: FactId, context: Context) -> list[FactId]:
    """The members of publications that get a column list meanwhile."""
    return publications.to_hide(with_child_tables(table, context), context)


def is_one_for_all(default: str) -> bool:
    """Whether Postgres computes the default once for all rows that are there, and so writes none of them."""
    return "(" not in default or _STABLE.fullmatch(default) is not None


def is_filled_online(column: FactId, default: str | None, context: Context) -> bool:
    """Whether a new column is backfilled in batches, because its value must be computed for each row."""
    table = context.goal.parent(column)
    new = context.new(column)
    if column in context.drops or new.keys() & _NEVER_FILLED or table is None or not is_large(table, context):
        return False
    if publications.why_not_hidden(with_child_tables(table, context), context) is not None:
        return False
    if not all(
        child.kind == "table"
        and context.persists(child)
        and (same := FactId("column", (*child.name, column.name[2]))) in context.creates
        and context.new(same).get("inherited")
        and "identity" not in context.new(same)
        for child in child_tables(table, context)
    ):
        return False
    if filling_of_new(column, context).why_not is not None:
        return False
    if "identity" in new:
        return online.is_ready(column, context, among=(column,))
    if (said := hinted_value(column, context)) is not None:
        # What the hint says may name any column that is there, but none that is not, or not as it will be.
        return not may_name_unsettled(said, column, context) and online.is_ready(column, context, among=(column,))
    if default is None or is_one_for_all(default):
        return False
    fact = FactId("default", column.name)
    among = (column, fact, *_new_sequences(fact, context))
    return all(online.is_ready(each, context, among=among) for each in among)


def filling_of_new(column: FactId, context: Context) -> row_guards.Batching:
    """How the rows of a large table get the value of a new column in batches, if that is what is to be done."""
    table = context.goal.parent(column)
    assert table is not None
    return filling(table, context, hinted_value(column, context) or "", firing=column in context.intent.firing)


def _new_sequences(default: FactId, context: Context) -> Sequence[FactId]:
    """The sequences that the default needs, that are new, and that nothing in live keeps from being made at once."""
    return [
        each
        for each in sorted(context.goal.dependencies.get(default, ()))
        if each.kind == "sequence"
        and each in context.creates
        and online.name_is_free(each.name[0], each.name[1], context)
    ]


def numbers_rows(sequence: FactId, context: Context) -> bool:
    """Whether a new sequence is needed before the plan's transaction, to number rows that are there or come."""
    return any(
        fact.kind == "default"
        and sequence in _new_sequences(fact, context)
        and _numbers_early(FactId("column", fact.name), str(context.new(fact)["expression"]), context)
        for fact in context.goal_dependents.get(sequence, ())
    )


def _numbers_early(column: FactId, default: str, context: Context) -> bool:
    if column in context.creates:
        return is_filled_online(column, default, context)
    return is_required_online(column, context)


def add_filled(column: FactId, kind: Part, default: str | None, context: Context) -> Iterable[StatementDraft]:
    """The new column under a temporary name until every row has a value.

    The value is what a hint says, else the default; else it is an identity: a sequence of its own numbers the rows, and
    the identity continues after it.
    """
    table = context.goal.parent(column)
    assert table is not None
    identity = cast("Definition | None", context.new(column).get("identity"))
    counter = counter_of(column, context)
    if identity is not None and not online.adopt(counter, context):
        yield from counting(column, context, Stage.BEFORE)
    said = hinted_value(column, context)
    value = said or default or next_of(counter)
    replacement = replacement_name(column, f"{context.goal.facts[column]} default {value}")
    # Clients may have no right to use the sequence, or not yet, nor to what the hint names: the trigger has.
    needs_rights = (identity or said) is not None or any(
        each.kind == "sequence" for each in context.goal.dependencies.get(FactId("default", column.name), ())
    )
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    hidden = [*publications.hide(column, with_child_tables(table, context), beside(table, context), context)]
    yield from hidden
    added = not online.adopt(FactId("column", (*table.name, replacement)), context)
    if added:
        texts = [compose("{} ADD COLUMN {} {}", alter, name(replacement), kind)]
        if not needs_rights:
            texts.append(compose("{} ALTER COLUMN {} SET DEFAULT {}", alter, name(replacement), raw(value)))
        for place, text in enumerate(texts):
            joined = place > 0 or bool(hidden)
            yield StatementDraft(
                sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=Stage.BEFORE, joined=joined, brief=True
            )
    # An UPDATE may move a row that has no value yet to a page that was filled already.
    template: LiteralString = "BEGIN IF NEW.{} IS NULL THEN NEW.{} := {}; END IF; RETURN NEW; END"
    of_row = raw(compose("(SELECT {} FROM (SELECT NEW.*) AS {})", raw(value), name(table.name[1])) if said else value)
    body = compose(template, name(replacement), name(replacement), of_row)
    joined = added or bool(hidden)
    yield from triggered(replacement, body, table, context, joined=joined, as_owner=needs_rights, said=said)
    text = compose("SET {} = ({}) WHERE {} IS NULL", name(replacement), raw(value), name(replacement))
    firing = column in context.intent.firing
    yield from fill(text, table, (), filling_of_new(column, context), context, firing=firing)
    first, last = proof_of_values(column, replacement, value, table, context)
    yield from first
    yield analyze(table, replacement)
    yield from without_trigger(replacement, table, context)
    yield from publications.unlisted(with_child_tables(table, context), context)

    final = name(column.name[2])
    yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, name(replacement), final), table, brief=True)
    if needs_rights and default is not None:
        yield exclusive(compose("{} ALTER COLUMN {} SET DEFAULT {}", alter, final, raw(default)), table, brief=True)
    if context.new(column).get("not_null"):
        yield exclusive(required(column, context), table, brief=True)
    yield from last
    if identity is not None:
        yield from (
            exclusive(text, table, brief=True) for text in becomes_identity(column, identity, qualified(counter), alter)
        )
        yield exclusive(compose("DROP SEQUENCE {}", qualified(counter)), table, brief=True)
    yield from publications.shows_again(column, with_child_tables(table, context), context)
