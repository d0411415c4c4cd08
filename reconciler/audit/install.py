"""The log's tables, functions and event triggers: making them, looking whether they still are as made. Does I/O.

They stand in a schema of their own. The ledger's owner applies migrations, and must not be able to change what is
written of him; the log's owner can do nothing else and cannot log in.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from reconciler.catalog.snapshot_reader import for_server
from reconciler.db.connections import cursor, errors_as, fetch_one, transaction
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import AuditError
from reconciler.model.audit import AuditState
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection

__all__ = ["AUDIT_ROLE", "AUDIT_VERSION", "audit_digest", "audit_state", "install", "is_installed", "uninstall"]

AUDIT_VERSION = 1
AUDIT_ROLE = "reconciler_audit"
_TRIGGERS = {
    "reconciler_audit_1_drop": "note_role",
    "reconciler_audit_1_end": "note_role",
    "reconciler_audit_1_rewrite": "note_role",
    "reconciler_audit_2_drop": "write_drop",
    "reconciler_audit_2_end": "write",
    "reconciler_audit_2_rewrite": "write_drop",
}
_TABLES = ("ddl", "installation", "seal")
_WRITERS = ("write", "write_drop")
_MAKE_HINT = (
    "only a superuser may create event triggers, or the administrator that a managed service names (docs/audit.md);"
    " without the log, `check` says what changed and not by whom"
)
_HINT_AGAIN = (
    "`reconciler audit uninstall`, then `install`: what was logged until then is lost; or restore what changed"
)
_FUNCTION = re.compile(r"CREATE FUNCTION reconciler_audit\.(\w+)(\(.*?) AS \$\$(.*?)\$\$", re.DOTALL)


def install(connection: Connection, *, notify: bool = False, readers: Sequence[str] = ()) -> None:
    """Makes the log and switches it on; where it is there, only `notify` and `readers` are set.

    `readers` are roles that may read it. Raises AuditError where this role may not create event triggers, or where
    something else stands in its place.
    """
    with transaction(connection):
        state = audit_state(connection)
        if state.installed and state.problems:
            raise AuditError(
                f"the log is there and not as it was made: {'; '.join(state.problems)}",
                hint=_HINT_AGAIN,
                left="nothing was changed",
            )
        with _making(), cursor(connection) as statements:
            if not state.installed:
                _make(connection, statements)
            for name in _WRITERS:
                statements.execute(
                    sql.SQL("ALTER FUNCTION reconciler_audit.{}() SET reconciler_audit.notify = {}").format(
                        sql.Identifier(name), "on" if notify else "off"
                    )
                )
            for reader in readers:
                _grant(statements, reader)
            if not state.installed:
                statements.execute(read_sql("audit/triggers.sql").encode())


def _make(connection: Connection, statements: psycopg.Cursor[TupleRow]) -> None:
    if fetch_one(connection, "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [AUDIT_ROLE]) is None:
        statements.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(AUDIT_ROLE)))
    # When a session began is shown to nobody else.
    statements.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(AUDIT_ROLE)))
    statements.execute(read_sql("audit/tables.sql").encode())
    statements.execute(_functions(connection.info.server_version).encode())
    for (signature,) in statements.execute(_FUNCTIONS_MADE).fetchall():
        function = sql.SQL(trusted(str(signature)))
        statements.execute(sql.SQL("ALTER FUNCTION {} OWNER TO reconciler_audit").format(function))
        statements.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(function))
    statements.execute(
        "INSERT INTO reconciler_audit.installation (version, program_version) VALUES (%s, %s)",
        [AUDIT_VERSION, program_version()],
    )


def _grant(statements: psycopg.Cursor[TupleRow], reader: str) -> None:
    role = sql.Identifier(reader)
    statements.execute(sql.SQL("GRANT USAGE ON SCHEMA reconciler_audit TO {}").format(role))
    statements.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA reconciler_audit TO {}").format(role))
    for name in ("rows_of(oid, oid)", "digest_of(pg_snapshot, pg_snapshot, bytea)", "seal_now()", "broken_seals()"):
        statements.execute(
            sql.SQL("GRANT EXECUTE ON FUNCTION reconciler_audit.{} TO {}").format(sql.SQL(trusted(name)), role)
        )


_FUNCTIONS_MADE = """
    SELECT oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc
    WHERE pronamespace = 'reconciler_audit'::pg_catalog.regnamespace
