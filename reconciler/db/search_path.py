"""Where names without a schema are looked for while the statements of a plan run. Does I/O.

Our own text has its names qualified. What is meant here are names in functions that a statement calls, for a check, an
index, a trigger: they are resolved when the function runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.db.connections import setting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from reconciler.db.connections import Connection, ServerMessage

__all__ = ["UNFOUND", "found_nothing", "path_hint", "searching", "statement_path", "unfiltered"]

_AROUND = ("pg_catalog", "pg_temp")
# undefined_table, undefined_function, undefined_object (a type), invalid_schema_name (no schema to create in)
UNFOUND = frozenset({"42P01", "42883", "42704", "3F000"})
# `PL/pgSQL function app.f(integer) line 1 at RETURN`, without a schema where that is in the path; a server that speaks
# another language only lacks the example.
_PART = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
_SIGNATURE = re.compile(rf"function ((?:({_PART})\.)?{_PART}\(.*?\)) line \d")


def statement_path(schemas: Sequence[str]) -> str:
    """The search_path for statements: Postgres's own objects first, then these schemas, temporary objects last."""
    first, last = _AROUND
    quoted = (sql.Identifier(schema).as_string(None) for schema in schemas if schema not in _AROUND)
    return ", ".join((first, *dict.fromkeys(quoted), last))


def searching(connection: Connection, path: str) -> AbstractContextManager[None]:
    """Inside the open transaction, names without a schema are looked for in `path`; then where they were before."""
    return setting(connection, {"search_path": path})


def unfiltered(connection: Connection) -> AbstractContextManager[None]:
    """Inside the open transaction, a policy that would filter rows is an error; then it is as it was before."""
    return setting(connection, {"row_security": "off"})


def found_nothing(said: ServerMessage) -> bool:
    """Whether a function that a statement called did not find what it names."""
    return said.sqlstate in UNFOUND and bool(said.context)


def path_hint(said: ServerMessage, *, while_building: bool = False) -> str:
    """What to do where `found_nothing`: which function it was, and how it can find what it names.

    `while_building` is for an index that is built or a materialized view that is filled.
    """
    context = said.context or ""
    found = _SIGNATURE.search(context)
    if found is not None:
        path = f"{found[2]}, pg_temp" if found[2] else "..."
        own = f"ALTER FUNCTION {found[1]} SET search_path = {path}"
    else:
        own = "ALTER FUNCTION ... SET search_path = ..."
    where = " > ".join(line for line in reversed(context.splitlines()) if line.strip())
    if while_building:
        return (
            f"in {where}, names without a schema are looked for in pg_catalog alone: qualify them in the function, or"
            f" declare a path of its own ({own})"
        )
    return (
        f"in {where}, names without a schema are looked for in pg_catalog and the schemas of --search-path alone:"
        f" qualify them in the function, declare a path of its own ({own}), or name the schemas with --search-path"
    )
