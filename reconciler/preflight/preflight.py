"""What blocks a plan, found before its first lock by queries that only read. Does I/O, changes nothing.

Each query runs in a transaction of its own that is read-only and always rolled back, under a statement timeout and with
row security refused (rows that are hidden from us would still fail). A query that cannot answer (a timeout, a missing
privilege, an error) is said and stops nothing: the statement itself will tell.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.catalog.others import read_others, read_reached
from reconciler.db.connections import SEARCH_PATH, cursor, errors_as, execute, server_message, transaction
from reconciler.db.search_path import found_nothing, path_hint, statement_path
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import PreflightError
from reconciler.hazards.hazards import describe_size
from reconciler.model.checks import Finding, FindingKind
from reconciler.model.facts import ROUTINE_KINDS, FactId
from reconciler.model.hazards import HazardKind, TableSize
from reconciler.model.plan import LockMode
from reconciler.model.visible import visible_line
from reconciler.planner.ordering.others import owner_of
from reconciler.preflight.requirements import needs_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection, ServerMessage
    from reconciler.model.checks import Check, Question
    from reconciler.options import Options
    from reconciler.results import PlanResult

__all__ = ["answered", "refuse_blocked", "run_preflight"]

_MOST = 1_000
_SHOWN = 3
# All checks together: a plan of many statements shall not keep people waiting for its questions.
_ALL_CHECKS_FACTOR = 6
_HOLDS_LONG_S = 10
# Reading waits for whoever changes the table: not for long.
_LOCK_TIMEOUT_MS = 1_000
# A rewrite of less is not worth a word.
_MUCH_BYTES = 256 * 1024 * 1024
_FAILS_ON_VALUES = ("22", "23")
# What calls its owner's expressions or is one of them.
_CALLED = ROUTINE_KINDS | {"domain"}
_WORD = re.compile(r"[\w$]+")


def run_preflight(connection: Connection, planned: PlanResult) -> tuple[Finding, ...]:
    """What blocks the plan, or could delay it; nothing where the options say not to look.

    Raises DatabaseError or ConnectError only where the connection breaks or is cancelled.
    """
    options = planned.options
    if not options.preflight or not planned.plan.statements:
        return ()
    found = [*_missing(connection, planned), *_rows(connection, planned, options.preflight_timeout_ms)]
    found += [*_shared_path(connection, planned), *_holders(connection, planned), *_disk(connection, planned)]
    return tuple(found)


def answered(
    connection: Connection, questions: Sequence[Question], options: Options, former: Mapping[FactId, FactId]
) -> dict[FactId, bool]:
    """The facts of the questions that have such rows, and whether they have no others.

    One that a policy keeps us from answering is as one with such rows, and with others; so is one that would call what
    somebody else has made. Any other that cannot be answered is as one without rows: the plan's checks, or its
    statements, will tell. `former` are the names that tables have in live.
    """
    found: dict[FactId, bool] = {}
    calling = _calling_others(connection, [question.table for question in questions], former)
    timeout_ms = options.preflight_timeout_ms
    deadline = time.monotonic() + timeout_ms * _ALL_CHECKS_FACTOR / 1000
    for question in questions:
        left_ms = min(timeout_ms, round((deadline - time.monotonic()) * 1000))
        if left_ms <= 0:
            break
        if question.table in calling:
            found[question.fact] = False
            continue
        started = time.monotonic()
        try:
            with _reading(connection, left_ms, statement_path(options.search_path)):
                if _fetch(connection, _limited(question.sql, 1)):
                    others = question.others
                    found[question.fact] = others is not None and not _fetch(connection, _limited(others, 1))
        except psycopg.errors.InsufficientPrivilege:
            # A policy may hide some: then rows are moved, if only none, once it is suspended.
            found[question.fact] = False
        except psycopg.Error as exc:
            _why_not(exc, started, left_ms)
    return found


def refuse_blocked(findings: Sequence[Finding]) -> None:
    """Raises PreflightError where one of them blocks."""
    blocking = [finding for finding in findings if finding.blocks]
    if blocking:
        raise PreflightError(
            "; ".join(finding.message for finding in blocking[:10]),
            hint="; ".join(dict.fromkeys(finding.hint for finding in blocking[:10])),
            left="nothing was changed, and nothing was locked",
            findings=tuple(blocking),
        )


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(connection: Connection, planned: PlanResult, timeout_ms: int) -> Iterable[Finding]:
    deadline = time.monotonic() + timeout_ms * _ALL_CHECKS_FACTOR / 1000
    asked: set[str] = set()
    former = {new: old for old, new in planned.renamed.names.items()} if planned.renamed is not None else {}
    tables = [check.table for statement in planned.plan.statements for check in statement.checks]
    calling = _calling_others(connection, tables, former)
    others = read_others(connection).roles if tables else frozenset[str]()
    for position, statement in enumerate(planned.plan.statements, start=1):
        for check in statement.checks:
            if (check.attempt or check.sql) in asked:
                continue
            asked.add(check.attempt or check.sql)
            theirs = calling.get(check.table) or _needing_others(check.fact, planned, others)
            if theirs is not None:
                yield _not_checked(check, position, f"it would call {theirs} with the rights of this role")
                continue
            left_ms = min(timeout_ms, round((deadline - time.monotonic()) * 1000))
            if left_ms <= 0:
                yield _not_checked(check, position, "the time for all checks has elapsed")
                continue
            finding = _asked(connection, check, position, left_ms, planned)
            if finding is not None:
                yield finding


def _calling_others(
    connection: Connection, tables: Iterable[FactId], former: Mapping[FactId, FactId]
) -> dict[FactId, str]:
    """The tables of which reading or checking the rows would call what somebody else has made, and what that is."""
    now = {table: former.get(table, table) for table in tables}
    if not now:
        return {}
    with _reading(connection, 0):
        reached = read_reached(connection, now.values())
    return {table: reached[old] for table, old in now.items() if old in reached}


def _needing_others(fact: FactId, planned: PlanResult, others: frozenset[str]) -> str | None:
    """What of somebody else's the fact needs, directly or not, in the state that the plan leads to."""
    goal = planned.goal.snapshot
    live = planned.renamed.live if planned.renamed is not None else planned.live
    waiting, seen = [fact], {fact}
    while waiting:
        needed = waiting.pop()
        if needed.kind in _CALLED and needed != fact and (owner := owner_of(needed, live)) in others:
            return f"{needed} of role {owner}"
        parts = goal.children.get(needed, ()) if needed.kind == "domain" else ()
        for each in (*goal.dependencies.get(needed, ()), *parts):
            if each not in seen and each.kind != "schema":
                seen.add(each)
                waiting.append(each)
    return None


