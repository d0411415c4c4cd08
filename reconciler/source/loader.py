"""Runs a source's statements in a scratch place, in whatever order Postgres accepts them.

The statements go in pipelines, many to one round trip. They use the extended protocol, which runs one statement a
message: text that the server splits otherwise than we did is an error there, never a second statement.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import TYPE_CHECKING, LiteralString, Protocol

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from reconciler.db.connections import PlainCursor, server_message
from reconciler.db.search_path import found_nothing, path_hint
from reconciler.errors import SourceError
from reconciler.model.visible import visible_line
from reconciler.source.screening import changes_settings, leading_keywords
from reconciler.sqltext.lexer import tokens
from reconciler.sqltext.redacted_sql import conceal_in, redact_sql

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg.rows import TupleRow

    from reconciler.source.screening import Refusal
    from reconciler.source.source import Source, SourceStatement

__all__ = ["LoadGuard", "LoadReport", "load"]

_BATCH = 100
_SHOWN_FAILURES = 20

# duplicate_schema, duplicate_table (any relation), duplicate_object, duplicate_function
_EXISTS = frozenset({"42P06", "42P07", "42710", "42723"})
# A statement that fails so may succeed once another has run.
_WAITS_FOR_ANOTHER = frozenset(
    {
        "0A000",  # feature_not_supported: e.g. a conflict target whose index comes later
        "23503",  # foreign_key_violation
        "3F000",  # invalid_schema_name
        "42703",  # undefined_column
        "42704",  # undefined_object
        "42803",  # grouping_error: columns depend on a primary key that comes later
        "42804",  # datatype_mismatch: an operator or a cast comes later
        "42809",  # wrong_object_type
        "42830",  # invalid_foreign_key: the referenced unique constraint comes later
        "42846",  # cannot_coerce: a cast comes later
        "42883",  # undefined_function
        "42P01",  # undefined_table
        "42P10",  # invalid_column_reference: the index of a conflict target comes later
        "42P16",  # invalid_table_definition
        "42P17",  # invalid_object_definition
        "55000",  # object_not_in_prerequisite_state
        "P0001",  # raise_exception: a DO block may look for another's object
    }
)
# Classes of failures that are not the statement's fault, so that going on makes no sense.
_FATAL = ("08", "25P", "40", "53", "55P03", "57")

_MISSING = re.compile(r'"((?:[^"]|"")+)"|([\w$.]+)\(')
_HEAD = 160
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')

_IN_TRANSACTION = (
    b"SAVEPOINT reconciler_load",
    b"RELEASE SAVEPOINT reconciler_load",
    (b"ROLLBACK TO SAVEPOINT reconciler_load", b"RELEASE SAVEPOINT reconciler_load"),
)
_IN_AUTOCOMMIT = (b"BEGIN", b"COMMIT", (b"ROLLBACK",))
_USABLE = frozenset({TransactionStatus.IDLE, TransactionStatus.INTRANS})
# insufficient_privilege, and what a block in a transaction may not: end it, or begin what needs to be outside of one
_DENIED = frozenset({"42501", "2D000", "25001"})
_WITHOUT_RIGHTS = (
    "its words do not tell all that it does, so it runs without the rights of a superuser: what belongs to the server,"
    " as roles, comes first, where the server is set up; write the other statements plainly"
)
_REMOVE_COMMIT = "remove what commits or rolls back"
_SETTINGS: tuple[LiteralString, ...] = (
    "SET check_function_bodies = off",  # so that functions may come in any order
    "SET standard_conforming_strings = on",  # as the splitter reads them
    "SET client_encoding = 'UTF8'",
)

# These run in whatever path the source has set: each of their names, types and operators has its schema.
_READ_SETTINGS = """
    SELECT pg_catalog.array_agg(name ORDER BY place), pg_catalog.array_agg(value ORDER BY place) FROM (
        SELECT 1 AS place, 'session_authorization' AS name, pg_catalog.current_setting('session_authorization') AS value
        UNION ALL SELECT 2, 'role', pg_catalog.current_setting('role')
        UNION ALL SELECT 3, name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
            WHERE context OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'superuser']::pg_catalog.text[])
                AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only',
                    'transaction_deferrable', 'is_superuser', 'session_authorization', 'role']::pg_catalog.text[])
    ) AS settings
