"""Writes a schema of N tables to standard output: columns, keys, indexes, a foreign key each; a view for every tenth.

usage: python benchmarks/synthetic.py N [CHANGED]

The first CHANGED tables have one more column and one more index than they would have.
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
    amount integer{extra}
);
create index item_{number}_title on item_{number} (title);
create index item_{number}_parent on item_{number} (parent);"""
_VIEW = """create view visible_item_{number} as select id, title from item_{number} where visible;
create function next_{number}(value integer) returns integer language sql as 'select value + 1';"""


def schema(tables: int, changed: int = 0) -> str:
    """The SQL of the schema."""
    lines: list[str] = []
    for number in range(tables):
        reference = f" references item_{number - 1} (id)" if number else ""
        extra = ",\n    remark text" if number < changed else ""
        lines.append(_TABLE.format(number=number, reference=reference, extra=extra))
        if number < changed:
            lines.append(f"create index item_{number}_remark on item_{number} (remark);")
        if number % 10 == 0:
            lines.append(_VIEW.format(number=number))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(schema(*map(int, sys.argv[1:3])), end="")