def _asked(connection: Connection, check: Check, position: int, timeout_ms: int, planned: PlanResult) -> Finding | None:
    started = time.monotonic()
    try:
        with _reading(connection, timeout_ms, statement_path(planned.options.search_path)):
            if check.attempt is None:
                examples = _fetch(connection, _limited(check.sql))
                count, at_least = min(len(examples), _MOST), len(examples) > _MOST
                named = tuple(str(row[0]) for row in examples[:_SHOWN])
            else:
                count, at_least, named = _attempted(connection, check, check.attempt, timeout_ms)
    except psycopg.Error as exc:
        why = _why_not(exc, started, timeout_ms)
        said = server_message(exc)
        if found_nothing(said) and not _comes_with(planned, said):
            return _without_path(check, position, said)
        return _not_checked(check, position, why)
    if not count:
        return None
    message = f"{check.fact} {check.problem}: {_counted(count, check.unit, at_least=at_least)} of {check.table}"
    if named:
        message = f"{message} ({'; '.join(map(visible_line, named))}{'; ...' if count > len(named) else ''})"
    return Finding(
        kind=FindingKind.ROWS,
        message=message,
        hint=check.hint,
        fact=check.fact,
        blocks=True,
        count=count,
        at_least=at_least,
        examples=named,
        statement=position,
    )


