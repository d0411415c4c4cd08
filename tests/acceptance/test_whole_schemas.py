"""Whole schemas, of some hundred objects each, planned from nothing, back to nothing, and each from the others.

schemas/NAME.sql is a declaration; the three use some names for different things. schemas/NAME.changes.sql is what is
added to it for five small changes, whose plan has a budget. All of each database is managed, exactly. After each step
pg_dump must say the same as of a database that psql's way built, and a second plan must be empty.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from judge import differences
from psycopg import sql

from reconciler.catalog import managed_schemas, read_snapshot
from reconciler.plan import HazardKind
from reconciler.reconcile import Options, Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.embedded import EmbeddedServer

FOLDER = Path(__file__).parent / "schemas"
WORLDS = ("shop", "tenants", "warehouse")
ROLES = ("world_owner", "world_reader", "world_writer")
OPTIONS = Options(all_schemas=True, exact=True, allow=frozenset(HazardKind))


def _text(world: str) -> str:
    return (FOLDER / f"{world}.sql").read_text() if world else ""


def _run(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


@pytest.fixture(scope="session")
def built(server: EmbeddedServer) -> Iterator[dict[str, str]]:
    """A database for each whole schema, and for the empty one, made without the package: its URL by name."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        for role in ROLES:
            admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        for world in ("", *WORLDS):
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(f"world_{world}"))
            )
            if world:
                _run(server.url_of(f"world_{world}"), _text(world))
        yield {world: server.url_of(f"world_{world}") for world in ("", *WORLDS)}
        for world in ("", *WORLDS):
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"world_{world}")))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _plan(url: str, source: str | Sequence[str], scratch: str = "database") -> Sequence[str]:
    with Reconciler(url, options=OPTIONS) as reconciler:
        planned = reconciler.plan(source, options=OPTIONS.__replace__(scratch=scratch))
        assert planned.plan.unmodelled == ()
        return tuple(statement.sql for statement in planned.plan.statements)


def _apply(url: str, source: str | Sequence[str]) -> int:
    with Reconciler(url, options=OPTIONS) as reconciler:
        planned = reconciler.plan(source)
        reconciler.apply(planned)
        return len(planned.plan.statements)
