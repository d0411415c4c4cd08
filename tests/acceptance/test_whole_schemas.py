"""Whole schemas, of some hundred objects each, planned from nothing, back to nothing, and each from the others.

schemas/NAME.sql is a declaration; the three use some names for different things. schemas/NAME.changes.sql is what five
small changes add to it. All of a database is managed, exactly. After each step pg_dump must say the same of it as of one
that was built without the package, and a second plan must be empty.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from judge import differences
from psycopg import sql

from reconciler.client import Reconciler
from reconciler.model.facts import DATABASE_WIDE_KINDS, SATELLITE_KINDS
from reconciler.model.hazards import HazardKind
from reconciler.options import Options
from reconciler.report.sql import script
from reconciler.workflows.compare import dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Plan

FOLDER = Path(__file__).parent / "schemas"
pytestmark = pytest.mark.long

WORLDS = ("shop", "tenants", "warehouse")
EMPTY = "empty"
ROLES = ("world_owner", "world_reader", "world_writer")
OPTIONS = Options(all_schemas=True, exact=True, scratch="database", allow=frozenset(HazardKind))


def _text(world: str) -> str:
    return "" if world == EMPTY else (FOLDER / f"{world}.sql").read_text()


def _changed(world: str) -> str:
    return _text(world) + (FOLDER / f"{world}.changes.sql").read_text()


def _database(world: str) -> sql.Identifier:
    return sql.Identifier(f"world_{world}")


@pytest.fixture(scope="session")
def built(server: EmbeddedServer) -> Iterator[dict[str, str]]:
    """The URL of a database for each whole schema, and of an empty one, made without the package."""
    urls = {world: server.url_of(f"world_{world}") for world in (EMPTY, *WORLDS)}
    with psycopg.connect(server.url, autocommit=True) as admin:
        for role in ROLES:
            admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        for world, url in urls.items():
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(_database(world)))
            _run(url, _text(world))
        yield urls
        for world in urls:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(_database(world)))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def start() -> str:
    """What `live` holds at first, where the test does not say."""
    return EMPTY


@pytest.fixture
def live(server: EmbeddedServer, built: dict[str, str], start: str) -> Iterator[str]:
    """The URL of a copy of the database of the whole schema `start`."""
    assert start in built
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE world_live TEMPLATE {}").format(_database(start)))
        yield server.url_of("world_live")
        admin.execute("DROP DATABASE world_live WITH (FORCE)")


def _run(url: str, text: str) -> None:
    if text:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(text.encode())


def _planned(url: str, text: str, **options: object) -> Plan:
    with Reconciler(url, options=replace(OPTIONS, **options)) as reconciler:  # type: ignore[arg-type] # names of fields
        return reconciler.plan(text).plan


def _apply(url: str, text: str) -> Plan:
    with Reconciler(url, options=OPTIONS) as reconciler:
        planned = reconciler.plan(text)
        assert planned.plan.unmodelled == ()
        reconciler.apply(planned)
        return planned.plan


def _step(url: str, world: str, built: dict[str, str]) -> None:
    assert not _apply(url, _text(world)).is_empty
    assert differences(url, built[world]) == ""
    assert _planned(url, _text(world)).sql == ""


@pytest.mark.parametrize("world", WORLDS)
def test_a_whole_schema_comes_goes_and_comes_again(live: str, world: str, built: dict[str, str]) -> None:
    for target in (world, EMPTY, world):
        _step(live, target, built)


@pytest.mark.parametrize(("start", "target"), [*permutations(WORLDS, 2)])
def test_a_whole_schema_becomes_another(live: str, target: str, built: dict[str, str]) -> None:
    _step(live, target, built)


@pytest.mark.parametrize(("start", "budget"), [("shop", 5), ("tenants", 6), ("warehouse", 8)])
def test_small_changes_recreate_nothing(live: str, start: str, budget: int, built: dict[str, str]) -> None:
    plan = _apply(live, _changed(start))
    assert len(plan.statements) <= budget, plan.sql
    assert {fact.kind for statement in plan.statements for fact in statement.drops} <= {"policy"}, plan.sql
    _step(live, start, built)


@pytest.mark.parametrize("start", WORLDS)
def test_the_same_plan_comes_out_of_a_scratch_on_a_named_server(live: str, start: str, server: EmbeddedServer) -> None:
    assert _planned(live, _changed(start), scratch=server.url).sql == _planned(live, _changed(start)).sql


def _kind(fact: FactId) -> str:
    return fact.target.kind if fact.kind in SATELLITE_KINDS else fact.kind


@pytest.mark.parametrize(("start", "schema"), [("shop", "audit"), ("tenants", "t_bolt"), ("warehouse", "staging")])
def test_the_same_plan_comes_out_of_each_scratch_for_one_schema(live: str, schema: str, server: EmbeddedServer) -> None:
    dumped, _ = dump(live, (schema,))
    own = [each for each in dumped.statements if not {_kind(fact) for fact in each.creates} & DATABASE_WIDE_KINDS]
    text = f"{script(own)}\nCREATE TABLE {schema}.added (id bigint PRIMARY KEY);"
    scratches = ("schema", "database", server.url)
    plans = [
        _planned(live, text, all_schemas=False, exact=False, schemas=(schema,), scratch=scratch)
        for scratch in scratches
    ]
    for plan in plans:
        assert {
            fact.name[1] for statement in plan.statements for fact in statement.creates if fact.kind == "table"
        } == {"added"}
        assert plan.sql == plans[0].sql
        assert len(plan.statements) <= 2, plan.sql
