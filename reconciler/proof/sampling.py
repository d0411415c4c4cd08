"""A few rows of each table that a plan touches, read from live, with those that they refer to. Does I/O, reads only.

The first rows of a table and, where it is large, some from anywhere in it. A row is known by its table and ctid; what a
foreign key of live or of the goal refers to is added until nothing is missing, so that the sample fits constraints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.catalog.others import read_reached
from reconciler.db.connections import SEARCH_PATH, cursor, server_message, transaction
from reconciler.db.sqlfiles import trusted
from reconciler.model.facts import FactId
from reconciler.model.intent import Intent
from reconciler.planner.partitions.tree import ancestors, tree
from reconciler.sqltext.printed_lists import leading_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.db.connections import Connection
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot

__all__ = ["Sample", "TableRows", "sample_rows"]

ROWS = 100  # from the beginning of a table, and as many from anywhere
_MOST_ROWS = 20 * ROWS  # of one table, with those that others refer to
_MOST_BYTES = 16 * 1024 * 1024
_COLUMN = re.compile(r'"(?:[^"]|"")+"|[^", ]+')
_FOREIGN_KEY = re.compile(r"FOREIGN KEY \((?P<columns>.+?)\) REFERENCES (?P<table>.+?)\((?P<keys>.+?)\)(?: |$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """Rows of one table as COPY writes them."""

    columns: tuple[str, ...]
    data: bytes
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows by table, and why those of some tables could not be read."""

    tables: Mapping[FactId, TableRows]
    unread: Mapping[FactId, str] = field(default_factory=dict["FactId", str])


def sample_rows(
    connection: Connection,
    plan: Plan,
    live: Snapshot,
    goal: Snapshot,
    intent: Intent | None = None,
    search_path: str = SEARCH_PATH,
) -> Sample:
    """The sample for this plan. Runs inside a transaction, which goes on also where a table may not be read.

    What the plan will write by a hint of the `intent` or a default refers to rows, too. Functions that its expressions
    call are looked for in `search_path`.
    """
    reader = _Reader(connection, live, search_path)
    reader.leave_others()
    waiting = [table for table in sorted(_touched(plan, live)) if reader.take(table)]
    future = (_with_new_values(key, live, goal, intent or Intent()) for key in _foreign_keys(goal) if key[0] in live)
    keys = [*_foreign_keys(live), *future]
    while waiting:
        table = waiting.pop()
        owners = {table, *ancestors(table, live)}
        for owner, columns, referenced, referred in keys:
            if owner in owners:
                waiting += reader.follow(table, columns, referenced, referred)
    return Sample(
        tables={table: rows for table in sorted(reader.taken) if (rows := reader.copy(table))}, unread=reader.unread
    )


def _touched(plan: Plan, live: Snapshot) -> set[FactId]:
    """The tables of live that hold rows and that a statement of the plan is about."""
    old = {rename.new: rename.old for rename in plan.renames}
    facts = {
        fact
        for statement in plan.statements
        for fact in (*statement.creates, *statement.alters, *statement.drops, *filter(None, (statement.locks,)))
    }
    facts |= {old[fact] for fact in facts if fact in old}
    tables = {live.object_of(fact) for fact in facts}
    tables |= {old[table] for table in tables if table in old}
    tables = {table for table in tables if table.kind == "table" and table in live}
    for table in [each for each in tables if "partition_key" in live.definition(each)]:
        tables |= {*tree(table, live)}
    return {table for table in tables if table.kind == "table" and "partition_key" not in live.definition(table)}


def _foreign_keys(state: Snapshot) -> Iterable[tuple[FactId, str, str, str]]:
    """(table, its columns, the table that they refer to, its columns), in the server's own words."""
    for fact, text in state.facts.items():
        if fact.kind == "constraint" and '"foreign_key"' in text:
            match = _FOREIGN_KEY.match(str(state.definition(fact).get("definition", "")))
            table = state.parent(fact)
            if match and table is not None and "PERIOD " not in match[0]:
                yield table, match["columns"], match["table"], match["keys"]


def _with_new_values(
    key: tuple[FactId, str, str, str], live: Snapshot, goal: Snapshot, intent: Intent
) -> tuple[FactId, str, str, str]:
    """The foreign key with the expressions of what its columns will hold, where the plan fills or converts them."""
    table, columns, referenced, keys = key
    values: list[str] = []
    for written in _COLUMN.findall(columns):
        column = FactId("column", (*table.name, written.strip('"').replace('""', '"')))
        default = goal.find(FactId("default", column.name)) if column not in live else None
        value = intent.conversions.get(column, written if column in live else "NULL")
        if (filling := intent.backfills.get(column)) is not None:
            value = f"coalesce({value}, ({filling}))"
        elif default is not None:
            value = str(default["expression"])
        values.append(f"({value})")
    return table, ", ".join(values), referenced, keys


