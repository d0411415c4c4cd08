"""Statements that rename, in an order in which no name is taken when it is needed. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.hazards import hazards
from reconciler.model.facts import RELATION_KINDS, ROUTINE_KINDS, FactId
from reconciler.model.plan import LockMode, Statement
from reconciler.planner.core.relation_locks import renamed_locks
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import compose, literal, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.intent import Rename
    from reconciler.model.snapshot import Snapshot

__all__ = ["implied_renames", "rename_statements"]

_TYPES = frozenset({"enum", "domain", "range_type", "base_type"})
# Named within a relation or a type, by the last part of their name.
_PARTS = frozenset({"column", "constraint", "index", "trigger", "policy", "rule", "domain_constraint", "enum_label"})
_COLUMN_OF: dict[str, LiteralString] = {
    "table": "ALTER TABLE {} RENAME COLUMN {} TO {}",
    "foreign_table": "ALTER FOREIGN TABLE {} RENAME COLUMN {} TO {}",
    "view": "ALTER VIEW {} RENAME COLUMN {} TO {}",
    "materialized_view": "ALTER MATERIALIZED VIEW {} RENAME COLUMN {} TO {}",
    "composite_type": "ALTER TYPE {} RENAME ATTRIBUTE {} TO {} CASCADE",
}
# Which renames break clients? They use the names of these, not those of constraints and the like.
_USED_BY_CLIENTS = frozenset({"schema", "column", "enum_label", *RELATION_KINDS, *ROUTINE_KINDS, *_TYPES})


def rename_statements(
    renames: Sequence[Rename], live: Snapshot, new_schemas: frozenset[str] = frozenset()
) -> list[Statement]:
    """The statements for `renames`, in their order except for names that are still in use.

    An extension that gets one of the `new_schemas` has it created before. Where names change places, one of them gets a
    temporary name first.
    """
    made = [*_moved_extensions(renames, new_schemas)]
    moved: dict[FactId, FactId] = {}
    for group in _levels([rename for rename in renames if not rename.schema]):
        moves = [_Move(rename, _after(rename.old, moved), _aim(rename, moved)) for rename in group]
        # What is already held by whoever is not renamed shows when the statements are rehearsed.
        while moves:
            held = {_slot(move.now) for move in moves}
            move = next((each for each in moves if _slot(each.aim) not in held), None)
            if move is None:
                move = moves[0]
                aside = FactId(move.now.kind, (*move.now.name[:-1], f"reconciler_aside_{len(made)}"))
                if move.now.kind in ROUTINE_KINDS:
                    aside = FactId(move.now.kind, (move.now.name[0], f"reconciler_aside_{len(made)}", move.now.name[2]))
                made += _statements(move.rename, move.now, aside, live)
                move.now = aside
                continue
            made += _statements(move.rename, move.now, move.aim, live)
            moves.remove(move)
            moved[move.rename.old] = move.aim
    return made


def _moved_extensions(renames: Sequence[Rename], new_schemas: frozenset[str]) -> Iterable[Statement]:
    moves = [rename for rename in renames if rename.schema]
    first = {rename.schema: rename for rename in reversed(moves) if rename.schema in new_schemas}
    for rename in moves:
        if first.get(rename.schema) is rename:
            made = FactId("schema", (rename.schema,))
            yield Statement(sql=compose("CREATE SCHEMA {}", name(rename.schema)), creates=(made,), alters=(rename.old,))
        yield Statement(
            sql=compose("ALTER {} SET SCHEMA {}", object_phrase(rename.old), name(rename.schema)),
            alters=(rename.old,),
            hazards=(hazards.breaks_clients_by_move(rename.old, rename.schema),),
        )


class _Move:
    """A rename under way: what it is called `now`, and what it shall be called."""

    def __init__(self, rename: Rename, now: FactId, aim: FactId) -> None:
        self.rename = rename
        self.now = now
        self.aim = aim


def _levels(renames: Sequence[Rename]) -> Iterable[list[Rename]]:
    yield [rename for rename in renames if rename.new.kind == "schema"]
    yield [rename for rename in renames if rename.new.kind != "schema" and rename.new.kind not in _PARTS]
    yield [rename for rename in renames if rename.new.kind in _PARTS]


def _slot(fact: FactId) -> tuple[str, ...]:
    """What only one can hold at a time: relations of a schema share one space of names, indexes among them."""
    if fact.kind in RELATION_KINDS:
        return ("relation", *fact.name)
    return ("relation", fact.name[0], fact.name[2]) if fact.kind == "index" else (fact.kind, *fact.name)


def _after(fact: FactId, moved: dict[FactId, FactId]) -> FactId:
    """What live's `fact` is called once what holds it was renamed."""
    schema = moved.get(FactId("schema", fact.name[:1]))
    if schema is not None and fact.kind != "schema" and len(fact.name) > 1:
        name_now = (*schema.name, *fact.name[1:])
    else:
        name_now = fact.name
    for old, new in moved.items():
        if len(fact.name) == 3 and fact.kind not in ROUTINE_KINDS and old.name == fact.name[:2] and len(new.name) == 2:
            name_now = (*new.name, fact.name[2])
    return FactId(fact.kind, name_now)


