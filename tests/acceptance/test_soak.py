"""A short run of the soak (tests/soak.py); `make soak` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import soak

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.embedded import EmbeddedServer

PAIRS = 10


@pytest.mark.every_server
def test_random_changes_go_there_and_back(server: EmbeddedServer, make_database: Callable[[], str]) -> None:
    soak.prepare(server.url)
    first = server.server_version // 10000 * 1000
    tally = soak.run(make_database(), range(first, first + PAIRS), small=False)
    assert tally.failures == []
    assert tally.unfit < PAIRS / 3
    assert tally.statements > PAIRS
