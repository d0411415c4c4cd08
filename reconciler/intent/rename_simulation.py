"""What live is once the renames were made: asked of Postgres, which rewrites what mentions the old names. Does I/O.

A view, a constraint or an index says the names of others in its own text. No text is rewritten here: live's schema is
copied into scratch, the statements run there, and what they changed is read back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from reconciler.db.statements import run_statements
from reconciler.diff.drift import ObjectState, State
from reconciler.errors import ApplyError, PlanError
from reconciler.intent.rename_statements import implied_renames, rename_statements
from reconciler.intent.resolve import pairs_of, resolve
from reconciler.model.facts import SATELLITE_KINDS, FactId, canonical_json
from reconciler.model.intent import HintKind, Intent
from reconciler.proof.rehearsal import copy_of_live
from reconciler.source.hints import read_hints
from reconciler.sqltext.lexer import split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.diff.goal import Scope
    from reconciler.model.facts import Json
    from reconciler.model.intent import Hint, Rename
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.scratch.place import Scratch

__all__ = ["Renamed", "find_intent", "rename_first", "with_renames"]


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """Live and the record as they are after `statements`, and what has another name then."""

    live: Snapshot
    recorded: Snapshot | None
    renames: tuple[Rename, ...] = ()
    statements: tuple[Statement, ...] = ()
    names: Mapping[FactId, FactId] = field(default_factory=dict[FactId, FactId])

    def before(self, plan: Plan, live: Snapshot) -> Plan:
        """The plan with the renames first, made for `live` as it is now."""
        if not self.renames:
            return plan
        return replace(
            plan,
            statements=(*self.statements, *plan.statements),
            live_fingerprint=live.fingerprint,
            renames=self.renames,
        )


def find_intent(
    hints: Sequence[Hint],
    desired: Snapshot,
    live: Snapshot,
    recorded: Snapshot | None,
    scope: Scope,
    *,
    recorded_text: Callable[[], str | None],
) -> Intent:
    """What the hints come to; `recorded_text` gives the source that was recorded last, and is seldom asked.

    Raises SourceError for a hint that makes no sense.
    """
    path = tuple(dict.fromkeys((*(() if scope.all_schemas else scope.schemas), "public")))
    earlier: frozenset[tuple[FactId, FactId]] = frozenset()
    renamed = [hint for hint in hints if hint.kind is HintKind.RENAMED]
    names = {hint.subject.part or hint.subject.name[-1] for hint in renamed if not hint.due}
    if recorded is not None and names.intersection(hint.argument[-1] for hint in renamed):
        text = recorded_text() or ""
        earlier = pairs_of(read_hints(text, list(split(text, "recorded")), "recorded"), recorded, path)
    return resolve(hints, desired, live, recorded, path=path, earlier=earlier)


def rename_first(
    intent: Intent,
    desired: Snapshot,
    live: Snapshot,
    recorded: Snapshot | None,
    scratch: Scratch,
    scope: Scope,
    *,
    current_user: str,
) -> Renamed:
    """Live and the record after the intent's renames, and those that follow from them; nothing moves where none apply.

    Raises PlanError where Postgres refuses one.
    """
    if not intent.renames:
        return Renamed(live=live, recorded=recorded)
    present = {fact for fact in live.facts if fact.kind == "schema"}
    present |= {rename.new for rename in intent.renames}
    lacking = {fact.name[0] for fact in desired.facts if fact.kind == "schema" and fact not in present}
    statements = rename_statements(intent.renames, live, frozenset(lacking))
    renames = [*intent.renames]
    with scratch.fresh() as place:
        named = {rename.new.name[0] for rename in renames if rename.new.kind == "schema"}
        made = {fact.name[0] for each in statements for fact in each.creates if fact.kind == "schema"}
        live = replace(live, schemas=tuple(dict.fromkeys((*live.schemas, *sorted(named | made)))))
        copy = copy_of_live(live, place, scope, current_user)

        def run(made: Sequence[Statement]) -> Snapshot:
            try:
                run_statements(place.connection, made, transactional=place.transactional)
            except ApplyError as exc:
                rename = next(each for each in renames if exc.position and each.old in made[exc.position - 1].alters)
                raise PlanError(
                    f"{rename.where or 'a rename'}: {exc.message}\n  {exc.statement}",
                    hint="another object has that name: rename or drop it first",
                ) from exc
            wide = place.read(tuple(dict.fromkeys((*live.schemas, *copy.extent.all_schemas))), dependencies=True)
            known = {address for fact, address in copy.addresses.items() if fact in copy.facts}
            return wide.limited(live.schemas, {fact for fact, address in wide.addresses.items() if address in known})

        after = run(statements)
        touched = [fact for fact in after.facts if fact.kind in ("table", "foreign_table", "materialized_view")]
        names = _names(copy, after)
        moved = {after.object_of(new) for old, new in names.items() if old != new}
        implied = implied_renames(after, desired, [fact for fact in touched if fact in moved])
        if implied:
            following = rename_statements(implied, after)
            statements += following
            renames += implied
            after = run(following)
            names = _names(copy, after)
    return Renamed(
        live=_changed(live, copy, after, names),
        recorded=None if recorded is None else _changed(recorded, copy, after, names),
        renames=tuple(renames),
        statements=tuple(statements),
        names=names,
    )


def _names(copy: Snapshot, after: Snapshot) -> dict[FactId, FactId]:
    """What each fact is called afterwards. An object keeps its address under any name."""
    by_address = {address: fact for fact, address in after.addresses.items()}
    names = {fact: by_address[address] for fact, address in copy.addresses.items() if address in by_address}
    for fact in copy.facts:
        if fact.kind in SATELLITE_KINDS and (target := names.get(fact.target)) is not None:
            extra = fact.name[1 + len(fact.target.name) :]
            names[fact] = FactId(fact.kind, (target.kind, *target.name, *extra))
    return names


def _changed(state: Snapshot, copy: Snapshot, after: Snapshot, names: Mapping[FactId, FactId]) -> Snapshot:
    """`state` with what happened between `copy` and `after`: names everywhere, texts where Postgres rewrote them."""
    facts: dict[FactId, str] = {}
    published: dict[FactId, frozenset[FactId]] = {}
    for fact, text in state.facts.items():
        now = names.get(fact, fact if fact in after.facts or fact not in copy.facts else None)
        if now is None:
            continue
        if fact.kind == "publication_table" and fact not in copy.facts:
            now = _published(fact, names)
            facts[now] = _with_names(fact, text, names)
            needed = state.dependencies.get(fact, frozenset())
            published[now] = frozenset(names.get(each, each) for each in needed)
            continue
        # What Postgres did not rewrite, or what is not as the copy had it, keeps the text that it has.
        rewritten = fact in copy.facts and copy.facts[fact] != after.facts.get(now) and copy.facts[fact] == text
        facts[now] = after.facts.get(now, text) if rewritten else text
    if state.addresses:
        for fact, text in after.facts.items():
            if fact not in facts and fact not in copy.facts:
                facts[fact] = text
    granted = {names.get(fact, fact): held for fact, held in state.granted.items()}
    found = replace(state.with_facts(facts), addresses={}, granted=granted)
    return found.with_relations(
        dependencies={**_known(state.dependencies, facts, names), **_known(after.dependencies, facts), **published},
        automatic={**_known(state.automatic, facts, names), **_known(after.automatic, facts)},
    )


def _published(fact: FactId, names: Mapping[FactId, FactId]) -> FactId:
    """A table in a publication, which a copy in the live database cannot have, by the table's new name."""
    publication, *table = fact.name
    renamed = names.get(FactId("table", tuple(table)))
    return fact if renamed is None else FactId(fact.kind, (publication, *renamed.name))


