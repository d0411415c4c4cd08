"""What a source takes that somebody else has made outside of its schemas. Does I/O, and only reads.

A name without a schema means what fits best in the search path, and who may create in `public` decides what that is: a
function or operator of hers for narrower types goes before the system's, and her code gets into what is declared. That
what the source made in scratch needs it shows in pg_depend; what is only called while it is loaded, in its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.catalog.others import read_others
from reconciler.db.connections import fetch_all
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import SourceError
from reconciler.source.reach import flattened, words_of
from reconciler.source.screening import leading_keywords
from reconciler.source.source import Source
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.subjects import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.db.connections import Connection
    from reconciler.source.reach import Reach
    from reconciler.source.source import AnySource, SourceStatement
    from reconciler.sqltext.lexer import Token

__all__ = ["Outsider", "Taken", "read_outsiders", "refuse_called", "taken"]

_HINT = (
    "write the schema before its name where it is meant; else rename yours, or let nobody create there"
    " (REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC)"
)
_ROUTINES = frozenset({"function", "procedure", "aggregate"})
_Need = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """An object of live outside of the managed schemas, of a role that is not trusted; `kind` and `identity` as
    Postgres gives them. `hides_system`: it can be taken for an operator or a routine of the system; `is_keyword`: its
    name without quotes is grammar, as varchar(9) is a type."""

    kind: str
    identity: str
    schema: str
    name: str
    owner: str
    hides_system: bool
    is_keyword: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.identity} of role {self.owner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Which objects needed which outsiders before the source was loaded."""

    outsiders: tuple[Outsider, ...]
    before: frozenset[_Need]

    def notes(self, connection: Connection, source: Source) -> Iterator[str]:
        """A line for each that the source names with its schema. Raises SourceError for another."""
        told: set[int] = set()
        for need, needing in _needing(connection, self.outsiders).items():
            number = need[3]
            if need in self.before or number in told:
                continue
            told.add(number)
            outsider = self.outsiders[number - 1]
            if _names_whole(source, outsider):
                yield f"{source.description}: {needing} needs {outsider}, who decides what it does"
            else:
                raise _refusal(source.description, f"{needing} would need {outsider}", outsider)


def read_outsiders(live: Connection, source: AnySource, schemas: Sequence[str]) -> tuple[Outsider, ...]:
    """Those whose names the source has words for. Raises DatabaseError."""
    if not isinstance(source, Source):
        return ()
    rows = fetch_all(
        live,
        trusted(read_sql("scratch/outsiders.sql")),
        {
            "schemas": [*schemas],
            "others": sorted(read_others(live).roles),
            "words": sorted(words_of(source.statements)),
            "text": "\n".join(statement.sql for statement in source.statements),
        },
    )
    return tuple(
        Outsider(
            kind=str(kind),
            identity=str(identity),
            schema=str(schema),
            name=str(name),
            owner=str(owner),
            hides_system=bool(hides),
            is_keyword=bool(is_keyword),
        )
        for kind, identity, schema, name, owner, hides, is_keyword in rows
    )


def taken(connection: Connection, outsiders: tuple[Outsider, ...]) -> Taken | None:
    """What needs them in scratch before the source is loaded there."""
    if not outsiders:
        return None
    return Taken(outsiders=outsiders, before=frozenset(_needing(connection, outsiders)))


def refuse_called(source: AnySource, reach: Reach, outsiders: Sequence[Outsider], *, in_live: bool) -> None:
    """Raises SourceError where what runs while the source is loaded calls one of their routines without its schema.

    What can be taken for the system's is in no temporary database, but `in_live` it is.
    """
    if not isinstance(source, Source) or not outsiders:
        return
    routines = {each.name: each for each in outsiders if each.kind in _ROUTINES and (in_live or not each.hides_system)}
    operators = [each for each in outsiders if each.kind == "operator" and in_live and each.hides_system]
    for statement in _running(source, reach):
        said = "".join(_words(statement))
        for operator in operators:
            if operator.name in said:
                raise _refusal(statement.where, f"it could call {operator}", operator)
        for name, in_quotes in _called(statement):
            if name in routines and (in_quotes or not routines[name].is_keyword):
                raise _refusal(statement.where, f"it would call {routines[name]}", routines[name])


def _running(source: Source, reach: Reach) -> Iterator[SourceStatement]:
    """The statements that run something as they are loaded, and those that make the functions which these call."""
    routines: dict[str, list[SourceStatement]] = {}
    for statement in source.statements:
        words = leading_keywords(statement.sql)
        if words[:1] == ("CREATE",) and {"FUNCTION", "PROCEDURE"}.intersection(words):
            for name, following in pairwise(_words(statement)):
                if following == "(":
                    routines.setdefault(name, []).append(statement)
    waiting = [source.statements[index] for index in sorted(reach.running)]
    seen: set[int] = set()
    while waiting:
        statement = waiting.pop(0)
        if id(statement) in seen:
            continue
        seen.add(id(statement))
        yield statement
        waiting += [each for word in _words(statement) for each in routines.get(word, ())]


def _needing(connection: Connection, outsiders: Sequence[Outsider]) -> dict[_Need, str]:
    """What needs one of the outsiders, by name: its address, and the place of that one, from 1 on."""
    rows = fetch_all(
        connection,
        trusted(read_sql("scratch/needed.sql")),
        {
            "classes": [each.kind for each in outsiders],
            "identities": [each.identity for each in outsiders],
            "names": sorted({each.name for each in outsiders}),
        },
    )
    return {(int(row[0]), int(row[1]), int(row[2]), int(row[3])): str(row[4]) for row in rows}


def _refusal(where: str, what: str, outsider: Outsider) -> SourceError:
    return SourceError(
        f"{where}: {what}, which its name without a schema means here",
        hint=_HINT.format(schema=outsider.schema),
        left="nothing was changed",
    )


def _names_whole(source: Source, outsider: Outsider) -> bool:
    """Whether a statement of the source has the schema before the name."""
    return any(outsider.name in _after_schema(statement, outsider.schema) for statement in source.statements)


def _after_schema(statement: SourceStatement, schema: str) -> Iterator[str]:
    words = _words(statement)
    for place, word in enumerate(words[:-2]):
        if word == schema and words[place + 1] == ".":
            yield words[place + 2]
            # An operator is of several tokens.
            yield "".join(words[place + 2 : place + 5]).partition(")")[0]


def _called(statement: SourceStatement) -> Iterator[tuple[str, bool]]:
    """The names without a schema that a parenthesis follows, also in strings, which may be run; whether in quotes."""
    tokens = _tokens(statement)
    for place, token in enumerate(tokens[:-1]):
        if tokens[place + 1].text == "(" and (not place or tokens[place - 1].text != "."):
            yield unquoted(token), token.text.startswith('"')


def _words(statement: SourceStatement) -> list[str]:
    """The tokens as the catalogs hold names."""
    return [unquoted(token) for token in _tokens(statement)]


def _tokens(statement: SourceStatement) -> list[Token]:
    return [*flattened(token for token in lexemes(statement.sql) if token.kind != "comment")]
