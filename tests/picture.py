"""Writes docs/images/plan.svg, the plan that the README shows: a real run. `python tests/picture.py`"""

from __future__ import annotations

import io
import re
from html import unescape
from pathlib import Path

import psycopg
from rich.console import Console

from reconciler import Options, Reconciler
from reconciler.cli.console import styled
from reconciler.embedded import EmbeddedServer
from reconciler.report.text import plan_text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "plan.svg"
_COMMAND = "$ reconciler plan schema"
_COLUMNS = 118
BEFORE = """
create table customers (id bigint primary key, email text not null, country text, legacy_ref text);
create table orders (id bigint primary key, customer bigint references customers, state text, note varchar(200));
create index orders_state on orders (state);
create table sessions (id uuid primary key, token text);
create function total(cents int) returns numeric language sql immutable as $$
select cents / 100.0
$$;
"""
AFTER = """
create table customers (id bigint primary key, email text not null, country text not null);
create table orders (id bigint primary key, customer bigint references customers, state text, note varchar(200),
    channel text not null default 'web');
create index orders_state on orders (state, customer);
create table regions (id int primary key, name text unique);
create function total(cents int) returns numeric language sql immutable as $$
select round(cents / 100.0, 2)
$$;
"""
_ROWS = """
insert into customers select i, 'a@b', case when i % 5 > 0 then 'DE' end, 'x' from generate_series(1, 20000) i;
insert into orders select i, i % 20000 + 1, 'open', 'n' from generate_series(1, 60000) i;
analyze;
"""


def lines(url: str) -> list[str]:
    """What is printed of the plan in this empty database."""
    with Reconciler(url, options=Options(online=False)) as reconciler:
        reconciler.migrate(BEFORE)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_ROWS)
        return plan_text(reconciler.plan(AFTER)).rstrip().splitlines()


def drawn(shown: list[str]) -> str:
    """The picture, which fetches no font."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in styled("\n".join([_COMMAND, *shown])):
        line.truncate(_COLUMNS, overflow="ellipsis")
        console.print(line)
    picture = console.export_svg(title="reconciler", unique_id="plan")
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def text_of(picture: str) -> list[str]:
    """The lines that a picture shows."""
    found: dict[float, str] = {}
    for place, text in re.findall(r'<text class="plan-r\d+" x="[\d.]+" y="([\d.]+)"[^>]*>([^<]*)</text>', picture):
        found[float(place)] = found.get(float(place), "") + unescape(text).replace("\xa0", " ")
    return [found[place].strip() for place in sorted(found)]


def main() -> None:
    """Draws it on a private server."""
    with EmbeddedServer(None) as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("create database shop")
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawn(lines(server.url_of("shop"))), encoding="utf-8")


if __name__ == "__main__":
    main()