def _why_not(exc: psycopg.Error, started: float, timeout_ms: int) -> str:
    """Why a query did not answer. Raises DatabaseError or ConnectError where the connection broke or was cancelled."""
    took_ms = (time.monotonic() - started) * 1000
    is_timeout = isinstance(exc, psycopg.errors.QueryCanceled) and took_ms >= timeout_ms
    if exc.sqlstate is None or (isinstance(exc, psycopg.errors.QueryCanceled) and not is_timeout):
        with errors_as(doing="look at the rows before the plan"):
            raise exc
    return f"not within {timeout_ms} ms" if is_timeout else server_message(exc).message


def _limited(query: str, most: int = _MOST + 1) -> sql.Composed:
    return sql.SQL("SELECT found.example FROM ({}) AS found (example) LIMIT {}").format(
        sql.SQL(trusted(query)), sql.Literal(most)
    )


def _attempted(
    connection: Connection, check: Check, attempt: str, timeout_ms: int
) -> tuple[int, bool, tuple[str, ...]]:
    """How many rows the expression fails for, whether there may be more, and some of them."""
    probe = sql.SQL("SELECT pg_catalog.count(found.value) FROM ({}) AS found (value)").format(sql.SQL(trusted(attempt)))
    try:
        with transaction(connection):
            _fetch(connection, probe)
    except psycopg.Error as exc:
        if exc.sqlstate is None or exc.sqlstate[:2] not in _FAILS_ON_VALUES:
            raise
    else:
        return 0, False, ()
    rows = sql.SQL("SELECT * FROM ({}) AS found (owner, place, example)").format(sql.SQL(trusted(check.sql)))
    one = sql.SQL("{} WHERE tableoid = $1 AND ctid = $2").format(sql.SQL(trusted(attempt)))
    body = sql.SQL(trusted(read_sql("preflight/attempt.sql"))).format(
        seconds=sql.Literal(timeout_ms / 2000),
        rows=sql.Literal(rows.as_string(connection)),
        attempt=sql.Literal(one.as_string(connection)),
        shown=sql.Literal(_SHOWN),
        most=sql.Literal(_MOST),
    )
    execute(connection, sql.SQL("DO {}").format(sql.Literal(body.as_string(connection))))
    (row,) = _fetch(connection, sql.SQL("SELECT pg_catalog.current_setting('reconciler.found')"))
    found = json.loads(row[0])
    # The whole table failed once: a row that was not reached in time is one at least.
    return max(int(found["count"]), 1), not found["ended"], tuple(found["examples"])


def _without_path(check: Check, position: int, said: ServerMessage) -> Finding:
    return Finding(
        kind=FindingKind.MISSING,
        message=f"{check.fact}: a function that it calls does not find what it names: {said.message}",
        hint=path_hint(said, while_building=check.fact.kind == "index"),
        fact=check.fact,
        blocks=True,
        statement=position,
    )


def _comes_with(planned: PlanResult, said: ServerMessage) -> bool:
    """Whether the plan makes what has a name that the message says, so that it may be there in time."""
    made = {part for statement in planned.plan.statements for fact in statement.creates for part in fact.name}
    return not made.isdisjoint(_WORD.findall(said.message))


def _not_checked(check: Check, position: int, why: str) -> Finding:
    return Finding(
        kind=FindingKind.NOT_CHECKED,
        message=f"{check.fact}: whether the rows of {check.table} allow it could not be determined: {why}",
        hint=f"statement {position} will show it",
        fact=check.fact,
        statement=position,
    )


def _counted(count: int, unit: str, *, at_least: bool) -> str:
    noun = unit if count == 1 else f"{unit.removesuffix(' of rows')}s{' of rows' if unit.endswith(' of rows') else ''}"
    return f"{'at least ' if at_least else ''}{count:,} {noun}"


# --- what is missing --------------------------------------------------------------------------------------------------

