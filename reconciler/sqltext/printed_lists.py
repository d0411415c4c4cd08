"""Takes apart lists that Postgres printed: the columns of a key, the elements of an index. Pure: no I/O.

Only what brackets and quotes alone decide; nothing of an expression is understood here.
"""

from __future__ import annotations

from typing import NamedTuple

from reconciler.sqltext.lexer import Token, lexemes
from reconciler.sqltext.subjects import unquoted

__all__ = ["Element", "bracketed", "elements", "index_elements", "leading_name"]


class Element(NamedTuple):
    """One element of an index: the column or expression, its COLLATE clause (maybe empty), and the rest."""

    expression: str
    collation: str
    rest: str


def bracketed(text: str, start: int = 0) -> tuple[str, int] | None:
    """What the first parentheses from `start` on hold, and where they end; None where there are none."""
    depth, opened = 0, 0
    for token in lexemes(text[start:]):
        if token.text == "(":
            depth += 1
            if depth == 1:
                opened = token.start + 1
        elif token.text == ")" and depth:
            depth -= 1
            if depth == 0:
                return text[start + opened : start + token.start], start + token.start + 1
    return None


def elements(text: str) -> list[str]:
    """The parts of `text` between the commas that stand in no brackets."""
    found: list[str] = []
    depth, begun = 0, 0
    for token in lexemes(text):
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        elif token.text == "," and depth == 0:
            found.append(text[begun : token.start].strip())
            begun = token.start + 1
    found.append(text[begun:].strip())
    return found


def index_elements(text: str) -> list[Element]:
    """The elements of an index as pg_get_indexdef prints them: `a`, `lower(b)`, `((a + b)) COLLATE "C" DESC`."""
    return [_element(part) for part in elements(text)]


def leading_name(text: str) -> tuple[str, ...]:
    """The parts of the maybe qualified name that `text` begins with."""
    tokens = list(lexemes(text))
    if not tokens or tokens[0].kind not in ("word", "identifier"):
        return ()
    end = _end_of_name(tokens)
    return tuple(unquoted(token) for token in tokens if token.start < end and token.text != ".")


def _element(text: str) -> Element:
    tokens = list(lexemes(text))
    last = _end_of_expression(tokens)
    expression, rest = text[:last].rstrip(), text[last:].strip()
    following = [token for token in tokens if token.start >= last]
    if following and following[0].keyword == "COLLATE":
        end = _end_of_name(following[1:])
        return Element(expression, text[following[0].start : end], text[end:].strip())
    return Element(expression, "", rest)


def _end_of_expression(tokens: list[Token]) -> int:
    """Where the column's name, the call or the bracketed expression ends that an element begins with."""
    depth = 0
    if tokens and tokens[0].text != "(":
        end = _end_of_name(tokens)
        following = next((place for place, token in enumerate(tokens) if token.start >= end), None)
        if following is None or tokens[following].text != "(":
            return end
    for token in tokens:
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
            if depth == 0:
                return token.start + 1
    return tokens[-1].start + len(tokens[-1].text) if tokens else 0


def _end_of_name(tokens: list[Token]) -> int:
    """The end of a maybe qualified name at the beginning."""
    place = 0
    while place + 2 < len(tokens) and tokens[place + 1].text == ".":
        place += 2
    return tokens[place].start + len(tokens[place].text)
