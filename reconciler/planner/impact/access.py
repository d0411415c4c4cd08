"""What of a plan lets somebody see or do more than before. Pure: no I/O.

What a statement says by itself (GRANT to PUBLIC, DISABLE ROW LEVEL SECURITY, an altered policy) is said by its rule.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler.hazards.hazards import opens_access
from reconciler.planner.core.nodes import Act

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["lost_protection"]

# pg_get_functiondef begins each attribute of a function on lines of their own, after LANGUAGE and before the body.
_ATTRIBUTES = re.compile(r"^ LANGUAGE [^\n]*\n((?: [^\n]*\n)*)", re.MULTILINE)
_TRUE = frozenset({"true", "on", "yes", "1"})


def lost_protection(act: Act, fact: FactId, context: Context) -> Iterable[Hazard]:
    """What opens access as this fact is created or altered; one that is folded into another opens nothing."""
    if act is Act.DROP:
        return
    match fact.kind:
        case "view":
            yield from _of_view(fact, context)
        case "function" | "procedure":
            yield from _of_routine(fact, context)
        case "policy" if act is Act.CREATE and fact not in context.live:
            yield from _of_new_policy(fact, context)
        case "owner" if act is Act.ALTER:
            text = f"gives {fact.target} to {context.new(fact)['role']}, who has all rights on it"
            yield opens_access(fact, text)
        case _:
            return


def _of_view(fact: FactId, context: Context) -> Iterable[Hazard]:
    old, new = context.live.find(fact), context.new(fact)
    if old is not None:
        if _has(old, "security_invoker") and not _has(new, "security_invoker"):
            yield opens_access(fact, "it reads with its owner's rights from now on (no security_invoker)")
        if _has(old, "security_barrier") and not _has(new, "security_barrier"):
            yield opens_access(fact, "functions may see rows that it hides (no security_barrier)")
        return
    if _has(new, "security_invoker"):
        return
    tables = {context.goal.object_of(needed) for needed in context.goal.dependencies.get(fact, ())}
    for table in sorted(tables):
        if table.kind == "table" and table in context.live and context.new(table).get("row_security"):
            yield opens_access(fact, f"it reads {table} past its row security, as its owner (no security_invoker)")


def _has(definition: Definition, option: str) -> bool:
    pairs = (pair.partition("=") for pair in cast("list[str]", definition.get("options") or []))
    return any(key == option and value.lower() in _TRUE for key, _, value in pairs)


def _of_routine(fact: FactId, context: Context) -> Iterable[Hazard]:
    old, new = _attributes(context.live.find(fact)), _attributes(context.new(fact))
    if "SECURITY DEFINER" in new and " SET search_path " not in new:
        if "SECURITY DEFINER" not in old or " SET search_path " in old:
            text = "it runs with its owner's rights and its caller's search_path: SET search_path in its definition"
            yield opens_access(fact, text)
    elif "SECURITY DEFINER" in new and old and "SECURITY DEFINER" not in old:
        yield opens_access(fact, "it runs with its owner's rights from now on (SECURITY DEFINER)")
    if "LEAKPROOF" in new and "LEAKPROOF" not in old:
        yield opens_access(fact, "it is run before row security and security barriers have hidden rows (LEAKPROOF)")


def _attributes(definition: Definition | None) -> str:
    """The lines of the definition between the language and the body; empty where there is none."""
    found = _ATTRIBUTES.search(str(definition["definition"])) if definition is not None else None
    return f"\n{found[1]}" if found else ""


def _of_new_policy(fact: FactId, context: Context) -> Iterable[Hazard]:
    table = context.goal.parent(fact)
    if table is None or not context.persists(table) or context.new(fact).get("restrictive"):
        return
    if context.old(table).get("row_security"):
        yield opens_access(fact, "a new permissive policy: more rows can be seen or written")
