"""In which schema a database's ledger is, and a cursor whose queries name it. Does I/O.

A query of the ledger never spells the schema's name. It writes psql's variable, `:ledger._runs` for the name and
`:'ledger'` for its text, and runs by `ledger_cursor`.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from psycopg import sql

from reconciler.db.connections import PlainCursor, cursor, errors_as, found_inside, setting
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.errors import ConfigError, LedgerError
from reconciler.model.plugins import USUAL_LEDGER_SCHEMA, require_ledger_schema

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager
    from typing import Self

    import psycopg
    from psycopg.abc import Params, Query, QueryNoTemplate
    from psycopg.rows import TupleRow

    from reconciler.db.connections import Connection

__all__ = [
    "in_ledger",
    "ledger_cursor",
    "ledger_named_elsewhere",
    "ledger_schema",
    "ledger_text",
    "name_ledger_schema",
    "share_ledger_schema",
]

_VARIABLE = "RECONCILER_LEDGER_SCHEMA"
_PLACE = re.compile(r"(?<![:\w]):(?:ledger\b|'ledger')")

# What was asked for, and what was found: a connection that has neither is looked at when it is needed.
_NAMED: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
_FOUND: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
_NONE_FOUND = "no ledger"


def name_ledger_schema(connection: Connection, name: str | None) -> None:
    """From now on the ledger of this connection is in schema `name`; None: where it is found.

    The environment's RECONCILER_LEDGER_SCHEMA holds where no name is given. Raises ConfigError.
    """
    name = name or os.environ.get(_VARIABLE) or None
    if name is None:
        _NAMED.pop(connection, None)
        return
    require_ledger_schema(name)
    _NAMED[connection] = name


def share_ledger_schema(connection: Connection, live: Connection) -> None:
    """What is the ledger's schema for `live` is so for `connection`, a scratch database that has no ledger."""
    _NAMED[connection] = ledger_schema(live)


def ledger_schema(connection: Connection) -> str:
    """The schema that holds the ledger, or will: as it was named, else the one where a ledger is found.

    That is `migrations`, or the one other that holds a ledger which this role may believe. A role that could create no
    ledger itself takes what there is. Raises ConfigError where there are several.
    """
    known = _NAMED.get(connection) or _FOUND.get(connection)
    if known is not None:
        return known
    if _NONE_FOUND in found_inside(connection):
        return USUAL_LEDGER_SCHEMA
    found = _find(connection)
    if not found:
        found_inside(connection)[_NONE_FOUND] = True
        return USUAL_LEDGER_SCHEMA
    if USUAL_LEDGER_SCHEMA not in found and len(found) > 1:
        raise ConfigError(
            f"there are ledgers in the schemas {', '.join(found)}", hint="name one of them with --ledger-schema"
        )
    _FOUND[connection] = schema = USUAL_LEDGER_SCHEMA if USUAL_LEDGER_SCHEMA in found else min(found)
    return schema


def ledger_named_elsewhere(connection: Connection) -> str | None:
    """Where a ledger is though another schema was named for it; what was found before is looked for again."""
    _FOUND.pop(connection, None)
    found_inside(connection).pop(_NONE_FOUND, None)
    name = _NAMED.get(connection)
    if name is None:
        return None
    return next((schema for schema in _find(connection) if schema != name), None)


def _find(connection: Connection) -> tuple[str, ...]:
    query = sql.SQL(trusted(read_sql("ledger/trusted.sql") + read_sql("ledger/find.sql")))
    with errors_as(LedgerError, "look for the ledger"), cursor(connection) as rows:
        return tuple(str(row[0]) for row in rows.execute(query, [USUAL_LEDGER_SCHEMA]).fetchall())


def ledger_text(connection: Connection, text: str) -> str:
    """`text` for people, with the schema's name for `:ledger`."""
    return text.replace(":ledger", ledger_schema(connection)) if ":ledger" in text else text


@contextmanager
def ledger_cursor(connection: Connection) -> Generator[psycopg.Cursor[TupleRow]]:
    """As `cursor`, for queries that name the ledger's schema by its variable, and whose times come in ISO's form."""
    schema = ledger_schema(connection)
    with cursor(connection), _iso_dates(connection), _LedgerCursor(connection, schema) as rows:
        yield rows


def _iso_dates(connection: Connection) -> AbstractContextManager[None]:
    """Inside the open transaction times are written as they are read here, where the database has them otherwise."""
    style = connection.info.parameter_status("DateStyle") or "ISO"
    return nullcontext() if style.startswith("ISO") else setting(connection, {"DateStyle": "ISO"})


class _LedgerCursor(PlainCursor):
    def __init__(self, connection: Connection, schema: str) -> None:
        super().__init__(connection)
        self._schema = schema

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = False, binary: bool | None = None
    ) -> Self:
        """With the schema's name in its places."""
        return super().execute(
            in_ledger(query, self._schema, has_values=params is not None), params, prepare=prepare, binary=binary
        )

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """With the schema's name in its places."""
        placed = cast("QueryNoTemplate", in_ledger(query, self._schema, has_values=True))
        super().executemany(placed, params_seq, returning=returning)


def in_ledger(query: Query, schema: str, *, has_values: bool) -> Query:
    """The query with the schema's name in its places; only its text has such, never a name or a value."""
    name = schema.replace("%", "%%") if has_values else schema
    texts = {":ledger": f'"{name}"', ":'ledger'": f"'{name}'"}

    def placed(text: str) -> str:
        return _PLACE.sub(lambda place: texts[place[0]], text)

    def composed(part: sql.Composable) -> sql.Composable:
        if isinstance(part, sql.Composed):
            return sql.Composed([composed(each) for each in part])
        return sql.SQL(trusted(placed(part.as_string()))) if isinstance(part, sql.SQL) else part

    if isinstance(query, sql.Composable):
        return cast("sql.Composed", composed(query))
    if isinstance(query, bytes):
        return placed(query.decode()).encode()
    return trusted(placed(cast("str", query)))
