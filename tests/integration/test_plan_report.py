"""What people read of a plan: what stands out first, then each object, statements only where they are asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import picture
import psycopg
import pytest

from reconciler import HazardKind, Options, Reconciler
from reconciler.report.plan_text import plan_lines
from reconciler.report.summary import summarise
from reconciler.report.text import plan_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler import PlanResult

pytestmark = pytest.mark.one_server

BEFORE = """
create table customers (id int primary key, country text, legacy_ref text, created timestamptz);
create table orders (id bigint primary key, customer int references customers, note varchar(200), state text);
create index orders_state on orders (state);
create table sessions (id int, token text);
create table old_name (id int primary key);
create view open_orders as select id, customer from orders where state = 'open';
create view notes as select upper(note) as note from orders;
create function answer() returns int language plpgsql as $$
begin
  -- first
  return 41;
end $$;
"""
AFTER = """
create table customers (id bigint primary key, country text not null, created timestamptz);
create table orders (id bigint primary key, customer bigint references customers, note varchar(100), state text,
    channel text not null default 'web');
create index orders_state on orders (state, customer);
comment on column orders.note is 'what they said';
create table regions (id int primary key, name text unique default 'none');
-- reconciler: renamed from old_name
create table new_name (id int primary key);
create view open_orders as select id, customer, note from orders where state = 'open';
create view notes as select upper(note) as note from orders;
create function answer() returns int language plpgsql as $$
begin
  -- second
  return 42;
end $$;
"""
ROWS = """
insert into customers select i, case when i % 5 > 0 then 'DE' end, 'x' from generate_series(1, 2000) i;
insert into orders select i, i % 2000 + 1, repeat('n', 60), 'open' from generate_series(1, 60000) i;
analyze;
"""


@pytest.fixture
def planned(database: str) -> Iterator[PlanResult]:
    with Reconciler(database, options=Options(online=False)) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(ROWS)
        yield reconciler.plan(AFTER)


def test_what_matters_stands_in_the_head(planned: PlanResult) -> None:
    first, *rest = plan_lines(planned)
    assert first.startswith("Plan for plugin default: 5 tables (+1 -1), ")
    assert first.endswith(" statements in 1 transaction")
    head = rest[: rest.index("")]
    assert len(head) < 10
    blocked, loses, locks = head[:3]
    assert blocked.startswith("✗ BLOCKED  column public.customers.country becomes NOT NULL")
    assert loses.startswith("✗ LOSES    ")
    assert "column public.customers.legacy_ref (about 2,000 rows" in loses
    assert "table public.sessions (empty)" in loses
    assert locks.startswith("! LOCKS    table public.orders, ")
    assert "ACCESS EXCLUSIVE for " in locks
    assert "rewrites table public.orders" in locks


def test_each_object_stands_with_its_changes(planned: PlanResult) -> None:
    text = plan_text(planned)
    for expected in (
        "~ table public.new_name  (was public.old_name; empty)\n",
        "    ~ column note             character varying(200) -> character varying(100)\n",
        "    + column channel          text NOT NULL DEFAULT 'web'::text\n",
        "    ~ index orders_state      USING btree (state) -> USING btree (state, customer)\n",
        "    + comment on column note  what they said\n",
        "    ~ column country     + NOT NULL\n",
        "    - column legacy_ref  text\n",
        "+ table public.regions  (2 columns, 2 constraints)\n",
        "- table public.sessions  (2 columns; empty)\n",
        "      -  return 41;\n",
        "      +  return 42;\n",
        "= recreated as it is, because column public.orders.note changes (type): view public.notes\n",
    ):
        assert expected in text
    assert "CREATE TABLE" not in text
    details = plan_text(planned, details=True)
    assert details.startswith(text.split("\n\n", maxsplit=1)[0])
    assert "CREATE TABLE" in details
    assert "blocks reads and writes" in details


def test_a_hazard_weighs_what_the_table_holds(planned: PlanResult, database: str) -> None:
    summary = summarise(planned)
    by_object = {str(each.object): each for each in summary.objects}
    assert [hazard.kind for hazard in by_object["table public.sessions"].hazards] == [HazardKind.BREAKS_CLIENTS]
    assert by_object["table public.sessions"].quiet == 1, "nothing is lost with an empty table"
    kinds = {hazard.kind for hazard in by_object["table public.orders"].hazards}
    assert HazardKind.TABLE_REWRITE in kinds
    assert HazardKind.MAY_FAIL not in kinds, "the preflight has asked, and no row blocks the plan"
    assert not summary.is_measured
    with Reconciler(database, options=Options(online=False, preflight=False)) as reconciler:
        unasked = summarise(reconciler.plan(AFTER))
    assert HazardKind.MAY_FAIL in unasked.others


def test_the_time_is_what_this_database_took_before(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table t (id int, v text)")
        connection.execute("insert into t select i, repeat('v', 500) from generate_series(1, 60000) i")
        connection.execute("analyze")
    options = Options(online=False, allow=frozenset({HazardKind.TABLE_REWRITE}))
    with Reconciler(database, options=options) as reconciler:
        usual = reconciler.plan("create table t (id bigint, v text)")
        assert not usual.outlook.speeds.is_measured
        reconciler.apply(usual)
        (rewritten,) = (each for each in reconciler.show(0).statements if "bigint" in each.sql)
        with psycopg.connect(database, autocommit=True) as connection:
            # However quick this machine was: it took two seconds.
            connection.execute("update migrations._statements set duration_ms = 2000 where sql like '%bigint%'")
        again = reconciler.plan("create table t (id numeric, v text)")
    (hazard,) = (each for each in again.plan.hazards if each.kind is HazardKind.TABLE_REWRITE)
    size = hazard.size
    assert size is not None
    assert rewritten.hazards
    assert again.outlook.speeds.is_measured
    assert again.outlook.seconds(hazard) == pytest.approx(2, rel=0.2)


def test_the_page_shows_what_is_printed(planned: PlanResult) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
    shown = page.split("```text\n")[1].split("\n```")[0].splitlines()
    assert [_unmeasured(line) for line in shown] == [_unmeasured(line) for line in plan_lines(planned)]


def _unmeasured(line: str) -> str:
    """The line without bytes, which depend on the server's vacuum."""
    return re.sub(r"\d+ [kM]?B(ytes)?\b", "SIZE", line.rstrip())


def test_the_picture_of_the_readme_is_a_real_run(database: str) -> None:
    shown = picture.text_of(picture.drawn(picture.lines(database)))
    was = picture.text_of(picture.PICTURE.read_text(encoding="utf-8"))
    assert [re.sub(r"\d+", "#", line) for line in shown] == [re.sub(r"\d+", "#", line) for line in was], (
        "run `python tests/picture.py`"
    )
