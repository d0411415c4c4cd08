"""Desired, live and recorded -> the goal: desired, and what of live is left alone. Pure: no I/O.

The goal is what live must equal when a run has ended. In a plugin's own schema everything is managed; in a shared one
(`public`) and in the database as a whole only what the source names or what was recorded. Owners and privileges that it
does not mention follow live. `exact` makes the source the whole truth for what is managed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from reconciler.diff.followers import carried_along, needs_of_followers, substitutes_of, undeclared_children
from reconciler.diff.privileges import Said, merged_privileges, privileges_in, with_grantors_of_live
from reconciler.model.facts import DATABASE_WIDE_KINDS, SATELLITE_KINDS, FactId, canonical_json
from reconciler.model.intent import Intent, is_within
from reconciler.model.temporary_names import is_leftover

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from reconciler.model.facts import Definition
    from reconciler.model.snapshot import Snapshot

__all__ = ["Desired", "Goal", "Scope", "is_managed", "make_goal"]

SHARED_SCHEMAS = frozenset({"public"})
_WITH_STATE = frozenset({"subscription", "user_mapping"})
_HIDDEN = ("connection", "hidden", "options")
_NO_INTENT = Intent()
_SWITCHED = ("row_security", "force_row_security")
# No source declares them, so that none can stop to do so.
SETTING_KINDS = frozenset({"database_setting", "role_setting"})
_FOLLOWING = frozenset({"owner", "privileges", "security_label", "default_privileges"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is managed: these schemas, or all; `exact`: owners, privileges and (with all) database-wide objects too.

    `shared` are those of the schemas that another plugin manages as well. With `declared_partitions` a partition, or
    another child of a declared table, must be declared too; else one that neither the source names nor the ledger
    recorded is not managed here, whatever schema it is in.
    """

    schemas: tuple[str, ...] = ("public",)
    all_schemas: bool = False
    exact: bool = False
    declared_partitions: bool = False
    shared: frozenset[str] = frozenset()

    def shares(self, schema: str) -> bool:
        """True where others may keep objects of theirs in the schema."""
        return not self.all_schemas and (schema in SHARED_SCHEMAS or schema in self.shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the source built in scratch, what was there before it ran, and who built it.

    `named` is what it declares although it was there before: objects of the database as a whole, in a scratch inside
    the live database. `said` is what it says of privileges, `notes` what of it is
    not managed here.
    """

    snapshot: Snapshot
    baseline: Mapping[FactId, str]
    builder: str
    named: frozenset[FactId] = frozenset()
    said: Said = field(default_factory=Said)
    notes: tuple[str, ...] = ()

    def mentions(self, fact: FactId) -> bool:
        """Whether the source itself brought the fact about."""
        text = self.snapshot.facts.get(fact)
        if text is None:
            return False
        if fact in self.named:
            return True
        if self.baseline.get(fact) == text:
            return False
        return fact.kind != "owner" or self.snapshot.definition(fact)["role"] != self.builder

    @property
    def granted(self) -> Mapping[FactId, frozenset[str]]:
        """What each grantee has of each object by GRANT and REVOKE of the source itself."""
        facts = self.snapshot.facts
        mentioned = (fact for fact in facts if fact.kind == "privileges" and self.mentions(fact))
        return {fact: held for fact in mentioned if (held := privileges_in(facts[fact])) is not None}


@dataclass(frozen=True, kw_only=True)
class Goal:
    """`snapshot` is what live must become; `record` what the ledger keeps of it: nothing of what is others'.

    `following` are the facts that are as live has them because the source says nothing of them; `foreign` those of
    others' objects; `kept` all that is there because live has it and not because the source declares it. `ignored` are
    the foreign facts that a rule of the configuration leaves alone.
    """

    snapshot: Snapshot
    record: Snapshot
    following: frozenset[FactId] = field(default=frozenset())
    foreign: frozenset[FactId] = field(default=frozenset())
    kept: frozenset[FactId] = field(default=frozenset())
    ignored: frozenset[FactId] = field(default=frozenset())


def make_goal(
    desired: Desired,
    live: Snapshot,
    recorded: Snapshot | None,
    scope: Scope,
    intent: Intent = _NO_INTENT,
    of_plugins: Collection[FactId] = (),
) -> Goal:
    """The goal of a run; where live already is as declared, the goal equals live.

    `of_plugins` is what other plugins have recorded: that is theirs, whatever schema it is in. In a schema of which
    live was not read as a whole, only what is declared or recorded is ours. What the intent ignores is as live has it,
    and others' from then on; what it keeps is there even if undeclared.
    """
    wanted = _with_live_attributes(_without_ignored(desired.snapshot, live, intent), live, intent)
    whole_truth = scope.exact and scope.all_schemas
    facts: dict[FactId, str] = {}
    following: set[FactId] = set()
    kept: set[FactId] = set()
    others: dict[FactId, str] = {}
    known: Mapping[FactId, str] = recorded.facts if recorded is not None else {}
    own = {None, *live.schemas}
    children = undeclared_children(live, wanted.facts, known) if not scope.declared_partitions else ()
    for fact, text in wanted.facts.items():
        if whole_truth or (scope.exact and _is_in_schema(fact, wanted)) or desired.mentions(fact):
            facts[fact] = text
        elif fact in live.facts and _belongs_to_others(wanted.object_of(fact), desired, recorded, scope):
            others[fact] = live.facts[fact]
        elif fact in live.facts:
            facts[fact] = live.facts[fact]
            kept.add(fact)
            if live.facts[fact] != text:
                following.add(fact)
        elif not _is_initial(fact, desired, live):
            facts[fact] = text
    for fact in [fact for fact in facts if fact.kind in _WITH_STATE]:
        if fact in wanted.facts:
            facts[fact] = _with_state_of_live(fact, facts[fact], live, exact=scope.exact)
    ignored = _within_ignored(live, intent.ignored)
    for fact, text in live.facts.items():
        if fact in facts or fact in wanted.facts:
            continue
        owner = live.object_of(fact)
        whose = _whose(fact, live, (wanted.facts, known), of_plugins)
        if (
            fact in ignored
            or owner in children
            or whose is False
            or (whose is None and fact.schema not in own)
            or (fact.schema in own and _belongs_to_others(owner, desired, recorded, scope))
        ):
            others[fact] = text
        elif intent.keeps(fact, live) or (fact.kind in _FOLLOWING and not scope.exact and fact.target in facts):
            facts[fact] = text
            following.add(fact)
    if not scope.exact:
        facts |= _owners_of_serials(facts, live)
    # What hangs on a thing that goes, goes with it: a table that is dropped leaves the publications of others.
    foreign = others.keys() - _gone_with_their_whole(others, facts, live)
    facts |= {fact: others[fact] for fact in foreign}
    followed = carried_along(facts, live, foreign)
    facts = {fact: text for fact, text in {**facts, **followed}.items() if text is not None}
    foreign |= followed.keys()
    changed: Mapping[FactId, str | None] = with_grantors_of_live(facts, live)
    if not scope.exact:
        changed = _changed_privileges(facts, desired, live, recorded, frozenset(foreign), intent)
    facts |= {fact: text for fact, text in changed.items() if text is not None}
    facts = {fact: text for fact, text in facts.items() if changed.get(fact, text) is not None}
    following -= changed.keys()
    kept -= changed.keys()
    merged = wanted.with_facts(facts).with_secrets(
        {
            **{fact: hidden for fact, hidden in live.secrets.items() if fact in foreign or fact in following},
            **{fact: hidden for fact, hidden in wanted.secrets.items() if fact in facts and fact not in following},
        }
    )
    needed = {fact: frozenset({fact.target}) for fact in changed if fact in facts}
    dependencies = {**_merged(wanted.dependencies, live.dependencies, foreign | following, facts, live), **needed}
    goal = merged.with_relations(
        dependencies={**dependencies, **needs_of_followers(followed, facts, live, dependencies)},
        automatic=_merged(wanted.automatic, live.automatic, foreign | following, facts, live),
    )
    record = goal.with_facts({fact: text for fact, text in facts.items() if fact not in foreign})
    return Goal(
        snapshot=goal,
        record=record,
        following=frozenset(following),
        foreign=frozenset(foreign),
        kept=frozenset(kept | following | foreign) & facts.keys(),
        ignored=frozenset(_within_ignored(live, intent.ruled) & foreign),
    )


def _owners_of_serials(facts: Mapping[FactId, str], live: Snapshot) -> dict[FactId, str]:
    """Of new sequences that belong to a table in live: Postgres wants them to have its owner."""
    found: dict[FactId, str] = {}
    for fact in facts:
        if fact.kind != "owned_by" or fact in live.facts:
            continue
        owned = json.loads(facts[fact])
        owner = FactId("owner", ("table", owned["schema"], owned["table"]))
        if owner in live.facts and facts.get(owner) == live.facts[owner]:
            found[FactId("owner", ("sequence", *fact.name))] = live.facts[owner]
    return found


def _without_ignored(wanted: Snapshot, live: Snapshot, intent: Intent) -> Snapshot:
    """Without what is ignored, its sequences, and what cannot be there without it as long as live has not got it."""
    if not intent.ignored:
        return wanted
    gone = _within_ignored(wanted, intent.ignored)
    absent = {fact for fact in gone if fact not in live.facts}
    waiting = absent
    while waiting:
        waiting = {
            fact
            for fact in wanted.facts.keys() - gone
            if not waiting.isdisjoint(wanted.dependencies.get(fact, ()))
            or not waiting.isdisjoint(wanted.automatic.get(fact, ()))
            or wanted.parent(fact) in waiting
        }
        gone |= waiting
    left, nowhere = wanted.without(gone), gone - live.facts.keys()
    return left.with_relations(
        dependencies={fact: needed - nowhere for fact, needed in wanted.dependencies.items() if fact not in gone},
        automatic={fact: needed - nowhere for fact, needed in wanted.automatic.items() if fact not in gone},
    )


def _within_ignored(state: Snapshot, wholes: frozenset[FactId]) -> set[FactId]:
    """What is within these, with the sequences that belong to it."""
    if not wholes:
        return set()
    found = {fact for fact in state.facts if is_within(fact, wholes, state)}
    sequences = {fact for fact in state.facts if fact.kind == "sequence" and state.automatic.get(fact, frozenset())}
    found |= {sequence for sequence in sequences if state.automatic[sequence] <= found}
    return found | {fact for fact in state.facts if state.object_of(fact) in found}


def _with_live_attributes(wanted: Snapshot, live: Snapshot, intent: Intent) -> Snapshot:
    """With the attributes that are left alone, and the row security of what is kept, as live has them."""
    attributes = [*intent.attributes]
    attributes += [(fact, name) for fact in intent.kept for name in _SWITCHED if name in (live.find(fact) or {})]
    changed: dict[FactId, str] = {}
    for fact, name in attributes:
        if fact in wanted.facts and fact in live.facts:
            definition, now = (
                cast("Definition", json.loads(changed.get(fact) or wanted.facts[fact])),
                live.definition(fact),
            )
            definition.pop(name, None)
            changed[fact] = canonical_json({**definition, **({name: now[name]} if name in now else {})})
    return wanted.with_facts({**wanted.facts, **changed}) if changed else wanted


def _gone_with_their_whole(
    others: Mapping[FactId, str], facts: Mapping[FactId, str], live: Snapshot
) -> frozenset[FactId]:
    """What of others' objects Postgres drops with something that is in neither, and what hangs on that in turn."""
    gone: set[FactId] = set()
    waiting = {
        fact for fact in others if not all(each in facts or each in others for each in live.automatic.get(fact, ()))
    }
    while waiting:
        gone |= waiting
        waiting = {
            fact
            for fact in others.keys() - gone
            if live.parent(fact) in gone or not gone.isdisjoint(live.automatic.get(fact, ()))
        }
    return frozenset(gone)


def _whose(fact: FactId, live: Snapshot, ours: Iterable[Collection[FactId]], theirs: Collection[FactId]) -> bool | None:
    """Whether the fact, or the nearest whole of which that is known, is ours (True), another plugin's, or nobody's."""
    found: FactId | None = fact
    while found is not None:
        if any(found in each for each in ours):
            return True
        if found in theirs:
            return False
        found = live.parent(found)
    return None


def _changed_privileges(
    facts: Mapping[FactId, str],
    desired: Desired,
    live: Snapshot,
    recorded: Snapshot | None,
    foreign: frozenset[FactId],
    intent: Intent,
) -> Mapping[FactId, str | None]:
    """The privileges that are not as the source alone, or live alone, has them; None for those that are usual."""
    wanted = desired.snapshot
    pairs = (fact for state in (wanted, live) for fact in state.facts if fact.kind == "privileges")
    left = {fact for fact in pairs if intent.kept and intent.keeps(fact, live)}
    return merged_privileges(
        facts,
        live=live,
        recorded=recorded,
        said=replace(desired.said, granted=desired.granted),
        declared_defaults=frozenset(fact for fact in wanted.facts if fact.kind == "default_privileges"),
        alone=foreign | left,
        maker=desired.builder,
        version=live.server_version,
    )


def _with_state_of_live(fact: FactId, text: str, live: Snapshot, *, exact: bool) -> str:
    """What this role cannot read stays as it is; subscriptions keep running, and new ones are created disabled."""
    now, wanted = live.find(fact), cast("Definition", json.loads(text))
    if now is not None and (now.get("hidden") or wanted.get("hidden")):
        seen = {key: value for key, value in wanted.items() if key not in _HIDDEN}
        return canonical_json({**seen, **{key: now[key] for key in _HIDDEN if key in now}})
    if fact.kind == "subscription" and (now is None or not exact):
        wanted.pop("disabled", None)
        return canonical_json({**wanted, "disabled": True} if now is None or now.get("disabled") else wanted)
    return text


def _is_in_schema(fact: FactId, state: Snapshot) -> bool:
    return state.object_of(fact).kind not in DATABASE_WIDE_KINDS


def _is_initial(fact: FactId, desired: Desired, live: Snapshot) -> bool:
    """It existed before the source ran, but not in live: it was removed, and the source does not ask for it."""
    if fact.kind == "schema" or (fact.kind in SATELLITE_KINDS and fact.target not in live.facts):
        return False
    return desired.baseline.get(fact) == desired.snapshot.facts[fact]


def _belongs_to_others(owner: FactId, desired: Desired, recorded: Snapshot | None, scope: Scope) -> bool:
    if is_leftover(owner):
        return False
    known = recorded is not None and owner in recorded.facts
    if owner in desired.snapshot.facts:
        # In a scratch inside the live database, what is database-wide is there though the source does not mention it.
        wide = owner.kind in DATABASE_WIDE_KINDS and not (scope.exact and scope.all_schemas)
        return wide and not known and not desired.mentions(owner)
    if owner.kind == "schema":
        return not scope.all_schemas
    if owner.kind == "default_privileges":
        return not known and not (scope.exact and (scope.all_schemas or owner.name[1]))
    if owner.kind in DATABASE_WIDE_KINDS:
        return not (known and owner.kind not in SETTING_KINDS) and not (scope.exact and scope.all_schemas)
    return scope.shares(owner.name[0]) and not known


def is_managed(owner: FactId, record: Snapshot, scope: Scope) -> bool:
    """Whether an object that live has is the plugin's: recorded, or in a schema that is all its own."""
    if owner in record.facts:
        return True
    if owner.schema not in {None, *record.schemas} and not scope.all_schemas:
        return False
    if owner.kind == "schema" or owner.kind in DATABASE_WIDE_KINDS:
        return scope.all_schemas and (owner.kind == "schema" or scope.exact)
    return not scope.shares(owner.name[0])


def _merged(
    wanted: Mapping[FactId, frozenset[FactId]],
    live: Mapping[FactId, frozenset[FactId]],
    kept: Iterable[FactId],
    facts: Mapping[FactId, str],
    before: Snapshot,
) -> Mapping[FactId, frozenset[FactId]]:
    merged = dict(wanted)
    for fact in kept:
        if fact in live:
            found = frozenset(needed for needed in live[fact] if needed in facts)
            for gone in live[fact] - found:
                found |= substitutes_of(gone, facts, before)
            merged[fact] = merged.get(fact, frozenset()) | found
    return merged
