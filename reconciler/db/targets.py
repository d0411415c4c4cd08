"""What stands for a database beside a URL: what SQLAlchemy and psycopg have of it. Does no I/O.

An engine, a URL object and an asynchronous connection say where the database is; a connection of our own is opened
there. Only a synchronous connection is worked on itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import psycopg
from psycopg.conninfo import make_conninfo

from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy.engine import URL, Engine
    from sqlalchemy.engine import Connection as SqlalchemyConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session, scoped_session

__all__ = ["Database", "Location", "OpenConnection", "dsn_of"]

# What is worked on itself, and what says where a database is; so does a text.
OpenConnection: TypeAlias = "psycopg.Connection[Any] | SqlalchemyConnection | Session | scoped_session[Any]"
Location: TypeAlias = "str | URL | Engine | AsyncEngine | AsyncConnection | AsyncSession | psycopg.AsyncConnection[Any]"
Database: TypeAlias = "OpenConnection | Location"
_HINT = "give a URL, an engine, or a connection of psycopg 3 or of SQLAlchemy on it"


class _Rendered(Protocol):
    def render_as_string(self, hide_password: bool) -> str: ...


class _HasUrl(Protocol):
    @property
    def url(self) -> _Rendered: ...


def dsn_of(database: object) -> str | None:
    """How to connect to the database, with the password; None for a connection that is to be worked on itself.

    Raises ConfigError for an engine of another database system.
    """
    if isinstance(database, str):
        return database
    if isinstance(database, psycopg.AsyncConnection):
        info = database.info
        parameters = info.get_parameters()
        return make_conninfo("", **({**parameters, "password": info.password} if info.password else parameters))
    url = _url_of(database)
    if url is None:
        return None
    text = url.render_as_string(hide_password=False)
    if not text.startswith("postgres"):
        raise ConfigError(f"{text.partition('://')[0]} is not Postgres", hint=_HINT)
    return text


def _url_of(database: object) -> _Rendered | None:
    """SQLAlchemy's URL: itself, an engine's, or that of what works on an asynchronous engine."""
    modules = {kind.__module__ for kind in type(database).__mro__}
    if "sqlalchemy.engine.url" in modules:
        return cast("_Rendered", database)
    if "sqlalchemy.engine.base" in modules and hasattr(database, "url"):
        return cast("_HasUrl", database).url
    # The module itself cannot be imported where greenlet is missing; then there is nothing of it either.
    if any(module.startswith("sqlalchemy.ext.asyncio.") for module in modules):
        bound = getattr(database, "bind", None) or database
        return cast("_HasUrl", getattr(bound, "engine", bound)).url
    return None
