"""Reads the hints of a source: comments that Postgres ignores. Pure: no I/O.

    -- reconciler: renamed from old_name
    -- reconciler: using lower(name)
    -- reconciler: backfill now()
    -- reconciler: backfill now() firing triggers
    -- reconciler: keep
    -- reconciler: ignore

A hint on a line of its own speaks of what follows it, one at the end of a line of what stands there: the statement's
object or, inside the parentheses of a CREATE TABLE or CREATE TYPE, the column, constraint or label. `on KIND NAME:`
before it names the object, wherever the hint stands: `-- reconciler: on table app.users: keep`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.errors import SourceError
from reconciler.model.intent import Hint, HintKind, Subject
from reconciler.sqltext.lexer import lexemes, split
from reconciler.sqltext.subjects import elements_of, subject_of, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.sqltext.lexer import Piece, Token

__all__ = ["read_hints"]

_MARK = re.compile(r"(?:--|/\*)[ \t]*reconciler[ \t]*:", re.IGNORECASE)
_HINT = re.compile(r"(?:--|/\*)\s*reconciler\s*:(.*)", re.IGNORECASE | re.DOTALL)
_PARTS_OF_RELATIONS = frozenset(
    {"column", "constraint", "index", "trigger", "policy", "rule", "enum_label", "domain_constraint"}
)
_SHORT = {"type": ("enum", "composite_type", "range_type", "base_type"), "value": ("enum_label",)}
_HELP = (
    "write `renamed from OLD_NAME`, `using EXPRESSION`, `backfill EXPRESSION [firing triggers]`, `keep` or `ignore`,"
    " maybe with `on KIND NAME:` before it"
)


class _Comment(NamedTuple):
    text: str
    where: str


def read_hints(text: str, pieces: Sequence[Piece], origin: str) -> tuple[Hint, ...]:
    """The hints in `text`, which `pieces` are the statements of. Raises SourceError with file and line."""
    if _MARK.search(text) is None:
        return ()
    return tuple(hint for comment, subject in _placed(text, pieces, origin) for hint in _parsed(comment, subject))


def _placed(text: str, pieces: Sequence[Piece], origin: str) -> Iterator[tuple[_Comment, Subject | None]]:
    """Each comment that is a hint, and what it stands beside."""
    ends = [0, *(piece.end for piece in pieces)]
    starts = [*(piece.start for piece in pieces), len(text)]
    for number, (end, start) in enumerate(zip(ends, starts, strict=True)):
        gap = text[end:start]
        if _MARK.search(gap):
            for token in lexemes(gap):
                if token.kind == "comment" and _HINT.match(token.text):
                    trails = number > 0 and "\n" not in gap[: token.start]
                    beside = number - 1 if trails else number
                    subject = subject_of(pieces[beside].sql) if beside < len(pieces) else None
                    yield _comment(text, end, token, origin), subject
        if number < len(pieces) and _MARK.search(pieces[number].sql):
            for token, subject in _inside(pieces[number].sql):
                yield _comment(text, start, token, origin), subject


def _comment(text: str, offset: int, token: Token, origin: str) -> _Comment:
    return _Comment(token.text, f"{origin}:{text.count(chr(10), 0, offset + token.start) + 1}")


def _inside(sql: str) -> Iterator[tuple[Token, Subject | None]]:
    """The hints within one statement. One at a line's end speaks of the element there, else of the next one."""
    whole = subject_of(sql)
    everything = list(lexemes(sql))
    found = [token for token in everything if token.kind != "comment"]
    elements = list(elements_of(found, whole))
    for comment in everything:
        if comment.kind != "comment" or not _HINT.match(comment.text):
            continue
        before = [at for at, token in enumerate(found) if token.start < comment.start]
        line_start = sql.rfind("\n", 0, comment.start) + 1
        trails = before and found[before[-1]].start + len(found[before[-1]].text) > line_start
        # Before its first token a statement has no comment, so that there is one.
        place = before[-1] if trails else before[-1] + 1
        owner = next((element for element in elements if element.first <= place <= element.last), None)
        if owner is not None:
            yield comment, owner.subject
        else:
            is_after_last = not trails and bool(elements) and place == elements[-1].last + 1
            yield comment, None if is_after_last else whole


