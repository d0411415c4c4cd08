"""Indexes, and the keys that have one, built and dropped while others read and write. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, Protocol

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.given_values import stays_filled
from reconciler.planner.core import online
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.online import exchanged_columns
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, name, raw
from reconciler.sqltext.constraint_definitions import key_clauses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = [
    "IndexText",
    "adds_key_online",
    "build_index",
    "builds_online",
    "drop_index",
    "goes_with_its_column",
    "index_of_key",
    "is_replaced_online",
    "key_constraint",
]


class IndexText(Protocol):
    """The statement that builds an index under this name."""

    def __call__(self, index: str, /, *, concurrently: bool) -> str: ...


def _can_be_built(fact: FactId, context: Context) -> bool:
    """Whether the index can be built before the transaction, maybe on columns that will take others' places."""
    if (fact.kind == "constraint" or context.new(fact).get("unique")) and not stays_filled(fact, context):
        return False
    return online.is_ready(fact, context, among=exchanged_columns.swapped_columns(fact, context))


def builds_online(fact: FactId, context: Context) -> bool:
    """Whether the new or replaced index is built beside the work of others."""
    return online.changes_online(context.goal.parent(fact), context) and (
        _can_be_built(fact, context) or online.comes_after(fact, context)
    )


def is_replaced_online(fact: FactId, context: Context) -> bool:
    """Whether a new index is built before the old one goes, so that queries always have one of them."""
    if fact not in context.drops or fact not in context.creates or context.old(fact).get("invalid"):
        return False
    if exchanged_columns.swapped_columns(fact, context) or exchanged_columns.is_on_exchanged(fact, context):
        return False
    if context.goes_with_parent(fact):
        return False
    if any(needed in context.drops for needed in context.live.dependencies.get(fact, ())):
        return False
    return builds_online(fact, context)


def build_index(
    fact: FactId, build: IndexText, found: tuple[Hazard, ...], context: Context
) -> Iterable[StatementDraft]:
    """The statements that make the index, and drop the one that it replaces."""
    table = context.goal.parent(fact)
    assert table is not None
    schema, final = fact.name[0], fact.name[2]
    stage = Stage.BEFORE if _can_be_built(fact, context) else Stage.AFTER
    replaced = is_replaced_online(fact, context)
    invalid = fact in context.drops and bool(context.old(fact).get("invalid"))
    if invalid:
        yield _drop_concurrently(fact, final, table, stage)
    if not replaced and (invalid or online.name_is_free(schema, final, context)):
        yield _build(build, final, table, stage, found)
        return
    temporary = temporary_name(*fact.name, build(final, concurrently=False))
    yield from _build_beside(fact, temporary, build, table, stage, found, context)
    swap = Stage.TOGETHER if stage is Stage.BEFORE else Stage.AFTER
    rename: LiteralString = "ALTER INDEX {} RENAME TO {}"
    lock = LockMode.SHARE_UPDATE_EXCLUSIVE
    joined = False
    if replaced:
        old = temporary_name(*fact.name, "old")
        text = compose(rename, name(schema, final), name(old))
        yield StatementDraft(sql=text, lock=lock, locks=table, stage=swap, brief=True)
        joined = True
    text = compose(rename, name(schema, temporary), name(final))
    yield StatementDraft(sql=text, lock=lock, locks=table, stage=swap, joined=joined, brief=True)
    if replaced:
        yield _drop_concurrently(fact, temporary_name(*fact.name, "old"), table, Stage.AFTER)


def _build(build: IndexText, index: str, table: FactId, stage: Stage, found: tuple[Hazard, ...]) -> StatementDraft:
    return StatementDraft(
        sql=build(index, concurrently=True),
        rehearsal=build(index, concurrently=False),
        hazards=found,
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=table,
        stage=stage,
        transactional=False,
    )