# What is said of each need that is not met, and what to do; `quoted` is the name as SQL writes it.
_UNMET: Mapping[str, tuple[str, str]] = {
    "owner": ("{fact} belongs to {name}, and this role may not change it", "run as a member of {name}"),
    "member": ("{fact} cannot become {name}: this role is not a member of it", "run as a member of {name}"),
    "role": ("{fact}: role {name} does not exist", "create it first: CREATE ROLE {quoted}"),
    "schema": (
        "{fact} cannot be created: this role has no CREATE on schema {name}",
        "GRANT CREATE ON SCHEMA {quoted} TO {role}",
    ),
    "references": (
        "{fact} cannot be created: this role has no REFERENCES on table {name}",
        "GRANT REFERENCES ON {quoted} TO {role}",
    ),
    "database": (
        "{fact} cannot be created: this role has no CREATE on the database",
        "GRANT CREATE ON DATABASE {database} TO {role}",
    ),
    "extension": ("extension {name} is not available on this server", "install its package there, or leave it out"),
}


def _missing(connection: Connection, planned: PlanResult) -> Iterable[Finding]:
    """Privileges, roles and extensions that the plan needs."""
    needs = needs_of(planned)
    if not needs:
        return
    names = {what: sorted({need.name for need in needs if need.what == what}) for what in _UNMET}
    with errors_as(), _reading(connection, 0):
        ((role, database),) = _fetch(
            connection,
            sql.SQL(
                "SELECT pg_catalog.quote_ident(current_user), pg_catalog.quote_ident(pg_catalog.current_database())"
            ),
        )
        rows = _fetch(
            connection,
            sql.SQL(trusted(read_sql("preflight/privileges.sql"))),
            {
                **{what: [name[0] for name in found if name] for what, found in names.items()},
                "database": bool(names["database"]),
                "membership": "SET" if connection.info.server_version >= 160000 else "MEMBER",
                "schemas": [name[0] for name in names["references"]],
                "tables": [name[1] for name in names["references"]],
            },
        )
    unmet = {(str(what), tuple(name)) for what, name in rows}
    said: set[str] = set()
    for need in needs:
        what = need.what
        if what == "member" and ("role", need.name) in unmet:
            what = "role"
        if (what, need.name) not in unmet or (need.otherwise and ("owner", (need.otherwise,)) not in unmet):
            continue
        quoted = sql.Identifier(*need.name).as_string(connection) if need.name else ""
        message, hint = (
            text.format(fact=need.fact, name=".".join(need.name), quoted=quoted, role=role, database=database)
            for text in _UNMET[what]
        )
        if message not in said:
            said.add(message)
            kind = FindingKind.MISSING if what in ("role", "extension") else FindingKind.PRIVILEGE
            yield Finding(kind=kind, message=message, hint=hint, fact=need.fact, blocks=True, statement=need.position)


# --- what may be others' --------------------------------------------------------------------------------------------


def _shared_path(connection: Connection, planned: PlanResult) -> Iterable[Finding]:
    """Schemas of the search path in which anybody may make what then runs with the rights of this role."""
    if not planned.options.search_path:
        return
    with errors_as(), _reading(connection, 0):
        rows = _fetch(
            connection,
            sql.SQL(
                "SELECT nspname, pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace"
                " WHERE nspname = ANY (%(schemas)s) AND pg_catalog.has_schema_privilege('public', oid, 'CREATE')"
                " ORDER BY nspname"
            ),
            {"schemas": [*planned.options.search_path]},
        )
    for schema, quoted in rows:
        yield Finding(
            kind=FindingKind.PRIVILEGE,
            message=f"every role may create objects in schema {schema} of the search path: what functions take"
            " their own may be others', and runs with the rights of this role",
            hint=f"REVOKE CREATE ON SCHEMA {quoted} FROM PUBLIC",
            fact=FactId("schema", (schema,)),
        )


# --- what could hold it up --------------------------------------------------------------------------------------------


