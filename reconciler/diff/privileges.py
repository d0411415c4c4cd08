"""What a grantee shall have of each object: what the source says, and what it leaves as it is. Pure: no I/O.

One rule for every kind of object (docs/privileges.md): what the source grants is there, what it revokes is not, and
what it granted when it was last recorded and grants no more is taken back. Anything else is as live has it, and a new
object has what default privileges give it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId, canonical_json
from reconciler.model.privileges import (
    DEFAULT_LETTERS,
    GRANT_OPTION,
    GRANT_RELATIONS,
    as_held,
    default_privileges_of,
    grantor_of,
    of_owner,
    taken,
    united,
    usual_defaults,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from reconciler.model.facts import Json
    from reconciler.model.snapshot import Snapshot

__all__ = ["Said", "merged_privileges", "privileges_in", "with_grantors_of_live", "without_grantors"]

_NOTHING: frozenset[str] = frozenset()
# A quick look at a definition's text.
_GRANTED_BY = " GRANTED BY "


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a source says of privileges: `granted` (what a grantee has by its GRANT and REVOKE), `revoked`, and on which
    objects the default privileges that it declares act, since they are made after those.
    """

    granted: Mapping[FactId, frozenset[str]] = field(default_factory=dict["FactId", "frozenset[str]"])
    revoked: Mapping[FactId, frozenset[str]] = field(default_factory=dict["FactId", "frozenset[str]"])
    under_own_defaults: frozenset[FactId] = frozenset()


def privileges_in(text: str | None) -> frozenset[str] | None:
    """The privileges of a definition."""
    return None if text is None else frozenset(cast("list[str]", json.loads(text)["privileges"]))


def without_grantors(facts: Mapping[FactId, str], grantors: Collection[str] | None = None) -> dict[FactId, str]:
    """The privileges that `grantors`, or all other roles than the owner, granted: as if the owner had."""
    changed: dict[FactId, str] = {}
    for fact, text in facts.items():
        if fact.kind == "privileges" and _GRANTED_BY in text:
            held = privileges_in(text) or _NOTHING
            if (plain := of_owner(held, grantors)) != held:
                changed[fact] = _text(plain)
    return changed


def with_grantors_of_live(facts: Mapping[FactId, str], live: Snapshot) -> dict[FactId, str]:
    """What the source as a whole declares, where it names no grantor, as live has it."""
    changed: dict[FactId, str] = {}
    for fact, text in live.facts.items():
        if fact.kind == "privileges" and _GRANTED_BY in text and fact in facts:
            asked = privileges_in(facts[fact]) or _NOTHING
            if (found := as_held(asked, privileges_in(text) or _NOTHING)) != asked:
                changed[fact] = _text(found)
    return changed


def _text(privileges: Iterable[str]) -> str:
    return canonical_json({"privileges": [*sorted(privileges)]})


def _without_lost(facts: Mapping[FactId, str], changed: dict[FactId, str | None]) -> None:
    """Takes out what was granted by a role that may not grant it any more: Postgres takes it along."""
    while True:
        lost: dict[FactId, str | None] = {}
        for pair in {*facts, *changed}:
            text = changed.get(pair, facts.get(pair))
            if pair.kind != "privileges" or text is None or _GRANTED_BY not in text:
                continue
            held = privileges_in(text) or _NOTHING
            kept = frozenset(each for each in held if _may_grant(each, pair.target, {**facts, **changed}))
            if kept != held:
                lost[pair] = _text(kept) if kept else None
        if not lost:
            return
        changed |= lost


def _may_grant(privilege: str, target: FactId, facts: Mapping[FactId, str | None]) -> bool:
    grantor = grantor_of(privilege)
    if grantor is None:
        return True
    word = of_owner([privilege.removesuffix(GRANT_OPTION)])
    objects = [target, *(FactId(kind, target.name[:2]) for kind in GRANT_RELATIONS if target.kind == "column")]
    for each in objects:
        held = privileges_in(facts.get(FactId("privileges", (each.kind, *each.name, grantor)))) or _NOTHING
        if {f"{one}{GRANT_OPTION}" for one in word} <= of_owner(held):
            return True
    return False


