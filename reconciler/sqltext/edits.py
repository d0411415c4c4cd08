"""Changes the text of a declaration at one place, and leaves all else of it byte for byte. Pure: no I/O.

Where a statement begins and ends is known from the splitter, where a column or a constraint stands in its list from
the tokens; nothing here knows what they mean. A comment that stands directly above a statement or an element, and one
behind it on its line, is taken for a part of it: it goes where that is removed, and stays where it is replaced.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.subjects import elements_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.sqltext.lexer import Piece, Token

__all__ = [
    "Edit",
    "ListedElement",
    "edited",
    "insert_element",
    "insertion",
    "listed_elements",
    "removal",
    "remove_element",
    "replace_element",
    "replacement",
    "with_plain_names",
]

_BLANK_LINE = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_REST_OF_LINE = re.compile(r"[ \t]*(?:--[^\n\r]*|/\*(?:(?!\*/)[^\n\r])*\*/[ \t]*)?(?=\r?\n|\Z)")
_COMMENT_LINE = re.compile(r"[ \t]*(?:--[^\n\r]*|/\*(?:(?!\*/)[^\n\r])*\*/[ \t]*)\r?\Z")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_INDENT = "    "


class Edit(NamedTuple):
    """What stands in a text from `start` to `end` becomes `text`."""

    start: int
    end: int
    text: str


class ListedElement(NamedTuple):
    """A column or a constraint of a statement's list: its kind and name, where it has one, and its place in the text.

    `start` and `end` are without the comma that may follow; `after` is where what follows that begins.
    """

    kind: str | None
    name: str | None
    start: int
    end: int
    after: int
    is_last: bool


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits, which do not overlap; those at one place are made in their order."""
    kept: list[str] = []
    position = 0
    newline = "\r\n" if "\r\n" in text else "\n"
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        kept += [text[position : edit.start], edit.text.replace("\r\n", "\n").replace("\n", newline)]
        position = max(position, edit.end)
    return "".join([*kept, text[position:]])


def replacement(piece: Piece, statements: Sequence[str]) -> Edit:
    """The statement as these, which end where it did."""
    return Edit(piece.start, _last_token(piece), ";\n".join(statements))


def removal(text: str, piece: Piece) -> Edit:
    """The statement cut out, with its semicolon, its comments and the line that it leaves blank."""
    start, end = _with_its_lines(text, piece.start, _end_of(text, piece))
    begins_line = start == 0 or text[start - 1] == "\n"
    if begins_line and _is_after_blank_line(text, start) and (blank := _BLANK_LINE.match(text, end)) is not None:
        end = blank.end()
    return Edit(start, end, "")


def insertion(text: str, after: Piece | None, statements: Sequence[str]) -> Edit:
    """These statements on lines of their own, behind `after` and the comment on its line; None: at the text's end."""
    added = "".join(f"{statement};\n" for statement in statements)
    if after is None:
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return Edit(len(text), len(text), f"{gap}{added}")
    if not after.terminated:
        closed = ";" if _last_token(after) == after.end else "\n;"
        return Edit(after.end, after.end, f"{closed}\n{added.rstrip()}")
    end = _end_of(text, after)
    rest = _REST_OF_LINE.match(text, end)
    if rest is None:
        return Edit(end, end, f"\n{added}")
    return Edit(rest.end(), rest.end(), f"\n{added.rstrip()}")


def listed_elements(sql: str) -> list[ListedElement] | None:
    """What CREATE TABLE lists right behind the table's name; None for any other statement."""
    whole = subject_of(sql)
    found = [token for token in lexemes(sql) if token.kind != "comment"]
    opening = _opening(found)
    if whole is None or opening is None or [word.keyword for word in found[:1]] != ["CREATE"]:
        return None
    listed = list(elements_of(found, whole))
    elements: list[ListedElement] = []
    for element in listed:
        is_last = element is listed[-1]
        last = found[element.last if is_last else element.last - 1]
        end = last.start + len(last.text)
        after = end if is_last else found[element.last].start + 1
        subject = element.subject
        kind, name = (None, None) if subject is None else (subject.kinds[0], subject.part)
        elements.append(ListedElement(kind, name, found[element.first].start, end, after, is_last))
    return elements


