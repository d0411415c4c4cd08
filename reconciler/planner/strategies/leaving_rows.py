"""Which rows belong to another partition when bounds change, and what is asked about them. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.checks import Check, Question
from reconciler.model.facts import FactId
from reconciler.planner.checks.row_queries import is_backfilled, says_old_names, select, stays
from reconciler.planner.online.exchanged_columns import is_swapped
from reconciler.planner.partitions.bounds import is_default, within
from reconciler.planner.partitions.index_attachment import is_of_partition
from reconciler.planner.partitions.tree import ancestors, links_of, parent_of, partitions_of, tree
from reconciler.planner.sql.quoting import Part, compose, joined, raw
from reconciler.planner.strategies.recreate_table import (
    columns_of,
    is_recreated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.planner.core.context import Context

__all__ = ["Leaving", "checks", "leaving_condition", "leaving_of", "questions", "rerouted", "whereabouts"]

# More bounds than a row is compared with in one condition: questions to many partitions would take too long.
_MOST_BOUNDS = 64


class Leaving(NamedTuple):
    """A partition whose rows may belong to another one: `goes` where it is dropped, else it keeps the others.

    One that `moves` is recreated, with the rows that it keeps.
    """

    link: FactId
    child: FactId
    parent: FactId
    goes: bool
    moves: bool

    @property
    def is_dropped(self) -> bool:
        """Whether the table is dropped, for good or to be recreated: no row needs to be deleted from it."""
        return self.goes or self.moves


def questions(context: Context) -> Iterable[Question]:
    """What to ask about live's rows before a plan can be made that moves them."""
    for each in _leaving(context):
        condition = leaving_condition(each, context, before=True)
        if condition is None:
            continue
        elsewhere = select(each.child, condition, context)
        others = compose("({}) IS NOT TRUE", condition)
        yield Question(
            fact=each.link,
            table=each.child,
            sql=elsewhere,
            others=select(each.child, raw(others), context) if each.goes else None,
        )


def rerouted(context: Context) -> dict[FactId, bool]:
    """Of the links that questions were about: those whose rows the plan moves, and whether all of their rows."""
    if not context.answers:
        return {}
    return {each.link: context.answers[each.link] for each in _leaving(context) if each.link in context.answers}


def _leaving(context: Context) -> Iterator[Leaving]:
    for parent in sorted(context.new_partition_bounds):
        if not _takes_rows(parent, context):
            continue
        for link, child in partitions_of(parent, context.live):
            each = leaving_of(link, context)
            if each.goes and (child not in context.drops or child in context.goal):
                continue  # is a table of its own from now on, or is recreated, with its rows
            if not each.goes and not (_is_changed(link, parent, context) and (each.moves or _stays(child, context))):
                continue
            if not each.goes and _is_referred_to(child, context):
                continue  # its rows must be visible meanwhile
            if child.kind == "table":
                yield each


def _takes_rows(parent: FactId, context: Context) -> bool:
    """Whether the table stays, with its key and its columns, as a possible partition for the rows."""
    if says_old_names(context) or not context.persists(parent) or is_backfilled(parent, context):
        return False
    if context.old(parent).get("partition_key") != context.new(parent).get("partition_key"):
        return False
    above = (parent, *ancestors(parent, context.live))
    # Rows are inserted through the table itself, so it may be attached with another bound meanwhile.
    if not all(link in context.goal for table in above for link in links_of(table, context.live)):
        return False
    columns = columns_of(parent, context.live)
    return all(_can_be_carried(column, context) or column not in context.goal for column in columns)


def _can_be_carried(column: FactId, context: Context) -> bool:
    """Whether the column keeps its values, or gets another type in one statement, as the copied rows do."""
    if stays(column, context):
        return True
    return column in context.alters and column not in context.converting and not is_swapped(column, context)


def _stays(child: FactId, context: Context) -> bool:
    """Whether the partition and those below it stay as they are."""
    family = [*tree(child, context.live)]
    if not all(context.persists(each) and each.kind == "table" for each in family):
        return False
    return all(context.persists(link) for each in family for link, _ in partitions_of(each, context.live))


def _is_referred_to(child: FactId, context: Context) -> bool:
    """Whether a foreign key of another table refers to this partition or one below it, and not to its parent."""
    live = context.live
    family = [*tree(child, live)]
    names = {table.name for table in family}
    columns = [column for table in family for column in columns_of(table, live)]
    return any(
        key.kind == "constraint"
        and key.name[:2] not in names
        and not is_of_partition(column, live.dependencies.get(key, frozenset()), live)
        for column in columns
        for key in context.dependents.get(column, ())
    )


