"""What a statement of a source makes, told from its first tokens. Pure: no I/O.

Nothing here understands a statement. Its keywords and the name after them say of which object it speaks, which is
enough to say where in the source an object stands, and what a hint beside it is about; whether there is such an object
is for Postgres to say.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.intent import Subject
from reconciler.sqltext.lexer import lexemes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.sqltext.lexer import Token

__all__ = ["Element", "elements_of", "extension_clauses", "subject_of", "unquoted"]

_TYPES = ("enum", "composite_type", "range_type", "base_type")
_KINDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("TABLE",): ("table",),
    ("FOREIGN", "TABLE"): ("foreign_table",),
    ("VIEW",): ("view",),
    ("MATERIALIZED", "VIEW"): ("materialized_view",),
    ("SEQUENCE",): ("sequence",),
    ("TYPE",): _TYPES,
    ("DOMAIN",): ("domain",),
    ("FUNCTION",): ("function",),
    ("PROCEDURE",): ("procedure",),
    ("AGGREGATE",): ("aggregate",),
    ("SCHEMA",): ("schema",),
    ("INDEX",): ("index",),
    ("TRIGGER",): ("trigger",),
    ("POLICY",): ("policy",),
    ("RULE",): ("rule",),
    ("STATISTICS",): ("statistics",),
    ("COLLATION",): ("collation",),
    ("CONVERSION",): ("conversion",),
    ("TEXT", "SEARCH", "CONFIGURATION"): ("text_search_configuration",),
    ("TEXT", "SEARCH", "DICTIONARY"): ("text_search_dictionary",),
    ("TEXT", "SEARCH", "PARSER"): ("text_search_parser",),
    ("TEXT", "SEARCH", "TEMPLATE"): ("text_search_template",),
    ("EXTENSION",): ("extension",),
    ("EVENT", "TRIGGER"): ("event_trigger",),
    ("FOREIGN", "DATA", "WRAPPER"): ("foreign_data_wrapper",),
    ("SERVER",): ("foreign_server",),
    ("LANGUAGE",): ("language",),
    ("PUBLICATION",): ("publication",),
    ("SUBSCRIPTION",): ("subscription",),
}
_ON_TABLE = frozenset({"index", "trigger", "policy", "rule"})
_LISTING = frozenset({"table", "foreign_table", *_TYPES})
# Words that may stand between CREATE and the kind.
_MODIFIERS = frozenset(
    {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "CONSTRAINT", "RECURSIVE",
     "TRUSTED", "PROCEDURAL", "DEFAULT"}
)  # fmt: skip
_UNNAMED = frozenset({"PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "LIKE"})
_BEGINNING, _HEAD = 24, 400  # tokens


class Element(NamedTuple):
    """One column, constraint or label in a statement's list: its subject (None: it has no name) and its tokens."""

    subject: Subject | None
    first: int
    last: int


def unquoted(token: Token) -> str:
    """The name that a token is, as the catalogs hold it; a string's value."""
    match token.kind:
        case "identifier":
            return token.text[1:-1].replace('""', '"')
        case "string":
            return token.text[1:-1].replace("''", "'")
        case _:
            return token.text.lower()


def subject_of(sql: str) -> Subject | None:
    """What the statement makes or alters; None for one that makes no object of its own."""
    # The name stands at the beginning; only what is made for a table may name that one far behind.
    for tokens in (_BEGINNING, _HEAD):
        found = _beginning(sql, tokens)
        match [token.keyword for token in found[:2]]:
            case ["CREATE", _]:
                subject = _created(found)
            case ["ALTER", _]:
                subject = _altered(found)
            case _:
                return None
        if subject is not None or len(found) < tokens:
            return subject
    return None


def _beginning(sql: str, tokens: int) -> list[Token]:
    return [*islice((token for token in lexemes(sql) if token.kind != "comment"), tokens)]


def extension_clauses(sql: str) -> dict[str, str]:
    """What CREATE EXTENSION says of `schema` and `version`; they follow the name, in any order."""
    found = _beginning(sql, _HEAD)
    _, at = _name(found, _past(found, 2, ("IF", "NOT", "EXISTS")))
    return {
        word.text.lower(): unquoted(value)
        for word, value in pairwise(found[at:])
        if word.keyword in ("SCHEMA", "VERSION")
    }


