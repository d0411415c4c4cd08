"""What loading a source may do that no rollback takes back, or to what is outside its schemas. Pure: no I/O.

The position of a sequence, a session's lock, a replication slot, a file: none of these comes back with the transaction.
Nothing here understands SQL. A statement that only declares runs nothing, but for the functions that Postgres calls to
compute a constant; of all others each word is looked at, also in the strings and in the bodies of the functions that
they call. What cannot be told from words, as of a statement that is put together as it runs, is unknown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.source.screening import leading_keywords
from reconciler.sqltext.lexer import lexemes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.source.source import SourceStatement
    from reconciler.sqltext.lexer import Token

__all__ = ["Effect", "EffectKind", "Known", "OutsideFunction", "Reach", "flattened", "reach_of", "words_of"]


class EffectKind(IntEnum):
    """How far a statement reaches; each holds the ones before."""

    LOCKS = 1  # what is outside its schemas, until the transaction ends
    WRITES = 2  # to the database, outside its schemas or so that it stays
    UNKNOWN = 3  # cannot be told from its words
    CLUSTER = 4  # beyond the database, so that it stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What the statement at `index` of the source may do; `what` follows its place: "calls setval, which ..."."""

    kind: EffectKind
    index: int
    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The effects of a source; `running` are the places of the statements that run a query, a block or a function."""

    effects: tuple[Effect, ...] = ()
    running: frozenset[int] = frozenset()

    def first(self, *kinds: EffectKind) -> Effect | None:
        """The first effect of one of these kinds."""
        return next((effect for effect in self.effects if effect.kind in kinds), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideFunction:
    """A function of the live database outside the managed schemas, `extension` is the one that it belongs to."""

    name: str
    language: str
    immutable: bool
    body: str
    extension: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the words of a source name in the live database, outside the managed `schemas`."""

    schemas: frozenset[str]
    functions: Mapping[str, Sequence[OutsideFunction]] = field(default_factory=dict[str, "list[OutsideFunction]"])
    relations: frozenset[tuple[str, str]] = frozenset()
    outside: frozenset[str] = frozenset()