def _build_beside(
    fact: FactId,
    temporary: str,
    build: IndexText,
    table: FactId,
    stage: Stage,
    found: tuple[Hazard, ...],
    context: Context,
) -> Iterable[StatementDraft]:
    """The index under a temporary name, where an earlier run has not built it."""
    leftover = FactId("index", (*table.name, temporary))
    if online.adopt(leftover, context):
        if not context.old(leftover).get("invalid"):
            return
        yield _drop_concurrently(fact, temporary, table, stage)
    yield _build(build, temporary, table, stage, found)


def _drop_concurrently(fact: FactId, index: str, table: FactId, stage: Stage) -> StatementDraft:
    return StatementDraft(
        sql=compose("DROP INDEX CONCURRENTLY {}", name(fact.name[0], index)),
        rehearsal=compose("DROP INDEX {}", name(fact.name[0], index)),
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=table,
        stage=stage,
        transactional=False,
    )


def drop_index(fact: FactId, context: Context) -> StatementDraft | None:
    """How an index goes that nothing replaces, without waiting for anybody; None where it must go as others do."""
    table = context.live.parent(fact)
    if not online.changes_online(table, context) or fact in context.creates or "parent" in context.old(fact):
        return None
    if any(needed in context.drops for needed in context.live.dependencies.get(fact, ())):
        return None
    # The old column takes it along, before the step that would drop it.
    if exchanged_columns.is_on_exchanged(fact, context):
        return None
    taken = any(other.name[0] == fact.name[0] and other.name[-1] == fact.name[2] for other in context.creates)
    if taken:
        return None
    assert table is not None
    return _drop_concurrently(fact, fact.name[2], table, Stage.AFTER)


def goes_with_its_column(fact: FactId, context: Context) -> bool:
    """Whether the exchange of a column drops the index, so that nothing else need do it."""
    swapped = exchanged_columns.swapped_columns(fact, context)
    return bool(swapped) and fact in context.creates and builds_online(fact, context)


def index_of_key(fact: FactId, context: Context) -> IndexText | None:
    """How the index of a PRIMARY KEY or UNIQUE constraint is built alone; None where it cannot be."""
    clauses = key_clauses(str(context.new(fact)["definition"]))
    if clauses is None:
        return None
    table = qualified(fact)

    def build(index: str, *, concurrently: bool) -> str:
        template: LiteralString = (
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {}" if concurrently else "CREATE UNIQUE INDEX {} ON {} {}"
        )
        return compose(template, name(index), table, raw(exchanged_columns.on_replacements(clauses[0], fact, context)))

    return build


def key_constraint(
    fact: FactId, build: IndexText, found: tuple[Hazard, ...], context: Context
) -> Iterable[StatementDraft]:
    """A PRIMARY KEY or UNIQUE constraint whose index is built first, beside the work of others."""
    table, definition = context.goal.parent(fact), str(context.new(fact)["definition"])
    assert table is not None
    clauses = key_clauses(definition)
    assert clauses is not None
    stage = Stage.BEFORE if _can_be_built(fact, context) else Stage.AFTER
    temporary = temporary_name(*fact.name, build(fact.name[2], concurrently=False))
    yield from _build_beside(fact, temporary, build, table, stage, found, context)
    template: LiteralString = "ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}"
    kind = raw("PRIMARY KEY" if definition.startswith("PRIMARY KEY") else "UNIQUE")
    text = compose(template, qualified(fact), name(fact.name[2]), kind, name(temporary), raw(clauses[1]))
    swap = Stage.TOGETHER if stage is Stage.BEFORE else Stage.AFTER
    yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=swap, brief=True)


def adds_key_online(fact: FactId, context: Context) -> bool:
    """Whether the key's index can be built alone: before the transaction, or after it where nothing is replaced."""
    if not online.changes_online(context.goal.parent(fact), context) or "parent" in context.new(fact):
        return False
    if index_of_key(fact, context) is None:
        return False
    return _can_be_built(fact, context) or (fact not in context.drops and online.comes_after(fact, context))
