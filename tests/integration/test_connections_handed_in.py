"""Connections as applications have them: closed, in pipeline mode, prepared, with rows of their own."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.adapt import Loader
from psycopg.rows import dict_row

from reconciler import ConfigError, Reconciler

pytestmark = pytest.mark.one_server


class _Surprising(Loader):
    """What an application may make of a value."""

    def load(self, data: object) -> object:
        return ("surprise", bytes(data))


DECLARED = "create table t (id int primary key, at timestamptz default now(), data jsonb);"


def test_a_connection_is_used_as_it_is_or_refused_with_the_reason(database: str) -> None:
    with psycopg.connect(
        database, row_factory=dict_row, prepare_threshold=0, autocommit=True, cursor_factory=psycopg.RawCursor
    ) as connection:
        for kind in ("int4", "int8", "oid", "text", "jsonb", "timestamptz", "bool", "name", "text[]"):
            connection.adapters.register_loader(kind, _Surprising)
        reconciler = Reconciler(connection)
        assert reconciler.migrate(DECLARED).idx == 0
        assert reconciler.migrate(DECLARED).skipped
        assert not reconciler.check(DECLARED).has_drift
        changed = DECLARED.replace("data jsonb", "data jsonb, note text")
        assert reconciler.migrate(changed).idx == 1
        assert (reconciler.status().has_run, len(reconciler.history())) == (True, 2)
        assert (connection.row_factory, connection.cursor_factory) == (dict_row, psycopg.RawCursor)
        with connection.pipeline(), pytest.raises(ConfigError, match="pipeline mode"):
            reconciler.check(changed)
        assert not reconciler.check(changed).has_drift
    with pytest.raises(ConfigError, match="the connection that was handed in is closed"):
        reconciler.check(DECLARED)
    with psycopg.connect(database, client_encoding="SQL_ASCII") as connection:
        with pytest.raises(ConfigError, match="client_encoding = SQL_ASCII"):
            Reconciler(connection).check(DECLARED)
        connection.execute("SET client_encoding = 'UTF8'")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT FROM nothing")
        with pytest.raises(ConfigError, match="in a transaction that failed"):
            Reconciler(connection).check(DECLARED)
        connection.rollback()
        connection.execute("SET client_encoding = 'UTF8'")
        assert Reconciler(connection).check(DECLARED).has_drift is False


def test_a_database_that_writes_dates_otherwise_is_managed_like_any_other(database: str) -> None:
    source = "create table t (id int primary key, at date default '02/01/2026', span interval default '1 2:00:00');"
    with psycopg.connect(database, autocommit=True) as somebody:
        name = sql.Identifier(somebody.info.dbname)
        for setting, value in (
            ("DateStyle", "SQL, DMY"),
            ("IntervalStyle", "sql_standard"),
            ("TimeZone", "Asia/Tokyo"),
        ):
            somebody.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, sql.Identifier(setting), value))
    with Reconciler(database) as reconciler:
        reconciler.migrate(source)
        assert reconciler.migrate(source).skipped
        assert not reconciler.check(source).has_drift
        assert not reconciler.check().has_drift
        assert reconciler.status().has_run
        assert len(reconciler.history()) == 1
    with psycopg.connect(database) as somebody:
        assert somebody.execute("SHOW DateStyle").fetchone() == ("SQL, DMY",)
        before = somebody.execute("SELECT now()::text").fetchone()
        Reconciler(somebody).check(source)
        assert somebody.execute("SELECT now()::text").fetchone() == before
