"""Splits SQL text into statements by Postgres's lexical rules alone. Pure: no I/O.

Nothing here understands a statement: quotes, comments, parentheses and the `BEGIN ATOMIC ... END` body of a routine
decide where a semicolon ends one, as they do for psql. The rules are those of the server's own scanner (the manual's
chapter "Lexical Structure", and src/backend/parser/scan.l for what it leaves out), with standard_conforming_strings on.
Linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Piece", "Token", "lexemes", "split", "tokens"]

# The server's idea of white space; anything from U+0080 on (a no-break space too) is a letter to it.
_SPACE = r" \t\n\r\f\v"
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_NAME = rf"[{_LETTER}][{_LETTER}0-9$]*+"

_BLANK = re.compile(rf"(?:[{_SPACE}]++|--[^\n\r]*+)*+")
_BLANK_OR_SEMICOLON = re.compile(rf"(?:[{_SPACE};]++|--[^\n\r]*+)*+")
# Alternatives that each begin with another letter let the regular expression engine skip quickly to the next one.
_MARK = re.compile(r"'|\"|\$|;|\(|\)|\\|--|/\*")
# Only the words are of either case: to compile so large a range of letters for that takes 0.2 s.
_MARK_IN_ROUTINE = re.compile(rf"'|\"|\$|;|\(|\)|\\|--|/\*|(?<![{_LETTER}0-9$])(?i:begin|case|end)(?![{_LETTER}0-9$])")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_END_OF_LINE = re.compile(r"[\n\r]|\Z")
_ESCAPE_STRING = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)
# A string goes on after white space that holds a newline, under the rules that it began with.
_CONTINUATION = re.compile(rf"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[{_SPACE}]++|--[^\n\r]*+[\n\r])*+(?=')")
_DOLLAR_TAG = re.compile(rf"\$(?:[{_LETTER}][{_LETTER}0-9]*+)?\$")
_REST_OF_NAME = re.compile(rf"[{_LETTER}0-9$]*+")
_WORD = re.compile(_NAME)
_ROUTINE = re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b")
_COPY_FROM_STDIN = re.compile(rf"copy\b.*\bfrom[{_SPACE}]++stdin\b", re.IGNORECASE | re.DOTALL)
_END_OF_COPY_DATA = re.compile(r"^\\\.[\r]?$\n?", re.MULTILINE)
# What only says how psql itself behaves; not where another command follows on the line.
_IGNORED_META_COMMAND = re.compile(
    r"\\(?:(?:un)?restrict\b|(?:echo|qecho|warn|timing|pset"
    r"|set[ \t]+(?:ECHO|ECHO_HIDDEN|ON_ERROR_ROLLBACK|ON_ERROR_STOP|QUIET|SHOW_CONTEXT|VERBOSITY))\b(?![^\n\r]*\\))"
)
_LEXEME = re.compile(
    rf"(?P<comment>--[^\n\r]*+|/\*)|(?P<word>{_NAME})|(?P<identifier>\"(?:[^\"]++|\"\")*+\")|(?P<string>')|(?P<dollar>\$)"
    rf"|(?P<other>[^{_SPACE}])"
)
_TOKEN = re.compile(
    rf"(?P<word>{_NAME})|(?P<identifier>\"(?:[^\"]++|\"\")*+\")|(?P<string>'(?:[^']++|'')*+')|(?P<other>.)", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One statement without its semicolon, or one psql meta-command (`is_meta_command`).

    `start` and `end` are its place in the text, `line` is the 1-based line of its first token; `terminated` says that
    a semicolon ended it, not the end of the text.
    """

    sql: str
    start: int
    end: int
    line: int
    terminated: bool = True
    is_meta_command: bool = False