def merged_privileges(
    facts: Mapping[FactId, str],
    *,
    live: Snapshot,
    recorded: Snapshot | None,
    said: Said,
    declared_defaults: frozenset[FactId],
    alone: frozenset[FactId],
    maker: str,
    version: int,
) -> Mapping[FactId, str | None]:
    """What each pair of object and grantee has in the goal, where that is not what `facts` has; None where it is usual.

    `facts` are the goal's so far, `alone` those that are left as they are, `declared_defaults` the entries of default
    privileges that the source declares, `maker` who creates new objects.
    """
    defaults = _Defaults(facts, live, declared_defaults, maker, version)
    pairs = {fact for fact in facts if fact.kind == "privileges"} | said.revoked.keys()
    pairs |= {fact for fact in live.facts if fact.kind == "privileges"}
    for target in facts:
        if target.kind in DEFAULT_LETTERS and target not in live.facts:
            pairs |= {FactId("privileges", (target.kind, *target.name, who)) for who in defaults.grantees(target, said)}
    found: dict[FactId, str | None] = {}
    for pair in pairs:
        target, grantee = pair.target, pair.name[-1]
        if target not in facts or target in alone or pair in alone:
            continue
        owner = _role(facts.get(FactId("owner", (target.kind, *target.name))))
        usual = default_privileges_of(target, grantee, owner, version)
        granted, revoked = said.granted.get(pair), said.revoked.get(pair, _NOTHING)
        given = defaults.given(target, grantee, owner, said)
        if target not in live.facts:
            base = usual if given is None else given
            lost = usual - granted if granted is not None else _NOTHING
            wanted = united(taken(base, revoked | lost), granted - usual if granted is not None else _NOTHING)
        else:
            held = privileges_in(live.facts.get(pair))
            held = usual if held is None else held
            wanted = _of_existing(pair, held, usual, given or usual, granted, revoked, recorded)
        text = None if wanted == usual else _text(wanted)
        if text != facts.get(pair):
            found[pair] = text
    _without_lost(facts, found)
    return found


def _of_existing(
    pair: FactId,
    held: frozenset[str],
    usual: frozenset[str],
    given: frozenset[str],
    granted: frozenset[str] | None,
    revoked: frozenset[str],
    recorded: Snapshot | None,
) -> frozenset[str]:
    """What a grantee has of an object that live has. What it got by hand beside a GRANT of the source is taken back."""
    before = recorded.granted.get(pair) if recorded is not None else None
    if granted is None:
        return taken(held, revoked | ((before or _NOTHING) - usual))
    granted, kept = as_held(granted, held), given
    if recorded is not None and before is not None:
        then = privileges_in(recorded.facts.get(pair))
        kept = as_held(usual if then is None else then, held) - (as_held(before, held) - granted)
    # What others granted beside the owner gives nothing more.
    beside = frozenset(each for each in held if grantor_of(each) is not None and of_owner([each]) <= of_owner(granted))
    return united(granted, taken(((held & kept) - usual) | beside, revoked))


class _Defaults:
    """What default privileges give to new objects: those that live has and keeps, and the source's own."""

    def __init__(
        self, facts: Mapping[FactId, str], live: Snapshot, declared: frozenset[FactId], maker: str, version: int
    ) -> None:
        self._maker = maker
        self._version = version
        goal = _entries(facts)
        self._kept = {
            entry: {who: held & goal[entry][who] for who, held in found.items() if who in goal[entry]}
            for entry, found in _entries(live.facts).items()
            if entry in goal
        }
        self._own = {entry: found for entry, found in goal.items() if entry in declared}

    def grantees(self, target: FactId, said: Said) -> Iterable[str]:
        """Who gets something of a new object."""
        return {who for _, held in self._acting(target, said) for who in held}

    def given(self, target: FactId, grantee: str, owner: str | None, said: Said) -> frozenset[str] | None:
        """What default privileges make of the usual privileges; None where none act."""
        acting = [*self._acting(target, said)]
        if not acting:
            return None

        def of(who: str) -> frozenset[str]:
            wide = [held for entry, held in acting if not entry.name[1]]
            usual = usual_defaults(
                FactId("default_privileges", (self._maker, "", DEFAULT_LETTERS[target.kind])), who, self._version
            )
            base = [held.get(who, usual) for held in wide] or [usual]
            return united(*base, *(held.get(who, _NOTHING) for entry, held in acting if entry.name[1]))

        if owner is None or owner == self._maker:
            return of(grantee)
        if grantee == self._maker:
            return _NOTHING
        return united(of(owner), of(self._maker)) if grantee == owner else of(grantee)

    def _acting(self, target: FactId, said: Said) -> Iterable[tuple[FactId, Mapping[str, frozenset[str]]]]:
        letter = DEFAULT_LETTERS.get(target.kind)
        for schema in ("", *target.name[:1]) if letter and letter != "n" else ("",) if letter else ():
            entry = FactId("default_privileges", (self._maker, schema, letter or ""))
            if target in said.under_own_defaults and entry in self._own:
                yield entry, {**self._kept.get(entry, {}), **self._own[entry]}
            elif entry in self._kept:
                yield entry, self._kept[entry]


def _entries(facts: Mapping[FactId, str]) -> dict[FactId, dict[str, frozenset[str]]]:
    found: dict[FactId, dict[str, frozenset[str]]] = {fact: {} for fact in facts if fact.kind == "default_privileges"}
    for fact, text in facts.items():
        if fact.kind == "privileges" and fact.target in found:
            found[fact.target][fact.name[-1]] = privileges_in(text) or _NOTHING
    return found


def _role(text: str | None) -> str | None:
    return None if text is None else str(cast("dict[str, Json]", json.loads(text))["role"])
