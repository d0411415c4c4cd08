"""Partitions and children that others create under our tables: they follow what Postgres carries along.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler import Options, Partitions, Reconciler, State, WhenBehind

if TYPE_CHECKING:
    from typing import LiteralString

pytestmark = pytest.mark.every_server

BEFORE = """
CREATE TABLE measured (id bigint NOT NULL, at date NOT NULL, n int NOT NULL, text text DEFAULT 'a', gone int,
    PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX ON measured (text);
CREATE INDEX measured_gone ON measured (gone);
CREATE TABLE base (id int, text text CHECK (text <> ''), gone int);
"""
AFTER = """
CREATE TABLE measured (id bigint NOT NULL, at date NOT NULL, more int NOT NULL DEFAULT 4 CHECK (more > 0), n bigint,
    text varchar(20) DEFAULT 'b', PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX ON measured (text);
CREATE INDEX ON measured (more);
ALTER TABLE measured ADD UNIQUE (more, at, id);
CREATE TABLE base (id bigint PRIMARY KEY, since date NOT NULL DEFAULT '2026-01-01', text text NOT NULL);
"""
# What a job like pg_partman's does; a partition has parts, an index and a default of its own.
MADE: LiteralString = """
CREATE TABLE {0}.m_2026 PARTITION OF {0}.measured FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY HASH (id);
CREATE TABLE {0}.m_2026_0 PARTITION OF {0}.m_2026 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE INDEX its_own ON {0}.m_2026_0 (text, n);
CREATE INDEX its_own_gone ON {0}.m_2026_0 (gone);
COMMENT ON INDEX {0}.its_own_gone IS 'goes with the column';
ALTER TABLE {0}.m_2026_0 ALTER text SET DEFAULT 'own';
CREATE TABLE {0}.child (serial serial) INHERITS ({0}.base);
INSERT INTO {0}.measured VALUES (1, '2026-02-02', 1, 'kept');
"""


@pytest.mark.parametrize("plugin", ["default", "stats"])
def test_children_made_at_run_time_change_with_their_parents_and_are_never_dropped(database: str, plugin: str) -> None:
    schema = "public" if plugin == "default" else plugin
    with Reconciler(database, options=Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)) as reconciler:
        reconciler.migrate(BEFORE, plugin=plugin)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute(sql.SQL(MADE).format(sql.Identifier(schema)))
        assert reconciler.check(BEFORE, plugin=plugin).has_drift is False
        assert reconciler.plan(BEFORE, plugin=plugin).plan.is_empty

        assert reconciler.migrate(AFTER, plugin=plugin).idx == 1

        assert reconciler.plan(AFTER, plugin=plugin).plan.is_empty
        assert reconciler.migrate(AFTER, plugin=plugin).skipped
        found = reconciler.check(AFTER, plugin=plugin)
        assert found.of(State.DRIFTED, State.PENDING, State.CONFLICT) == ()
        assert not reconciler.check(plugin=plugin).has_drift
        # The rollback, too.
        assert reconciler.migrate(BEFORE, plugin=plugin).idx == 2
    with psycopg.connect(database) as connection:
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        assert connection.execute("SELECT id, n, text FROM m_2026_0").fetchall() == [(1, 1, "kept")]
        row = connection.execute(
            "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d JOIN pg_attribute a ON attrelid = adrelid"
            " AND attnum = adnum WHERE adrelid = 'm_2026_0'::regclass AND attname = 'text'"
        ).fetchone()
        assert row is not None
        assert row[0].startswith("'own'")


def test_declared_partitions_must_be_declared(database: str) -> None:
    options = Options(partitions=Partitions.DECLARED, allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)
    with Reconciler(database) as reconciler:
        reconciler.migrate(BEFORE, plugin="stats")
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute(sql.SQL(MADE).format(sql.Identifier("stats")))
        found = reconciler.plan(BEFORE, plugin="stats", options=options)
        dropped = {fact.key for statement in found.plan.statements for fact in statement.drops}
        assert {"table:stats.m_2026", "table:stats.m_2026_0", "table:stats.child"} <= dropped
        assert any(hazard.kind.value == "data_loss" for hazard in found.plan.hazards)


def test_partitions_go_with_their_parent_and_are_named_as_data_loss(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute(sql.SQL(MADE).format(sql.Identifier("public")))
        without = "CREATE TABLE base (id int, text text CHECK (text <> ''), gone int)"
        found = reconciler.plan(without)
        lost = {hazard.fact.key for hazard in found.refused}
        assert lost == {"table:public.measured", "table:public.m_2026", "table:public.m_2026_0"}
        reconciler.migrate(without, allow_data_loss=True)
        assert reconciler.plan(without).plan.is_empty
