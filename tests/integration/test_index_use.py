"""How often an index that goes was used, as live knows."""

from __future__ import annotations

import re

import psycopg

from reconciler.client import Reconciler
from reconciler.options import Options

PLAIN = "create table t (a int not null, b int, c int, constraint t_c unique (c));"
PARTITIONED = "create table t (a int not null) partition by range (a); create table t1 partition of t default;"
QUERY = "set enable_seqscan to off; select * from public.t where a = 7; select * from public.t where a = 8"


def _use(database: str, before: str, after: str, *queries: str) -> dict[str, str]:
    """What the plan says of the use of each index that goes."""
    with Reconciler(database) as reconciler:
        reconciler.migrate(before)
    with psycopg.connect(database, autocommit=True) as connection:
        for query in queries:  # counted at the latest when the session ends
            connection.execute(query.encode())
    with Reconciler(database, options=Options(online=True)) as reconciler:
        hazards = reconciler.plan(after).plan.hazards
    return {each.fact.key: each.message.rpartition("; ")[2] for each in hazards if each.kind == "missing_index"}


def test_the_hazard_of_an_index_that_goes_says_how_often_it_was_scanned(database: str) -> None:
    before = PLAIN + "create index t_a on t (a); create index t_b on t (b);"
    after = PLAIN.replace(", constraint t_c unique (c)", "")
    reset = "select pg_stat_reset()"
    found = _use(database, before, after, reset, QUERY, "select * from public.t where c = 1")
    assert re.fullmatch(r"scanned 2 times since \d{4}-\d\d-\d\d on this server", found["index:public.t.t_a"])
    assert re.fullmatch(r"never scanned since \d{4}-\d\d-\d\d on this server", found["index:public.t.t_b"])
    assert found["constraint:public.t.t_c"].startswith("scanned once since ")


def test_scans_of_an_index_that_was_renamed_in_the_same_plan_are_found(database: str) -> None:
    before = PLAIN + "create index t_a on t (a);"
    after = "-- reconciler: renamed from t\n" + PLAIN.replace("table t ", "table u ")
    assert _use(database, before, after, QUERY)["index:public.u.t_a"].startswith("scanned 2 times since its")


def test_scans_of_partitions_count_for_the_index_of_their_parent(database: str) -> None:
    found = _use(database, PARTITIONED + "create index t_a on t (a);", PARTITIONED, QUERY)
    assert found == {"index:public.t.t_a": "scanned 2 times since its statistics began on this server"}
