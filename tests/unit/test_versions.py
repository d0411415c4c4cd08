"""Which of two versions of an application is the higher one, and what is none."""

from __future__ import annotations

from itertools import pairwise

import pytest

from reconciler.errors import ConfigError
from reconciler.model.versions import is_higher, version_text


@pytest.mark.parametrize(
    "ascending",
    [
        ("9", "10", "11.5"),
        (
            "v0.9",
            "1.0.dev1",
            "1.0a1",
            "1.0-beta.2",
            "1.0rc1",
            "1.0-SNAPSHOT",
            "v1.0",
            "1.0-hotfix",
            "1.0.1",
            "1.9",
            "1.10",
        ),
        ("v1.2", "v1.2-3-gabc1234", "v1.2-10-g0123abc", "v1.3-rc1", "v1.3"),
        ("release-9", "release-10"),
        ("2026-09-30", "2026-11-30", "2026-11-30.2"),
        ("20261130-0900-abcdef1", "20261130-1000-0bcdef1"),
    ],
)
def test_versions_are_ordered_as_people_read_them(ascending: tuple[str, ...]) -> None:
    for lower, higher in pairwise(ascending):
        assert is_higher(higher, lower)
        assert not is_higher(lower, higher)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1"), ("v1.2", "1.2.0"), ("2.0-rc1", "2rc1"), ("7", "build-7")])
def test_versions_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert not is_higher(one, other)
    assert not is_higher(other, one)


@pytest.mark.parametrize(
    "text", ["", "main", "deadbeef", "4f2a9c1", "1234abc", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"]
)
def test_what_has_no_order_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="has no order"):
        version_text(text)


def test_numbers_are_taken_as_they_are() -> None:
    assert [version_text(each) for each in (12, "b123456", " release-7 ")] == ["12", "b123456", "release-7"]
