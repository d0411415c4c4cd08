"""Moves schema `app` of one database to that of another by the planner's rules alone, without scratch or ledger."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.catalog import snapshot_reader
from reconciler.diff.diff import diff
from reconciler.planner.planner import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot

__all__ = ["guest", "make", "move", "snapshot", "there_and_back"]


@contextmanager
def guest(url: str, name: str) -> Iterator[None]:
    """A role that cases give privileges to."""
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        yield
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def snapshot(url: str) -> Snapshot:
    with psycopg.connect(url) as connection:
        return snapshot_reader.read_snapshot(connection, ("app",), dependencies=True)


def make(url: str, text: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE SCHEMA app; {text}".encode())


def move(live: str, goal: str) -> Plan:
    """Makes `live` like `goal`, and checks that it is."""
    with psycopg.connect(live) as connection:
        plan = make_plan(snapshot(live), snapshot(goal), current_user=connection.info.user)
        connection.execute("SET search_path = pg_catalog")
        for statement in plan.statements:
            connection.execute(statement.sql.encode())
    assert plan.unmodelled == ()
    assert diff(snapshot(live), snapshot(goal)) == ()
    return plan


def there_and_back(before: str, after: str, make_database: Callable[[], str]) -> tuple[Plan, Plan]:
    """The plans from `before` to `after` and back, both carried out in one database."""
    old, new, moving = make_database(), make_database(), make_database()
    for url, text in ((old, before), (new, after), (moving, before)):
        make(url, text)
    return move(moving, new), move(moving, old)