class Token(NamedTuple):
    """One token of a statement: `kind` is word, identifier (in double quotes), string or other; `start` its offset."""

    kind: str
    text: str
    start: int

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for anything but a word."""
        return self.text.upper() if self.kind == "word" else ""


class _UnterminatedError(Exception):
    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


def split(text: str, origin: str) -> Iterator[Piece]:
    r"""The statements and meta-commands of `text`, in order.

    The lines `\restrict` and `\unrestrict` that pg_dump writes since its releases of August 2025 are left out, and so
    are commands that only say how psql behaves (`\set ON_ERROR_STOP on`, `\echo`) and the data that follows
    `COPY ... FROM stdin`.

    Raises SourceError, naming `origin` and the line, where a quote or a comment is never closed.
    """
    position, line, counted = 0, 1, 0
    try:
        while (start := _skip_blank(text, position, _BLANK_OR_SEMICOLON)) < len(text):
            line += text.count("\n", counted, start)
            counted = start
            piece, position = _next_piece(text, start, line)
            if piece is not None:
                yield piece
    except _UnterminatedError as exc:
        line += text.count("\n", counted, exc.at)
        raise SourceError(
            f"{origin}:{line}: {exc.what} that begins here is not terminated",
            hint="look for a missing quote, or for one that is not doubled",
        ) from None


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of one statement, comments and white space left out; for looking at how a statement begins."""
    position = 0
    while (position := _skip_blank(sql, position, _BLANK)) < len(sql):
        found = _TOKEN.match(sql, position)
        if found is None or found.lastgroup is None:  # pragma: no cover - `other` matches any character
            return
        yield Token(found.lastgroup, found.group(), position)
        position = found.end()


def lexemes(sql: str) -> Iterator[Token]:
    """All tokens and comments of text that `split` has been through; a string of any kind is one token.

    Raises SourceError where a quote or a comment is never closed.
    """
    position = 0
    try:
        while (found := _LEXEME.search(sql, position)) is not None:
            at, kind, position = found.start(), found.lastgroup or "other", found.end()
            match kind:
                case "string":
                    position = _end_of_string(sql, 0, at)
                    while sql.startswith("'", position):  # a doubled quote
                        position = _end_of_string(sql, 0, position)
                case "comment" if sql.startswith("/*", at):
                    position = _end_of_comment(sql, at)
                case "dollar":
                    position = _end_of_dollar(sql, 0, at)
                    kind = "string" if position > at + 1 else "other"
                case _:
                    pass
            yield Token(kind, sql[at:position], at)
    except _UnterminatedError as exc:
        raise SourceError(f"{exc.what} in it is not terminated", hint="look for a missing quote") from None


def _next_piece(text: str, start: int, line: int) -> tuple[Piece | None, int]:
    if text[start] == "\\":
        return _meta_command(text, start, line)
    mark = _end_of_statement(text, start)
    if mark < len(text) and text[mark] == "\\":
        return _meta_command(text, mark, line + text.count("\n", start, mark))
    sql = text[start:mark].rstrip(" \t\n\r\f\v")
    terminated = mark < len(text)
    piece = Piece(sql=sql, start=start, end=start + len(sql), line=line, terminated=terminated)
    following = mark + 1 if terminated else mark
    if _COPY_FROM_STDIN.match(sql):
        data_end = _END_OF_COPY_DATA.search(text, following)
        following = data_end.end() if data_end else len(text)
    return piece, following


def _meta_command(text: str, start: int, line: int) -> tuple[Piece | None, int]:
    end = _end_of_line(text, start)
    if _IGNORED_META_COMMAND.match(text, start):
        return None, end
    sql = text[start:end].rstrip(" \t\f\v")
    return Piece(sql=sql, start=start, end=start + len(sql), line=line, is_meta_command=True), end


def _end_of_statement(text: str, start: int) -> int:
    """Where the semicolon or the meta-command stands that ends the statement, or the text's length."""
    search = (_MARK_IN_ROUTINE if _begins_routine(text, start) else _MARK).search
    position, parentheses, blocks = start, 0, 0
    while (found := search(text, position)) is not None:
        at, mark = found.span()[0], found.group()
        position = found.end()
        match mark:
            case ";":
                if not parentheses and not blocks:
                    return at
            case "(":
                parentheses += 1
            case ")":
                parentheses = max(parentheses - 1, 0)
            case "'":
                position = _end_of_string(text, start, at)
            case '"':
                position = _find(text, '"', at + 1, "the quoted identifier", at)
            case "$":
                position = _end_of_dollar(text, start, at)
            case "--":
                position = _end_of_line(text, at)
            case "/*":
                position = _end_of_comment(text, at)
            case "\\":
                return at
            case _:
                if not parentheses:
                    blocks = _block_depth(text, found, blocks)
    return len(text)


