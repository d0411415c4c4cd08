"""IF NOT EXISTS that makes nothing, since another statement made something else under the name. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.sqltext.lexer import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.source.source import SourceStatement
    from reconciler.sqltext.lexer import Token

__all__ = ["skipped_definitions"]

_KINDS = frozenset({"TABLE", "INDEX", "SEQUENCE", "VIEW", "STATISTICS", "COLLATION", "SERVER"})
# These share one name space; the others have one each.
_RELATIONS = frozenset({"TABLE", "INDEX", "SEQUENCE", "VIEW"})
_BEFORE_KIND = frozenset({"OR", "REPLACE", "UNIQUE", "UNLOGGED", "MATERIALIZED", "FOREIGN", "GLOBAL", "LOCAL"})


class _Made(NamedTuple):
    """A name as the catalogs hold it, what is said of it, and whether only if it is not there."""

    key: tuple[str, str]
    definition: tuple[str, ...]
    is_conditional: bool
    what: str


def skipped_definitions(statements: Sequence[SourceStatement]) -> Iterator[str]:
    """A warning for each statement that makes nothing because one before it made the name otherwise."""
    if not any("EXISTS" in statement.sql.upper() for statement in statements):
        return
    made: dict[tuple[str, str], tuple[_Made, SourceStatement]] = {}
    for statement in statements:
        start = statement.sql.lstrip()[:6].upper()
        if start.startswith("DROP"):
            read = [_name(token) for token in tokens(statement.sql)]
            made = {key: value for key, value in made.items() if key[1].rpartition(".")[2] not in read}
        if start != "CREATE" or (found := _made(list(tokens(statement.sql)))) is None:
            continue
        if found.key not in made:
            made[found.key] = (found, statement)
            continue
        first, where = made[found.key]
        if found.is_conditional and found.definition != first.definition:
            yield (
                f"{statement.where}: CREATE {found.what} IF NOT EXISTS {found.key[1]} makes nothing, since"
                f" {where.where} makes it with another definition"
            )


def _made(read: Sequence[Token]) -> _Made | None:
    at = 1
    while at < len(read) and read[at].text.upper() in _BEFORE_KIND:
        at += 1
    if at >= len(read) or (kind := read[at].text.upper()) not in _KINDS:
        return None
    what = " ".join(token.text.upper() for token in read[1 : at + 1])
    at += 1
    if at < len(read) and read[at].text.upper() == "CONCURRENTLY":
        at += 1
    is_conditional = [token.text.upper() for token in read[at : at + 3]] == ["IF", "NOT", "EXISTS"]
    at += 3 * is_conditional
    name: list[str] = []
    while at < len(read) and read[at].kind in ("word", "identifier"):
        name.append(_name(read[at]))
        at += 1
        if at >= len(read) or read[at].text != ".":
            break
        at += 1
    if not name:
        return None
    if len(name) > 1 and name[0] == "public":
        name = name[1:]
    definition = (
        kind,
        *(token.text if token.kind in ("string", "identifier") else token.text.lower() for token in read[at:]),
    )
    return _Made(("RELATION" if kind in _RELATIONS else kind, ".".join(name)), definition, is_conditional, what)


def _name(token: Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.text.startswith('"') else token.text.lower()
