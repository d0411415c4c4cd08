"""SQLAlchemy connections and sessions in the place of psycopg's."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from reconciler.db.sqlalchemy import driver_connection
from reconciler.errors import ConfigError

pytestmark = pytest.mark.one_server


def _engine(database: str):
    return create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)


def test_a_connection_gives_its_psycopg_connection(database: str) -> None:
    with _engine(database).connect() as outer:
        found = driver_connection(outer)
        assert isinstance(found, psycopg.Connection)
        pid = outer.exec_driver_sql("select pg_backend_pid()").scalar_one()
        assert found.info.backend_pid == pid


def test_a_session_and_a_scoped_session_give_theirs(database: str) -> None:
    engine = _engine(database)
    with Session(engine) as session:
        assert driver_connection(session) is session.connection().connection.driver_connection
    scoped = scoped_session(sessionmaker(engine))
    assert driver_connection(scoped) is scoped.connection().connection.driver_connection
    scoped.remove()


def test_a_closed_connection_is_refused(database: str) -> None:
    outer = _engine(database).connect()
    outer.close()
    with pytest.raises(ConfigError, match="has no open connection"):
        driver_connection(outer)


def test_another_driver_is_refused() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as outer, pytest.raises(ConfigError, match="not on psycopg 3"):
        driver_connection(outer)
    engine.dispose()


@pytest.mark.parametrize("value", [None, 5, object()])
def test_what_is_no_connection_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a connection to Postgres"):
        driver_connection(value)


def test_an_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a connection to Postgres"):
        driver_connection(create_engine("sqlite://"))