"""
_RESTORE_SETTINGS = """
    SELECT pg_catalog.set_config(name, value, false)
    FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
        AS was(name, value)
    WHERE (pg_catalog.current_setting(name, true) OPERATOR(pg_catalog.=) value) IS NOT TRUE
"""
_READ_TRANSACTION = "SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What loading did: how many statements ran, which of them only after later ones, and Postgres's warnings."""

    statements: int
    rounds: int
    deferred: tuple[SourceStatement, ...] = ()
    warnings: tuple[str, ...] = ()


class LoadGuard(Protocol):
    """Keeps what statements do within the scratch place."""

    def is_alone(self, statement: SourceStatement) -> bool:
        """Whether the statement is to be run by itself."""
        ...

    def wrapped(self, statement: SourceStatement) -> Sequence[bytes]:
        """The statement as it is run."""
        ...

    def changed(self) -> Refusal | None:
        """What the open transaction changed beyond the place."""
        ...


class _BeyondError(psycopg.DatabaseError):
    """Statements that succeeded, and were undone since they changed something beyond the place."""


def load(
    connection: psycopg.Connection[object],
    source: Source,
    *,
    transactional: bool,
    path: Sequence[str] = (),
    guard: LoadGuard | None = None,
) -> LoadReport:
    """Runs all statements of the source, and again those that needed an object of a later one. `guard` watches them.

    Its names without a schema are looked for in `path`, while its statements run and at no other time; where that is
    empty, where the session looks for them.

    With `transactional` everything happens inside the connection's transaction, which is neither committed nor rolled
    back here; without it the connection is in autocommit, so that locks do not pile up. The session's settings are
    afterwards what they were before.

    Raises SourceError with `file:line: Postgres's message` for each statement (the first 20) that cannot be loaded;
    its __cause__ is Postgres's own error where loading had to stop at once (no lock, no memory, a lost connection).
    """
    _check_mode(connection, transactional=transactional)
    notices: list[str] = []
    try:
        with _collecting(connection, notices):
            report = _Loader(connection, source.statements, transactional=transactional, path=path, guard=guard).run()
    except psycopg.Error as exc:
        raise SourceError(f"loading {source.description} was interrupted: {_message(exc)}") from exc
    return LoadReport(
        statements=report.statements,
        rounds=report.rounds,
        deferred=report.deferred,
        warnings=tuple(dict.fromkeys(notices)),
    )


def _check_mode(connection: psycopg.Connection[object], *, transactional: bool) -> None:
    """Raises ValueError where the connection is not in the state that the caller says."""
    if not transactional and not (
        connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE
    ):
        raise ValueError("loading outside of a transaction needs an idle connection in autocommit")
    if transactional and connection.autocommit and connection.info.transaction_status != TransactionStatus.INTRANS:
        raise ValueError("loading in a transaction needs a connection that is in one")


