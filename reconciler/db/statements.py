"""Runs statements of a plan on a connection that is handed in. Does I/O."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import psycopg

from reconciler.db.connections import (
    SEARCH_PATH,
    lost_connection,
    server_message,
    session_setting,
    setting,
    transaction,
)
from reconciler.db.search_path import UNFOUND, found_nothing, path_hint
from reconciler.errors import ApplyError, RowsNotCarriedOverError
from reconciler.model.checks import NOT_CARRIED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.db.connections import Connection, ServerMessage
    from reconciler.model.plan import Statement

__all__ = ["apply_error", "run_as_written", "run_permitted", "run_statement", "run_statements"]

# Postgres 17 and newer make these with a search_path that has pg_catalog alone, whatever is set.
_BUILT = frozenset({"index", "materialized_view"})
# Where Postgres says, with row_security = off, that a policy would filter; its words are in the server's language.
_FILTERS = "check_enable_rls"
# How a proof fails: its own error, a CHECK that does not hold, and a policy that would have filtered what it reads.
_NOT_PROVEN = frozenset(
    {
        NOT_CARRIED,
        psycopg.errors.CheckViolation.sqlstate,
        psycopg.errors.InsufficientPrivilege.sqlstate,
    }
)


def run_as_written(connection: Connection, statement: Statement) -> None:
    """Runs it as it is rehearsed. Raises psycopg's errors."""
    if statement.rehearsal is None:
        run_statement(connection, statement)
    elif statement.rehearsal:
        connection.execute(statement.rehearsal.encode())


def run_statements(
    connection: Connection,
    statements: Sequence[Statement],
    *,
    transactional: bool,
    search_path: str = SEARCH_PATH,
    run: Callable[[Connection, Statement], None] = run_as_written,
) -> None:
    """Runs a plan's statements; in one transaction unless some refuse that. Raises ApplyError with the failing one.

    Each is what `run` makes of it. Functions that they call find names without a schema in `search_path`.
    """
    settings = {"check_function_bodies": "off", "search_path": search_path}
    with setting(connection, settings) if transactional else session_setting(connection, settings):
        for position, statement in enumerate(statements, start=1):
            try:
                run(connection, statement)
            except psycopg.Error as exc:
                raise apply_error(exc, statement, position) from exc


def run_permitted(
    connection: Connection,
    statements: Sequence[Statement],
    *,
    transactional: bool = False,
    search_path: str = SEARCH_PATH,
    run: Callable[[Connection, Statement], None] = run_as_written,
) -> tuple[Statement, ...]:
    """Runs what this role may; what it may not, and what fails for want of that, is given back.

    Some extensions, publications and the like only a superuser makes. Raises ApplyError for any other failure.
    """
    skipped: list[Statement] = []
    settings = {"check_function_bodies": "off", "search_path": search_path}
    with setting(connection, settings) if transactional else session_setting(connection, settings):
        for position, statement in enumerate(statements, start=1):
            try:
                with transaction(connection) if transactional else nullcontext():
                    run(connection, statement)
            except psycopg.errors.InsufficientPrivilege:
                skipped.append(statement)
            except psycopg.Error as exc:
                if not skipped or exc.sqlstate not in UNFOUND:
                    raise apply_error(exc, statement, position) from exc
                skipped.append(statement)
    return tuple(skipped)


def run_statement(connection: Connection, statement: Statement) -> int:
    """Runs it with its real values and gives the number of its rows.

    Raises psycopg's error, without the excerpt of a statement that holds secrets.
    """
    try:
        return connection.execute(statement.text.encode()).rowcount
    except psycopg.Error as exc:
        if statement.masked:
            exc.args = (statement.concealed(exc.diag.message_primary or type(exc).__name__),)
        raise


def _not_carried(statement: Statement, position: int, said: ServerMessage) -> RowsNotCarriedOverError:
    """The error of a proof that failed, with what can have turned rows away; their number where it is known."""
    arrival = statement.arrival
    assert arrival is not None
    number, _, _ = said.message.partition(" ")
    counted = said.sqlstate == NOT_CARRIED
    message = said.message if counted else f"not proven that nothing was left behind: {said.message}"
    suspects = ", ".join(str(guard) for guard in arrival.guards)
    error = RowsNotCarriedOverError(
        statement.concealed(message),
        hint=f"{suspects} can have turned them away: disable what does for the time of the run, then run again"
        if suspects
        else "no policy, rule or trigger is on the table: look for event triggers, then run again",
        statement=statement.sql,
        position=position,
        sqlstate=said.sqlstate,
        detail=statement.concealed(said.detail) if said.detail else None,
    )
    error.rows = int(number) if counted else None
    error.guards = arrival.guards
    return error


def apply_error(exc: psycopg.Error, statement: Statement, position: int) -> ApplyError:
    """The error of a failed statement, with what Postgres says of it."""
    said = server_message(exc)
    hint = said.hint
    if found_nothing(said):
        building = any(fact.kind in _BUILT for fact in statement.creates)
        hint = path_hint(said, while_building=building)
    elif exc.diag.source_function == _FILTERS:
        hint = (
            "a row security policy would hide rows from this role, and a run does not go on without them: run as the"
            " owner of the table, where it has no FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS"
        )
    if statement.arrival is not None and said.sqlstate in _NOT_PROVEN:
        return _not_carried(statement, position, said)
    message = f"the connection was lost: {said.message}" if lost_connection(exc) else said.message
    return ApplyError(
        statement.concealed(message),
        hint=statement.concealed(hint) if hint else None,
        statement=statement.sql,
        position=position,
        sqlstate=said.sqlstate,
        detail=statement.concealed(said.detail) if said.detail else None,
    )
