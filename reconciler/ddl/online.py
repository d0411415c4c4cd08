"""Which facts are changed in steps that hold nobody up, and the statements of these steps. Pure: no I/O.

What takes long (building an index, checking every row) happens before or after the plan's one transaction, under locks
that let clients read and write; the transaction itself only swaps names. A rule asks here whether and how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, Protocol

from reconciler.ddl import shadow
from reconciler.ddl.names import qualified
from reconciler.ddl.rule import Draft
from reconciler.ddl.text import compose, name, raw
from reconciler.hazards import hazards
from reconciler.leftovers import temporary_name
from reconciler.plan import LockMode, Stage
from reconciler.snapshot import RELATION_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.ddl.rule import Context
    from reconciler.hazards.kinds import Hazard

__all__ = [
    "IndexText",
    "adds_key_online",
    "adopt",
    "build_index",
    "builds_online",
    "changes_online",
    "checked_not_null",
    "comes_after",
    "drop_index",
    "fills_before",
    "goes_with_its_column",
    "index_of_key",
    "is_ready",
    "is_replaced_online",
    "key_clauses",
    "key_constraint",
    "name_is_free",
    "validated",
]

_HARMLESS = frozenset(
    {"not_null", "not_null_constraint", "statistics", "storage", "storage_usual", "options", "compression", "identity"}
)


class IndexText(Protocol):
    """The statement that builds an index under this name."""

    def __call__(self, index: str, /, *, concurrently: bool) -> str: ...


def changes_online(table: FactId | None, context: Context) -> bool:
    """Whether the table is there, stays there, and is too large to be locked while every row of it is looked at."""
    if context.online is None or table is None or table.kind != "table" or not context.persists(table):
        return False
    return "partition_key" not in context.new(table) and context.online.covers(context.sizes.get(table))


def is_ready(fact: FactId, context: Context, *, among: Sequence[FactId] = ()) -> bool:
    """Whether live already has all that the fact needs, so that it can be made before the plan's transaction.

    `among` is what is made with it.
    """
    for needed in context.goal.dependencies.get(fact, ()):
        if needed in among or needed.kind == "index":
            continue
        if needed.kind == "table":
            missing = not context.persists(needed)
        elif needed.kind == "column" and needed in context.alters:
            missing = not context.changed(needed) <= _HARMLESS
        else:
            missing = needed in context.creates | context.drops | context.alters
        if missing:
            return False
    return True


def _can_be_built(fact: FactId, context: Context) -> bool:
    """Whether the index can be built before the transaction, maybe on columns that will take others' places."""
    return is_ready(fact, context, among=shadow.shadowed_columns(fact, context))


def comes_after(fact: FactId, context: Context) -> bool:
    """Whether the fact may be made after the plan's transaction: what needs it is new, too, or comes back to nobody."""
    waiting, seen = [fact], {fact}
    while waiting:
        for other in context.goal_dependents.get(waiting.pop(), ()):
            if other in seen or other not in context.creates | context.alters:
                continue
            if other in context.alters or (other in context.drops and other.kind != "comment"):
                return False
            seen.add(other)
            waiting.append(other)
    return True


def name_is_free(schema: str, relation: str, context: Context) -> bool:
    """Whether live has no relation of this name."""
    if any(FactId(kind, (schema, relation)) in context.live for kind in RELATION_KINDS):
        return False
    return not any(
        fact.kind in ("index", "constraint") and fact.name[0] == schema and fact.name[2] == relation
        for fact in context.live.facts
    )


def adopt(fact: FactId, context: Context) -> bool:
    """Whether live has this half-made thing already; it is then no leftover to be dropped."""
    if fact not in context.live:
        return False
    context.adopted_leftovers.add(fact)
    return True


# --- indexes ----------------------------------------------------------------------------------------------------------


def builds_online(fact: FactId, context: Context) -> bool:
    """Whether the new or replaced index is built beside the work of others."""
    return changes_online(context.goal.parent(fact), context) and (
        _can_be_built(fact, context) or comes_after(fact, context)
    )


