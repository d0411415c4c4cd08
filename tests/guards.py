"""What guards a table x what a plan does to its rows x who runs it x how: the cases of test_rows_arrive.py.

A guard is anything on a table that filters, turns away, changes or repeats what is written. A change is a declaration
before and after in which a plan writes rows; it names the functions of the planner that it is there for, so that a new
one without a change is noticed. A case runs in a schema of its own, and a superuser reads all values before and after.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHANGES", "MODES", "ROLES", "Case", "Change", "Guard", "guards", "sample"]

ROWS = 60
EVENTS = ("insert", "update", "delete")
STATES = ("enable", "disable", "enable replica", "enable always")
# The role that runs the plan; all but the superuser own the schema's tables, or are members of the role that does.
ROLES = ("superuser", "owner", "member", "bypassrls")
MODES = ("plain", "online", "resumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """SQL that guards `{t}`; `changes` says that rows which it sees are another value afterwards, whoever writes."""

    name: str
    sql: str
    changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Two declarations, and where in them a guard can be; `covers` are functions that write the rows.

    The texts name no schema. `adds` is a column that each row has a value in afterwards.
    """

    name: str
    before: str
    after: str
    covers: tuple[str, ...]
    places: tuple[str, ...] = ("t",)
    adds: str | None = None
    guard_after: bool = True  # whether the places are still there
    is_open: bool = True  # whether what clients write while the plan runs is allowed by both declarations


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: the change, the guard on a table, the role, the mode, and whether somebody writes meanwhile."""

    change: Change
    guard: Guard
    place: str
    role: str
    mode: str
    writes: bool

    def __str__(self) -> str:
        meanwhile = " while others write" if self.writes else ""
        return f"{self.change.name}, {self.guard.name} on {self.place}, as {self.role}, {self.mode}{meanwhile}"


_TABLE = "create table t (id int not null primary key, k text not null, v int);\n"
_PARTED = """create table t (id int not null primary key, k text not null, v int) partition by range (id);
create table t_1 partition of t for values from (0) to ({0});
create table t_2 partition of t for values from ({0}) to (1000000);
"""
_PARENT = "create table t (id int not null, k text not null, v int);\ncreate table t_1 (x int) inherits (t);\n"

CHANGES = (
    Change(
        name="type",
        before=_TABLE,
        after=_TABLE.replace("v int", "v bigint"),
        covers=("temporary_columns.fill",),
    ),
    Change(
        name="type to text",
        before=_TABLE,
        after=_TABLE.replace("v int", "v text not null default '0'"),
        covers=("temporary_columns.fill",),
    ),
    Change(
        name="type of a partitioned table",
        before=_PARTED.format(30),
        after=_PARTED.format(30).replace("v int", "v bigint"),
        covers=("temporary_columns.fill",),
        places=("t", "t_1"),
    ),
    Change(
        name="type of a table with a child",
        before=_PARENT,
        after=_PARENT.replace("v int", "v bigint"),
        covers=("temporary_columns.fill",),
        places=("t", "t_1"),
    ),
    Change(
        name="new column with a hint",
        before=_TABLE,
        after=_TABLE.replace("v int", "v int,\n s text not null -- reconciler: backfill 'x' || id\n"),
        covers=("temporary_columns.fill", "backfill.backfilled"),
        adds="s",
    ),
    Change(
        name="new column with a default",
        before=_TABLE,
        after=_TABLE.replace("v int", "v int, s uuid default gen_random_uuid()"),
        covers=("temporary_columns.fill",),
        adds="s",
    ),
    Change(
        name="new identity",
        before=_TABLE,
        after=_TABLE.replace("v int", "v int, s bigint generated always as identity"),
        covers=("temporary_columns.fill",),
        adds="s",
    ),
    Change(
        name="not null with a hint",
        before=_TABLE.replace("v int", "v int, s text"),
        after=_TABLE.replace("v int", "v int,\n s text not null -- reconciler: backfill 'x' || id\n"),
        covers=("backfill.backfilled",),
        adds="s",
        is_open=False,
    ),
    Change(
        name="partitioned",
        before=_TABLE,
        after=_PARTED.format(30),
        covers=("recreate_table._move_rows",),
    ),
    Change(
        name="not partitioned any more",
        before=_PARTED.format(30),
        after=_TABLE,
        covers=("recreate_table._move_rows",),
        places=("t", "t_1"),
        guard_after=False,
    ),
    Change(
        name="other bounds",
        before=_PARTED.format(30),
        after=_PARTED.format(20),
        covers=("reroute_rows._set_rows_apart", "reroute_rows._return_rows"),
        places=("t", "t_1", "t_2"),
    ),
    Change(
        name="a partition is split",
        before=_PARTED.format(30),
        after=_PARTED.format(30).replace("from (0) to (30)", "from (0) to (10)")
        + "create table t_3 partition of t for values from (10) to (30);\n",
        covers=("reroute_rows._set_rows_apart", "reroute_rows._return_rows"),
        places=("t", "t_1"),
    ),
)


def guards() -> Iterator[Guard]:
    """All guards; `{t}` is the table, `{s}` the schema, `{audit}` a table that they write to."""
    yield Guard(name="nothing", sql="")
    for forced, command in itertools.product((False, True), (None, "all", "select", "insert", "update", "delete")):
        force = "alter table {t} force row level security;\n" if forced else ""
        check = {"insert": "with check (false)"}.get(command or "", "using (k = current_setting('app.k', true))")
        policy = f"create policy p on {{t}} for {command} {check};\n" if command else ""
        name = f"row security{' forced' if forced else ''}, {f'policy for {command}' if command else 'no policy'}"
        yield Guard(name=name, sql=f"alter table {{t}} enable row level security;\n{force}{policy}")
    ways = {
        "instead nothing": "instead nothing",
        "instead elsewhere": "instead insert into {audit} values ('rule')",
        "also elsewhere": "also insert into {audit} values ('rule')",
    }
    for event, (way, text), state in itertools.product(EVENTS, ways.items(), STATES):
        switch = f"alter table {{t}} {state} rule r;\n" if state != "enable" else ""
        yield Guard(
            name=f"rule on {event} {way} ({state})", sql=f"create rule r as on {event} to {{t}} do {text};\n{switch}"
        )
    yield from _triggers()


_BODIES = {
    "skips": "return null;",
    "changes": "new.k := new.k || '!'; return new;",
    "raises": "raise exception 'no';",
    "writes elsewhere": "insert into {s}.{audit} values ('trigger'); return {row};",
}


def _triggers() -> Iterator[Guard]:
    levels = (
        ("before", "row", _BODIES),
        ("after", "row", _BODIES),
        ("before", "statement", _BODIES),
        ("after", "statement", _BODIES),
    )
    for event, (timing, level, bodies), state in itertools.product(EVENTS, levels, STATES):
        for (what, body), name in itertools.product(bodies.items(), ("a_guard", "~~guard")):
            changes = what == "changes"
            if changes and ((timing, level) != ("before", "row") or event == "delete"):
                continue
            if what == "skips" and (timing, level) != ("before", "row"):
                continue
            row = "null" if level == "statement" else "old" if event == "delete" else "new"
            switch = f'alter table {{t}} {state} trigger "{name}";\n' if state != "enable" else ""
            text = body.replace("{row}", row)
            yield Guard(
                name=f"{timing} {event} {level} trigger {name} {what} ({state})",
                sql=f"create function guard() returns trigger language plpgsql as $$ begin {text} end $$;\n"
                f'create trigger "{name}" {timing} {event} on {{t}} for each {level} execute function guard();\n{switch}',
                changes=changes,
            )


def sample(number: int, seed: int) -> list[Case]:
    """So many cases, drawn so that each value of each dimension comes about equally often."""
    chosen = random.Random(seed)
    every = [*guards()]
    decks: dict[str, list[object]] = {}

    def draw(dimension: str, values: tuple[object, ...]) -> object:
        deck = decks.setdefault(dimension, [])
        if not deck:
            deck.extend(chosen.sample(values, len(values)))
        return deck.pop()

    found: list[Case] = []
    while len(found) < number:
        change, guard = draw("change", CHANGES), draw("guard", tuple(every))
        role, mode = draw("role", ROLES), draw("mode", MODES)
        assert isinstance(change, Change)
        assert isinstance(guard, Guard)
        found.append(
            Case(
                change=change,
                guard=guard,
                place=str(draw(f"place {change.name}", change.places)),
                role=str(role),
                mode=str(mode),
                writes=mode != "plain" and change.is_open and bool(draw("writes", (False, False, True))),
            )
        )
    return found
