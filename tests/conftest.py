"""Real servers and fresh databases for every test that asks for one.

    server          an EmbeddedServer, started once a session; a test that uses it runs once for each server
    make_database   a function that gives the URL of a fresh empty database, as often as it is called
    database        one such URL
    two_databases   two of them, on the same server
    connection      a psycopg connection to `database`, in a transaction, closed at the end

The servers are the embedded one (Postgres 18) and 15; tests marked `every_server` run on 14, 16 and 17 too, where
`make servers` has fetched them (servers.py), and those marked `one_server` on the first only. `two_servers` is for a
test of a module that is marked otherwise; the mark that is nearest counts, and a parameter's is nearer than its test's.
`--pg-bindir`, or RECONCILER_TEST_BINDIR in the environment, names others in their place: bin folders separated as in
PATH, where the word `embedded` stands for the embedded one.
Databases are dropped after their test, and roles that a test makes are for the test to drop.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
from psycopg import sql
from servers import EMBEDDED, present

from reconciler.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Nothing of a test's server is worth keeping; many locks, since tests build large schemas in one transaction.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "max_locks_per_transaction": "256",
}
# A test makes databases all the time, which takes a fifth where their files stay in memory.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 << 30

# A program that a test starts would compile hundreds of modules again where this is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A query takes as long as it takes; hypothesis would call a slow first one flaky.
hypothesis.settings.register_profile("reconciler", deadline=None)
hypothesis.settings.load_profile("reconciler")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pg-bindir",
        default=os.environ.get("RECONCILER_TEST_BINDIR"),
        help=f"Postgres bin folders to test with, separated by {os.pathsep!r}; {EMBEDDED!r} is the embedded server",
    )
    parser.addoption(
        "--write-expectations",
        action="store_true",
        help="write the plans of tests/acceptance/cases anew instead of comparing them",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        bindirs = _bindirs(metafunc.config.getoption("--pg-bindir"), _servers(metafunc.definition))
        metafunc.parametrize("server", bindirs, indirect=True, scope="session", ids=_server_id)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here: list[pytest.Item] = []
    elsewhere: list[pytest.Item] = []
    for item in items:
        if Path(__file__).parent / "unit" in item.path.parents:
            item.add_marker(pytest.mark.unit)
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        runs = "server" not in params or params["server"] in _bindirs(config.getoption("--pg-bindir"), _servers(item))
        (here if runs else elsewhere).append(item)
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = here


def _servers(node: pytest.Item) -> str:
    """The nearest mark that says on which servers a test runs."""
    marks = (mark.name for mark in node.iter_markers())
    return next((name for name in marks if name in {"one_server", "two_servers", "every_server"}), "two_servers")


@cache
def _bindirs(option: str | None, servers: str) -> list[str]:
    if option:
        bindirs = [part for part in option.split(os.pathsep) if part]
    else:
        bindirs = [EMBEDDED, *present((15, 14, 16, 17) if servers == "every_server" else (15,))]
    return bindirs[:1] if servers == "one_server" else bindirs


def _server_id(bindir: str) -> str:
    version = re.search(r"(?<=/)1[0-9](?=/)", bindir)
    return f"pg{version[0]}" if version else bindir


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A running server without any safety for its data; its databases are gone after the session."""
    bindir = None if request.param == EMBEDDED else Path(request.param)
    running = EmbeddedServer(None, bindir=bindir, settings=FAST)
    with pytest.MonkeyPatch.context() as patch:
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
            patch.setattr(tempfile, "tempdir", str(MEMORY))
        running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def _admin(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return iter(range(1, 1_000_000))


@pytest.fixture
def make_database(
    server: EmbeddedServer, _admin: psycopg.Connection, _numbers: Iterator[int]
) -> Iterator[Callable[[], str]]:
    """Call it for the URL of a fresh empty database, a clone of template0; all are dropped after the test."""
    made: list[sql.Identifier] = []
    # To log every page of a new database is for those who must recover it.
    how = sql.SQL("STRATEGY file_copy" if server.server_version >= 150000 else "")

    def make() -> str:
        name = f"test_{next(_numbers)}"
        made.append(sql.Identifier(name))
        _admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(made[-1], how))
        return server.url_of(name)

    yield make
    for name in made:
        _admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    """The URL of a fresh empty database."""
    return make_database()


@pytest.fixture
def two_databases(make_database: Callable[[], str]) -> tuple[str, str]:
    """The URLs of two fresh empty databases on one server."""
    return make_database(), make_database()


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """An open connection to `database`; what a test does not commit is rolled back."""
    connection = psycopg.connect(database)
    yield connection
    connection.close()