def replace_element(sql: str, element: ListedElement, text: str) -> str:
    """The statement with `text` in the element's place."""
    return f"{sql[: element.start]}{text}{sql[element.end :]}"


def remove_element(sql: str, element: ListedElement) -> str:
    """The statement without the element; where it is the last, without the comma before it."""
    start, end = _with_its_lines(sql, element.start, element.after)
    before = [other for other in listed_elements(sql) or () if other.end < element.start]
    if not element.is_last or not before:
        return f"{sql[:start]}{sql[end:]}"
    comma = before[-1].after - 1
    if start == element.start:  # on a line with others
        return f"{sql[:comma]}{sql[end:]}"
    return f"{sql[:comma]}{sql[comma + 1 : start]}{sql[end:]}"


def insert_element(sql: str, text: str, *, after: ListedElement | None) -> str:
    """The statement with `text` listed behind an element; None: before all others."""
    elements = listed_elements(sql) or []
    if not elements:
        found = [token for token in lexemes(sql) if token.kind != "comment"]
        opening = _opening(found)
        assert opening is not None  # it has a list
        at = found[opening].start + 1
        return f"{sql[:at]}\n{_INDENT}{text}\n{sql[at:].lstrip()}"
    if after is None:
        first = elements[0]
        return f"{sql[: first.start]}{text},{_gap(sql, first)}{sql[first.start :]}"
    closed, more = (",", "") if after.is_last else ("", ",")
    rest = _REST_OF_LINE.match(sql, after.after)
    gap = _gap(sql, after)
    if rest is None or not gap.startswith("\n"):
        return f"{sql[: after.after]}{closed} {text}{more}{sql[after.after :]}"
    return f"{sql[: after.after]}{closed}{sql[after.after : rest.end()]}{gap}{text}{more}{sql[rest.end() :]}"


def with_plain_names(sql: str, keywords: Collection[str]) -> str:
    """The same statement without the double quotes that its names do not need."""
    kept: list[str] = []
    position = 0
    for token in lexemes(sql):
        if token.kind == "identifier" and _PLAIN.match(name := token.text[1:-1]) and name not in keywords:
            kept += [sql[position : token.start], name]
            position = token.start + len(token.text)
    return "".join([*kept, sql[position:]])


def _opening(found: Sequence[Token]) -> int | None:
    """Which token opens the list of CREATE TABLE: the one right behind the name."""
    words = [token.keyword for token in found[:6]]
    if words[:1] != ["CREATE"] or "TABLE" not in words:
        return None
    at = words.index("TABLE") + 1
    if words[at : at + 3] == ["IF", "NOT", "EXISTS"]:
        at += 3
    for before, token in pairwise(found[at:]):
        if token.text == "(":
            return found.index(token, at)
        if token.text != "." and before.text != ".":
            return None
    return None


def _gap(sql: str, element: ListedElement) -> str:
    """What separates another element from this one: a line of its own where this has one."""
    line = sql.rfind("\n", 0, element.start) + 1
    indent = sql[line : element.start]
    return f"\n{indent}" if line and not indent.strip() else " "


def _end_of(text: str, piece: Piece) -> int:
    """Behind the statement's semicolon, where it has one."""
    return text.index(";", piece.end) + 1 if piece.terminated else _last_token(piece)


def _last_token(piece: Piece) -> int:
    """Behind the last token of the statement: comments may follow within it."""
    last = [token for token in lexemes(piece.sql) if token.kind != "comment"][-1]
    return piece.start + last.start + len(last.text)


def _with_its_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The place with its whole lines, and with the comments directly above, where nothing else stands on them."""
    line = text.rfind("\n", 0, start) + 1
    rest = _REST_OF_LINE.match(text, end)
    if text[line:start].strip():
        return start, end
    if rest is not None:
        end = rest.end()
        end += 2 if text.startswith("\r\n", end) else 1 if text.startswith("\n", end) else 0
        start = line
        while start and _COMMENT_LINE.match(text[(above := text.rfind("\n", 0, start - 1) + 1) : start - 1]):
            start = above
    return start, end


def _is_after_blank_line(text: str, start: int) -> bool:
    """Whether nothing, or a blank line, stands above."""
    if start == 0:
        return True
    above = text.rfind("\n", 0, start - 1) + 1
    return not text[above : start - 1].strip()
