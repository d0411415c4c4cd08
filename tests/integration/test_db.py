"""Connections: what they pin, what they refuse, what their errors say."""

from __future__ import annotations

import socket
import threading
import traceback

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from reconciler.db import connections
from reconciler.errors import ConnectError, DatabaseError, LedgerError


def setting(connection: connections.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_unqualified_names_mean_system_objects_only(database: str) -> None:
    with connections.connect(database) as connection:
        assert setting(connection, "search_path") == "pg_catalog, pg_temp"
        assert setting(connection, "client_encoding") == "UTF8"
        assert setting(connection, "application_name") == "reconciler"
        with pytest.raises(DatabaseError, match=r'permission denied to create "pg_catalog\.t"'):
            connections.fetch_one(connection, "CREATE TABLE t ()")


def test_rollback_does_not_unpin(database: str) -> None:
    with connections.connect(database) as connection:
        connection.execute("SET search_path = public")
        connection.rollback()
        assert setting(connection, "search_path") == "pg_catalog, pg_temp"


def test_options_of_the_dsn_are_kept_beside_ours(database: str) -> None:
    dsn = make_conninfo(database, options="-c statement_timeout=12345 -c search_path=public")
    with connections.connect(dsn) as connection:
        assert setting(connection, "statement_timeout") == "12345ms"
        assert setting(connection, "search_path") == "pg_catalog, pg_temp"


def test_options_of_the_environment_are_kept_beside_ours(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=12345")
    with connections.connect(database) as connection:
        assert setting(connection, "statement_timeout") == "12345ms"
        assert setting(connection, "search_path") == "pg_catalog, pg_temp"


@pytest.mark.parametrize("prefix", ["postgresql+psycopg://", "postgres://", "postgresql://"])
def test_any_spelling_of_a_url_connects(database: str, prefix: str) -> None:
    with connections.connect(database.replace("postgresql://", prefix)) as connection:
        assert connections.fetch_one(connection, "SELECT 1") == (1,)


def test_a_key_value_string_connects_and_names_its_application(database: str) -> None:
    dsn = make_conninfo(**conninfo_to_dict(database), application_name="nightly check")
    with connections.connect(dsn, autocommit=True) as connection:
        assert setting(connection, "application_name") == "nightly check"
        assert connection.autocommit


def test_pinned_holds_inside_and_puts_back_what_was_before(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("SET search_path = public, pg_catalog")
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        connection.execute("SET DateStyle = 'German, DMY'")
        with connections.pinned(connection):
            assert setting(connection, "search_path") == "pg_catalog, pg_temp"
            assert setting(connection, "TimeZone") == "UTC"
            assert setting(connection, "DateStyle") == "ISO, MDY"
        assert setting(connection, "search_path") == "public, pg_catalog"
        assert setting(connection, "TimeZone") == "Asia/Tokyo"
        assert setting(connection, "DateStyle") == "German, DMY"


def test_pinned_shows_the_error_inside_and_not_one_of_its_own(database: str) -> None:
    with psycopg.connect(database) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero), connections.pinned(connection):
            connection.execute("SELECT 1/0")
        connection.rollback()
        assert setting(connection, "search_path") != "pg_catalog, pg_temp"


def test_pinned_outside_a_transaction_is_refused_instead_of_doing_nothing(database: str) -> None:
    with (
        psycopg.connect(database, autocommit=True) as connection,
        pytest.raises(DatabaseError, match="no open transaction"),
        connections.pinned(connection),
    ):
        pass


def test_rows_are_tuples_whatever_the_connection_makes(database: str) -> None:
    with psycopg.connect(database, row_factory=dict_row, cursor_factory=psycopg.RawCursor) as connection:
        assert connections.fetch_one(connection, "SELECT %s::int", [1]) == (1,)
        assert connections.fetch_all(connection, "SELECT generate_series(1, %s)", [2]) == [(1,), (2,)]
        assert connections.fetch_one(connection, "SELECT 1 WHERE false") is None


@pytest.mark.parametrize("password", ["hunter2secret", "se@cret", "se/cret", "se cret", "5432x"])
def test_no_password_in_a_failed_connection(password: str) -> None:
    for dsn in (
        f"postgresql://joe:{password}@127.0.0.1:1/app",
        f"host=127.0.0.1 port=1 password='{password}'",
        f"host=127.0.0.1 port=1 password={password} x",
    ):
        with pytest.raises(ConnectError) as caught:
            connections.connect(dsn)
        shown = caught.value.describe() + "".join(traceback.format_exception(caught.value))
        shown = shown.replace(__file__, "")
        assert password not in shown.replace("password=", "")
        assert caught.value.hint


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ConnectError, match=r"cannot connect: .*127\.0\.0\.1.*port 1 failed"):
        connections.connect("host=127.0.0.1 port=1")


def test_a_database_that_does_not_exist_is_named(database: str) -> None:
    with pytest.raises(ConnectError, match='database "nowhere" does not exist'):
        connections.connect(make_conninfo(database, dbname="nowhere"))


def test_newer_servers_are_told_of_and_known_ones_are_not(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connections.connect(database) as connection:
        assert connections.version_note(connection) is None
        monkeypatch.setattr(connections, "NEWEST_KNOWN_VERSION", 14)
        assert "newer than 14" in (connections.version_note(connection) or "")


def test_older_servers_are_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "OLDEST_VERSION", 99)
    with pytest.raises(ConnectError, match=r"runs Postgres 1\d\.\d+.*, which is not supported"):
        connections.connect(database)


def test_errors_carry_message_detail_and_hint(database: str) -> None:
    with psycopg.connect(database) as connection:
        with pytest.raises(LedgerError) as caught, connections.errors_as(LedgerError, "keep the record"):
            connection.execute("DO $$BEGIN RAISE 'no' USING detail = 'why', hint = 'do'; END$$")
        assert caught.value.message == "cannot keep the record: no\nwhy"
        assert caught.value.hint == "do"
        assert isinstance(caught.value.__cause__, psycopg.Error)
        connection.rollback()
        with pytest.raises(psycopg.errors.SyntaxError) as wrong:
            connection.execute("SELECT 1 FRM x y")
        said = connections.server_message(wrong.value)
        assert (said.sqlstate, said.position) == ("42601", 14)


def test_a_lost_connection_is_a_connect_error(database: str) -> None:
    with connections.connect(database, autocommit=True) as connection:
        with pytest.raises(ConnectError, match="the connection was lost"):
            connections.fetch_one(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(ConnectError, match="the connection was lost"):
            connections.fetch_one(connection, "SELECT 1")


class PoolerThatRefusesOptions:
    """Stands before a real server as PgBouncer does: a start with `options` is refused, any other passed on."""

    def __init__(self, database: str) -> None:
        info = conninfo_to_dict(database)
        self._server = (str(info["host"]), int(info["port"] or 5432))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.refused = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for _ in range(2):
            client, _ = self._listener.accept()
            with client:
                start = client.recv(8192)
                if b"\0options\0" in start:
                    self.refused += 1
                    client.sendall(self._refusal())
                else:
                    self._pass_on(start, client)

    @staticmethod
    def _refusal() -> bytes:
        body = b"SFATAL\0C08P01\0Munsupported startup parameter in options: search_path\0\0"
        return b"E" + (len(body) + 4).to_bytes(4, "big") + body

    def _pass_on(self, start: bytes, client: socket.socket) -> None:
        with socket.create_connection(self._server) as server:
            server.sendall(start)
            back = threading.Thread(target=self._copy, args=(server, client))
            back.start()
            self._copy(client, server)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()


def test_a_pooler_that_refuses_settings_is_connected_to_without_them(database: str) -> None:
    pooler = PoolerThatRefusesOptions(database)
    dsn = make_conninfo(database, host="127.0.0.1", port=pooler.port, sslmode="disable", gssencmode="disable")
    try:
        with connections.connect(dsn) as connection:
            assert pooler.refused == 1
            assert setting(connection, "search_path") != "pg_catalog, pg_temp"
            with connections.pinned(connection):
                assert setting(connection, "search_path") == "pg_catalog, pg_temp"
    finally:
        pooler.close()