"""


def uninstall(connection: Connection) -> bool:
    """Drops the log with all that it holds, and its role where no other database uses it; False where there was none.

    Raises AuditError where this role may not.
    """
    with transaction(connection), _making(), cursor(connection) as statements:
        if not is_installed(connection):
            return False
        found = statements.execute(
            "SELECT evtname::text FROM pg_catalog.pg_event_trigger WHERE evtname = ANY(%s)", [list(_TRIGGERS)]
        ).fetchall()
        for (name,) in found:
            statements.execute(sql.SQL("DROP EVENT TRIGGER {}").format(sql.Identifier(str(name))))
        statements.execute("DROP SCHEMA reconciler_audit CASCADE")
        used = statements.execute(
            "SELECT FROM pg_catalog.pg_shdepend AS used JOIN pg_catalog.pg_roles AS role ON role.oid = used.refobjid"
            " WHERE used.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND role.rolname = %s LIMIT 1",
            [AUDIT_ROLE],
        ).fetchone()
        if used is None:
            statements.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(AUDIT_ROLE)))
        return True


def is_installed(connection: Connection) -> bool:
    """Whether there is a log here, whatever its state."""
    return fetch_one(connection, "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'reconciler_audit'") is not None


def audit_state(connection: Connection) -> AuditState:
    """Whether there is a log that can be believed: all of it is as it was made, and belongs to whom it should.

    What somebody else made in its name is installed, and has problems. Raises DatabaseError.
    """
    row = fetch_one(
        connection,
        sql.SQL(trusted(read_sql("audit/state.sql"))),
        {"triggers": list(_TRIGGERS), "tables": list(_TABLES)},
    )
    if row is None:
        return AuditState(installed=False)
    owner, may_log_in, members, *found, readable = row
    triggers, functions, relations = (_decoded(texts) for texts in cast("list[list[str]]", found))
    problems: list[str] = []
    if owner != AUDIT_ROLE:
        problems.append(f"schema reconciler_audit belongs to {owner}")
    if may_log_in:
        problems.append(f"role {AUDIT_ROLE} may log in or is a superuser")
    problems += [f"role {member} is a member of role {AUDIT_ROLE}" for member in members]
    problems += _trigger_problems(triggers)
    problems += _function_problems(functions, connection.info.server_version)
    problems += _table_problems(relations)
    notifies = any("reconciler_audit.notify=on" in (settings or ()) for _, _, _, settings in functions)
    if problems or not readable:
        return AuditState(installed=True, problems=tuple(problems), notifies=notifies, readable=False)
    began = fetch_one(
        connection,
        "SELECT version, extract(epoch FROM at)::float8, xid::text::bigint FROM reconciler_audit.installation",
    )
    if began is None or began[0] != AUDIT_VERSION:
        problem = f"the log is of version {began[0] if began else None}, this program knows {AUDIT_VERSION}"
        return AuditState(installed=True, problems=(problem,), notifies=notifies, readable=True)
    return AuditState(
        installed=True,
        notifies=notifies,
        readable=True,
        since=datetime.fromtimestamp(began[1], UTC),
        since_xid=began[2],
    )


def audit_digest(connection: Connection) -> str | None:
    """A digest of the rows that `audit_state` looks at: while it is the same, so is what that found.

    None where there is no log, or this role may not read it.
    """
    row = fetch_one(
        connection,
        sql.SQL(trusted(read_sql("audit/digest.sql"))),
        {
            "triggers": list(_TRIGGERS),
            "tables": list(_TABLES),
            "functions": list(_bodies(connection.info.server_version)),
        },
    )
    return str(row[1]) if row is not None and row[0] else None


def _decoded(texts: Sequence[str]) -> list[list[Any]]:
    return [json.loads(text) for text in texts]


def _trigger_problems(found: Sequence[Sequence[Any]]) -> list[str]:
    given = {str(name): (function, enabled, is_plain) for name, function, enabled, is_plain in found}
    problems: list[str] = []
    for name, function in _TRIGGERS.items():
        if name not in given:
            problems.append(f"event trigger {name} is missing")
            continue
        calls, enabled, is_plain = given[name]
        if enabled != "A":
            problems.append(f"event trigger {name} is not enabled ALWAYS")
        if calls != f"reconciler_audit.{function}" or not is_plain:
            problems.append(f"event trigger {name} is not as it was made")
    return problems


def _function_problems(found: Sequence[Sequence[Any]], server_version: int) -> list[str]:
    given = {str(name): (str(owner), str(body)) for name, owner, body, _ in found}
    expected = _bodies(server_version)
    problems = [f"function reconciler_audit.{name} is missing" for name in expected if name not in given]
    for name, (owner, body) in given.items():
        if owner != AUDIT_ROLE:
            problems.append(f"function reconciler_audit.{name} belongs to {owner}")
        if expected.get(name) != body:
            problems.append(f"function reconciler_audit.{name} is not as it was made")
    return problems


def _table_problems(found: Sequence[Sequence[Any]]) -> list[str]:
    given = {str(name): (str(owner), what) for name, owner, what in found}
    problems = [f"table reconciler_audit.{name} is missing" for name in _TABLES if name not in given]
    for name, (owner, what) in given.items():
        if owner != AUDIT_ROLE:
            problems.append(f"table reconciler_audit.{name} belongs to {owner}")
        if what is not None:
            problems.append(f"table reconciler_audit.{name} {what}")
    return problems


def _functions(server_version: int) -> str:
    return for_server(read_sql("audit/functions.sql"), server_version)


@cache
def _bodies(server_version: int) -> Mapping[str, str]:
    """The name of each function and the digest of its body."""
    return {
        name: hashlib.sha256(body.encode()).hexdigest() + (" definer" if "SECURITY DEFINER" in head else "")
        for name, head, body in _FUNCTION.findall(_functions(server_version))
    }


@contextmanager
def _making() -> Generator[None]:
    """Turns what Postgres refuses into AuditError, with who may do it."""
    try:
        with errors_as(AuditError, "make or drop the log of DDL"):
            yield
    except AuditError as error:
        error.left = error.left or "nothing was changed"
        if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
            error.hint = _MAKE_HINT
        raise
