"""The fixtures give what conftest.py says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.embedded import EmbeddedServer


def test_a_database_is_empty(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone()
    assert row == (0,)


def test_two_databases_are_two_on_one_server(two_databases: tuple[str, str], server: EmbeddedServer) -> None:
    names = set[str]()
    for url in two_databases:
        with psycopg.connect(url) as connection:
            names.add(connection.info.dbname)
            assert connection.info.server_version == server.server_version
    assert len(names) == 2


def test_a_factory_gives_another_database_at_each_call(make_database: Callable[[], str]) -> None:
    assert len({make_database() for _ in range(3)}) == 3
