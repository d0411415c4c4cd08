"""What of a plan shows only later: wrong data, missing indexes, ways back that close; and who waits. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler.hazards.hazards import (
    blocks_reads_and_writes,
    blocks_writes,
    changes_version,
    goes_wrong,
    is_irreversible,
    lacks_index,
)
from reconciler.model.facts import FactId
from reconciler.planner.core.nodes import Act

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["later_costs"]

_KEYS = frozenset({"primary_key", "unique", "exclude"})
_LET_IN = {
    "primary_key": "rows without a value, or with a duplicate one, are accepted",
    "unique": "duplicate values are accepted",
    "exclude": "rows that conflict are accepted",
    "check": "rows that violate it are accepted",
    "foreign_key": "rows without a matching row are accepted, and deletes no longer cascade",
}
_NAME = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
_LIST = re.compile(r"\((.*)\)", re.DOTALL)


def later_costs(act: Act, fact: FactId, members: Sequence[FactId], context: Context) -> Iterable[Hazard]:
    """What a group of facts costs later that is created, dropped or altered by the same statements."""
    match act:
        case Act.DROP:
            if fact not in context.creates:
                yield from _gone(fact, members, context)
        case Act.CREATE | Act.ALTER:
            for each in (fact, *members):
                yield from _made(act, each, context)
        case Act.PREPARE | Act.RESTORE:
            return


def _gone(fact: FactId, members: Sequence[FactId], context: Context) -> Iterable[Hazard]:
    table = context.live.parent(fact)
    if table is None or not context.persists(table):
        return
    size = context.sizes.get(table)
    match fact.kind:
        case "constraint" if not _has_twin(fact, table, context):
            kind = str(context.old(fact)["type"])
            yield goes_wrong(fact, f"without it {_LET_IN[kind]}")
            if kind in _KEYS:
                yield lacks_index(fact, "its index is dropped with it", size, context.index_use.get(fact))
        case "index" if not _has_twin(fact, table, context):
            if context.old(fact).get("unique"):
                yield goes_wrong(fact, f"without it {_LET_IN['unique']}")
            yield lacks_index(fact, "queries that use it read the whole table", size, context.index_use.get(fact))
        case "trigger":
            yield goes_wrong(fact, "what it did for each change is no longer done")
        case "column":
            for member in members:
                if member not in context.goal and _serves_others(member, fact, context):
                    yield lacks_index(member, f"goes with {fact}", size, context.index_use.get(member))
        case _:
            return


def _has_twin(fact: FactId, table: FactId, context: Context) -> bool:
    """Whether the table gets, or keeps, the same under another name."""
    text = context.live.facts[fact]
    return any(
        other != fact and other.kind == fact.kind and context.goal.facts[other] == text
        for other in context.goal.children.get(table, ())
    )


def _serves_others(fact: FactId, column: FactId, context: Context) -> bool:
    """Whether it is an index, or has one, that is about other columns too."""
    if fact.kind != "index" and not (fact.kind == "constraint" and context.old(fact)["type"] in _KEYS):
        return False
    needed = context.live.dependencies.get(fact, frozenset())
    return any(each.kind == "column" and each != column and each.name[:2] == column.name[:2] for each in needed)


def _made(act: Act, fact: FactId, context: Context) -> Iterable[Hazard]:
    match fact.kind:
        case "enum" if act is Act.ALTER:
            before = set(cast("list[str]", context.old(fact)["labels"]))
            for label in cast("list[str]", context.new(fact)["labels"]):
                if label not in before:
                    yield is_irreversible(fact, f"removing {label!r} again requires recreating the type")
        case "column" if fact in context.live and act is Act.ALTER:
            if "generated" in context.old(fact) and "generated" not in context.new(fact):
                yield is_irreversible(fact, "to compute it again it must be dropped and added")
        case "function" if fact in context.alters and "definition" in context.changed(fact):
            yield from _computed_before(fact, context)
        case "extension" if fact in context.live:
            old, new = str(context.old(fact)["version"]), str(context.new(fact)["version"])
            if old != new:
                yield changes_version(fact, old, new)
        case "table" if act is Act.ALTER:
            changed = context.changed(fact)
            if "unlogged" in changed and context.new(fact).get("unlogged"):
                yield goes_wrong(fact, "unlogged: it is empty after a crash, and on standbys and subscribers")
            if "replica_identity" in changed:
                yield _told_otherwise(fact)
        case "index" | "constraint" if act is Act.ALTER and "replica_identity" in context.changed(fact):
            yield _told_otherwise(context.goal.object_of(fact))
        case "partition_trigger" if context.live.parent(fact) in context.live:
            if context.new(fact)["enabled"] == "DISABLE":
                yield goes_wrong(fact, "what it did for each change is not done while it is disabled")
        case "trigger" if act is Act.ALTER and context.new(fact).get("enabled") == "DISABLE":
            if "enabled" in context.changed(fact):
                yield goes_wrong(fact, "what it did for each change is not done while it is disabled")
        case "constraint" if fact not in context.live and context.new(fact)["type"] == "foreign_key":
            yield from _without_index(fact, context)
        case "domain_constraint" | "domain":
            yield from _checked_in_tables(act, fact, context)
        case "materialized_view" if act is Act.CREATE and fact in context.live and fact not in context.live.unpopulated:
            yield blocks_reads_and_writes(fact, "it is filled again", context.sizes.get(fact))
        case _:
            return


def _told_otherwise(table: FactId) -> Hazard:
    why = "subscribers receive its rows with another replica identity"
    return goes_wrong(table, f"{why}; without any, UPDATE and DELETE fail where it is published")


def _computed_before(function: FactId, context: Context) -> Iterable[Hazard]:
    """What holds values of a function that computes others from now on."""
    for other in sorted(context.dependents.get(function, ())):
        if not context.persists(other):
            continue
        match other.kind:
            case "index":
                yield goes_wrong(other, f"keeps what the old {function} computed: REINDEX it")
            case "constraint" if context.old(other)["type"] == "check":
                yield goes_wrong(other, f"existing rows are not checked with the new {function}")
            case "column" if "generated" in context.old(other) and not context.old(other).get("virtual"):
                yield goes_wrong(other, f"keeps what the old {function} computed until a row is updated")
            case _:
                continue


def _without_index(fact: FactId, context: Context) -> Iterable[Hazard]:
    """A foreign key of a table that is there, and whose columns no index begins with."""
    table = context.goal.parent(fact)
    if table is None or table.kind != "table" or not context.persists(table):
        return
    needed = context.goal.dependencies.get(fact, frozenset())
    columns = {each.name[2] for each in needed if each.kind == "column" and each.name[:2] == table.name}
    referenced = {context.goal.object_of(each) for each in needed} - {table}
    if not columns or any(columns == set(each[: len(columns)]) for each in _indexed(table, context.goal)):
        return
    of = ", ".join(".".join(each.name) for each in sorted(referenced)) or ".".join(table.name)
    yield lacks_index(
        fact,
        f"no index begins with its columns: each row deleted from {of} reads the whole table",
        context.sizes.get(table),
    )


def _indexed(table: FactId, state: Snapshot) -> Iterable[list[str]]:
    """The names that stand first in each of the table's indexes, as far as they are plain columns."""
    for each in state.children.get(table, ()):
        definition = state.definition(each)
        if each.kind == "index" and not definition.get("invalid"):
            text, _, condition = str(definition["using"]).partition(" WHERE ")
            if condition and "IS NOT NULL" not in condition:
                continue
        elif each.kind == "constraint" and definition["type"] in ("primary_key", "unique"):
            text = str(definition["definition"])
        else:
            continue
        found = _LIST.search(text.partition(" INCLUDE ")[0])
        names = (_NAME.match(part.strip()) for part in (found[1].split(",") if found else ()))
        yield [match[1].replace('""', '"') if match[1] else match[2] for match in names if match]


def _checked_in_tables(act: Act, fact: FactId, context: Context) -> Iterable[Hazard]:
    """The tables whose rows a domain's new constraint is checked in, while writers wait."""
    domain = FactId("domain", fact.name[:2])
    if not context.persists(domain) or (fact == domain and act is Act.CREATE):
        return
    if fact == domain and not (context.new(fact).get("not_null") and not context.old(fact).get("not_null")):
        return
    if fact.kind == "domain_constraint" and act is Act.CREATE and "NOT VALID" in str(context.new(fact)["definition"]):
        return
    for table in sorted(_tables_with(domain, context)):
        yield blocks_writes(table, f"every row is checked for {fact}", context.sizes.get(table))


def _tables_with(kind: FactId, context: Context) -> set[FactId]:
    """The tables that hold values of the type, also within other types."""
    found: set[FactId] = set()
    waiting, seen = [kind], {kind}
    while waiting:
        for other in context.dependents.get(waiting.pop(), ()):
            if other in seen:
                continue
            seen.add(other)
            if other.kind in ("domain", "composite_type", "range_type"):
                waiting.append(other)
            elif other.kind == "column":
                found.add(context.live.object_of(other))
    return {each for each in found if each.kind == "table" and each not in context.drops}
