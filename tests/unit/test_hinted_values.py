"""Whether what a hint says may name a column is never answered with no by mistake."""

from __future__ import annotations

import pytest

from reconciler.model.facts import FactId
from reconciler.planner.columns.backfill import may_name_any


def _column(name: str, table: str = "t") -> FactId:
    return FactId("column", ("public", table, name))


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("c + 1", "c"),
        ("t.C + 1", "c"),
        ('t."C" + 1', "C"),
        ('"a c" || 1', "a c"),
        ('"a""c"', 'a"c'),
        ("t.*::text", "c"),
        ("(t . * )::text", "c"),
        ("to_jsonb(t)", "c"),
        ('to_jsonb("t")', "c"),
        (r"E'\'' || c || ''", "c"),
        ('U&"\\0063"', "c"),
        ("(select max(x.c) from other x)", "c"),
    ],
)
def test_an_expression_may_name_the_column(expression: str, name: str) -> None:
    assert may_name_any(expression, [_column("unrelated"), _column(name)])


@pytest.mark.parametrize(
    ("expression", "name"),
    [("1", "c"), ("length(t.b) + a", "c"), ('"t".b', "c"), ("cc || 'd'", "c"), ("b * 2", "a c")],
)
def test_an_expression_cannot_name_the_column(expression: str, name: str) -> None:
    assert not may_name_any(expression, [_column(name)])


def test_without_other_columns_nothing_is_named() -> None:
    assert not may_name_any("to_jsonb(t)", [])