def _is_changed(link: FactId, parent: FactId, context: Context) -> bool:
    """Whether rows may be misplaced: the bound changes, or a default partition has new ones beside it."""
    if "bound" in context.changed(link):
        return True
    return is_default(link, context.goal) and parent in context.new_partition_bounds


def _newcomers(each: Leaving, context: Context) -> list[FactId]:
    """The partitions that are added, or get another bound, and may take rows of this one.

    Bounds do not overlap: if one of them is identical, it is the only one that takes them.
    """
    arrivals = context.new_partition_bounds[each.parent]
    bound = str(context.old(each.link)["bound"])
    if each.goes and bound in arrivals:
        return [arrivals[bound]]
    return [other for other in arrivals.values() if other != each.link]


def leaving_condition(each: Leaving, context: Context, *, before: bool = False) -> Part | None:
    """Which of the rows move; `before` the plan has renamed anything."""
    link, parent = each.link, each.parent
    was = context.names_before_renames.get(parent, parent) if before else parent
    if not each.goes and "bound" in context.changed(link):
        own = within(link, parent, context.goal, was=was)
        return None if own is None else raw(compose("({}) IS NOT TRUE", own))
    newcomers = _newcomers(each, context)
    if len(newcomers) > _MOST_BOUNDS:
        return None
    found = [within(other, parent, context.goal, was=was) for other in newcomers]
    told = [raw(compose("({})", other)) for other in found if other is not None]
    return joined(told, " OR ") if told and len(told) == len(found) else None


def checks(link: FactId, context: Context) -> Iterable[Check]:
    """Rows that do not fit the partition that is attached: they are rerouted if another one in the tree takes them."""
    child, parent = FactId("table", link.name[:2]), parent_of(link)
    if child not in context.goal or not _takes_rows(parent, context):
        return
    was = context.names_before_renames.get(parent, parent)
    if link in context.decided.rerouted:
        nowhere = _nowhere(parent, context, was=was)
        if nowhere is not None:
            yield Check(
                fact=link,
                table=child,
                problem="has rows that fit no partition",
                sql=select(child, nowhere, context),
                hint="declare a partition for these rows, or remove them first",
            )
    elif _brings_rows(child, context) and (own := within(link, parent, context.goal, was=was)) is not None:
        yield Check(
            fact=link,
            table=child,
            problem=f"does not fit {context.new(link)['bound']}",
            sql=select(child, raw(compose("({}) IS NOT TRUE", own)), context),
            hint="move these rows elsewhere first",
        )
    default = context.default_partitions.get(parent)
    table = context.live.parent(default) if default is not None else None
    if default in (None, link) or not context.persists(default) or table is None or not _stays(table, context):
        return
    own = within(link, parent, context.goal, was=was)
    if own is not None:
        yield Check(
            fact=link,
            table=table,
            problem="belongs there, and is in the default partition",
            sql=select(table, own, context),
            hint="move these rows out of the default partition first",
        )


def _nowhere(parent: FactId, context: Context, *, was: FactId) -> Part | None:
    """The condition for a row to fit no partition of the table; None where there is none, or it is unknown."""
    links = context.goal.inheritances.get(parent.name, ())
    if len(links) > _MOST_BOUNDS or any(is_default(link, context.goal) for link in links):
        return None
    homes = [within(link, parent, context.goal, was=was) for link in links]
    told = [raw(compose("({}) IS NOT TRUE", home)) for home in homes if home is not None]
    return joined(told, " AND ") if len(told) == len(homes) else None


def _brings_rows(child: FactId, context: Context) -> bool:
    """Whether an existing table is attached with its rows, and none of them changes."""
    if child not in context.live or is_backfilled(child, context):
        return False
    if not all(context.persists(table) for table in tree(child, context.live)):
        return False
    columns = columns_of(child, context.live)
    return all(stays(column, context) or column not in context.goal for column in columns)


def whereabouts(each: Leaving, context: Context) -> Part | None:
    """Which rows of the parent can have moved, wherever they are now, so that others need not be read. None: any."""
    found = (within(each.link, each.parent, context.live), leaving_condition(each, context))
    told = [raw(compose("({})", condition)) for condition in found if condition is not None]
    return joined(told, " AND ") if told else None


def leaving_of(link: FactId, context: Context) -> Leaving:
    child = context.live.parent(link)
    assert child is not None
    return Leaving(
        link,
        child,
        parent_of(link),
        goes=link not in context.goal,
        moves=link in context.goal and is_recreated(child, context),
    )
