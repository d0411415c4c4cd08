"""NOT NULL of columns, since Postgres 18 a constraint with a name, a comment and states. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.model.temporary_names import temporary_name
from reconciler.planner.columns.backfill import filling_missing, fills_before
from reconciler.planner.columns.given_values import changed_default, family, new_sequences, other_source_changes
from reconciler.planner.columns.hierarchy import inherited_from, inheriting
from reconciler.planner.core import online
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model.facts import Definition
    from reconciler.planner.core.context import Context

__all__ = [
    "added_later",
    "change_not_null",
    "exchanged_names",
    "explicit_name",
    "free_required_name",
    "goes_first",
    "is_lifted",
    "is_required",
    "is_required_late",
    "is_required_online",
    "is_to_be_identity",
    "lifted",
    "not_null_claims",
    "not_null_clause",
    "put_back",
    "required",
]


def _constraint(definition: Definition) -> Definition:
    """What of the constraint is not as Postgres makes it by itself; {} before 18."""
    return cast("Definition", definition.get("not_null_constraint") or {})


def is_required(definition: Definition) -> bool:
    """Whether every row has a value, also those from before the constraint."""
    return bool(definition.get("not_null")) and not _constraint(definition).get("not_valid")


def _usual_name(fact: FactId) -> str:
    return "_".join((*fact.name[1:], "not_null"))


def explicit_name(fact: FactId, context: Context) -> str:
    """`CONSTRAINT x ` for the NOT NULL of a column or domain, or '' where Postgres chooses that name.

    It avoids every name that a constraint of the schema has, also one of what has only stepped aside.
    """
    chosen = context.goal.not_null_name(fact)
    taken = context.version >= 180000 and (
        fact in context.decided.renamed_types
        or FactId("table", fact.name[:2]) in context.decided.renamed_tables
        or context.constraint_holders.get((fact.name[0], chosen), frozenset()) > {fact}
    )
    is_inherited = context.goal.parent(fact) in context.decided.temporary_parents
    is_usual = chosen == _usual_name(fact) and not taken and not is_inherited
    return "" if is_usual else compose("CONSTRAINT {} ", name(chosen))


def not_null_clause(column: FactId, context: Context) -> Part | None:
    """NOT NULL as CREATE TABLE and ADD COLUMN take it; one that is not validated comes later."""
    new = context.new(column)
    constraint = _constraint(new)
    if not new.get("not_null") or constraint.get("not_valid"):
        return None
    inherit = raw(" NO INHERIT" if constraint.get("no_inherit") else "")
    return raw(compose("{}NOT NULL{}", raw(explicit_name(column, context)), inherit))


def not_null_claims(column: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
    """The name of the constraint; a usual one too, as another column's may have held it. Nothing has one before 18."""
    if definition.get("not_null"):
        yield ("not_null", *column.name[:2], str(_constraint(definition).get("name", _usual_name(column))))
    if (own := _constraint(definition).get("name")) is not None:
        yield ("constraint", *column.name[:2], str(own))


def exchanged_names(context: Context) -> Mapping[FactId, FactId]:
    """One column of each cycle in which each takes the name of the next one's constraint, and that next column."""
    if context.version < 180000:
        return {}
    held: dict[tuple[str, ...], FactId] = {}
    wanted: dict[FactId, tuple[str, ...]] = {}
    for column in sorted(context.alters):
        if column.kind == "column" and (names := _renamed(column, context)) is not None:
            held[*column.name[:2], names[0]] = column
            wanted[column] = (*column.name[:2], names[1])
    following = {column: held[name] for column, name in wanted.items() if name in held}
    found: dict[FactId, FactId] = {}
    seen: set[FactId] = set()
    for column in following:
        cycle: list[FactId] = []
        each: FactId | None = column
        while each is not None and each not in seen:
            seen.add(each)
            cycle.append(each)
            each = following.get(each)
        if each is not None and each in cycle:
            found[each] = following[each]
    return found


def _renamed(column: FactId, context: Context) -> tuple[str, str] | None:
    """The names that the constraint has and will have, where it stays and they differ."""
    old, new = context.old(column), context.new(column)
    if not (old.get("not_null") and new.get("not_null")) or _constraint(new).get("inherited"):
        return None
    if _constraint(new).get("not_valid") and not _constraint(old).get("not_valid"):
        return None
    names = context.live.not_null_name(column), context.goal.not_null_name(column)
    return names if names[0] != names[1] else None


