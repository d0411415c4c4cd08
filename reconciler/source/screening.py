"""Which statements a source may not hold, and why. Pure: no I/O.

A source is loaded into a scratch place to see what schema it makes. What would leave that place (end its transaction,
change the cluster, read or write files) is refused before anything runs. Decided by a statement's first keywords.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.sqltext.lexer import Piece, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.sqltext.lexer import Token

__all__ = [
    "Refusal",
    "changes_settings",
    "leading_keywords",
    "refusal",
    "runnable",
    "without_frames",
    "writes_rows",
]


class Refusal(NamedTuple):
    """Why a statement is refused, and what to do."""

    reason: str
    hint: str


_TRANSACTION = Refusal(
    "is transaction control, which a source cannot use",
    "remove it: the source is loaded, and the plan applied, in one transaction anyway; a BEGIN with its COMMIT may stay"
    " where nothing is rolled back between them and no setting lasts until the COMMIT (SET LOCAL)",
)
_CLUSTER = Refusal(
    "changes the whole cluster, not a schema",
    "move it out of the source, to where the server is set up",
)
_ROLE = Refusal(
    "changes a role, and roles belong to the whole cluster",
    "create roles before, where the server is set up; the source may name them in OWNER TO, GRANT and policies",
)
_MAINTENANCE = Refusal("declares nothing", "remove it: a source declares the schema, not its maintenance")
_SESSION = Refusal("acts on the session alone and declares nothing", "remove it")
_CONCURRENTLY = Refusal(
    "cannot run in a transaction", "remove the word CONCURRENTLY: the plan decides how a statement runs"
)
_OWNED = Refusal(
    "reaches beyond the schema to all that a role owns", "name the objects: ALTER ... OWNER TO, or leave them out"
)
_COPY = Refusal(
    "contains rows, which are not part of a schema",
    "dump the schema alone: pg_dump --schema-only",
)
_SUBSCRIPTION = Refusal(
    "connects to the publisher as soon as it is loaded",
    "write WITH (connect = false), as pg_dump does",
)
_SUBSCRIBES = Refusal(
    "makes scratch a subscriber of the publisher",
    "remove it: a subscription is created disabled, and one that runs keeps running",
)
_STRINGS = Refusal(
    "changes what a quote means, so the source cannot be read safely",
    "remove it, and write strings that need a backslash as E'...'",
)

# The longest phrase that a statement begins with decides; None allows it.
_RULES: dict[str, Refusal | None] = {
    **dict.fromkeys(
        (
            "ABORT",
            "BEGIN",
            "COMMIT",
            "END",
            "PREPARE TRANSACTION",
            "RELEASE",
            "ROLLBACK",
            "SAVEPOINT",
            "SET SESSION CHARACTERISTICS",
            "SET TRANSACTION",
            "START",
        ),
        _TRANSACTION,
    ),
    **dict.fromkeys(
        (
            "ALTER DATABASE",
            "ALTER SYSTEM",
            "ALTER TABLESPACE",
            "COMMENT ON DATABASE",
            "COMMENT ON TABLESPACE",
            "CREATE DATABASE",
            "CREATE TABLESPACE",
            "DROP DATABASE",
            "DROP TABLESPACE",
            "SECURITY LABEL ON DATABASE",
            "SECURITY LABEL ON TABLESPACE",
        ),
        _CLUSTER,
    ),
    **dict.fromkeys(
        (
            "ALTER GROUP",
            "ALTER ROLE",
            "ALTER USER",
            "COMMENT ON ROLE",
            "CREATE GROUP",
            "CREATE ROLE",
            "CREATE USER",
            "DROP GROUP",
            "DROP ROLE",
            "DROP USER",
            "SECURITY LABEL ON ROLE",
        ),
        _ROLE,
    ),
    **dict.fromkeys(("ALTER USER MAPPING", "CREATE USER MAPPING", "DROP USER MAPPING")),
    **dict.fromkeys(("ANALYSE", "ANALYZE", "CHECKPOINT", "REINDEX", "VACUUM"), _MAINTENANCE),
    **dict.fromkeys(("DISCARD", "LISTEN", "NOTIFY", "UNLISTEN"), _SESSION),
    **dict.fromkeys(("DROP INDEX CONCURRENTLY",), _CONCURRENTLY),
    **dict.fromkeys(("DROP OWNED", "REASSIGN OWNED"), _OWNED),
}
_LONGEST_PHRASE = 4
_FRAMING = frozenset({("BEGIN",), ("START",), ("COMMIT",), ("END",)})
_WITHOUT_REFRESH = re.compile(r"\brefresh\s*=\s*'?(?:false|off|0|no)\b", re.IGNORECASE)
_HARMLESS = frozenset({("CREATE", "TABLE"), ("CREATE", "INDEX"), ("CREATE", "OR"), ("CREATE", "VIEW"), ("INSERT",)})

_PLAIN_START = re.compile(
    r"[a-z_]\w*+(?:[ \t\n\r\f\v]++[a-z_]\w*+){0,3}+(?![ \t\n\r\f\v]*+[-/$\x80-\U0010ffff])", re.ASCII | re.IGNORECASE
)
_DETACH_CONCURRENTLY = re.compile(r"\bdetach\b.*\bconcurrently\s*\Z", re.IGNORECASE | re.DOTALL)
_WITHOUT_CONNECTION = re.compile(r"\bconnect\s*=\s*'?(?:false|off|0|no)\b", re.IGNORECASE)
_SHARED_TARGETS = {"DATABASE", "TABLESPACE", "PARAMETER"}
_INDEX_PHRASES = (("CREATE", "INDEX", "CONCURRENTLY"), ("CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"))
_ROW_KEYWORDS = {"DELETE", "INSERT", "MERGE", "TRUNCATE", "UPDATE"}


def refusal(piece: Piece) -> Refusal | None:
    """Why this piece cannot be part of a source, or None where it can. The reason begins with the statement's name."""
    if piece.is_meta_command:
        command = piece.sql.split(maxsplit=1)[0]
        return Refusal(f"{command} is a command of psql, not SQL", _meta_command_hint(command))
    words = leading_keywords(piece.sql)
    if words[:1] in _HARMLESS or words[:2] in _HARMLESS:  # most statements of most sources
        return None
    for length in range(min(len(words), _LONGEST_PHRASE), 0, -1):
        phrase = " ".join(words[:length])
        if phrase in _RULES:
            return _named(phrase, _RULES[phrase])
    return _refusal_by_text(piece.sql, words)


