"""Takes secrets out of SQL statements that are shown or recorded. Pure: no I/O.

A statement is read token by token, by the server's own lexical rules: a secret may be written as a plain string, with
escapes, with Unicode escapes, dollar-quoted, or continued on the next line, with comments between. What a code block
(DO) builds into statements cannot be told apart: one that deals with passwords, mappings or subscriptions is not kept.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.errors import SourceError
from reconciler.redaction.dsn import redact
from reconciler.redaction.masking import MASK, is_secret_option, redact_message
from reconciler.sqltext.lexer import lexemes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.sqltext.lexer import Token

__all__ = ["conceal_in", "keeps_secret", "redact_sql", "with_placeholders"]

# Without one of these a statement holds neither a string nor a comment.
_QUOTING = re.compile(r"'|\$|--|/\*")
# Nothing else can make a statement hold a secret, so that most need not be read token by token.
_SUSPECT = re.compile(
    r"pass|pwd|secret|token|credential|key|auth|bearer|sas|signature|mapping|subscription|conn|://|\\[0-9a-fux+]"
    r"|execute",
    re.IGNORECASE,
)
_DEALS_WITH_SECRETS = re.compile(
    r"passw(?:or)?d|mapping|subscription|secret|credential|\bexecute\b.*\b(?:role|user|server)\b"
    r"|\b(?:role|user|server)\b.*\bexecute\b",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|x(?P<x>[0-9a-fA-F]{1,2})|(?P<o>[0-7]{1,3})|(?P<c>.))",
    re.DOTALL,
)
_NAMED_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE_ESCAPE = re.compile(r"\\(?:\+(?P<long>[0-9a-fA-F]{6})|(?P<short>[0-9a-fA-F]{4})|(?P<same>\\))")
_MASKED = f"'{MASK}'"
_WORD = re.compile(r"[^\s=:@/?&'\"(),;]+")
_SHORTEST_SECRET = 4
# Of how many tokens a statement's kind is told.
_HEAD = 6
# What stands in statements that set a secret, and in messages about them: nothing is told by such a word.
_COMMON = re.compile(
    r"alter|begin|bypassrls|connection|create(?:db|role)?|current_user|drop|encrypted|execute|exists|format|from|grant"
    r"|group|host|inherit|(?:no)?login|mapping|options|password|port|publication|public|replication|role|server"
    r"|subscription|superuser|table|until|user|valid|with",
    re.IGNORECASE,
)
# Fails where it is run again: the mask must not become anybody's password.
_LOUD = "$$BEGIN RAISE EXCEPTION 'this block dealt with a secret and was not kept'; END$$"


class _Literal(NamedTuple):
    """A string of any form: what it says, and its place in the statement with prefix and continuations."""

    value: str
    start: int
    end: int
    before: tuple[Token, ...]  # up to four tokens before it, the nearest last
    is_body: bool


def redact_sql(statement: str) -> str:
    """A statement without the secrets in it; all of its strings are masked where its quotes do not match."""
    if _QUOTING.search(statement) is None or _SUSPECT.search(statement) is None:
        return statement
    try:
        tokens = list(lexemes(statement))
    except SourceError:
        return f"-- not shown, as its quotes do not match: {MASK}"
    hidden = [
        (token.start, token.start + len(token.text), shown)
        for token in tokens
        if token.kind == "comment" and (shown := _comment(token.text)) != token.text
    ]
    hidden += [(literal.start, literal.end, shown) for literal, shown in _hidden(tokens)]
    pieces: list[str] = []
    position = 0
    for start, end, shown in sorted(hidden):
        if start >= position:  # a comment between the pieces of a string goes with it
            pieces += [statement[position:start], shown]
            position = end
    return "".join([*pieces, statement[position:]])


def conceal_in(text: str, statement: str) -> str:
    """`text`, what a server says of the statement, with a mask for each secret of the statement that it quotes."""
    if not _SUSPECT.search(statement):
        return text
    try:
        tokens = list(lexemes(statement))
    except SourceError:
        return MASK  # the server could not tell its strings apart either
    secrets: set[str] = set()
    for literal, shown in _hidden(tokens):
        secrets |= _secrets_of(literal.value, shown)
        secrets.add(statement[literal.start : literal.end].strip("'"))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _hidden(tokens: Sequence[Token]) -> Iterator[tuple[_Literal, str]]:
    """The strings that are not shown as they are, and what stands in their place."""
    read = [token for token in tokens if token.kind != "comment"]
    kind = _kind_of(read)
    for literal in _literals(read):
        shown = _shown(literal, kind)
        if shown is not None:
            yield literal, shown


def _secrets_of(value: str, shown: str) -> set[str]:
    """What of a hidden string may be quoted by itself: its words, and where it is code the strings in it."""
    try:
        inner = [literal.value for literal in _literals([each for each in lexemes(value) if each.kind != "comment"])]
    except SourceError:
        inner = []
    values = [value]
    for each in inner:
        values += [each, *_secrets_of(each, shown)]
    # The words of code that stand in no string are names and keywords, and those of a server's messages.
    words = [word for each in (inner or [value]) for word in _WORD.findall(each) if word not in shown]
    words = [word for word in words if not _COMMON.fullmatch(word)]
    return {each for each in (*values, *words) if len(each) >= _SHORTEST_SECRET}


def _comment(text: str) -> str:
    """The comment, which may hold a statement that was taken out."""
    start, end = (text[:2], "*/") if text.startswith("/*") else ("--", "")
    inner = text[len(start) : len(text) - len(end)]
    try:
        list(lexemes(inner))
    except SourceError:
        return f"{start}{redact_message(inner)}{end}"  # prose with an apostrophe
    return f"{start}{redact_message(redact_sql(inner))}{end}"


def keeps_secret(statement: str) -> bool:
    """Whether the body of a routine seems to hold a secret: it is kept as it is, since it is what will run."""
    try:
        read = [*islice((token for token in lexemes(statement) if token.kind != "comment"), _HEAD)]
        if _kind_of(read) != "routine":
            return False
        read = [token for token in lexemes(statement) if token.kind != "comment"]
    except SourceError:
        return False
    bodies = [each.value for each in _literals(read) if each.is_body]
    return any(redact_sql(body) != body for body in bodies)


def with_placeholders(statement: str) -> tuple[str, int]:
    """A statement to be run by hand, with a variable of psql for each string that holds a mask; how many these are.

    As it is, the mask would become the password. Where the variable is not set, the statement is a syntax error.
    """
    if MASK not in statement:
        return statement, 0
    pieces: list[str] = []
    position = count = 0
    for literal in _literals([token for token in lexemes(statement) if token.kind != "comment"]):
        if MASK in literal.value and not literal.is_body:
            count += 1
            pieces += [statement[position : literal.start], f":'secret_{count}'"]
            position = literal.end
    return "".join([*pieces, statement[position:]]), count


def _kind_of(read: Sequence[Token]) -> str:
    """What the statement is about, as far as that says which of its strings are secret."""
    words = [token.keyword for token in read[:_HEAD]]
    match words:
        case ["DO", *_]:
            return "block"
        case ["CREATE" | "ALTER", "USER", "MAPPING", *_]:
            return "user_mapping"
        case ["CREATE" | "ALTER", "SERVER", *_] | ["CREATE" | "ALTER", "FOREIGN", "DATA", *_]:
            return "foreign_server"
        case ["CREATE", *rest] if {"FUNCTION", "PROCEDURE"} & {*rest[:3]}:
            return "routine"
        case _:
            return ""


def _shown(literal: _Literal, kind: str) -> str | None:
    """What stands in the place of the string; None where it stays."""
    if literal.is_body and kind == "block":
        return (
            _LOUD if _DEALS_WITH_SECRETS.search(literal.value) or redact_sql(literal.value) != literal.value else None
        )
    if literal.is_body and kind == "routine":
        return None
    if _is_secret(_name_before(literal.before), kind):
        return _MASKED
    hidden = redact(literal.value)
    return None if hidden == literal.value else "'" + hidden.replace("'", "''") + "'"


def _is_secret(name: str, kind: str) -> bool:
    # In a mapping a string without a name is one that was put in a wrong place.
    return is_secret_option(name, "", kind) if name else kind == "user_mapping"


def _name_before(before: Sequence[Token]) -> str:
    """The name that the string is the value of: `password 'x'`, `"password" 'x'`, `U&"pass\\0077ord" 'x'`."""
    last = before[-1] if before else None
    if last is None or last.kind not in ("word", "identifier"):
        return ""
    if last.kind == "word":
        return last.text
    name = last.text[1:-1].replace('""', '"')
    return _unicode(name) if len(before) > 1 and before[-2].text == "&" else name


def _literals(read: Sequence[Token]) -> Iterator[_Literal]:
    """The strings among the tokens, each with its prefix and with what continues it on the next lines."""
    at = 0
    while at < len(read):
        if read[at].kind != "string":
            at += 1
            continue
        prefix = _prefix(read, at)
        first = at
        while at + 1 < len(read) and read[at + 1].kind == "string" and not read[at].text.startswith("$"):
            at += 1
        start = read[first - len(prefix)].start
        end = read[at].start + len(read[at].text)
        value = "".join(_value(token.text, prefix) for token in read[first : at + 1])
        before = tuple(read[max(first - len(prefix) - 4, 0) : first - len(prefix)])
        yield _Literal(value, start, end, before, _is_body(read, first - len(prefix)))
        at += 1


def _is_body(read: Sequence[Token], at: int) -> bool:
    """Whether the string that begins at the token is code: after DO, after AS, or after DO LANGUAGE x."""
    words = [token.keyword for token in read[max(at - 3, 0) : at]]
    return words[-1:] in (["DO"], ["AS"]) or words[-3:-1] == ["DO", "LANGUAGE"]


def _prefix(read: Sequence[Token], at: int) -> str:
    """E, U& and the like where they touch the string; the length is that of the tokens, one character each."""
    token = read[at]
    if not token.text.startswith("'"):
        return ""
    one = read[at - 1] if at else None
    if one is None or one.start + len(one.text) != token.start:
        return ""
    if len(one.text) == 1 and one.text in "eEbBxXnN":
        return one.text.upper()
    two = read[at - 2] if at > 1 else None
    return "U&" if one.text == "&" and two is not None and two.text in "uU" and two.start + 1 == one.start else ""


def _value(text: str, prefix: str) -> str:
    """What the string says."""
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1]
        return text[len(tag) : -len(tag)]
    inner = text[1:-1].replace("''", "'")
    if prefix == "E":
        return _ESCAPE.sub(_unescaped, inner)
    return _unicode(inner) if prefix == "U&" else inner


def _unescaped(found: re.Match[str]) -> str:
    for group, base in (("u", 16), ("U", 16), ("x", 16), ("o", 8)):
        if found[group] is not None:
            return _character(int(found[group], base))
    return _NAMED_ESCAPES.get(found["c"], found["c"])


def _unicode(text: str) -> str:
    return _UNICODE_ESCAPE.sub(
        lambda found: "\\" if found["same"] else _character(int(found["long"] or found["short"], 16)), text
    )


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else ""
