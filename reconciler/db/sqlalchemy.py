"""The psycopg connection under a SQLAlchemy one. Does no I/O of its own; a session may open its connection.

One of the adapters to untyped libraries: sqlbag tells sessions from connections.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import psycopg

from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from reconciler.db.connections import Connection

__all__ = ["driver_connection"]

_HINT = 'use create_engine("postgresql+psycopg://..."), and pass engine.connect() or a session of it'


def driver_connection(value: object) -> Connection:
    """The psycopg connection that a SQLAlchemy connection or session works on; it stays SQLAlchemy's to close.

    Raises ConfigError for anything else, an engine and asyncio's connections among it.
    """
    from sqlalchemy.engine import Connection as SqlalchemyConnection
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.orm import Session, scoped_session

    kind = _type_name(value)
    kinds: tuple[type, ...] = (SqlalchemyConnection, Session, scoped_session)
    if not isinstance(value, kinds):
        raise ConfigError(f"{kind} is not a connection to Postgres", hint=f"give a URL, or {_HINT}")
    try:
        found = cast("SqlalchemyConnection", _sqlbag().connection_from_s_or_c(value)).connection.driver_connection
    except SQLAlchemyError as exc:
        raise ConfigError(f"the {kind} has no open connection", hint=_HINT) from exc
    if not isinstance(found, psycopg.Connection):
        raise ConfigError(f"the {kind} works on {_type_name(found)}, not on psycopg 3", hint=_HINT)
    return cast("Connection", found)


def _sqlbag() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pkg_resources.*")
        from sqlbag import sqla
    return sqla


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