def without_frames(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces without each BEGIN and its COMMIT: all of a source is loaded in one transaction anyway.

    They stay, to be refused, where one has not the other, where something rolls back, and where a setting is to last
    until the COMMIT.
    """
    frames: set[int] = set()
    is_open = False
    for place, piece in enumerate(pieces):
        words = () if piece.is_meta_command else leading_keywords(piece.sql)
        if not words or words[:1] not in _FRAMING:
            if _lasts_until_commit(piece, words):
                return list(pieces)
            continue
        begins = words[0] in {"BEGIN", "START"}
        if begins is is_open or not (begins or set(words[1:]) <= {"WORK", "TRANSACTION"}):
            return list(pieces)
        is_open = begins
        frames.add(place)
    return list(pieces) if is_open else [piece for place, piece in enumerate(pieces) if place not in frames]


def _lasts_until_commit(piece: Piece, words: tuple[str, ...]) -> bool:
    """SET LOCAL, set_config(..., true), or a step within the transaction that could undo a part of it."""
    if words[:1] in {("ABORT",), ("ROLLBACK",), ("SAVEPOINT",), ("RELEASE",)} or words[:2] == (
        "PREPARE",
        "TRANSACTION",
    ):
        return True
    if words[:1] == ("SET",):
        return words[1:2] in {("LOCAL",), ("TRANSACTION",), ("CONSTRAINTS",)}
    return words[:1] == ("SELECT",) and changes_settings(piece.sql)


def runnable(sql: str) -> str:
    """The statement as it is run: CREATE INDEX CONCURRENTLY is read as a plain index, all else stays as it is."""
    if "CONCURRENTLY" not in leading_keywords(sql):
        return sql
    leading = tuple(islice(tokens(sql), _LONGEST_PHRASE))
    for phrase in _INDEX_PHRASES:
        if tuple(token.keyword for token in leading[: len(phrase)]) == phrase:
            word = leading[len(phrase) - 1]
            return sql[: word.start] + sql[word.start + len(word.text) :].lstrip()
    return sql


def writes_rows(sql: str) -> bool:
    """Whether the statement writes rows or a sequence's value, which are no part of a schema."""
    match leading_keywords(sql):
        case (first, *_) if first in _ROW_KEYWORDS:
            return True
        case ("SELECT", *_):
            return "setval" in sql.lower()
        case _:
            return False


def changes_settings(sql: str) -> bool:
    """Whether the statement changes a setting that the statements after it run under."""
    match leading_keywords(sql):
        case ("SET" | "RESET", *_):
            return True
        case ("SELECT", *_):
            return "set_config" in sql.lower()
        case _:
            return False


def leading_keywords(sql: str) -> tuple[str, ...]:
    """The words in capitals that a statement begins with, at most four; a quoted name or a sign ends them."""
    found = _PLAIN_START.match(sql)
    if found is not None:  # the fast way for what has no comment there
        return tuple(found.group().upper().split())
    words: list[str] = []
    for token in islice(tokens(sql), _LONGEST_PHRASE):
        if not token.keyword:
            break
        words.append(token.keyword)
    return tuple(words)


def _refusal_by_text(sql: str, words: tuple[str, ...]) -> Refusal | None:
    """The statements that a phrase alone does not decide."""
    match words:
        case ("GRANT" | "REVOKE" as name, *_):
            return _named(name, _refusal_of_grant(sql))
        case ("CLUSTER", *_) if not _chooses_index(sql):
            return _named("CLUSTER", _MAINTENANCE)
        case ("COPY", *_):
            return _named("COPY", _COPY)
        case ("CREATE", "SUBSCRIPTION", *_) if not _WITHOUT_CONNECTION.search(sql):
            return _named("CREATE SUBSCRIPTION", _SUBSCRIPTION)
        case ("ALTER", "SUBSCRIPTION", *_) if _subscribes(sql):
            return _named("ALTER SUBSCRIPTION", _SUBSCRIBES)
        case ("ALTER", "TABLE", *_) if _DETACH_CONCURRENTLY.search(sql):
            return _named("DETACH PARTITION CONCURRENTLY", _CONCURRENTLY)
        case ("ALTER", "TABLE" | "INDEX", "ALL", "IN") | ("ALTER", "MATERIALIZED", "VIEW", "ALL"):
            return _named("ALTER ... ALL IN TABLESPACE", _CLUSTER)
        case ("SET", *_) if _turns_off_standard_strings(sql):
            return _named("SET standard_conforming_strings", _STRINGS)
        case _:
            return None


def _chooses_index(sql: str) -> bool:
    """CLUSTER table USING index, or CLUSTER index ON table: says by which index the table is clustered from now on."""
    return any(token.keyword in {"ON", "USING"} for token in tokens(sql))


def _subscribes(sql: str) -> bool:
    """ENABLE and REFRESH, and a new list of publications unless it says refresh = false."""
    words = {token.keyword for token in tokens(sql)}
    if "PUBLICATION" in words and _WITHOUT_REFRESH.search(sql):
        return False
    return bool(words & {"ENABLE", "REFRESH"}) or ("PUBLICATION" in words and bool(words & {"SET", "ADD", "DROP"}))


def _refusal_of_grant(sql: str) -> Refusal | None:
    """GRANT ... ON an object is part of a schema; membership in a role, and what all databases share, is not."""
    depth = 0
    following = False
    for token in tokens(sql):
        if following:
            return _CLUSTER if token.keyword in _SHARED_TARGETS else None
        depth += _depth_change(token)
        following = not depth and token.keyword == "ON"
        if not depth and token.keyword in {"TO", "FROM"}:
            return _ROLE
    return None


def _depth_change(token: Token) -> int:
    return {"(": 1, ")": -1}.get(token.text, 0)


def _turns_off_standard_strings(sql: str) -> bool:
    words = [token.text.strip("'\"").lower() for token in islice(tokens(sql), 5)]
    return "standard_conforming_strings" in words and words[-1] not in {"on", "true", "1", "yes", "default"}


def _meta_command_hint(command: str) -> str:
    match command.rstrip("+"):
        case r"\i" | r"\ir" | r"\include" | r"\include_relative":
            return "give the included file, or its folder, as a source of its own"
        case r"\connect" | r"\c":
            return "dump without --create; the database to work on is given by --dsn"
        case r"\copy" | r"\.":
            return "dump the schema alone: pg_dump --schema-only"
        case _:
            return "remove it"


def _named(name: str, refused: Refusal | None) -> Refusal | None:
    return None if refused is None else Refusal(f"{name} {refused.reason}", refused.hint)
