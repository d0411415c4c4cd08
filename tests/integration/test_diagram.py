"""Pictures of tables: whole schemas, the neighbourhood of some, what a plan changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, Reconciler
from reconciler.cli.commands import run
from reconciler.report.markdown import plan_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

SCHEMA = """
create table customers (id int primary key, name text);
create table orders (id int primary key, customer int not null references customers);
create table items (id int primary key, orders int references orders);
create table tree (id int primary key, up int references tree);
create table events (at date, customer int references customers) partition by range (at);
create table events_1 partition of events for values from ('2026-01-01') to ('2026-02-01');
create table events_2 partition of events default;
create table "a ""b"" <x> {y}" ("1 id" int primary key, "é" text[], "-" numeric(3, 1));
"""


@pytest.fixture
def draw(database: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["diagram", *arguments, "--dsn", database])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def _titles(text: str) -> list[str]:
    return re.findall(r'^ +t\d+\["(.*)"\] \{$', text, re.MULTILINE)


def test_all_tables_or_the_neighbourhood_of_some(draw: Callable[..., tuple[int, str, str]]) -> None:
    code, text, _ = draw()
    assert code == 0
    assert text.startswith("erDiagram\n")
    everything = _titles(text)
    assert everything == [
        "public.a ''b'' _x_ _y_",
        "public.customers",
        "public.events (2 partitions)",
        "public.items",
        "public.orders",
        "public.tree",
    ]
    assert "        integer _1_id PK\n        text[] é\n        numeric(3_1) _-\n" in text
    assert "        integer customer FK\n" in text
    names = {title: f"t{number}" for number, title in enumerate(everything, 1)}
    orders, customers, items = (names[f"public.{name}"] for name in ("orders", "customers", "items"))
    assert f'{orders} }}o--|| {customers} : "orders_customer_fkey"' in text
    assert f'{items} }}o--o| {orders} : "items_orders_fkey"' in text
    assert f'{names["public.tree"]} }}o--o| {names["public.tree"]} : "tree_up_fkey"' in text
    assert _titles(draw("public.items")[1]) == ["public.items", "public.orders"]
    assert len(_titles(draw("public.items", "--distance", "2")[1])) == 3
    assert _titles(draw("public.items", "--distance", "0")[1]) == ["public.items"]
    code, text, said = draw("public.nothing*")
    assert (code, text) == (1, "")
    assert "no table fits public.nothing*" in said


def test_a_report_has_the_picture_of_what_changes(database: str) -> None:
    with Reconciler(database, options=Options(online=False)) as reconciler:
        reconciler.migrate(SCHEMA)
        changed = SCHEMA.replace("name text", "mail text").replace(
            "create table tree (id int primary key, up int references tree);",
            "create table regions (id int primary key, customer int references customers);",
        )
        markdown = plan_markdown(reconciler.plan(changed))
    picture = markdown.split("```mermaid\n")[1].split("```")[0]
    titles = _titles(picture)
    assert titles == [
        "~ public.customers",
        "public.events (2 partitions)",
        "public.orders",
        "+ public.regions",
        "- public.tree",
    ]
    assert '        text mail "added"\n        ' in picture or '        text name "removed"\n' in picture
    assert "    class t4 added\n" in picture
    assert "    class t5 removed\n" in picture
    assert "    class t1 changed\n" in picture
