"""Composes SQL text: identifiers and literals are quoted here and nowhere else. Pure: no I/O."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from reconciler.db.sqlfiles import trusted

__all__ = ["Part", "compose", "dollar_quoted", "joined", "literal", "name", "raw", "role"]

Part = sql.Composable


def compose(template: LiteralString, *parts: Part) -> str:
    """`template` with each `{}` filled by a quoted part."""
    return sql.SQL(template).format(*parts).as_string(None)


def name(*parts: str) -> Part:
    """A quoted, maybe qualified, identifier."""
    return sql.Identifier(*parts)


def literal(value: str) -> Part:
    """A quoted string."""
    return sql.Literal(value)


def dollar_quoted(text: str, tag: str) -> Part:
    """A quoted string of many lines, between `$tag$`; the tag gets longer where the text holds it."""
    while f"${tag}$" in text:
        tag += "_"
    return sql.SQL(trusted(f"${tag}${text}${tag}$"))


def raw(text: str) -> Part:
    """Text that Postgres itself wrote or will read as an expression: a type's name, a default, a definition.

    Only what was read from a catalog may pass here, as it is the server's own quoting that makes it safe, and the
    expression of a hint, which is known to be one expression.
    """
    return sql.SQL(trusted(text))


def joined(parts: list[Part], separator: LiteralString = ", ") -> Part:
    """Parts in a row."""
    return sql.SQL(separator).join(parts)


def role(role_name: str) -> Part:
    """A role; '' is PUBLIC."""
    return name(role_name) if role_name else sql.SQL("PUBLIC")