_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')
_SEQUENCES = frozenset({"nextval", "setval"})
# Of Postgres's own functions: what is done beyond the database, or by another session.
_CLUSTER_FUNCTION = re.compile(
    r"binary_upgrade_\w+|dblink\w*|lo_(?:import|export)|pg_(?:start|stop)_backup|pg_backup_(?:start|stop)"
    r"|pg_(?:cancel|terminate)_backend|pg_(?:copy|create|drop)\w*_slot|pg_create_restore_point|pg_file_\w+"
    r"|pg_log_(?:backend_memory_contexts|standby_snapshot)|pg_logical_slot_get\w*|pg_promote|pg_reload_conf"
    r"|pg_replication_(?:origin|slot)_\w+|pg_rotate_logfile\w*|pg_stat_reset\w*|pg_stat_statements_reset"
    r"|pg_switch_wal|pg_sync_replication_slots|pg_wal_replay_(?:pause|resume)"
)
# What is done in the database alone, but is not rolled back, or runs a text that is handed to it.
_LASTING_FUNCTION = re.compile(
    r"brin_(?:de)?summarize\w*|gin_clean_pending_list|lo_\w+|lowrite|pg_(?:try_)?advisory_(?:lock|unlock)\w*"
    r"|pg_(?:clear|restore)_\w+_stats|pg_export_snapshot|pg_import_system_collations|pg_logical_emit_message"
)
_RUNS_TEXT = re.compile(r"(?:query|cursor|table|schema|database)_to_xml\w*|ts_stat|ts_rewrite")
_READABLE = frozenset({"sql", "plpgsql"})
# By which names Postgres's own functions with an effect can be declared again.
_INTERNAL = re.compile(
    r"(?:be_)?lo_|lo(?:read|write)|nextval|setval|pg_|binary_upgrade|query_to|cursor_to|ts_stat|brin_|gin_",
    re.IGNORECASE,
)
_RUN = frozenset(
    {
        "CALL",
        "DECLARE",
        "DELETE",
        "DO",
        "EXECUTE",
        "EXPLAIN",
        "FETCH",
        "IMPORT",
        "INSERT",
        "LOAD",
        "MERGE",
        "MOVE",
        "PREPARE",
        "REFRESH",
        "SELECT",
        "TABLE",
        "TRUNCATE",
        "UPDATE",
        "VALUES",
        "WITH",
    }
)
# Words with which a block reads or writes rows, so that it can call what its own words do not name.
_QUERIES = frozenset(
    {
        "CALL",
        "COPY",
        "DELETE",
        "INSERT",
        "MERGE",
        "PERFORM",
        "REFRESH",
        "RETURN",
        "SELECT",
        "TABLE",
        "TRUNCATE",
        "UPDATE",
        "VALUES",
    }
)
_ROWS = _QUERIES - {"PERFORM", "RETURN", "SELECT", "TABLE", "VALUES"}
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE"})
_TARGET_FIRST = frozenset({"CLUSTER", "DROP", "LOCK", "REFRESH", "TRUNCATE"})
_KINDS = frozenset(
    {
        "DOMAIN",
        "EXISTS",
        "FOREIGN",
        "IF",
        "INDEX",
        "MATERIALIZED",
        "ONLY",
        "SEQUENCE",
        "STATISTICS",
        "TABLE",
        "TYPE",
        "VIEW",
    }
)
_ON_TABLE = frozenset({"INDEX", "TRIGGER", "RULE", "POLICY"})
_NAMES = frozenset({"word", "identifier"})
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = re.compile(rf"\s*(?:{_NAME}\s*\.\s*)?{_NAME}\s*")
_DEFINES = re.compile(
    r"\s*create\s+(?:(?:or|replace|temp|temporary|unlogged|materialized|recursive|foreign)\s+)*"
    r"(table|view|type|domain|function|procedure|aggregate|sequence)\s+(?:if\s+not\s+exists\s+)?"
    rf"((?:{_NAME}\s*\.\s*)?{_NAME})",
    re.IGNORECASE,
)
_RETURNS_TRIGGER = re.compile(r"\breturns\s+\"?(?:event_)?trigger\b", re.IGNORECASE)
_AS = re.compile(r"\bas\b", re.IGNORECASE)
# A string, into which at most the name of the database is put, or literals as such: its words tell what it does. A
# string that puts nothing but literals (%L) into itself is 'L' here, any other ''.
_DATABASE = r"(?:pg_catalog \. )?current_database \( \)"
_STATEMENT = re.compile(
    rf"'L?'|(?:pg_catalog \. )?format \( (?:'L?' (?:, {_DATABASE} )*|'L' (?:, (?:'L?'|{_DATABASE}) )*)\)"
    rf"|'L?'(?: \| ?\| (?:pg_catalog \. )?quote_ident \( {_DATABASE} \)(?: \| ?\| 'L?')?)+"
)
_BOUND = re.compile(r"\bfor\s+values\b[^;]*[(][^;]*[(]", re.IGNORECASE)
_DEEPEST = 20


def words_of(statements: Iterable[SourceStatement]) -> set[str]:
    """The words in the statements that may be names, as the catalogs hold them."""
    return {
        quoted.replace('""', '"') or plain.lower()
        for statement in statements
        for quoted, plain in _WORD.findall(statement.sql)
    }


def reach_of(statements: Sequence[SourceStatement], known: Known, *, with_rows: bool = False) -> Reach:
    """What loading the statements may do beyond their schemas; `with_rows` as if they wrote rows."""
    reader = _Reader(statements, known)
    effects = tuple(reader.read(with_rows=with_rows))
    return Reach(effects=effects, running=frozenset(reader.running))


