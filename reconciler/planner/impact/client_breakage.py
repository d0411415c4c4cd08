"""What of a plan running clients notice: what goes, what is narrowed, what becomes required. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards.hazards import breaks_clients
from reconciler.model.facts import ROUTINE_KINDS, TABLE_KINDS, FactId
from reconciler.model.privileges import GRANT_OPTION, default_privileges_of, of_owner
from reconciler.model.visible import visible_line
from reconciler.planner.core.nodes import Act
from reconciler.planner.online.exchanged_columns import moved_behind
from reconciler.planner.rules.routines import default_count
from reconciler.planner.sql.widening import takes_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["broken_clients"]

_VIEWS = frozenset({"view", "materialized_view"})
_TYPES = frozenset({"enum", "domain", "composite_type", "range_type", "base_type"})
_USED = frozenset({"schema", "sequence", "extension"}) | TABLE_KINDS | _VIEWS | _TYPES | ROUTINE_KINDS
# What only Postgres calls.
_CALLED_BY_POSTGRES = frozenset({"trigger", "event_trigger"})


def broken_clients(act: Act, fact: FactId, members: Sequence[FactId], context: Context) -> Iterable[Hazard]:
    """What clients notice of a group of facts that is created, dropped or altered by the same statements."""
    if act is Act.DROP:
        if fact not in context.creates:
            yield from _gone(fact, context)
        return
    for each in (fact, *members):
        yield from _changed(each, context)


def _gone(fact: FactId, context: Context) -> Iterable[Hazard]:
    match fact.kind:
        case kind if kind in ROUTINE_KINDS:
            if context.old(fact).get("result") not in _CALLED_BY_POSTGRES:
                yield _gone_routine(fact, context)
        case "sequence" if FactId("owned_by", fact.name) in context.live:
            return
        case kind if kind in _USED:
            yield breaks_clients(fact, f"drops {fact}: clients that use it fail")
        case "column" if _is_kept(context.live.parent(fact), TABLE_KINDS, context):
            yield breaks_clients(fact, f"drops {fact}: clients that name it fail")
        case "default" if (column := FactId("column", fact.name)) in context.goal:
            new = context.new(column)
            if not new.keys() & {"identity", "generated"}:
                result = "fail" if new.get("not_null") else "write NULL"
                yield breaks_clients(column, f"takes the default of {column}: INSERTs that leave it out {result}")
        case "inheritance" if context.live.parent(fact) in context.goal:
            parent = ".".join(fact.name[2:])
            stays = any(FactId(kind, fact.name[2:]) in context.goal for kind in TABLE_KINDS)
            if stays or "bound" in context.old(fact):
                text = f"detaches {'.'.join(fact.name[:2])} from {parent}: its rows are no longer seen there"
                yield breaks_clients(fact, text)
        case "policy" if _lets_in(fact, context):
            yield breaks_clients(fact, f"drops {fact}: rows that it allowed can no longer be seen or written")
        case "database_setting" | "role_setting":
            yield from _sought_elsewhere(fact)
        case "privileges":
            yield from _revoked(fact, context)
        case _:
            return


def _lets_in(policy: FactId, context: Context) -> bool:
    """Whether rows of a table that stays are let through by this policy."""
    table = context.live.parent(policy)
    if table is None or not context.persists(table) or context.old(policy).get("restrictive"):
        return False
    return bool(context.old(table).get("row_security") and context.new(table).get("row_security"))


def _sought_elsewhere(setting: FactId) -> Iterable[Hazard]:
    """A search_path that comes, goes or changes."""
    if setting.name[-1].lower() == "search_path":
        yield breaks_clients(setting, "new sessions look for unqualified names in other schemas")


def _gone_routine(fact: FactId, context: Context) -> Hazard:
    """Where one of the same name takes its place, the arguments are what changes."""
    later = next((each for each in sorted(context.creates) if _is_overload(each, fact, context)), None)
    if later is None:
        return breaks_clients(fact, f"drops {fact}: clients that call it fail")
    if context.old(fact).get("types") == context.new(later).get("types"):
        return breaks_clients(fact, f"renames the arguments of {fact} to ({later.name[2]}): calls that name them fail")
    return breaks_clients(fact, f"changes the arguments of {fact} to ({later.name[2]}): calls with the old ones fail")


def _is_overload(other: FactId, fact: FactId, context: Context) -> bool:
    return other.kind in ROUTINE_KINDS and other.name[:2] == fact.name[:2] and other not in context.live


def _changed(fact: FactId, context: Context) -> Iterable[Hazard]:
    match fact.kind:
        case "column":
            yield from _changed_column(fact, context)
        case "privileges":
            yield from _revoked(fact, context)
        case "database_setting" | "role_setting":
            yield from _sought_elsewhere(fact)
        case _ if fact not in context.live:
            return
        case kind if kind in _VIEWS:
            yield from _changed_view(fact, context)
        case kind if kind in ROUTINE_KINDS:
            yield from _changed_routine(fact, context)
        case "enum":
            labels = set(cast("list[str]", context.new(fact)["labels"]))
            for label in cast("list[str]", context.old(fact)["labels"]):
                if label not in labels:
                    yield breaks_clients(fact, f"removes {label!r} from {fact}: clients that use it fail")
        case "domain":
            old, new = str(context.old(fact)["type"]), str(context.new(fact)["type"])
            if not takes_all(old, new):
                yield breaks_clients(fact, f"turns {fact} from {old} into {new}: clients may not expect that")
        case "composite_type":
            before, after = (_attributes(definition) for definition in (context.old(fact), context.new(fact)))
            yield from _compared(fact, before, after, "attribute")
            for part in after:
                if part not in before:
                    text = f"gives {fact} an attribute {part}: values that clients write without it fail"
                    yield breaks_clients(fact, text)
        case _:
            return


def _changed_view(fact: FactId, context: Context) -> Iterable[Hazard]:
    before, after = (_columns(fact, state) for state in (context.live, context.goal))
    yield from _compared(fact, before, after, "column")


def _compared(fact: FactId, before: dict[str, str], after: dict[str, str], what: str) -> Iterable[Hazard]:
    """What of the named parts, with their types, goes or changes."""
    for part, old in before.items():
        new = after.get(part)
        if new is None:
            yield breaks_clients(fact, f"takes {what} {part} from {fact}: clients that name it fail")
        elif not takes_all(old, new):
            text = f"turns {what} {part} of {fact} from {old} into {new}: clients may not expect that"
            yield breaks_clients(fact, text)


def _columns(relation: FactId, state: Snapshot) -> dict[str, str]:
    found = [fact for fact in state.children.get(relation, ()) if fact.kind == "column"]
    return {fact.name[2]: str(state.definition(fact)["type"]) for fact in found}


def _attributes(definition: Definition) -> dict[str, str]:
    found = cast("list[Definition]", definition["attributes"])
    return {str(attribute["name"]): str(attribute["type"]) for attribute in found}


def _changed_routine(fact: FactId, context: Context) -> Iterable[Hazard]:
    old, new = context.old(fact), context.new(fact)
    if old.get("result") != new.get("result"):
        text = f"turns the result of {fact} from {old.get('result')} into {new.get('result')}"
        yield breaks_clients(fact, f"{text}: clients may not expect that")
    if "arguments" in old and "arguments" in new and default_count(new) < default_count(old):
        yield breaks_clients(fact, f"takes a default from the arguments of {fact}: calls that leave them out fail")


def _changed_column(fact: FactId, context: Context) -> Iterable[Hazard]:
    if not _is_kept(context.goal.parent(fact), TABLE_KINDS, context):
        return
    new = context.new(fact)
    if fact not in context.live:
        yield from _new_column(fact, new, context)
        return
    old = context.old(fact)
    before, after = str(old["type"]), str(new["type"])
    if not takes_all(before, after):
        yield breaks_clients(fact, f"turns {fact} from {before} into {after}: clients may not expect or send that")
    if before != after:
        yield from _exchanged(fact, context)
    if new.get("not_null") and not old.get("not_null"):
        yield breaks_clients(fact, f"requires {fact}: clients that write no value fail")
    if old.get("not_null") and not new.get("not_null"):
        yield breaks_clients(fact, f"lets {fact} be NULL: clients that read it may not expect that")
    if _is_read_only(new) and not _is_read_only(old):
        yield breaks_clients(fact, f"computes {fact}: clients that write it fail")


def _exchanged(fact: FactId, context: Context) -> Iterable[Hazard]:
    """A column that another takes the place of: who counts columns meets it at the end, or twice meanwhile."""
    behind = moved_behind(fact, context)
    if behind:
        others = ", ".join(each.name[2] for each in behind[:3]) + (", ..." if len(behind) > 3 else "")
        yield breaks_clients(
            fact,
            f"moves {fact} behind {others}: INSERT and COPY without column names write into other columns, SELECT * and"
            ' row types change, and prepared statements fail ("cached plan must not change result type");'
            " --keep-column-order keeps the order, --no-online changes the column in place",
        )
    elif behind is not None:
        yield breaks_clients(
            fact,
            f"exchanges {fact}: COPY without column names and SELECT * meet a temporary column meanwhile, and prepared"
            ' statements fail ("cached plan must not change result type")',
        )


def _new_column(fact: FactId, new: Definition, context: Context) -> Iterable[Hazard]:
    filled = FactId("default", fact.name) in context.goal or new.keys() & {"identity", "generated"}
    if new.get("not_null") and not filled:
        yield breaks_clients(fact, f"requires {fact}: INSERTs that do not name it fail")
    if new["type"] == "json":
        text = f"{fact} is json, which has no equality: SELECT DISTINCT, UNION and GROUP BY over the whole row fail"
        yield breaks_clients(fact, text)


def _is_read_only(definition: Definition) -> bool:
    identity = cast("Definition", definition.get("identity") or {})
    return "generated" in definition or bool(identity.get("always"))


def _is_kept(owner: FactId | None, kinds: frozenset[str], context: Context) -> bool:
    return owner is not None and owner.kind in kinds and context.persists(owner)


def _revoked(fact: FactId, context: Context) -> Iterable[Hazard]:
    """The privileges that a role had and does not keep, on what was there before."""
    target, grantee = fact.target, fact.name[-1]
    if target.kind == "default_privileges" or (target not in context.live and context.live.parent(target) is None):
        return
    if target in context.creates or target not in context.goal:
        return
    owner = context.live.find(FactId("owner", (target.kind, *target.name)))
    usual = default_privileges_of(target, grantee, str(owner["role"]) if owner else None, context.version)
    held, kept = (_privileges(fact, state, usual) for state in (context.live, context.goal))
    if lost := sorted(held - kept):
        whom = visible_line(grantee or "PUBLIC")
        yield breaks_clients(fact, f"takes {', '.join(lost)} on {target} from {whom}: clients that need it fail")


def _privileges(fact: FactId, state: Snapshot, usual: frozenset[str]) -> frozenset[str]:
    definition = state.find(fact)
    found = frozenset(cast("list[str]", definition["privileges"])) if definition is not None else usual
    return frozenset(privilege.removesuffix(GRANT_OPTION) for privilege in of_owner(found))
