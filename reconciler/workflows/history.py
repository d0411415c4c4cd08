"""Which statement of a source makes which facts, as Postgres tells it. Does I/O in scratch only.

The source is built once more, and the catalogs are read before and after each statement that may matter: what a
statement makes is what is there after it and was not there, or was otherwise, before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.db.connections import transaction
from reconciler.model.facts import ROUTINE_KINDS, SATELLITE_KINDS
from reconciler.scratch.build import build_anywhere
from reconciler.source.screening import leading_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from reconciler.db.session import Session
    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Extent, Snapshot
    from reconciler.results import PlanResult
    from reconciler.scratch.place import Place
    from reconciler.source.loader import LoadGuard
    from reconciler.source.screening import Refusal
    from reconciler.source.source import Source, SourceStatement

__all__ = ["Effect", "read_history"]

# What names all that it is about; any other statement may act on what it does not name.
_NAMING = frozenset({"ALTER", "COMMENT", "CREATE", "DROP"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A statement that ran, and each fact that it made, changed or dropped: its definition before and after."""

    statement: SourceStatement
    facts: Mapping[FactId, tuple[str | None, str | None]]


def read_history(session: Session, found: PlanResult, source: Source, facts: Collection[FactId]) -> tuple[Effect, ...]:
    """What the statements that may have made these facts did, in the order in which they ran.

    `found` is a plan of the same source. Only what names one of them is looked at, unless that leaves one unexplained.
    """
    words = {word.lower() for fact in facts for word in _words(fact)}
    declared = {fact for fact in facts if fact in found.goal.snapshot and fact not in found.goal.kept}

    def may_matter(statement: SourceStatement) -> bool:
        text = statement.sql.lower()
        return not _NAMING.issuperset(leading_keywords(statement.sql)[:1]) or any(word in text for word in words)

    effects = _observed(session, found, source, may_matter)
    if declared <= {fact for effect in effects for fact in effect.facts}:
        return effects
    return _observed(session, found, source, lambda _: True)


def _observed(
    session: Session, found: PlanResult, source: Source, may_matter: Callable[[SourceStatement], bool]
) -> tuple[Effect, ...]:
    observers: list[_Observer] = []

    def observing(place: Place, guard: LoadGuard | None) -> LoadGuard:
        observers.append(_Observer(place, guard, found.live.extent, may_matter))
        return observers[-1]

    with transaction(session.connection, force_rollback=True):
        build_anywhere(
            session.connection,
            found.options.scratch,
            source,
            found.scope,
            found.recorded.snapshot if found.recorded else None,
            dsn=session.dsn,
            wait_ms=found.options.longest_wait_ms,
            observing=observing,
        )
    return tuple(observers[-1].effects)


def _words(fact: FactId) -> tuple[str, ...]:
    """The names of which a statement about the fact has one."""
    while fact.kind in SATELLITE_KINDS:
        fact = fact.target
    if fact.kind in ROUTINE_KINDS or fact.kind in ("column", "default", "constraint", "domain_constraint"):
        return fact.name[1:2]
    return fact.name[1:] or fact.name


class _Observer:
    """A guard that lets the statements run as another one does, and reads the catalogs around those that may matter."""

    def __init__(
        self,
        place: Place,
        guard: LoadGuard | None,
        extent: Extent,
        may_matter: Callable[[SourceStatement], bool],
    ) -> None:
        self._place = place
        self._guard = guard
        self._extent = extent
        self._may_matter = may_matter
        self._known: Snapshot | None = None  # as the place is, where that is known
        self._running: SourceStatement | None = None
        self.effects: list[Effect] = []

    def is_alone(self, statement: SourceStatement) -> bool:
        """Whether the statement is to be run by itself."""
        return self._may_matter(statement) or (self._guard is not None and self._guard.is_alone(statement))

    def wrapped(self, statement: SourceStatement) -> Sequence[bytes]:
        """The statement as it is run."""
        self._running = statement
        if self._may_matter(statement) and self._known is None:
            self._known = self._read()
        return [statement.sql.encode()] if self._guard is None else self._guard.wrapped(statement)

    def changed(self) -> Refusal | None:
        """What the open transaction changed beyond the place."""
        refusal = None if self._guard is None else self._guard.changed()
        assert self._running is not None  # it is asked after a statement
        before, self._known = self._known, None
        if refusal is None and before is not None and self._may_matter(self._running):
            self._known = after = self._read()
            facts = {
                fact: (before.facts.get(fact), after.facts.get(fact))
                for fact in before.facts.keys() | after.facts.keys()
                if before.facts.get(fact) != after.facts.get(fact)
            }
            self.effects.append(Effect(statement=self._running, facts=facts))
        return refusal

    def _read(self) -> Snapshot:
        return self._place.read(self._extent.schemas, outside=self._extent.outside)
