"""Which hazards of a plan are refused: consent for kinds and objects, and rules of the configuration. Pure: no I/O.

A consent is a hazard's kind, maybe followed by what it is for: `data_loss`, `data-loss:table:public.old_orders`,
`data-loss:table:staging.*`. Consents go before rules; of the rules the first that fits decides; else the kind does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError, HazardError
from reconciler.model.facts import DATABASE_WIDE_KINDS, SATELLITE_KINDS
from reconciler.model.hazards import KINDS, HazardKind, hazard_kind
from reconciler.model.visible import shell_word, visible_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard

__all__ = [
    "EVERYTHING",
    "HazardRule",
    "Verdict",
    "consent_for",
    "consents",
    "flags",
    "hazard_error",
    "refused_of",
    "rule_of_consent",
    "unused_consents",
    "verdict_on",
]

EVERYTHING = "all"
_SHOWN = 10


class Verdict(StrEnum):
    """What a rule decides."""

    ALLOW = "allow"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardRule:
    """Decides about the hazards that all of its conditions fit; without `hazards`, about those of every kind.

    `schema` and `object` are patterns with `*`; `object` is that of `table:public.orders`. With `above_bytes` it is
    about tables alone that are known to be larger.
    """

    verdict: Verdict
    hazards: tuple[HazardKind, ...] = ()
    schema: str | None = None
    object: str | None = None
    above_bytes: int | None = None

    def fits(self, hazard: Hazard) -> bool:
        """Whether the rule is about this hazard."""
        if self.hazards and hazard.kind not in self.hazards:
            return False
        if self.schema is not None:
            schema = _schema_of(hazard.fact)
            if schema is None or not fnmatchcase(schema, self.schema):
                return False
        if self.object is not None and not _is_called(hazard.fact, self.object):
            return False
        return self.above_bytes is None or (hazard.size is not None and hazard.size.bytes > self.above_bytes)


def consents(texts: Iterable[str] | str) -> frozenset[str]:
    """The consents as they are compared: kinds with `_`, and `all` as every kind but an empty source.

    Who allows all hazards of a plan does not mean that everything be dropped. Raises ConfigError for no kind.
    """
    found: set[str] = set()
    for text in (texts,) if isinstance(texts, str) else texts:
        word, colon, name = text.partition(":")
        if word == EVERYTHING and not colon:
            found.update(kind for kind in HazardKind if kind is not HazardKind.EMPTY_SOURCE)
            continue
        kind = hazard_kind(word)
        if kind is None:
            raise ConfigError(
                f"hazard {word} does not exist",
                hint=f"known are: {', '.join(each.word for each in HazardKind)}, {EVERYTHING}",
            )
        if colon and not (name.partition(":")[0] and name.partition(":")[2]):
            raise ConfigError(
                f"{text}does not name an object",
                hint=f"write {kind.word}:KIND:NAME, e.g. {kind.word}:table:app.users",
            )
        found.add(f"{kind.value}:{name}" if colon else kind.value)
    return frozenset(found)


def refused_of(
    hazards: Iterable[Hazard], allowed: Collection[str], rules: Sequence[HazardRule] = ()
) -> tuple[Hazard, ...]:
    """The hazards that need consent and do not have it."""
    return tuple(each for each in hazards if verdict_on(each, allowed, rules) is Verdict.REFUSE)


def verdict_on(hazard: Hazard, allowed: Collection[str], rules: Sequence[HazardRule] = ()) -> Verdict | None:
    """What was decided about the hazard; None where nobody did and its kind needs no consent."""
    if _has_consent(hazard, allowed):
        return Verdict.ALLOW
    rule = next((rule for rule in rules if rule.fits(hazard)), None)
    if rule is not None:
        return rule.verdict
    return Verdict.REFUSE if KINDS[hazard.kind].is_refused else None


def _has_consent(hazard: Hazard, allowed: Collection[str]) -> bool:
    return hazard.kind.value in allowed or any(_covers(each, hazard) for each in allowed)


def _covers(consent: str, hazard: Hazard) -> bool:
    kind, _, name = consent.partition(":")
    return bool(name) and kind == hazard.kind.value and _is_called(hazard.fact, name)


def _is_called(fact: FactId, pattern: str) -> bool:
    return fact.key == pattern or fnmatchcase(fact.key, pattern)


def _schema_of(fact: FactId) -> str | None:
    """The schema that the fact is in; None for what belongs to the whole database."""
    target = fact.target if fact.kind in SATELLITE_KINDS else fact
    return None if target.kind in DATABASE_WIDE_KINDS else target.name[0]


def rule_of_consent(consent: str) -> HazardRule:
    """A consent for an object as a rule: one that stands in a configuration and may be for what is gone by now."""
    kind, _, name = consent.partition(":")
    return HazardRule(verdict=Verdict.ALLOW, hazards=(HazardKind(kind),), object=name)


def unused_consents(hazards: Sequence[Hazard], allowed: Iterable[str]) -> Iterable[str]:
    """A warning for each consent for an object that the plan has no such hazard for: the name may be misspelt."""
    for consent in sorted(allowed):
        kind, _, name = consent.partition(":")
        if name and not any(_covers(consent, hazard) for hazard in hazards):
            yield f"{HazardKind(kind).word} is allowed for {name}, but no statement of the plan has that hazard for it"


def consent_for(hazard: Hazard) -> str:
    """What `--allow` takes for this hazard and no other: `data-loss:table:public.old_orders`."""
    return f"{hazard.kind.word}:{hazard.fact.key}"


def hazard_error(refused: Sequence[Hazard], *, online: bool, hint: str = "") -> HazardError:
    """Says what is refused, and which flags or which line of the configuration allow each. `online`: it is already.

    `hint` is what else may help, and comes first.
    """
    texts = list(dict.fromkeys(consent_for(hazard) for hazard in refused))
    kinds = sorted({hazard.kind.word for hazard in refused})
    if len(texts) > _SHOWN:
        shown = ", ".join(texts[:_SHOWN])
        consent = f"allow {shown} and {len(texts) - _SHOWN} more separately, or {flags(kinds)} for all"
    else:
        lines = ", ".join(json.dumps(text, ensure_ascii=visible_line(text) != text) for text in texts)
        consent = f"allow it with {flags(texts)}, or in the configuration with allow = [{lines}]"
    if not online and any(KINDS[hazard.kind].goes_online for hazard in refused):
        consent += "; or change large tables in steps with --online"
    more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return HazardError(
        "; ".join(hazard.message for hazard in refused[:_SHOWN]) + more,
        hint="; ".join(each for each in (hint, consent) if each),
        left="nothing was changed",
        hazards=tuple(refused),
    )


def flags(texts: Iterable[str]) -> str:
    """The options of the command line, ready to be pasted into a shell."""
    return " ".join(f"--allow {shell_word(text)}" for text in texts)
