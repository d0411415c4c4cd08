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
# The setter may set session_replication_role, from Postgres 15 on.
ROLES = ("superuser", "owner", "member", "bypassrls", "setter")
# Online runs: some are interrupted and resumed, some keep the order of columns, in some the guard appears meanwhile.
MODES = ("plain", "online", "resumed", "ordered", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """SQL that guards `{t}`; `changes` says that rows which it sees are another value afterwards, whoever writes.

    One that `refers` has rows in a table `ref` that refers to the key, which must be as they were afterwards, too.
    """

    name: str
    sql: str
    changes: bool = False
    refers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Two declarations, and where in them a guard can be; `covers` are functions that write the rows.

    The texts name no schema. `adds` is a column that each row has a value in afterwards. `reads` are the values that
    must not be lost, as they are read before and after.
    """

    name: str
    before: str
    after: str
    covers: tuple[str, ...]
    places: tuple[str, ...] = ("t",)
    adds: str | None = None
    reads: tuple[str, str] = ("id, k, v", "id, k, v")
    holds: str = "true"  # of each row, when the change is made
    guard_after: bool = True  # whether the places are still there
    is_open: bool = True  # whether what clients write while the plan runs is allowed by both declarations

    @property
    def has_key(self) -> bool:
        """Whether other tables may refer to it, before and after."""
        return all("primary key" in text for text in (self.before, self.after))


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
_OTHER = "create table other (id int not null, k text not null, v int);\n"
_NESTED = """create table t (id int not null primary key, k text not null, v int) partition by range (id);
create table t_1 partition of t for values from (0) to (30) partition by range (id);
create table t_1_a partition of t_1 for values from (0) to ({0});
create table t_1_b partition of t_1 for values from ({0}) to (30);
create table t_2 partition of t for values from (30) to (1000000);
"""
_HASHED = _TABLE.replace(";", " partition by hash (id);") + "".join(
    f"create table t_{n} partition of t for values with (modulus 2, remainder {n});\n" for n in (0, 1)
)
_BESIDE_DEFAULT = _PARTED.format(30).replace("for values from (30) to (1000000)", "default")
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
        name="new serial column",
        before=_TABLE,
        after=_TABLE.replace("v int", "v int, s bigserial"),
        covers=("temporary_columns.fill",),
        adds="s",
    ),
    Change(
        name="identity of a column",
        before=_TABLE.replace("v int", "v int, s bigint default 7"),
        after=_TABLE.replace("v int", "v int, s bigint generated always as identity"),
        covers=("temporary_columns.fill",),
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
    Change(
        name="partitions are merged",
        before=_PARTED.format(30).replace("from (0) to (30)", "from (0) to (10)")
        + "create table t_3 partition of t for values from (10) to (30);\n",
        after=_PARTED.format(30),
        covers=("reroute_rows._set_rows_apart", "reroute_rows._return_rows"),
        places=("t", "t_1"),
    ),
    Change(
        name="a partition beside a default one",
        before=_BESIDE_DEFAULT,
        after=_BESIDE_DEFAULT + "create table t_3 partition of t for values from (30) to (50);\n",
        covers=("reroute_rows._set_rows_apart", "reroute_rows._return_rows"),
        places=("t", "t_2"),
    ),
    Change(
        name="other bounds below a partition",
        before=_NESTED.format(20),
        after=_NESTED.format(10),
        covers=("reroute_rows._set_rows_apart", "reroute_rows._return_rows"),
        places=("t", "t_1", "t_1_a", "t_1_b"),
    ),
    Change(
        name="another partition key",
        before=_PARTED.format(30),
        after=_HASHED,
        covers=("recreate_table._move_rows",),
    ),
    Change(
        name="partitioned, with an identity and a computed column",
        before=_TABLE.replace(
            "v int", "v int, n int generated always as identity, w int generated always as (v + 1) stored"
        ),
        after=_PARTED.format(30).replace(
            "v int", "v int, n int generated always as identity, w int generated always as (v + 1) stored"
        ),
        covers=("recreate_table._move_rows",),
        reads=("id, k, v, n, w", "id, k, v, n, w"),
    ),
    Change(
        name="another parent",
        before="create table par (id int not null);\n" + _TABLE.replace(" primary key", ""),
        after="create table par (id int not null);\ncreate table t (k text not null, v int) inherits (par);\n",
        covers=(),
    ),
    Change(
        name="type of a column with partitions below partitions",
        before=_NESTED.format(20),
        after=_NESTED.format(20).replace("v int", "v bigint"),
        covers=("temporary_columns.fill",),
        places=("t", "t_1", "t_1_a"),
    ),
    Change(
        name="type of the key",
        before=_TABLE,
        after=_TABLE.replace("id int", "id bigint"),
        covers=("temporary_columns.fill",),
    ),
    Change(
        name="type under a computed column",
        before=_TABLE.replace("v int", "v int, w int generated always as (v + 1) stored"),
        after=_TABLE.replace("v int", "v bigint, w bigint generated always as (v + 1) stored"),
        covers=("temporary_columns.fill",),
        reads=("id, k, v, w", "id, k, v, w"),
    ),
    Change(
        name="type and name",
        before=_TABLE,
        after=_TABLE.replace("v int", "\nw bigint -- reconciler: renamed from v\n"),
        covers=("temporary_columns.fill",),
        reads=("id, k, v", "id, k, w"),
        is_open=False,
    ),
    Change(
        name="two types at once",
        before=_TABLE,
        after=_TABLE.replace("v int", "v numeric(12, 2)").replace("k text", "k varchar(30)"),
        covers=("temporary_columns.fill",),
        reads=("id, k, v::int", "id, k, v::int"),
    ),
    Change(
        name="a conversion that makes NULL of a value",
        before=_TABLE,
        after=_TABLE.replace("v int", "\nv text -- reconciler: using nullif(v, 7)::text\n"),
        covers=(),
        reads=("id, k, nullif(v, 7)", "id, k, v"),
        is_open=False,
    ),
    Change(
        name="a domain with a check",
        before="create domain small as int check (value < 100000);\n" + _TABLE,
        after="create domain small as int check (value < 100000);\n" + _TABLE.replace("v int", "v small"),
        covers=("temporary_columns.fill",),
    ),
    Change(
        name="an enum without a label",
        before="create type e as enum ('a', 'b', 'c');\n" + _TABLE.replace("v int", "v int, x e default 'a'"),
        after="create type e as enum ('b', 'a');\n" + _TABLE.replace("v int", "v int, x e default 'a'"),
        covers=(),
        reads=("id, k, v, x", "id, k, v, x"),
    ),
    Change(
        name="an attribute of a composite type",
        before="create type c as (a int, b text);\n" + _TABLE.replace("v int", "v int, x c default row(1, 'q')"),
        after="create type c as (a bigint, b text);\n" + _TABLE.replace("v int", "v int, x c default row(1, 'q')"),
        covers=(),
        reads=("id, k, v, x", "id, k, v, x"),
    ),
    Change(
        name="new column with a hint, and a child",
        before=_PARENT,
        after=_PARENT.replace("v int", "v int,\n s text not null -- reconciler: backfill 'x' || id\n"),
        covers=("temporary_columns.fill", "backfill.backfilled"),
        places=("t", "t_1"),
        adds="s",
        holds="s = 'x' || id",
    ),
    Change(
        name="new column from another table",
        before=_OTHER + _TABLE,
        after=_OTHER
        + _TABLE.replace(
            "v int",
            "v int,\n s text not null"
            " -- reconciler: backfill coalesce((select o.k from other o where o.id = t.id), 'none')\n",
        ),
        covers=("temporary_columns.fill", "backfill.backfilled"),
        places=("t", "other"),
        adds="s",
        holds="s = case when id between 1 and 40 then 'k' || id % 3 else 'none' end or id >= 100",
    ),
    Change(
        name="partitioned, filled from another table",
        before=_OTHER + _TABLE,
        after=_OTHER
        + _PARTED.format(30).replace(
            "v int",
            "v int,\n s text not null"
            " -- reconciler: backfill coalesce((select o.k from other o where o.id = t.id), 'none')\n",
        ),
        covers=("recreate_table._move_rows",),
        places=("t", "other"),
        adds="s",
        holds="s = case when id between 1 and 40 then 'k' || id % 3 else 'none' end or id >= 100",
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
    for forced, command in itertools.product((False, True), ("all", "select", "update")):
        force = "alter table {t} force row level security;\n" if forced else ""
        yield Guard(
            name=f"row security{' forced' if forced else ''}, restrictive policy for {command}",
            sql=f"alter table {{t}} enable row level security;\n{force}create policy wide on {{t}} using (true);\n"
            f"create policy p on {{t}} as restrictive for {command} using (id % 2 = 0);\n",
        )
    for column, event in (("new", "insert"), ("old", "update"), ("old", "delete")):
        text = f"create rule r as on {event} to {{t}} where {column}.id % 2 = 0 do instead nothing;\n"
        yield Guard(name=f"rule on {event} of some rows instead nothing", sql=text)
    for action in ("cascade", "set null", "restrict", "no action deferrable initially deferred"):
        yield Guard(
            name=f"foreign key of another table, {action}",
            sql=f"create table ref (id int primary key, t_id int references {{t}} on delete {action});\n",
            refers=True,
        )
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
    yield from _other_triggers()


def _other_triggers() -> Iterator[Guard]:
    """What differs in when it fires, and not only in what it does."""
    writes = "insert into {s}.{audit} values ('trigger'); return null;"
    function = "create function guard() returns trigger language plpgsql as $$ begin {} end $$;\n"
    for event, state in itertools.product(EVENTS, STATES):
        tables = {"insert": "new table as n", "update": "old table as o new table as n", "delete": "old table as o"}
        made = function.replace("{}", writes)
        switch = "" if state == "enable" else f"alter table {{t}} {state} trigger a_guard;\n"
        text = f"create trigger a_guard after {event} on {{t}} referencing {tables[event]} for each statement"
        yield Guard(
            name=f"after {event} trigger with transition tables ({state})",
            sql=f"{made}{text} execute function guard();\n{switch}",
        )
        for what, body in (("writes elsewhere", writes), ("raises", "raise exception 'no';")):
            text = f"create constraint trigger a_guard after {event} on {{t}} deferrable initially deferred"
            yield Guard(
                name=f"deferred constraint trigger for {event} {what} ({state})",
                sql=f"{function.replace('{}', body)}{text} for each row execute function guard();\n{switch}",
            )
    for state, name in itertools.product(STATES, ("a_guard", "~~guard")):
        switch = "" if state == "enable" else f'alter table {{t}} {state} trigger "{name}";\n'
        for what, when, body in (
            ("keeps the old row", "update", "return old;"),
            ("puts a value back", "update", "new.v := old.v; return new;"),
            ("of a column skips", "update of v", "return null;"),
            ("of other columns skips", "update of id, k", "return null;"),
            ("for any event skips", "insert or update or delete", "return null;"),
        ):
            yield Guard(
                name=f"before update row trigger {name} {what} ({state})",
                sql=f"{function.replace('{}', body)}"
                f'create trigger "{name}" before {when} on {{t}} for each row execute function guard();\n{switch}',
            )
        made = function.replace("{}", "return null;")
        text = f'create trigger "{name}" before update on {{t}} for each row when (old.id % 2 = 0)'
        yield Guard(
            name=f"before update row trigger {name} with a condition skips ({state})",
            sql=f"{made}{text} execute function guard();\n{switch}",
        )
        made = function.replace("{}", "raise exception 'no';")
        text = f'create trigger "{name}" before truncate on {{t}} for each statement execute function guard();\n'
        yield Guard(name=f"truncate trigger {name} raises ({state})", sql=f"{made}{text}{switch}")


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
        if guard.refers:
            mode = "online" if mode == "late" else mode
            if not change.has_key:
                continue
        found.append(
            Case(
                change=change,
                guard=guard,
                place="t" if guard.refers else str(draw(f"place {change.name}", change.places)),
                role=str(role),
                mode=str(mode),
                writes=mode != "plain" and change.is_open and bool(draw("writes", (False, False, True))),
            )
        )
    return found
