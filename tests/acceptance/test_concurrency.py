"""Processes that start at once: one application a plugin, no deadlock, no error. benchmarks/concurrency.py has more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from concurrency import measure
from pooler import pgbouncer

if TYPE_CHECKING:
    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.one_server


@pytest.mark.parametrize(
    "pooled",
    [False, pytest.param(True, marks=pytest.mark.skipif(pgbouncer() is None, reason="pgbouncer is not installed"))],
)
def test_twelve_processes_on_six_plugins_apply_each_once(server: EmbeddedServer, pooled: bool) -> None:
    name = f"test_concurrency_{pooled}".lower()
    try:
        found = measure(server, name, [f"plugin{number % 6}" for number in range(12)], pooled=pooled)
    finally:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
    assert (found.applied, found.recorded, found.failed, found.deadlocks) == (6, 6, 0, 0)