def is_replaced_online(fact: FactId, context: Context) -> bool:
    """Whether a new index is built before the old one goes, so that queries always have one of them."""
    if fact not in context.drops or fact not in context.creates or context.old(fact).get("invalid"):
        return False
    if shadow.shadowed_columns(fact, context):
        return False
    if any(needed in context.drops for needed in context.live.dependencies.get(fact, ())):
        return False
    return builds_online(fact, context)


def build_index(fact: FactId, build: IndexText, found: tuple[Hazard, ...], context: Context) -> Iterable[Draft]:
    """The statements that make the index, and drop the one that it replaces."""
    table = context.goal.parent(fact)
    assert table is not None
    schema, final = fact.name[0], fact.name[2]
    stage = Stage.BEFORE if _can_be_built(fact, context) else Stage.AFTER
    replaced = is_replaced_online(fact, context)
    invalid = fact in context.drops and bool(context.old(fact).get("invalid"))
    if invalid:
        yield _drop_concurrently(fact, final, table, stage)
    if not replaced and (invalid or name_is_free(schema, final, context)):
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
        yield Draft(sql=text, lock=lock, locks=table, stage=swap, brief=True)
        joined = True
    text = compose(rename, name(schema, temporary), name(final))
    yield Draft(sql=text, lock=lock, locks=table, stage=swap, joined=joined, brief=True)
    if replaced:
        yield _drop_concurrently(fact, temporary_name(*fact.name, "old"), table, Stage.AFTER)


def _build(build: IndexText, index: str, table: FactId, stage: Stage, found: tuple[Hazard, ...]) -> Draft:
    return Draft(
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
) -> Iterable[Draft]:
    """The index under a temporary name, where an earlier run has not built it."""
    leftover = FactId("index", (*table.name, temporary))
    if adopt(leftover, context):
        if not context.old(leftover).get("invalid"):
            return
        yield _drop_concurrently(fact, temporary, table, stage)
    yield _build(build, temporary, table, stage, found)


def _drop_concurrently(fact: FactId, index: str, table: FactId, stage: Stage) -> Draft:
    return Draft(
        sql=compose("DROP INDEX CONCURRENTLY {}", name(fact.name[0], index)),
        rehearsal=compose("DROP INDEX {}", name(fact.name[0], index)),
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=table,
        stage=stage,
        transactional=False,
    )


def drop_index(fact: FactId, context: Context) -> Draft | None:
    """How an index goes that nothing replaces, without waiting for anybody; None where it must go as others do."""
    table = context.live.parent(fact)
    if not changes_online(table, context) or fact in context.creates or "parent" in context.old(fact):
        return None
    if any(needed in context.drops for needed in context.live.dependencies.get(fact, ())):
        return None
    taken = any(other.name[0] == fact.name[0] and other.name[-1] == fact.name[2] for other in context.creates)
    if taken:
        return None
    assert table is not None
    return _drop_concurrently(fact, fact.name[2], table, Stage.AFTER)


# --- constraints ------------------------------------------------------------------------------------------------------


def validated(fact: FactId, lock: LockMode, may_fail: tuple[Hazard, ...], context: Context) -> Iterable[Draft]:
    """A CHECK or foreign key that holds for new rows at once, and whose check of the old ones lets others work."""
    table = context.goal.parent(fact)
    assert table is not None
    definition = raw(str(context.new(fact)["definition"]))
    ready = is_ready(fact, context)
    beside = ready and fact in context.drops
    final = fact.name[2]
    chosen = temporary_name(*fact.name, definition.as_string(None)) if beside else final
    add_stage, check_stage = (Stage.BEFORE, Stage.BEFORE) if ready else (Stage.TOGETHER, Stage.AFTER)
    leftover = FactId("constraint", (*table.name, chosen))
    there = beside and adopt(leftover, context)
    if not there:
        text = compose("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", qualified(fact), name(chosen), definition)
        yield Draft(sql=text, lock=lock, locks=table, stage=add_stage, brief=True)
    if not there or context.old(leftover).get("not_valid"):
        yield _validate(fact, chosen, table, check_stage, may_fail)
    if beside:
        text = compose("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", qualified(fact), name(chosen), name(final))
        yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, brief=True)