@contextmanager
def _collecting(connection: psycopg.Connection[object], notices: list[str]) -> Generator[None]:
    """Appends Postgres's warnings, and its notices about names that it cuts, to `notices`."""

    def collect(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING" or diagnostic.sqlstate == "42622":
            notices.append(diagnostic.message_primary or "")

    connection.add_notice_handler(collect)
    try:
        yield
    finally:
        connection.remove_notice_handler(collect)


class _Loader:
    """The state of one load: what failed and why, and under which settings each statement stands."""

    def __init__(
        self,
        connection: psycopg.Connection[object],
        statements: Sequence[SourceStatement],
        *,
        transactional: bool,
        path: Sequence[str],
        guard: LoadGuard | None,
    ) -> None:
        self.connection = connection
        self.path = path
        self.guard = guard
        self.statements = statements
        self.transactional = transactional
        self.pending: dict[int, psycopg.Error] = {}  # to be tried again
        self.refused: dict[int, psycopg.Error] = {}  # never to be
        self.waiting: dict[str, set[int]] = {}  # a missing name -> what failed for want of it
        self.deferred: list[SourceStatement] = []
        self.settings = {index for index, statement in enumerate(statements) if changes_settings(statement.sql)}
        # Statements of one epoch run under the same settings.
        self.epochs = tuple(accumulate(int(index in self.settings) for index in range(len(statements))))
        self.epoch = 0

    def run(self) -> LoadReport:
        before = self._read_settings()
        transaction = self._transaction()
        try:
            self._configure()
            rounds = self._run_rounds()
            if self._transaction() != transaction:
                raise SourceError("the source ended the transaction that it was loaded in", hint=_REMOVE_COMMIT)
        finally:
            if self.connection.info.transaction_status in _USABLE:
                self._restore_settings(before)
        return LoadReport(statements=len(self.statements), rounds=rounds, deferred=tuple(self.deferred))

    def _run_rounds(self) -> int:
        """The first pass in batches, then passes over what is pending for as long as each gets somewhere."""
        initial = self._read_settings()
        for first in range(0, len(self.statements), _BATCH):
            self._run_batch(range(first, min(first + _BATCH, len(self.statements))))
        rounds, before = 1, 0
        while self.pending and len(self.pending) != before:
            before = len(self.pending)
            self._restore_settings(initial)
            for index in sorted(self.settings.union(self.pending)):  # what stood under a SET stands under it again
                if index in self.settings or index in self.pending:  # it may have been woken meanwhile
                    self._run_single(index)
            rounds += 1
        if self.pending or self.refused:
            raise self._error()
        return rounds

    def _run_batch(self, batch: range) -> None:
        """All at once if they all succeed, else one by one. A DO or CALL may commit, so it is alone in autocommit."""
        alone = any(self._is_alone(self.statements[index]) for index in batch)
        if alone or self._attempt([self.statements[index] for index in batch]) is not None:
            for index in batch:
                self._run_single(index)
            return
        self.epoch = self.epochs[batch[-1]]
        for index in batch:
            for awaiting in self._awaiting(index):
                self._run_single(awaiting)

    def _is_alone(self, statement: SourceStatement) -> bool:
        if self.guard is not None:
            return self.guard.is_alone(statement)
        return not self.transactional and _may_commit(statement)

    def _run_single(self, first: int) -> None:
        """One statement, and then those that were waiting for what it made."""
        self.epoch = self.epochs[first]
        queue = deque([first])
        while queue:
            index = queue.popleft()
            failure = self._attempt([self.statements[index]])
            if failure is not None and not self._is_content_with(self.statements[index], failure):
                self._note(index, failure)
                continue
            if self.pending.pop(index, None) is not None:
                self.deferred.append(self.statements[index])
            queue.extend(self._awaiting(index))

    def _awaiting(self, index: int) -> list[int]:
        """What is pending under the settings now in force, for want of a name that this statement begins with."""
        if not self.waiting:
            return []
        found: set[int] = set()
        for name in _names(self.statements[index].sql[:_HEAD]):
            found |= self.waiting.pop(name, set())
        return sorted(other for other in found if other in self.pending and self.epochs[other] == self.epoch)

    def _note(self, index: int, failure: psycopg.Error) -> None:
        """Keeps the failure for another attempt where one makes sense. Raises SourceError where none of any does."""
        statement = self.statements[index]
        sqlstate = failure.sqlstate
        if redact_sql(statement.sql) != statement.sql:
            # Else a traceback would show the statement, which psycopg quotes.
            failure.args = (conceal_in(_message(failure), statement.sql),)
        if sqlstate is None or sqlstate.startswith(_FATAL):
            raise SourceError(
                f"loading stopped at {_described(statement, failure)}", hint=failure.diag.message_hint
            ) from failure
        if sqlstate not in _WAITS_FOR_ANOTHER or leading_keywords(statement.sql)[:1] == ("DROP",):
            self.pending.pop(index, None)
            self.refused[index] = failure
            return
        self.pending[index] = failure
        for name in _missing_names(failure):
            self.waiting.setdefault(name, set()).add(index)

    def _attempt(self, statements: Sequence[SourceStatement]) -> psycopg.Error | None:
        """Runs the statements all or none. The error is the first that Postgres gave.

        Raises SourceError where a single one changes something beyond the place.
        """
        # Bytes without parameters: nothing in them is interpreted on the way.
        if self.guard is None and not self.transactional:
            return self._pipeline([statement.sql.encode() for statement in statements])
        begin, done, undo = _IN_TRANSACTION if self.transactional else _IN_AUTOCOMMIT
        if self.guard is None:
            failure = self._pipeline([begin, *(statement.sql.encode() for statement in statements), done])
        else:
            failure = self._watched(self.guard, begin, statements, done)
        if failure is not None and (
            self.transactional or self.connection.info.transaction_status != TransactionStatus.IDLE
        ):
            undone = self._pipeline(undo)
            if undone is not None:
                raise undone from failure
        if isinstance(failure, _BeyondError) and len(statements) == 1:
            raise SourceError(f"{statements[0].where}: {failure}", hint=failure.__notes__[0])
        return failure

    def _watched(
        self, guard: LoadGuard, begin: bytes, statements: Sequence[SourceStatement], done: bytes
    ) -> psycopg.Error | None:
        queries = [query for statement in statements for query in guard.wrapped(statement)]
        failure = self._pipeline([begin, *queries])
        if failure is not None:
            return failure
        beyond = guard.changed()
        if beyond is None:
            return self._pipeline([done])
        failure = _BeyondError(beyond.reason)
        failure.add_note(beyond.hint)
        return failure

    def _pipeline(self, queries: Sequence[bytes]) -> psycopg.Error | None:
        """Sends all at once; in autocommit the server takes them as one transaction."""
        failure: psycopg.Error | None = None
        try:
            with self.connection.pipeline():
                try:
                    cursor = self._cursor()
                    for query in queries:
                        cursor.execute(query, prepare=False)
                except psycopg.Error as exc:  # caught in here, lest psycopg logs that the pipeline was aborted
                    failure = exc
        except psycopg.Error as exc:
            failure = failure or exc
        if failure is not None and self.connection.closed:
            raise failure
        return failure

    def _is_content_with(self, statement: SourceStatement, failure: psycopg.Error) -> bool:
        """Whether what the statement asks for holds although it failed.

        The scratch place may begin with the schema and the extensions that the source makes, and a newer pg_dump sets
        a parameter that an older server does not know.
        """
        words = leading_keywords(statement.sql)
        match failure.sqlstate, words[:2]:
            case "42P06", ("CREATE", "SCHEMA"):
                return self._has_schema(statement)
            case "42710", ("CREATE", "EXTENSION"):
                return True
            case "42704", ("SET", "TRANSACTION_TIMEOUT"):
                return True
            case _:
                return False

    def _has_schema(self, statement: SourceStatement) -> bool:
        """The schema that is there, given to the owner that the statement asks for; it can hold nothing else."""
        match [token.text for token in islice(tokens(statement.sql), 6)]:
            case [_, _, _]:
                return True
            case [_, _, name, authorization, role] if authorization.upper() == "AUTHORIZATION":
                pass
            case [_, _, authorization, name] if authorization.upper() == "AUTHORIZATION":
                role = name
            case _:
                return False
        owner = replace(statement, sql=f"ALTER SCHEMA {name} OWNER TO {role}")
        return self._attempt([owner]) is None

    def _error(self) -> SourceError:
        failures = sorted((self.pending | self.refused).items())
        lines = [_described(self.statements[index], failure) for index, failure in failures[:_SHOWN_FAILURES]]
        if len(failures) > _SHOWN_FAILURES:
            lines.append(f"and {len(failures) - _SHOWN_FAILURES} more")
        cause = failures[0][1]
        error = SourceError("\n".join(lines), hint=self._hint(*failures[0]))
        error.__cause__ = cause
        error.finds_existing = any(failure.sqlstate in _EXISTS for _, failure in failures)
        return error

    def _hint(self, index: int, failure: psycopg.Error) -> str | None:
        """Postgres's, or ours where it builds with a search_path of its own and a function does not find its names."""
        said = server_message(failure)
        statement = self.statements[index]
        if self.guard is not None and self.guard.is_alone(statement) and failure.sqlstate in _DENIED:
            return _WITHOUT_RIGHTS
        words = leading_keywords(statement.sql)
        is_built = self.connection.info.server_version >= 170000 and bool({"INDEX", "MATERIALIZED"}.intersection(words))
        return path_hint(said, while_building=True) if is_built and found_nothing(said) else said.hint

    def _cursor(self) -> psycopg.Cursor[TupleRow]:
        """A plain cursor, whatever kinds of cursors and rows the connection gives its owner."""
        return PlainCursor(self.connection)

    def _transaction(self) -> str | None:
        """The identity of the transaction, None in autocommit."""
        if not self.transactional:
            return None
        row = self._cursor().execute(_READ_TRANSACTION).fetchone()
        return None if row is None else str(row[0])

    def _configure(self) -> None:
        cursor = self._cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        if self.path:
            names = sql.SQL(", ").join(map(sql.Identifier, self.path))
            cursor.execute(sql.SQL("SET search_path = {}").format(names))
        if not self.transactional:
            cursor.execute("SET synchronous_commit = off")  # a crash takes the scratch place with it anyway

    def _read_settings(self) -> TupleRow:
        row = self._cursor().execute(_READ_SETTINGS).fetchone()
        return row if row is not None else ([], [])

    def _restore_settings(self, settings: TupleRow) -> None:
        self._cursor().execute(_RESTORE_SETTINGS, settings)


def _may_commit(statement: SourceStatement) -> bool:
    return leading_keywords(statement.sql)[:1] in {("DO",), ("CALL",)}


def _names(text: str) -> set[str]:
    """The identifiers in a piece of SQL, as the catalogs hold them."""
    return {quoted.replace('""', '"') or plain.lower() for quoted, plain in _NAME.findall(text)}


def _missing_names(failure: psycopg.Error) -> set[str]:
    """What the message puts in quotes, and a function's name; of a qualified name the last part."""
    message = failure.diag.message_primary or ""
    found = {quoted or called for quoted, called in _MISSING.findall(message)}
    return found | {name.rpartition(".")[2].strip('"') for name in found}


def _described(statement: SourceStatement, failure: psycopg.Error) -> str:
    """`file:line: message`, at the line within the statement that Postgres points at."""
    diagnostic = failure.diag
    position = int(diagnostic.statement_position or 1)
    line = statement.line + statement.sql.count("\n", 0, position - 1)
    text = f"{statement.origin}:{line}: {_message(failure)}"
    text = f"{text} ({diagnostic.message_detail})" if diagnostic.message_detail else text
    return conceal_in(text, statement.sql)


def _message(failure: psycopg.Error) -> str:
    if isinstance(failure, psycopg.errors.LockNotAvailable):
        return f"another session holds a lock that it needs, waited in vain ({failure.diag.message_primary})"
    return visible_line(failure.diag.message_primary or "") or str(failure).strip() or type(failure).__name__