class _Reader:
    def __init__(self, statements: Sequence[SourceStatement], known: Known) -> None:
        self.statements = statements
        self.known = known
        self.defined: set[str] = set()
        self.foreign: set[str] = set()
        self.routines: defaultdict[str, list[int]] = defaultdict(list)
        self.paths = {"public"}
        self.leading = [leading_keywords(statement.sql) for statement in statements]
        for index, statement in enumerate(statements):
            self._note(index, statement.sql)
        # What can be called although no word of a statement names it.
        created = [set(words[1:3]) for words in self.leading if words[:1] == ("CREATE",)]
        self.calls_unnamed = any(words & {"AGGREGATE", "CAST", "OPERATOR"} for words in created)
        self.has_event_trigger = any("EVENT" in words for words in created)
        immutable = {name for name in self.routines if self._is_immutable(name)}
        immutable |= {name for name in known.functions if self._is_immutable(name)}
        self.immutable = frozenset(immutable)
        self.running: set[int] = set()
        # Of these, what runs a query or a block; the others call functions to compute a constant, and read no rows.
        self.querying: set[int] = set()
        self._followed: set[tuple[int, str]] = set()

    def read(self, *, with_rows: bool) -> Iterator[Effect]:
        is_deep = with_rows or self.has_event_trigger
        for index, statement in enumerate(self.statements):
            if self.known.relations:
                yield from self._locks(index, _lexed(statement.sql))
            if self._runs(index):
                self.running.add(index)
                self.querying.add(index)
                text = [*flattened(_lexed(statement.sql))]
                yield from self._effects(index, text)
                is_deep = is_deep or self._is_deep(index, text)
            elif self._computes(index):
                self.running.add(index)
                yield from self._effects(index, _lexed(statement.sql))
        if is_deep:
            yield from self._of_all()

    def _connects(self) -> bool:
        """Whether the source declares what reaches another server."""
        return bool(self.foreign) or any(
            words[:2] == ("CREATE", "EXTENSION") and "dblink" in statement.sql.lower()
            for words, statement in zip(self.leading, self.statements, strict=True)
        )

    def _of_all(self) -> Iterator[Effect]:
        """What writing rows may call: what is declared for tables, the functions that it names, triggers."""
        for index, statement in enumerate(self.statements):
            words = self.leading[index]
            if words[:1] not in {("CREATE",), ("ALTER",)} or index in self.running:
                continue
            if not _ROUTINES.intersection(words) or _RETURNS_TRIGGER.search(statement.sql):
                yield from self._effects(index, [*flattened(_lexed(statement.sql))])

    def _note(self, index: int, sql: str) -> None:
        """What the statement defines, by name, and where names without a schema are looked for."""
        words = self.leading[index]
        if "search_path" in sql.lower():
            self.paths |= words_of([self.statements[index]]) & self.known.outside
        if words[:1] != ("CREATE",):
            return
        found = _DEFINES.match(sql if "--" not in sql and "/*" not in sql else " ".join(t.text for t in _lexed(sql)))
        if found is None:
            return
        name = _named(next(reversed([*_WORD.finditer(found[2])])))
        self.defined.add(name)
        if words[1:3] == ("FOREIGN", "TABLE"):
            self.foreign.add(name)
        if found[1].upper() in _ROUTINES:
            self.routines[name].append(index)

    def _runs(self, index: int) -> bool:
        """Whether the statement runs a query or a block as it is loaded."""
        words, sql = self.leading[index], self.statements[index].sql
        if not words or words[0] in _RUN:
            return True
        if words[0] != "CREATE" or ("VIEW" in words[1:] and "MATERIALIZED" not in words):
            return False
        if "MATERIALIZED" in words:
            return True
        if "TABLE" not in words or not _AS.search(sql):
            return False
        depth = 0
        tokens = _lexed(sql)
        for token, following in pairwise(tokens):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if not depth and token.keyword == "AS":
                return following.keyword in {"SELECT", "TABLE", "VALUES", "WITH", "EXECUTE"} or following.text == "("
        return False

    def _computes(self, index: int) -> bool:
        """Whether a function that the statement names is called as it is loaded, to compute a constant."""
        words, sql = self.leading[index], self.statements[index].sql
        if words[:1] not in {("CREATE",), ("ALTER",)} or _ROUTINES.intersection(words) or "VIEW" in words:
            return False
        return bool(_BOUND.search(sql)) or not self.immutable.isdisjoint(
            words_of([self.statements[index]]) if self.immutable else ()
        )

    def _is_immutable(self, name: str) -> bool:
        if any("IMMUTABLE" in self.statements[index].sql.upper() for index in self.routines.get(name, ())):
            return True
        return any(each.immutable and not each.extension for each in self.known.functions.get(name, ()))

    def _is_deep(self, index: int, text: Sequence[Token]) -> bool:
        """Whether it can call what its words do not name: by a trigger, a default, a view, a domain, an operator."""
        keywords = {token.keyword for token in text}
        if keywords & _ROWS or self.calls_unnamed:
            return True
        if self.leading[index][:1] == ("DO",) and not keywords & _QUERIES and ":" not in {each.text for each in text}:
            return False
        return any(_text(token) in self.defined for token in text if token.kind in _NAMES)

    # --- what a text does ------------------------------------------------------------------------------------------

    def _locks(self, index: int, tokens: Sequence[Token]) -> Iterator[Effect]:
        words = self.leading[index]
        if _ROUTINES.intersection(words[:4]) and words[:1] == ("CREATE",):
            return
        found = [*self._outside(tokens)]
        if not found:
            return
        place, name = found[0]
        target = words[:1] == ("ALTER",) and all(each.keyword in _KINDS for each in tokens[1:place])
        target = target or (bool(words) and words[0] in _TARGET_FIRST)
        if words[:1] == ("CREATE",) and _ON_TABLE.intersection(words):
            target = any(tokens[at - 1].keyword in {"ON", "ONLY", "TO"} for at, _ in found)
        if target:
            yield self._effect(EffectKind.WRITES, index, f"changes {name}, which is outside the managed schemas")
        else:
            yield self._effect(EffectKind.LOCKS, index, f"would lock {name}, which is outside the managed schemas")

    def _outside(self, tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
        """The places at which a relation outside the managed schemas is named, and its name."""
        if not self.known.relations:
            return
        names = {name for _, name in self.known.relations}
        for place, token in enumerate(tokens):
            if token.kind not in _NAMES or (text := _text(token)) not in names:
                continue
            if place > 1 and tokens[place - 1].text == ".":
                if (_text(tokens[place - 2]), text) in self.known.relations:
                    yield place - 2, f"{_text(tokens[place - 2])}.{text}"
            elif text not in self.defined:
                for schema in sorted(self.paths):
                    if (schema, text) in self.known.relations:
                        yield place, f"{schema}.{text}"

    def _effects(
        self, index: int, text: Sequence[Token], *, through: str = "", depth: int = 0, of_live: bool = False
    ) -> Iterator[Effect]:
        """What the text does when it runs, with what it calls by name; `of_live`: it is of a function in live."""

        def effect(kind: EffectKind, what: str) -> Effect:
            return self._effect(kind, index, f"{through}{what}")

        for _, name in self._outside(text):
            yield effect(EffectKind.WRITES, f"reads or writes {name}, which is outside the managed schemas")
        for place, token in enumerate(text):
            following = text[place + 1] if place + 1 < len(text) else None
            if token.text == "&" and place and text[place - 1].keyword == "U":
                yield effect(EffectKind.UNKNOWN, "has a name that is written with escapes")
            if token.kind not in _NAMES:
                continue
            name = _text(token)
            if name in self.foreign and index in self.querying:
                yield effect(EffectKind.CLUSTER, f"reads or writes {name}, which is a table of another server")
            if token.keyword == "EXECUTE" and following is not None:
                yield from (effect(EffectKind.UNKNOWN, what) for what in _executed(text, place))
            elif token.keyword == "COPY" and (what := _file_of(text, place)):
                yield effect(EffectKind.CLUSTER, what)
            elif token.keyword == "CONSTRAINTS" and place and text[place - 1].keyword == "SET":
                yield effect(EffectKind.UNKNOWN, "says when triggers fire")
            elif token.keyword == "LOAD" and following is not None and following.kind == "string":
                yield effect(EffectKind.UNKNOWN, "loads a library")
            if following is not None and following.text == "(":
                yield from (effect(kind, what) for kind, what in self._called(name, text, place, of_live=of_live))
            # Once for each statement: bodies that name each other's functions are many paths to the same effects.
            if (index, name) not in self._followed and depth < _DEEPEST:
                self._followed.add((index, name))
                yield from self._bodies(index, name, through, depth)

    def _called(
        self, name: str, text: Sequence[Token], place: int, *, of_live: bool
    ) -> Iterator[tuple[EffectKind, str]]:
        """What a call of one of Postgres's own functions does."""
        if _CLUSTER_FUNCTION.fullmatch(name):
            yield EffectKind.CLUSTER, f"calls {name}, which reaches beyond the database and is not rolled back"
        elif _LASTING_FUNCTION.fullmatch(name):
            yield EffectKind.WRITES, f"calls {name}, which is not undone by a rollback, or writes outside the schemas"
        elif _RUNS_TEXT.fullmatch(name):
            yield EffectKind.UNKNOWN, f"calls {name}, which runs a query that is handed to it"
        elif name in _SEQUENCES:
            words = [token.text.lower() for token in text[place + 2 : place + 4]]
            ahead = 2 if words == ["pg_get_serial_sequence", "("] else 0
            sequence = text[place + 2 + ahead] if place + 2 + ahead < len(text) else None
            if of_live or sequence is None or not self._is_own_sequence(sequence):
                yield EffectKind.WRITES, f"calls {name}, which is not undone by a rollback"

    def _is_own_sequence(self, token: Token) -> bool:
        """Whether it is the name of a sequence, or of its table, that can only be one of the source's own."""
        found = _QUALIFIED.fullmatch(_inside(token)) if token.kind == "string" else None
        if found is None:
            return False
        parts = [_named(part) for part in _WORD.finditer(found.group())]
        if len(parts) == 1:
            return not any(name == parts[0] for schema, name in self.known.relations if schema in self.paths)
        return parts[0] in self.known.schemas

    def _bodies(self, index: int, name: str, through: str, depth: int) -> Iterator[Effect]:
        """What the functions of this name do, the source's and those of the live database outside its schemas."""
        for routine in self.routines.get(name, ()):
            if routine == index:
                continue
            sql = self.statements[routine].sql
            called = f"{through}calls {name}, which "
            language = re.search(r"\blanguage\s+'?(\w+)", sql, re.IGNORECASE)
            if language is not None and language[1].lower() not in _READABLE:
                strings = [_inside(token) for token in _lexed(sql) if token.kind == "string"]
                if not _is_plain(language[1].lower(), *strings):
                    yield self._effect(EffectKind.UNKNOWN, index, f"{called}is written in {language[1].lower()}")
                continue
            body = [*flattened(_lexed(sql))][4:]
            yield from self._effects(index, _without(body, name), through=called, depth=depth + 1)
        for function in self.known.functions.get(name, ()):
            called = f"{through}calls {name}, which "
            if function.extension is not None:
                if not function.immutable:
                    what = f"belongs to extension {function.extension}"
                    yield self._effect(EffectKind.WRITES, index, f"{called}{what}")
            elif _is_plain(function.language, function.body, function.name):
                continue
            elif function.language not in _READABLE:
                yield self._effect(EffectKind.UNKNOWN, index, f"{called}is written in {function.language}")
            else:
                body = [*flattened(_lexed(function.body))]
                yield from self._effects(index, _without(body, name), through=called, depth=depth + 1, of_live=True)

    def _effect(self, kind: EffectKind, index: int, what: str) -> Effect:
        if kind is EffectKind.UNKNOWN and self._connects():
            kind, what = EffectKind.CLUSTER, f"{what}, and the source declares what reaches another server"
        return Effect(kind=kind, index=index, where=self.statements[index].where, what=what)


def _executed(text: Sequence[Token], place: int) -> Iterator[str]:
    """Why it cannot be told what EXECUTE runs; nothing where that is one string, or where it is no such command."""
    first = text[place + 1]
    before = text[place - 1].keyword if place else ""
    if first.keyword in _ROUTINES or before in {"GRANT", "REVOKE", ","} or first.keyword == "ON":
        return
    is_prepared = first.kind in _NAMES and place == 0
    if not is_prepared and not _STATEMENT.fullmatch(_expression(text, place + 1)):
        yield "puts together a statement as it runs"


def _expression(text: Sequence[Token], place: int) -> str:
    """What EXECUTE is given, each string as `''` or `'L'`: strings stand before the tokens that are in them."""
    found: list[str] = []
    while place < len(text) and text[place].text.upper() not in {";", "INTO", "LOOP", "USING"}:
        token = text[place]
        is_string = token.kind == "string"
        found.append(_kind_of_string(token) if is_string else token.text.lower())
        place += 1 + (len([*flattened(_lexed(_inside(token)))]) if is_string else 0)
    return " ".join(found)


def _kind_of_string(token: Token) -> str:
    return "''" if re.search(r"%(?![L%])", _inside(token)) else "'L'"


def _file_of(text: Sequence[Token], place: int) -> str | None:
    """What COPY reads or writes beside the database; None where that is nothing."""
    for token, following in zip(text[place:], text[place + 1 :], strict=False):
        if token.text == ";":
            return None
        if token.keyword == "PROGRAM":
            return "runs a program on the server"
        if token.keyword in {"TO", "FROM"} and following.kind == "string":
            return "reads or writes a file of the server"
    return None


def _is_plain(language: str, *names: str) -> bool:
    """Whether it is one of Postgres's own functions by another name, of those that only compute."""
    return language == "internal" and not any(map(_INTERNAL.match, names))


def _without(body: Iterable[Token], name: str) -> list[Token]:
    """The body without the calls of itself, which do nothing else than it does."""
    return [token for token in body if token.kind not in _NAMES or _text(token) != name]


def _lexed(sql: str) -> list[Token]:
    try:
        return [token for token in lexemes(sql) if token.kind != "comment"]
    except SourceError:  # a part of a statement, or a string that is no SQL
        return []


def flattened(tokens: Iterable[Token], depth: int = 0) -> Iterator[Token]:
    """The tokens, and after each string those of what stands in it: it may be a body, or SQL that is executed."""
    for token in tokens:
        yield token
        if token.kind == "string" and depth < _DEEPEST:
            yield from flattened(_lexed(_inside(token)), depth + 1)


def _inside(token: Token) -> str:
    if token.text.startswith("$"):
        tag = token.text[: token.text.index("$", 1) + 1]
        return token.text[len(tag) : -len(tag)]
    return token.text[1:-1].replace("''", "'")


def _text(token: Token) -> str:
    """The name that the token is, as the catalogs hold it."""
    return token.text[1:-1].replace('""', '"') if token.kind == "identifier" else token.text.lower()


def _named(found: re.Match[str]) -> str:
    quoted, plain = found.groups()
    return str(quoted).replace('""', '"') if quoted else str(plain).lower()
