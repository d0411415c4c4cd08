"""Temporary names of what an online run creates, and how such objects are told from other ones. Pure: no I/O.

A new index, column or constraint is created under a temporary name beside the one that it will replace. An interrupted
run leaves it behind; the next run recognizes it by its name, resumes with it where it still fits, and else drops it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from reconciler.model.facts import SATELLITE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.model.snapshot import Snapshot

__all__ = ["PREFIX", "free_name", "is_half_made", "is_leftover", "leftovers", "temporary_name", "trigger_name"]

PREFIX = "reconciler_tmp_"
_NAME_BYTES = 63  # NAMEDATALEN - 1
# BEFORE triggers fire in the order of their names: ours must see what the others made of the row, and so has as many
# of these before it as it needs to be the last.
LAST = "~"
TRIGGER_PREFIX = f"{LAST}{PREFIX}"
_MOST_TILDES = 16
_PARTS = {"column": 2, "default": 2, "constraint": 2, "index": 2, "trigger": 2, "function": 1, "sequence": 1}


def temporary_name(*parts: str) -> str:
    """The same name for the same parts: what is to be made, and how. A changed declaration gives another."""
    return PREFIX + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def free_name(schema: str, plain: str, suffix: str, taken: Collection[tuple[str, str]]) -> str:
    """A name for what gives up its own for a while: as it is called, and why, where that fits and nobody has it.

    `taken` are all names (schema, name) before and after the plan. Different objects get different names: where the
    plain one is too long, or taken, a digest stands for it.
    """
    found, tries = plain + suffix, 0
    while len(found.encode()) > _NAME_BYTES or (schema, found) in taken:
        found = temporary_name(schema, plain, suffix, *([str(tries)] if tries else []))
        tries += 1
    return found


def trigger_name(suffix: str, others: Iterable[str]) -> str:
    """The name of a trigger that fires after `others`, where names in ASCII can do that."""
    last = max((other.encode() for other in others), default=b"")
    tildes = 1
    while (LAST * tildes + PREFIX).encode() < last and tildes < _MOST_TILDES:
        tildes += 1
    return LAST * tildes + PREFIX + suffix


def is_leftover(fact: FactId) -> bool:
    """Whether the fact is, or hangs on, something that an online run made for a while."""
    if fact.kind in SATELLITE_KINDS:
        return is_leftover(fact.target)
    place = _PARTS.get(fact.kind)
    return place is not None and len(fact.name) > place and fact.name[place].lstrip(LAST).startswith(PREFIX)


def leftovers(live: Snapshot) -> Iterable[FactId]:
    """What online runs left in live, without what merely hangs on it."""
    return (fact for fact in live.facts if fact.kind not in SATELLITE_KINDS and is_leftover(fact))


def _is_half_detached(table: FactId | None, live: Snapshot) -> bool:
    """Whether a DETACH ... CONCURRENTLY of the table was interrupted; the table has a CHECK by then."""
    links = live.children.get(table, ()) if table is not None else ()
    return any(each.kind == "inheritance" and live.definition(each).get("detach_pending") for each in links)


def is_half_made(fact: FactId, live: Snapshot) -> bool:
    """Whether the fact is as a step leaves it: an invalid index, a constraint NOT VALID, a partition half detached.

    That says nothing of who left it so: it is ours by its name, or as the record has a run that was to make it.
    """
    definition = live.find(fact) or {}
    match fact.kind:
        case "index":
            return bool(definition.get("invalid"))
        case "constraint":
            return bool(definition.get("not_valid")) or _is_half_detached(live.parent(fact), live)
        case "inheritance":
            return bool(definition.get("detach_pending"))
        case "publication_table":
            columns = live.children.get(FactId("table", fact.name[1:]), ())
            return "columns" in definition and any(each.kind == "column" and is_leftover(each) for each in columns)
        case _:
            return False