def _validate(fact: FactId, constraint: str, table: FactId, stage: Stage, may_fail: tuple[Hazard, ...]) -> Draft:
    return Draft(
        sql=compose("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(fact), name(constraint)),
        hazards=may_fail,
        lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
        locks=table,
        stage=stage,
    )


def goes_with_its_column(fact: FactId, context: Context) -> bool:
    """Whether the exchange of a column drops the index, so that nothing else need do it."""
    return bool(shadow.shadowed_columns(fact, context)) and fact in context.creates and builds_online(fact, context)


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
        return compose(template, name(index), table, raw(shadow.on_shadows(clauses[0], fact, context)))

    return build


def key_constraint(fact: FactId, build: IndexText, found: tuple[Hazard, ...], context: Context) -> Iterable[Draft]:
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
    yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=swap, brief=True)


def adds_key_online(fact: FactId, context: Context) -> bool:
    """Whether the key's index can be built alone: before the transaction, or after it where nothing is replaced."""
    if not changes_online(context.goal.parent(fact), context) or "parent" in context.new(fact):
        return False
    if index_of_key(fact, context) is None:
        return False
    return _can_be_built(fact, context) or (fact not in context.drops and comes_after(fact, context))


def key_clauses(definition: str) -> tuple[str, str] | None:
    """What follows the table's name in CREATE INDEX, and what follows USING INDEX, of a key's definition."""
    rest = next((definition[len(word) :] for word in ("PRIMARY KEY", "UNIQUE") if definition.startswith(word)), None)
    if rest is None:
        return None
    distinct = " NULLS NOT DISTINCT" if rest.startswith(" NULLS NOT DISTINCT") else ""
    rest = rest.removeprefix(distinct).lstrip()
    end = _closing(rest)
    columns, rest = rest[:end], rest[end:]
    include = ""
    if rest.startswith(" INCLUDE "):
        end = len(" INCLUDE ") + _closing(rest.removeprefix(" INCLUDE "))
        include, rest = rest[:end], rest[end:]
    if "WITHOUT OVERLAPS" in columns or (rest and not rest.startswith(" DEFERRABLE")):
        return None
    return f"{columns}{include}{distinct}", rest


def _closing(text: str) -> int:
    """The length of the parenthesis that `text` begins with; quoted names may hold parentheses."""
    quoted, depth = False, 0
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return place + 1
    return len(text)


# --- NOT NULL ---------------------------------------------------------------------------------------------------------


def fills_before(column: FactId, context: Context) -> bool:
    """Whether missing values are filled in batches: what a hint says of them can only name columns that are there."""
    table = context.goal.parent(column)
    if table is None or "type" in context.changed(column) or not changes_online(table, context):
        return False
    return not any(each.kind == "column" and each.name[:2] == table.name for each in context.creates)


def checked_not_null(column: FactId, target: str, table: FactId, context: Context) -> tuple[list[Draft], list[Draft]]:
    """What makes SET NOT NULL on the column `target` read no row: a CHECK that is validated, and later dropped again.

    From 12 on Postgres takes such a constraint as proof. 18 has NOT NULL constraints that are NOT VALID, which would do
    no better; one way for all versions is enough.
    """
    check = temporary_name(*table.name, target, "not null")
    leftover = FactId("constraint", (*table.name, check))
    drafts: list[Draft] = []
    there = adopt(leftover, context)
    alter = raw(compose("ALTER TABLE {}", qualified(table)))
    if not there:
        text = compose("{} ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID", alter, name(check), name(target))
        drafts.append(Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, stage=Stage.BEFORE, brief=True))
    if not there or context.old(leftover).get("not_valid"):
        why = hazards.may_fail(column, "NOT NULL fails if a row has no value", context.sizes.get(table))
        drafts.append(_validate(table, check, table, Stage.BEFORE, (why,)))
    text = compose("{} DROP CONSTRAINT {}", alter, name(check))
    return drafts, [Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table, brief=True)]