def _created(found: Sequence[Token]) -> Subject | None:
    at = 1
    while at < len(found) and found[at].keyword in _MODIFIERS:
        at += 1
    for length in (3, 2, 1):
        kinds = _KINDS.get(tuple(token.keyword for token in found[at : at + length]))
        if kinds is not None:
            break
    else:
        return None
    at = _past(found, at + length, ("CONCURRENTLY",), ("IF", "NOT", "EXISTS"))
    if kinds == ("schema",):
        at = _past(found, at, ("AUTHORIZATION",))
    if kinds == ("index",) and found[at : at + 1] and found[at].keyword == "ON":
        return None  # Postgres will choose a name
    name, at = _name(found, at)
    if not name:
        return None
    if kinds[0] not in _ON_TABLE:
        return Subject(kinds=kinds, name=name)
    word = "TO" if kinds == ("rule",) else "ON"
    while at < len(found) and found[at].keyword != word:
        at += 1
    table, _ = _name(found, _past(found, at + 1, ("ONLY",)))
    return Subject(kinds=kinds, name=table, part=name[-1]) if table else None


def _altered(found: Sequence[Token]) -> Subject | None:
    """ALTER TABLE that adds or alters one column or constraint, and ALTER TYPE that adds a value; else the whole."""
    for length in (2, 1):
        kinds = _KINDS.get(tuple(token.keyword for token in found[1 : 1 + length]))
        if kinds is not None:
            break
    else:
        return None
    name, at = _name(found, _past(found, 1 + length, ("IF", "EXISTS"), ("ONLY",)))
    if not name or kinds[0] in _ON_TABLE:
        return None
    words = [token.keyword for token in found[at : at + 2]]
    if kinds[0] in _LISTING:
        match words:
            case ["ADD", "CONSTRAINT"]:
                return _part(found, at + 2, ("constraint",), name)
            case ["ADD", "VALUE"]:
                return _part(found, _past(found, at + 2, ("IF", "NOT", "EXISTS")), ("enum_label",), name)
            case ["ADD" | "ALTER", word] if word not in _UNNAMED:
                after = _past(found, at + 1, ("COLUMN",), ("ATTRIBUTE",), ("IF", "NOT", "EXISTS"))
                return _part(found, after, ("column",), name)
            case _:
                pass
    return Subject(kinds=kinds, name=name)


def _part(found: Sequence[Token], at: int, kinds: tuple[str, ...], name: tuple[str, ...]) -> Subject | None:
    if at >= len(found) or found[at].kind not in ("word", "identifier", "string"):
        return None
    return Subject(kinds=kinds, name=name, part=unquoted(found[at]))


def _past(found: Sequence[Token], at: int, *phrases: tuple[str, ...]) -> int:
    for phrase in phrases:
        if tuple(token.keyword for token in found[at : at + len(phrase)]) == phrase:
            at += len(phrase)
    return at


def _name(found: Sequence[Token], at: int) -> tuple[tuple[str, ...], int]:
    """A maybe qualified name from `at` on, and the place after it."""
    parts: list[str] = []
    while at < len(found) and found[at].kind in ("word", "identifier"):
        parts.append(unquoted(found[at]))
        at += 1
        if at >= len(found) or found[at].text != ".":
            break
        at += 1
    return tuple(parts), at


def elements_of(found: Sequence[Token], whole: Subject | None) -> Iterator[Element]:
    """The columns, constraints, attributes or labels that the statement lists, by the places of their tokens.

    `found` is without comments. Gives nothing for statements that list none.
    """
    if whole is None or whole.part is not None or whole.kinds[0] not in _LISTING:
        return
    depth, first = 0, -1
    for at, token in enumerate(found):
        if token.text == "(" and token.kind == "other":
            depth += 1
            if depth == 1:
                first = at + 1
        elif token.text == ")" and token.kind == "other":
            depth -= 1
            if depth == 0:
                if first < at:
                    yield Element(_element(found[first:at], whole), first, at - 1)
                return
        elif depth == 1 and token.text == ",":
            yield Element(_element(found[first:at], whole), first, at)
            first = at + 1


def _element(found: Sequence[Token], whole: Subject) -> Subject | None:
    start = found[0]
    following = found[1].text.upper() if len(found) > 1 else ""
    if start.keyword == "CONSTRAINT":
        return _part(found, 1, ("constraint",), whole.name)
    if start.keyword in _UNNAMED or (start.keyword == "EXCLUDE" and following in ("USING", "(")):
        return None
    return _part(found, 0, ("enum_label",) if start.kind == "string" else ("column",), whole.name)
