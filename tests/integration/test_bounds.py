"""Whether a row is within the bounds of a partition, as we say it, against where Postgres puts the row."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.model.facts import FactId
from reconciler.planner.partitions.bounds import within
from reconciler.planner.partitions.tree import partitions_of

# Key, and the bounds of the partitions.
TREES = {
    "one key": ("RANGE (a)", ("FROM (MINVALUE) TO (0)", "FROM (0) TO (3)", "FROM (5) TO (MAXVALUE)", "DEFAULT")),
    "all of it": ("RANGE (a)", ("FROM (MINVALUE) TO (MAXVALUE)", "DEFAULT")),
    "two keys": ("RANGE (a, b)", ("FROM (0, 'c') TO (2, 'a')", "FROM (2, 'a') TO (2, 'c')", "DEFAULT")),
    "ends of two keys": (
        "RANGE (a, b)",
        (
            "FROM (MINVALUE, MINVALUE) TO (0, MINVALUE)",
            "FROM (0, MINVALUE) TO (1, MAXVALUE)",
            "FROM (1, MAXVALUE) TO (3, 'b')",
            "FROM (3, 'b') TO (MAXVALUE, MAXVALUE)",
            "DEFAULT",
        ),
    ),
    "expressions": ("RANGE ((a % 3), lower(b))", ("FROM (0, 'a') TO (1, 'b')", "FROM (1, 'b') TO (9, 'z')", "DEFAULT")),
    "a collation": ('RANGE (b COLLATE "C")', ("FROM ('A') TO ('a')", "FROM ('a') TO ('c')", "DEFAULT")),
    "a list": ("LIST (b)", ("IN ('a', 'it''s')", "IN (NULL, 'B')", "DEFAULT")),
    "a list of nothing": ("LIST (a)", ("IN (NULL)", "IN (-1, 4)", "DEFAULT")),
    "a list of expressions": ("LIST ((a > 2))", ("IN (true)", "IN (false, NULL)")),
    "hashes": ("HASH (a, b)", tuple(f"WITH (MODULUS 4, REMAINDER {number})" for number in range(4))),
}
ROWS = """
    SELECT a, b FROM unnest(ARRAY[-1, 0, 1, 2, 3, 4, 5, NULL]) a,
        unnest(ARRAY['a', 'A', 'b', 'B', 'c', 'd', 'it''s', '', NULL]) b
"""


@pytest.mark.parametrize("tree", TREES)
def test_each_row_is_within_the_partition_that_holds_it_and_no_other(database: str, tree: str) -> None:
    key, bounds = TREES[tree]
    with psycopg.connect(database) as connection:
        connection.execute('CREATE SCHEMA "a%b"')
        connection.execute(f'CREATE TABLE "a%b"."p""t" (a integer, b text) PARTITION BY {key}'.encode())
        for number, bound in enumerate(bounds):
            values = bound if bound == "DEFAULT" else f"FOR VALUES {bound}"
            connection.execute(f'CREATE TABLE "a%b".p{number} PARTITION OF "a%b"."p""t" {values}'.encode())
        connection.execute(f'INSERT INTO "a%b"."p""t" {ROWS}'.encode())
        snapshot = read_snapshot(connection, ("a%b",))
        parent = FactId("table", ("a%b", 'p"t'))
        for link, child in partitions_of(parent, snapshot):
            condition = within(link, parent, snapshot)
            assert condition is not None
            query = sql.SQL(
                'SELECT a, b, ({}) IS TRUE, tableoid = {}::regclass FROM "a%b"."p""t" ORDER BY a, b'
            ).format(condition, sql.Literal(sql.Identifier(*child.name).as_string(None)))
            rows = connection.execute(query).fetchall()
            assert rows
            assert [row for row in rows if row[2] != row[3]] == [], condition.as_string(None)


def test_an_operator_class_of_its_own_is_not_told(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE p (b text) PARTITION BY RANGE (b text_pattern_ops)")
        connection.execute("CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('a') TO ('b')")
        snapshot = read_snapshot(connection, ("public",))
        assert (
            within(FactId("inheritance", ("public", "p_1", "public", "p")), FactId("table", ("public", "p")), snapshot)
            is None
        )