class _Reader:
    """Reads live; what fails for one table is noted, and nothing else suffers from it."""

    def __init__(self, connection: Connection, live: Snapshot, search_path: str) -> None:
        self._connection = connection
        self._search_path = search_path
        self._live = live
        self._tables = {address[1]: fact for fact, address in live.addresses.items() if fact.kind == "table"}
        self._oids = {fact: oid for oid, fact in self._tables.items()}
        self.taken: dict[FactId, set[str]] = {}
        self.unread: dict[FactId, str] = {}
        self._others: dict[FactId, str] = {}

    def leave_others(self) -> None:
        """Notes the tables of others: to read them already runs, as this role, what their owners have made for them."""
        reached = read_reached(self._connection, self._oids, ("routine", "type", "relation"))
        for table, what in reached.items():
            self._others[table] = f"{what} could run as this role"

    def take(self, table: FactId) -> bool:
        """The first rows of the table, and some from anywhere."""
        if table in self._others:
            self.unread[table] = self._others[table]
            return False
        name = sql.Identifier(*table.name)
        text = sql.SQL("SELECT ctid::text FROM ONLY {} LIMIT {}").format(name, 2 * ROWS)
        try:
            with transaction(self._connection), cursor(self._connection) as rows:
                counted = "select reltuples from pg_catalog.pg_class where oid = %s"
                count = rows.execute(counted, (self._oids[table],)).fetchone()
                if count is not None and count[0] > 2 * ROWS:
                    percent = min(100.0, 400.0 * ROWS / float(count[0]))
                    text = sql.SQL(
                        "(SELECT ctid::text FROM ONLY {name} LIMIT {rows}) UNION (SELECT ctid::text FROM ONLY {name}"
                        " TABLESAMPLE pg_catalog.system ({percent}) REPEATABLE (0) LIMIT {rows})"
                    ).format(name=name, rows=ROWS, percent=percent)
                self.taken[table] = {row[0] for row in rows.execute(text)}
        except psycopg.Error as exc:
            self.unread[table] = server_message(exc).message
        return bool(self.taken.get(table))

    def follow(self, table: FactId, columns: str, referenced: str, keys: str) -> Iterable[FactId]:
        """The tables of which rows were added since the table's refer to them."""
        text = sql.SQL(
            "SELECT tableoid::pg_catalog.int8, ctid::pg_catalog.text FROM {} WHERE ({}) IN"
            " (SELECT {} FROM ONLY {} WHERE ctid = ANY({}::pg_catalog.tid[]))"
        ).format(
            sql.SQL(trusted(referenced)),
            sql.SQL(trusted(keys)),
            sql.SQL(trusted(columns)),
            sql.Identifier(*table.name),
            _array(self.taken[table]),
        )
        found: list[tuple[int, str]] = []
        if any(leading_name(referenced) == other.name for other in self._others):
            return
        try:
            # An expression of a hint may call anything: it must change nothing.
            with transaction(self._connection, force_rollback=True), cursor(self._connection) as rows:
                rows.execute(
                    "SELECT pg_catalog.set_config('search_path', %s, true),"
                    " pg_catalog.set_config('transaction_read_only', 'on', true)",
                    (self._search_path,),
                )
                found = [(row[0], row[1]) for row in rows.execute(text)]
        except psycopg.Error:
            return  # a foreign key that is only declared may name what is not there yet; loading tells what is missing
        grown: set[FactId] = set()
        for oid, ctid in found:
            other = self._tables.get(oid)
            if other is None:
                continue
            known = self.taken.setdefault(other, set())
            if ctid not in known and len(known) < _MOST_ROWS:
                known.add(ctid)
                grown.add(other)
        yield from grown

    def copy(self, table: FactId) -> TableRows | None:
        """The rows; None where there are none or they cannot be read."""
        rows = self.taken[table]
        own = [each for each in self._live.children.get(table, ()) if each.kind == "column"]
        columns = tuple(each.name[2] for each in own if "generated" not in self._live.definition(each))
        if not rows or not columns or table in self.unread:
            return None
        *_, root = table, *ancestors(table, self._live)
        if any(each.kind == "foreign_table" for each in tree(root, self._live)):
            # Reading the whole would read what the copy's foreign table stands for.
            self.unread[table] = f"a partition of {root} is a foreign table"
            return None
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        text = sql.SQL("COPY (SELECT {} FROM ONLY {} WHERE ctid = ANY({}::pg_catalog.tid[])) TO STDOUT").format(
            names, sql.Identifier(*table.name), _array(rows)
        )
        data = bytearray()
        try:
            with transaction(self._connection), cursor(self._connection) as reading, reading.copy(text) as copy:
                for chunk in copy:
                    data += chunk
                    if len(data) > _MOST_BYTES:
                        break
        except psycopg.Error as exc:
            self.unread[table] = server_message(exc).message
            return None
        if len(data) > _MOST_BYTES:
            self.unread[table] = "its rows are too large"
            return None
        return TableRows(columns=columns, data=bytes(data), count=data.count(b"\n"))


def _array(ctids: Iterable[str]) -> sql.Literal:
    """An array of ctids as a literal, since a name in the same query may hold a percent sign."""
    return sql.Literal("{" + ",".join(f'"{ctid}"' for ctid in sorted(ctids)) + "}")
