"""Where a source declares the objects of a plan: file and line of each. Pure: no I/O."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.facts import ANY_ARGUMENTS, CHILD_KINDS, ROUTINE_KINDS, SATELLITE_KINDS, FactId
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.subjects import elements_of, subject_of, unquoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.model.intent import Subject
    from reconciler.source.source import AnySource, Source

__all__ = ["Place", "Places", "created_beside", "places_of", "statement_about"]

_HEAD = 400  # tokens
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


def created_beside(source: Source, schemas: Collection[str]) -> frozenset[FactId]:
    """What CREATE statements, and ALTER TABLE ... ADD, name in these schemas; routines with any arguments.

    What IF NOT EXISTS leaves open is not among them, nor what stands in a DO block.
    """
    found: set[FactId] = set()
    for statement in source.statements if schemas else ():
        subject = subject_of(statement.sql)
        if subject is None or len(subject.name) < 2 or subject.name[0] not in schemas:
            continue
        words = [token.keyword for token in islice(lexemes(statement.sql), _HEAD) if token.kind != "comment"]
        if _leaves_open(words):
            continue
        part = () if subject.part is None else (subject.part,)
        if words[:1] == ["CREATE"] or (part and "ADD" in words and "ALTER" not in words[1:]):
            for kind in subject.kinds:
                found.add(FactId(kind, (*subject.name, *((ANY_ARGUMENTS,) if kind in ROUTINE_KINDS else part))))
    return frozenset(found)


def _leaves_open(words: Sequence[str]) -> bool:
    return any(tuple(words[at : at + 3]) == ("IF", "NOT", "EXISTS") for at in range(len(words)))


def statement_about(source: Source, fact: FactId) -> str:
    """File and line of the statement that speaks of the fact, or of the last that names what it is in."""
    place = places_of(source).of(fact)
    if place is not None:
        return f"{place.origin}:{place.line}"
    while fact.kind in SATELLITE_KINDS:
        fact = fact.target
    names = {name.lower() for name in fact.name if name}
    found = source.description
    for statement in source.statements:
        words = {unquoted(token).lower() for token in lexemes(statement.sql) if token.kind in ("word", "identifier")}
        text = statement.sql.lower()  # the body of a DO block is one token
        if len(names & words) > 1 or all(name in text for name in names):
            found = f"{statement.origin}:{statement.line}"
    return found