def _aim(rename: Rename, moved: dict[FactId, FactId]) -> FactId:
    now = _after(rename.old, moved)
    return FactId(now.kind, (*now.name[:2], rename.new.name[2])) if now.kind in _PARTS else rename.new


def _statements(rename: Rename, now: FactId, aim: FactId, live: Snapshot) -> Iterable[Statement]:
    here = now.name
    place = 1 if len(here) > 1 and now.kind not in _PARTS else len(here) - 1
    if here[place] != aim.name[place]:
        yield _statement(rename, _rename(rename, now, aim.name[place], live), live)
    if place == 1 and here[:1] != aim.name[:1]:
        renamed = FactId(now.kind, (*here[:1], aim.name[1], *here[2:]))
        yield _statement(rename, compose("ALTER {} SET SCHEMA {}", object_phrase(renamed), name(*aim.name[:1])), live)


def _rename(rename: Rename, now: FactId, new: str, live: Snapshot) -> str:
    target = name(new)
    match now.kind:
        case "column":
            owner = live.parent(rename.old)
            return compose(
                _COLUMN_OF[owner.kind if owner is not None else "table"], qualified(now), name(now.name[2]), target
            )
        case "constraint":
            return compose("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", qualified(now), name(now.name[2]), target)
        case "domain_constraint":
            return compose("ALTER DOMAIN {} RENAME CONSTRAINT {} TO {}", qualified(now), name(now.name[2]), target)
        case "enum_label":
            return compose("ALTER TYPE {} RENAME VALUE {} TO {}", qualified(now), literal(now.name[2]), literal(new))
        case _:
            return compose("ALTER {} RENAME TO {}", object_phrase(now), target)


def _statement(rename: Rename, sql: str, live: Snapshot) -> Statement:
    relation = live.object_of(rename.old)
    locks = relation if relation.kind in ("table", "foreign_table", "view", "materialized_view") else None
    found = (hazards.breaks_clients_by_rename(rename.old, rename.new),) if rename.new.kind in _USED_BY_CLIENTS else ()
    lock = LockMode.SHARE_UPDATE_EXCLUSIVE if rename.new.kind == "index" else LockMode.ACCESS_EXCLUSIVE
    return Statement(
        sql=sql,
        alters=(rename.old, rename.new),
        hazards=found,
        lock=lock if locks is not None else None,
        locks=locks,
        relation_locks=renamed_locks(rename.old, live),
    )


def implied_renames(live: Snapshot, desired: Snapshot, tables: Iterable[FactId]) -> list[Rename]:
    """Constraints, indexes and sequences that the renamed tables have under other names, and else just as declared.

    Postgres derives their names from the table's and the columns', and keeps them when those change.
    """
    from reconciler.model.intent import Rename

    found: list[Rename] = []
    for table in sorted(tables):
        for kind in ("constraint", "index"):
            gone = [part for part in live.children.get(table, ()) if part.kind == kind and part not in desired.facts]
            new = [part for part in desired.children.get(table, ()) if part.kind == kind and part not in live.facts]
            found += [Rename(old=old, new=part) for old, part in _alike(gone, new, live, desired)]
    owned = [(state, [fact for fact in state.facts if fact.kind == "owned_by"]) for state in (live, desired)]
    gone = [fact for fact in owned[0][1] if fact not in desired.facts]
    new = [fact for fact in owned[1][1] if fact not in live.facts]
    for old, part in _alike(gone, new, live, desired):
        before, after = (FactId("sequence", fact.name) for fact in (old, part))
        if live.facts.get(before) == desired.facts.get(after):
            found.append(Rename(old=before, new=after))
    return found


def _alike(
    gone: Sequence[FactId], new: Sequence[FactId], live: Snapshot, desired: Snapshot
) -> Iterable[tuple[FactId, FactId]]:
    """Pairs with the same definition, each fact in one pair at most."""
    waiting: dict[str, list[FactId]] = {}
    for fact in sorted(new):
        waiting.setdefault(desired.facts[fact], []).append(fact)
    for fact in sorted(gone):
        same = waiting.get(live.facts[fact])
        if same:
            yield fact, same.pop(0)