def _parsed(comment: _Comment, beside: Subject | None) -> Iterator[Hint]:
    found = _HINT.match(comment.text)
    said = (found[1] if found is not None else "").removesuffix("*/").strip()
    words: Sequence[Token] = list(lexemes(said))
    subject = beside
    if words and words[0].keyword == "ON":
        subject, words = _explicit(words, comment)
    if not words:
        raise SourceError(f"{comment.where}: the hint is empty", hint=_HELP)
    kind = next((kind for kind in HintKind if words[0].keyword == kind.value.upper()), None)
    firing = kind is HintKind.BACKFILL and [word.keyword for word in words[-2:]] == ["FIRING", "TRIGGERS"]
    argument = said[words[1].start : words[-2].start if firing else None].strip() if len(words) > 1 else ""
    match kind:
        case HintKind.RENAMED if len(words) > 2 and words[1].keyword == "FROM":
            parts = _old_name(words[2:], comment)
        case HintKind.USING | HintKind.BACKFILL if argument:
            parts = (_expression(argument, comment),)
        case HintKind.KEEP | HintKind.IGNORE if not argument:
            parts = ()
        case _:
            raise SourceError(f"{comment.where}: not a hint: {said}", hint=_HELP)
    if subject is None:
        raise SourceError(
            f"{comment.where}: the hint `{said}` is not beside anything that has a name",
            hint="put it before the statement or at the end of the line of the column that it is about",
        )
    yield Hint(kind=kind, subject=subject, argument=parts, where=comment.where, firing=firing)


def _explicit(words: Sequence[Token], comment: _Comment) -> tuple[Subject, Sequence[Token]]:
    """`on materialized view app.totals:` and what follows it."""
    colon = next((at for at, word in enumerate(words) if word.text == ":"), None)
    dotted = next((at for at, word in enumerate(words) if word.text == "."), colon)
    if colon is None or dotted is None or colon < 3:
        raise SourceError(f"{comment.where}: the hint has no colon after its object", hint="write `on KIND NAME: ...`")
    start = min(dotted, colon) - 1
    kind = "_".join(word.text.lower() for word in words[1:start])
    name = tuple(unquoted(word) for word in words[start:colon] if word.text != ".")
    kinds = _SHORT.get(kind, (kind,))
    if kinds[0] in _PARTS_OF_RELATIONS:
        if len(name) < 2:
            raise SourceError(f"{comment.where}: the {kind} is named without its table", hint="write table.name")
        return Subject(kinds=kinds, name=name[:-1], part=name[-1]), words[colon + 1 :]
    return Subject(kinds=kinds, name=name), words[colon + 1 :]


def _old_name(words: Sequence[Token], comment: _Comment) -> tuple[str, ...]:
    """One name, maybe qualified; the arguments of a routine may follow, as they stay what they are."""
    parts = [unquoted(words[0])]
    rest = list(words[1:])
    while len(rest) > 1 and rest[0].text == ".":
        parts.append(unquoted(rest[1]))
        rest = rest[2:]
    names = [word for word in words if word.text != "."][: len(parts)]
    if (rest and rest[0].text != "(") or any(word.kind == "other" for word in names) or len(parts) > 3:
        text = " ".join(word.text for word in words)
        raise SourceError(f"{comment.where}: {text} is not a name", hint="write one name, in double quotes if need be")
    return tuple(parts)


def _expression(text: str, comment: _Comment) -> str:
    """An expression that stays one where it is put between parentheses."""
    depth = 0
    for token in lexemes(text):
        if token.kind == "other":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or token.kind == "comment" or (token.kind == "other" and token.text == ";"):
            depth = -1
            break
    if depth or len(list(split(text, comment.where))) != 1:
        raise SourceError(f"{comment.where}: not a single expression: {text}", hint="write one SQL expression")
    return text