def _holders(connection: Connection, planned: PlanResult) -> Iterable[Finding]:
    """Transactions that hold what the plan will wait for: a run waits for a while, again and again, and gives up."""
    former = {new: old for old, new in planned.renamed.names.items()} if planned.renamed is not None else {}
    wanted: dict[FactId, bool] = {}
    waits_for_all = False
    for statement in planned.plan.statements:
        waits_for_all = waits_for_all or not statement.transactional
        if statement.locks is not None and statement.lock is not None and statement.lock.blocks_clients:
            table = former.get(statement.locks, statement.locks)
            wanted[table] = wanted.get(table, False) or statement.lock is LockMode.ACCESS_EXCLUSIVE
    tables = [table for table in sorted(wanted) if len(table.name) == 2]
    with errors_as(), _reading(connection, 0):
        rows = _fetch(
            connection,
            sql.SQL(trusted(read_sql("preflight/holders.sql"))),
            {
                "schemas": [table.name[0] for table in tables],
                "tables": [table.name[1] for table in tables],
                "exclusive": [wanted[table] for table in tables],
                "waits_for_all": waits_for_all,
                "older_s": _HOLDS_LONG_S,
            },
        )
    for who, schema, table, seconds, state in rows:
        since = "" if seconds is None else f" for {seconds:,} s"
        doing = f" ({state}{since})" if state else since
        what = "is in a transaction that began before" if schema is None else f"holds a lock on table {schema}.{table}"
        yield Finding(
            kind=FindingKind.HELD_UP,
            message=f"{who} {what}{doing}, which the plan will wait for",
            hint="wait until it ends, or end it, before the plan is applied",
            fact=None if schema is None else FactId("table", (schema, table)),
        )


def _disk(connection: Connection, planned: PlanResult) -> Iterable[Finding]:
    """How much is rewritten: a rewrite takes that much more room until its commit. SQL cannot tell how much is free."""
    sizes: dict[FactId, TableSize] = {}
    for hazard in planned.plan.hazards:
        if hazard.kind is HazardKind.TABLE_REWRITE and hazard.size is not None:
            sizes[hazard.fact] = hazard.size
    size = TableSize(
        rows=sum(max(each.rows, 0) for each in sizes.values()), bytes=sum(each.bytes for each in sizes.values())
    )
    if size.bytes < _MUCH_BYTES:
        return
    tables = ", ".join(str(table) for table in sorted(sizes))
    yield Finding(
        kind=FindingKind.DISK,
        message=f"the plan rewrites {tables}: {describe_size(size)}, and as much more disk space until the commit",
        hint="make sure that the disk has room for it and for the WAL: Postgres does not report how much is free",
    )
    with errors_as(), _reading(connection, 0):
        slots = [str(row[0]) for row in _fetch(connection, sql.SQL(trusted(read_sql("preflight/slots.sql"))))]
    for slot in slots:
        yield Finding(
            kind=FindingKind.DISK,
            message=f"replication slot {slot} is inactive: all WAL of the plan is kept for it",
            hint=f"have it read from, or drop it: SELECT pg_drop_replication_slot('{slot}')",
        )


# --- asking -----------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(connection: Connection, timeout_ms: int, search_path: str = SEARCH_PATH) -> Generator[None]:
    """Inside, a transaction (or a part of the caller's) that cannot write, waits shortly, and is rolled back."""
    settings = {
        "transaction_read_only": "on",
        "statement_timeout": str(timeout_ms),
        "lock_timeout": str(_LOCK_TIMEOUT_MS),
        "row_security": "off",
        # So that a partition of which the bound says that no row can be meant is not read.
        "constraint_exclusion": "on",
        "jit": "off",
        "search_path": search_path,
    }
    with transaction(connection, force_rollback=True, also=settings):
        yield


def _fetch(
    connection: Connection, query: sql.SQL | sql.Composed, parameters: Mapping[str, object] | None = None
) -> list[TupleRow]:
    with cursor(connection) as rows:
        return rows.execute(query, parameters).fetchall()