def _block_depth(text: str, found: re.Match[str], depth: int) -> int:
    """How deep in BEGIN ATOMIC and CASE the routine is after the word found; `t.end` and `AS end` are names."""
    before = text[max(found.start() - 64, 0) : found.start()].rstrip(" \t\n\r\f\v")
    if before.endswith(".") or re.search(r"(?i)(?<![\w$])as$", before):
        return depth
    match found.group().lower():
        case "begin":
            word = _WORD.match(text, _skip_blank(text, found.end(), _BLANK))
            return depth + 1 if word is not None and word.group().lower() == "atomic" else depth
        case "case":
            return depth + 1 if depth else 0
        case _:
            return max(depth - 1, 0)


def _begins_routine(text: str, start: int) -> bool:
    words: list[str] = []
    position = start
    while len(words) < 4 and (word := _WORD.match(text, position)) is not None:
        words.append(word.group().upper())
        if words[0] != "CREATE":
            return False
        position = _skip_blank(text, word.end(), _BLANK)
    return _ROUTINE.match(" ".join(words)) is not None


def _skip_blank(text: str, position: int, blank: re.Pattern[str]) -> int:
    while True:
        found = blank.match(text, position)
        position = found.end() if found is not None else position
        if not text.startswith("/*", position):
            return position
        position = _end_of_comment(text, position)


def _end_of_line(text: str, position: int) -> int:
    found = _END_OF_LINE.search(text, position)
    return found.start() if found is not None else len(text)


def _end_of_comment(text: str, start: int) -> int:
    depth, position = 1, start + 2
    while depth:
        found = _COMMENT_MARK.search(text, position)
        if found is None:
            raise _UnterminatedError("the comment", start)
        depth += 1 if found.group() == "/*" else -1
        position = found.end()
    return position


def _end_of_string(text: str, start: int, at: int) -> int:
    """The doubled quote of a plain string ends one string and begins the next, which comes to the same."""
    is_escape = at > start and text[at - 1] in "eE" and (at - 1 == start or not _continues_name(text[at - 2]))
    if not is_escape:
        return _find(text, "'", at + 1, "the string", at)
    position = at
    while True:
        found = _ESCAPE_STRING.match(text, position)
        if found is None:
            raise _UnterminatedError("the string", at)
        continuation = _CONTINUATION.match(text, found.end())
        if continuation is None:
            return found.end()
        position = continuation.end()


def _end_of_dollar(text: str, start: int, at: int) -> int:
    """After the dollar-quoted string, or after the name or parameter that this dollar sign is a part of."""
    if _is_in_name(text, start, at):
        found = _REST_OF_NAME.match(text, at)
        return found.end() if found is not None else at + 1
    tag = _DOLLAR_TAG.match(text, at)
    if tag is None:
        return at + 1
    return _find(text, tag.group(), tag.end(), "the dollar-quoted string", at)


def _is_in_name(text: str, start: int, at: int) -> bool:
    """Whether a name runs up to `at`: digits alone are a number, and a dollar sign may follow one."""
    position = at
    while position > start and _continues_name(text[position - 1]):
        position -= 1
        if not "0" <= text[position] <= "9":
            return True
    return False


def _continues_name(character: str) -> bool:
    return character in "_$" or (character.isascii() and character.isalnum()) or character >= "\x80"


def _find(text: str, what: str, position: int, name: str, start: int) -> int:
    found = text.find(what, position)
    if found < 0:
        raise _UnterminatedError(name, start)
    return found + len(what)