def _with_names(fact: FactId, text: str, names: Mapping[FactId, FactId]) -> str:
    """The definition of such a table with the new names of the columns that it lists."""
    definition = cast("dict[str, Json]", json.loads(text))
    if "columns" in definition:
        columns = [FactId("column", (*fact.name[1:], each)) for each in cast("list[str]", definition["columns"])]
        definition["columns"] = [*sorted(names.get(each, each).name[2] for each in columns)]
    return canonical_json(definition)


def _known(
    relations: Mapping[FactId, frozenset[FactId]],
    facts: Mapping[FactId, str],
    names: Mapping[FactId, FactId] | None = None,
) -> Mapping[FactId, frozenset[FactId]]:
    """The relations of these facts; what was not in the copy needs the same objects, by their new names."""
    return {
        fact: frozenset(names.get(each, each) for each in needed) if names is not None else needed
        for fact, needed in relations.items()
        if fact in facts
    }


def with_renames(objects: Sequence[ObjectState], renames: Sequence[Rename], live: Snapshot) -> tuple[ObjectState, ...]:
    """The states of the objects, those to be renamed, or with a part to be renamed, at least pending.

    What was renamed manually has drifted.
    """
    found = {each.object: each for each in objects}
    for rename in renames:
        owner = FactId("enum", rename.new.name[:2]) if rename.new.kind == "enum_label" else live.object_of(rename.new)
        state = found.get(owner, ObjectState(object=owner, state=State.IN_SYNC))
        moved = State.PENDING if state.state in (State.IN_SYNC, State.CAUGHT_UP) else state.state
        if rename.manual and moved is State.PENDING:
            moved = State.DRIFTED
        found[owner] = replace(state, state=moved, renames=(*state.renames, rename))
    return tuple(found[owner] for owner in sorted(found))