def added_later(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """What follows the statement that made the column: NOT NULL without a look at the rows, and the comment."""
    new = context.new(column)
    if _constraint(new).get("not_valid"):
        yield _add(column, context)
    yield from _comment(column, {}, context)


def change_not_null(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """From the live column's NOT NULL to the goal's, of a column that stays."""
    old, new = context.old(column), context.new(column)
    before, after = _constraint(old), _constraint(new)
    had, has = bool(old.get("not_null")), bool(new.get("not_null"))
    unvalidated = bool(after.get("not_valid")) and not before.get("not_valid")
    if unvalidated and _comes_along(column, context):
        return
    if had and (unvalidated or not (has or _goes_along(column, context))):
        yield from _dropped(column, context)
    if not has:
        return
    if not had or unvalidated:
        if not _is_brought(column, context):
            yield from _set(column, context)
        late = is_required_late(column, context)
        for each in _comment(column, {}, context):
            yield replace(each, stage=Stage.AFTER, joined=True) if late else each
        return
    if not after.get("inherited"):
        if _takes_no_name(column, context):
            yield from _dropped(column, context)
            yield from _set(column, context)
            yield from _comment(column, {}, context)
            return
        yield from _alter(column, before, after, context)
    yield from _comment(column, before, context)


def is_lifted(column: FactId, context: Context) -> bool:
    """Whether NOT NULL must be dropped while the column changes its type.

    With the type Postgres 18 recreates the constraint, first those of the children by the same name, and then fails at
    one that a child declares by another name.
    """
    if context.version < 180000 or column not in context.alters or not _is_declared(column, context):
        return False
    held = context.live.not_null_name(column)
    return bool(context.changed(column) & {"type", "collation"}) and any(
        _is_declared(below, context) and context.live.not_null_name(below) != held
        for below in _all_below(column, context)
    )


def _is_declared(column: FactId, context: Context) -> bool:
    """Whether the live table has the constraint not from its parents alone, and its children have it, too."""
    old = context.old(column)
    constraint = _constraint(old)
    if not old.get("not_null") or constraint.get("no_inherit"):
        return False
    return column in context.live.declared or not constraint.get("inherited")


def lifted(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """NOT NULL goes from the column, and from those below that would keep theirs."""
    for each in (column, *_all_below(column, context)):
        if is_lifted(each, context):
            yield from _dropped(each, context)


def put_back(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """NOT NULL as it is to be, where it went for a while: a parent's takes those below as they are."""
    for each in (*reversed(list(_all_below(column, context))), column):
        if is_lifted(each, context) and context.new(each).get("not_null"):
            yield from _set(each, context)
            yield from _comment(each, {}, context)


def _dropped(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """NOT NULL goes from the column, and with it from those below, but for what is to stay theirs."""
    table = context.goal.parent(column)
    assert table is not None
    keepers = list(_keepers(column, context))
    if context.version >= 180000:  # what is their own stays with them
        yield from (exclusive(_set_text(child), child_table) for child, child_table in keepers)
    yield exclusive(
        compose("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", qualified(column), name(column.name[2])), table
    )
    if context.version < 180000:  # theirs is gone with the parent's
        for child, _ in keepers:
            yield from _set(child, context)


def _takes_no_name(column: FactId, context: Context) -> bool:
    """Whether Postgres refuses to rename the constraint: it would rename those below, which have other names."""
    held = context.live.not_null_name(column)
    if held == context.goal.not_null_name(column):
        return False
    return any(context.live.not_null_name(below) != held for below in _all_below(column, context))


def _all_below(column: FactId, context: Context) -> Iterable[FactId]:
    for child in inheriting(column, context):
        yield child
        yield from _all_below(child, context)


def _keepers(column: FactId, context: Context) -> Iterable[tuple[FactId, FactId]]:
    """The same column of tables below, and its table, where NOT NULL is to be its own when the parent's goes."""
    for child in inheriting(column, context):
        table = context.goal.parent(child)
        if table is not None and context.persists(child) and _is_own(child, context):
            yield child, table
            continue  # and with it all below
        yield from _keepers(child, context)


def _is_own(column: FactId, context: Context) -> bool:
    """Whether a column that has NOT NULL keeps it whatever its table's parents have."""
    old, new = context.old(column), context.new(column)
    return bool(old.get("not_null")) and is_required(new) and not _constraint(new).get("inherited")


def _goes_along(column: FactId, context: Context) -> bool:
    """Whether NOT NULL goes from this column as it goes from that of a parent."""
    if column in context.live.declared:
        return False
    return any(
        parent in context.alters and is_required(context.old(parent)) and not context.new(parent).get("not_null")
        for parent in inherited_from(column, context)
    )


def _is_brought(column: FactId, context: Context) -> bool:
    """Whether NOT NULL comes to this column as it comes to that of a parent; what is said of it, too, is declared."""
    if context.version >= 180000 and not _constraint(context.new(column)).get("inherited"):
        return False
    return any(
        parent in context.alters and not context.old(parent).get("not_null") and is_required(context.new(parent))
        for parent in inherited_from(column, context)
    )


def _comes_along(column: FactId, context: Context) -> bool:
    """Whether what is done to a parent's column does it to this one, which keeps its tables' links."""
    return bool(_constraint(context.new(column)).get("inherited")) and any(
        parent in context.alters and "not_null_constraint" in context.changed(parent)
        for parent in inherited_from(column, context)
    )


def _alter(column: FactId, before: Definition, after: Definition, context: Context) -> Iterable[StatementDraft]:
    table = context.goal.parent(column)
    assert table is not None
    on = qualified(column)
    held = context.live.not_null_name(column)
    wanted = context.goal.not_null_name(column)
    rename: LiteralString = "ALTER TABLE {} RENAME CONSTRAINT {} TO {}"
    if (other := context.decided.exchanged_names.get(column)) is not None:
        yield exclusive(compose(rename, on, name(wanted), name(_renamed_apart(other))), table)
    if column in context.decided.exchanged_names.values():
        held = _renamed_apart(column)
    if held != wanted:
        yield exclusive(compose(rename, on, name(held), name(wanted)), table)
    if before.get("no_inherit") != after.get("no_inherit"):
        inherit = raw("NO INHERIT" if after.get("no_inherit") else "INHERIT")
        yield exclusive(compose("ALTER TABLE {} ALTER CONSTRAINT {} {}", on, name(wanted), inherit), table)
    if before.get("not_valid") and not after.get("not_valid"):
        yield StatementDraft(
            sql=compose("ALTER TABLE {} VALIDATE CONSTRAINT {}", on, name(wanted)),
            hazards=(hazards.may_fail(column, "NOT NULL fails if a row has no value", context.sizes.get(table)),),
            lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
            locks=table,
        )


def _set(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """NOT NULL for a column that is there, as a constraint where it has a name or a state of its own."""
    table = context.goal.parent(column)
    assert table is not None
    constraint = _constraint(context.new(column))
    if constraint.get("not_valid"):
        yield _add(column, context)
        return
    text = required(column, context)
    late = is_required_late(column, context)
    if late or _is_set_online(column, table, context):
        is_filled = column in context.intent.backfills
        first, last = online.checked_not_null(column, column.name[2], table, context, late=late, is_filled=is_filled)
        yield from first
        change = exclusive(text, table, brief=True)
        yield replace(change, stage=Stage.AFTER) if late else change
        yield from last
        return
    size = context.sizes.get(table)
    yield exclusive(
        text,
        table,
        hazards.may_fail(column, "NOT NULL fails if a row has no value", size),
        hazards.blocks_reads_and_writes(table, f"every row is checked for {column}", size),
    )


def _is_set_online(column: FactId, table: FactId, context: Context) -> bool:
    if "type" in context.changed(column) or not online.changes_online(table, context):
        return False
    if column in context.intent.backfills and not fills_before(column, context):
        return False
    return all(_can_be_given(each, context) for each in family(column, context))


def _is_set_late(column: FactId, table: FactId, context: Context) -> bool:
    """Whether rows are looked at after the plan's transaction, as what fills new ones comes no sooner."""
    if "type" in context.changed(column) or not online.changes_online(table, context):
        return False
    if (
        _is_set_online(column, table, context)
        or "identity" in context.new(column)
        or table.name in context.live.inheritances
    ):
        return False
    if column in context.intent.backfills and filling_missing(column, table, context, late=True).why_not is not None:
        return False
    return not any(
        other.kind == "constraint" and other in context.creates and context.new(other)["type"] == "primary_key"
        for other in context.goal_dependents.get(column, ())
    )


def _can_be_given(column: FactId, context: Context) -> bool:
    """Whether new rows can be given a value in the column as they will be, before NOT NULL is asked of them."""
    if other_source_changes(column, context):
        return False
    is_alone = column.name[:2] not in context.live.inheritances
    if is_to_be_identity(column, context):
        return is_alone
    default = changed_default(column, context)
    if default is None or default not in context.goal:
        return True
    sequences = new_sequences(default, context)
    if sequences and not is_alone:
        return False
    return online.is_ready(default, context, among=(column, *(each for each in sequences if _is_free(each, context))))


def _is_free(sequence: FactId, context: Context) -> bool:
    """Whether nothing in live keeps the sequence from being made at once."""
    return online.name_is_free(sequence.name[0], sequence.name[1], context)


def is_to_be_identity(column: FactId, context: Context) -> bool:
    """Whether a column that is there will be an identity."""
    return column in context.live and "identity" in context.new(column) and "identity" not in context.old(column)


def is_required_online(column: FactId, context: Context) -> bool:
    """Whether NOT NULL comes to the column by a CHECK before the plan's transaction."""
    table = context.goal.parent(column)
    if column not in context.alters or table is None or context.old(column).get("not_null"):
        return False
    new = context.new(column)
    if not is_required(new) or _is_brought(column, context):
        return False
    return _is_set_online(column, table, context)


def is_required_late(column: FactId, context: Context) -> bool:
    """Whether NOT NULL comes to the column after the plan's transaction."""
    table = context.goal.parent(column)
    if column not in context.alters or table is None or context.old(column).get("not_null"):
        return False
    return is_required(context.new(column)) and _is_set_late(column, table, context)


def goes_first(default: FactId, context: Context) -> bool:
    """Whether the default is set before the plan's transaction, so that rows without a value do not meet NOT NULL."""
    column = FactId("column", default.name)
    if default not in context.goal or changed_default(column, context) is None or new_sequences(default, context):
        return False
    above, seen = [column], {column}
    while above:
        each = above.pop()
        if is_required_online(each, context):
            return True
        above += (parent for parent in inherited_from(each, context) if parent not in seen)
        seen.update(above)
    return False


def required(column: FactId, context: Context) -> str:
    """The statement that gives the column its NOT NULL, under the name that it is to have."""
    constraint = _constraint(context.new(column))
    if _on_parent(column, context) or constraint.get("no_inherit"):
        return _add(column, context).sql
    if not constraint.get("inherited") and explicit_name(column, context):
        return _add(column, context).sql
    return _set_text(column)


def _set_text(column: FactId) -> str:
    return compose("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", qualified(column), name(column.name[2]))


def _on_parent(column: FactId, context: Context) -> bool:
    """Whether the constraint comes from the table that is the only parent for a while."""
    return context.goal.parent(column) in context.decided.temporary_parents and bool(
        _constraint(context.new(column)).get("inherited")
    )


def free_required_name(column: FactId, aside: str, context: Context) -> Iterable[str]:
    """Gives up the name of the live column's constraint, for the column that takes its place beside it."""
    old = context.old(column)
    if context.version >= 180000 and old.get("not_null"):
        held = name(context.live.not_null_name(column))
        yield compose("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", qualified(column), held, name(aside))


def _renamed_apart(column: FactId) -> str:
    """The name that a constraint has while another one takes its own."""
    return temporary_name(*column.name, "not null")


def _add(column: FactId, context: Context) -> StatementDraft:
    new = context.new(column)
    constraint = _constraint(new)
    table = context.goal.parent(column)
    assert table is not None
    marks = "".join(
        text for key, text in (("no_inherit", " NO INHERIT"), ("not_valid", " NOT VALID")) if constraint.get(key)
    )
    named = raw(explicit_name(column, context))
    on = context.via(column) if _on_parent(column, context) else qualified(column)
    text = compose("ALTER TABLE {} ADD {}NOT NULL {}{}", on, named, name(column.name[2]), raw(marks))
    return exclusive(text, table)


def _comment(column: FactId, before: Definition, context: Context) -> Iterable[StatementDraft]:
    new = context.new(column)
    after = _constraint(new)
    if before.get("comment") != after.get("comment"):
        value = literal(str(after["comment"])) if "comment" in after else raw("NULL")
        constraint = name(context.goal.not_null_name(column))
        yield StatementDraft(sql=compose("COMMENT ON CONSTRAINT {} ON {} IS {}", constraint, qualified(column), value))
