"""A desired state as text, to be kept, and back. Pure: no I/O.

Other than a recorded snapshot it has its dependencies, and what was there before the source ran. Facts are written
once, in their order, and named by their place from then on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from reconciler.diff.goal import Desired
from reconciler.diff.privileges import Said
from reconciler.model.facts import FactId
from reconciler.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KeptDeclaration", "desired_from_text", "desired_to_text"]

_Pairs: TypeAlias = "list[tuple[int, str]]"
_Lists: TypeAlias = "list[tuple[int, list[int]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDeclaration:
    """What was built, and the key to keep it under."""

    key: str
    desired: Desired


def desired_to_text(desired: Desired) -> str | None:
    """The state as text; None where it is not whole without its secrets, or says what of it is not managed."""
    state = desired.snapshot
    if state.secrets or desired.notes or desired.said != Said():
        return None
    places: dict[FactId, int] = {fact: place for place, fact in enumerate(state.facts)}

    def place(fact: FactId) -> int:
        return places.setdefault(fact, len(places))

    def lists(found: Mapping[FactId, Iterable[FactId]]) -> list[list[object]]:
        return [[place(fact), [place(needed) for needed in sorted(other)]] for fact, other in found.items()]

    value: dict[str, object] = {
        "texts": [*state.facts.values()],
        "schemas": state.schemas,
        "server_version": state.server_version,
        "dependencies": lists(state.dependencies),
        "automatic": lists(state.automatic),
        "unpopulated": [*map(place, sorted(state.unpopulated))],
        "ages": [[place(fact), age] for fact, age in state.ages.items()],
        "inherited_names": [[place(fact), name] for fact, name in state.inherited_names.items()],
        "declared": [*map(place, sorted(state.declared))],
        "cloned": [*map(place, sorted(state.cloned))],
        "granted": [[place(fact), sorted(held)] for fact, held in state.granted.items()],
        "baseline": [[place(fact), text] for fact, text in desired.baseline.items()],
        "named": [*map(place, sorted(desired.named))],
        "builder": desired.builder,
    }
    value["names"] = [[fact.kind, *fact.name] for fact in places]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def desired_from_text(text: str) -> Desired:
    """The state that `desired_to_text` wrote, but for where its objects lay in scratch.

    Raises ValueError, LookupError or TypeError where the text is not such a state.
    """
    value = cast("dict[str, object]", json.loads(text))
    names = [FactId(kind, tuple(name)) for kind, *name in cast("list[list[str]]", value["names"])]

    def pairs(key: str) -> dict[FactId, str]:
        return {names[place]: text for place, text in cast("_Pairs", value[key])}

    def lists(key: str) -> dict[FactId, frozenset[FactId]]:
        found = cast("_Lists", value[key])
        return {names[place]: frozenset([names[each] for each in others]) for place, others in found}

    def facts(key: str) -> frozenset[FactId]:
        return frozenset([names[place] for place in cast("list[int]", value[key])])

    snapshot = Snapshot(
        facts=dict(zip(names, cast("list[str]", value["texts"]), strict=False)),
        schemas=tuple(cast("list[str]", value["schemas"])),
        server_version=cast("int", value["server_version"]),
        dependencies=lists("dependencies"),
        automatic=lists("automatic"),
        unpopulated=facts("unpopulated"),
        ages={names[place]: age for place, age in cast("list[tuple[int, int]]", value["ages"])},
        inherited_names=pairs("inherited_names"),
        declared=facts("declared"),
        cloned=facts("cloned"),
        granted={
            names[place]: frozenset(held) for place, held in cast("list[tuple[int, list[str]]]", value["granted"])
        },
    )
    return Desired(
        snapshot=snapshot, baseline=pairs("baseline"), builder=cast("str", value["builder"]), named=facts("named")
    )
