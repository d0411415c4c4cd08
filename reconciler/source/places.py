"""Where a source declares the objects of a plan: file and line of each. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.facts import CHILD_KINDS, ROUTINE_KINDS, SATELLITE_KINDS
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.subjects import elements_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model.facts import FactId
    from reconciler.model.intent import Subject
    from reconciler.source.source import AnySource

__all__ = ["Place", "Places", "places_of"]

_RELATIONS = ("table", "foreign_table", "view", "materialized_view", "sequence")


class Place(NamedTuple):
    """A line of a source's part, from 1."""

    origin: str
    line: int


class Places:
    """The first place that speaks of each object: its kind, its maybe qualified name, and a part of it."""

    def __init__(self, found: Mapping[tuple[str, tuple[str, ...], str | None], Place]) -> None:
        self._found = found

    def of(self, fact: FactId) -> Place | None:
        """Where the fact is declared, else what it is a part of; None where the source does not say its name."""
        while fact.kind in SATELLITE_KINDS:
            fact = fact.target
        if fact.kind in ROUTINE_KINDS:
            return self._named((fact.kind,), fact.name[:2], None)
        if fact.kind == "default":
            return self._named(("column",), fact.name[:2], fact.name[2]) or self._named(_RELATIONS, fact.name[:2], None)
        if fact.kind in CHILD_KINDS or fact.kind == "domain_constraint":
            part = fact.name[2] if len(fact.name) > 2 else None
            owners = ("domain",) if fact.kind == "domain_constraint" else _RELATIONS
            return self._named((fact.kind,), fact.name[:2], part) or self._named(owners, fact.name[:2], None)
        return self._named((fact.kind,), fact.name, None)

    def _named(self, kinds: tuple[str, ...], name: tuple[str, ...], part: str | None) -> Place | None:
        for kind in kinds:
            for known in (name, name[-1:]):
                if (place := self._found.get((kind, known, part))) is not None:
                    return place
        return None


def places_of(source: AnySource | None) -> Places:
    """The places of a source that is SQL; of another database none."""
    from reconciler.source.source import Source

    found: dict[tuple[str, tuple[str, ...], str | None], Place] = {}
    for statement in source.statements if isinstance(source, Source) else ():
        for subject, offset in _subjects(statement.sql):
            place = Place(statement.origin, statement.line + statement.sql.count("\n", 0, offset))
            for kind in subject.kinds:
                found.setdefault((kind, subject.name, subject.part), place)
    return Places(found)


def _subjects(sql: str) -> Iterable[tuple[Subject, int]]:
    """What the statement makes, and the columns and constraints that it lists, each with its place in the text."""
    whole = subject_of(sql)
    if whole is None:
        return
    yield whole, 0
    tokens = [token for token in lexemes(sql) if token.kind != "comment"]
    for element in elements_of(tokens, whole):
        if element.subject is not None:
            yield element.subject, tokens[element.first].start
