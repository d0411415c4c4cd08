"""Writes a schema of N tables to standard output: columns, keys, indexes, a foreign key each; a view for every tenth.

usage: python benchmarks/synthetic.py N
"""

from __future__ import annotations

import sys

_TABLE = """create table item_{number} (
    id bigint generated always as identity primary key,
    parent bigint{reference},
    code text not null unique,
    title text not null,
    state text not null default 'open' check (state in ('open', 'closed')),
    price numeric(12, 2),
    details jsonb,
    visible boolean default false,
    made_at timestamptz not null default now(),
    amount integer
);
create index item_{number}_title on item_{number} (title);
create index item_{number}_parent on item_{number} (parent);"""
_VIEW = """create view visible_item_{number} as select id, title from item_{number} where visible;
create function next_{number}(value integer) returns integer language sql as 'select value + 1';"""


def main() -> None:
    for number in range(int(sys.argv[1])):
        reference = f" references item_{number - 1} (id)" if number else ""
        print(_TABLE.format(number=number, reference=reference))
        if number % 10 == 0:
            print(_VIEW.format(number=number))


if __name__ == "__main__":
    main()
