"""Schema, database and server are three ways to the same plan, and the same states give the same plan each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import soak
from generator import generate

from reconciler.client import Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.embedded import EmbeddedServer


@pytest.mark.parametrize("number", [1, 10, 22, 40])
def test_the_same_plan_comes_out_of_every_scratch(
    number: int, server: EmbeddedServer, make_database: Callable[[], str]
) -> None:
    soak.prepare(server.url)
    version = server.server_version // 10000
    before, after = (generate(tape, version, wide=False).sql for tape in soak.tapes(number))
    live = make_database()
    with psycopg.connect(live, autocommit=True) as connection:
        connection.execute(before.encode())
    plans: list[str] = []
    with Reconciler(live) as reconciler:
        for scratch in ("schema", "database", server.url, "schema"):
            options = Options(schemas=soak.SCHEMAS, exact=True, scratch=scratch, allow=frozenset(HazardKind))
            plans.append(reconciler.plan(after, options=options).plan.sql)
    assert plans[0]
    assert plans[1:] == plans[:1] * 3
