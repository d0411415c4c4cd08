"""The rehearsal on sampled rows: they are loaded into the copy of live, and compared when the plan has run. Does I/O.

Rows are loaded in the order in which the copy's tables are made, after their constraints and before triggers and those
foreign keys that a cycle keeps for last; no trigger fires and no superuser is needed. A table's rows are counted
afterwards, and the values of every column that stays are compared: as text where its type stays, else by what is NULL.
What the plan itself calls a loss of data is not compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.connections import cursor, execute, server_message, transaction
from reconciler.errors import ProofError
from reconciler.model.facts import SATELLITE_KINDS, FactId
from reconciler.model.hazards import HazardKind
from reconciler.planner.partitions.tree import ancestors, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.proof.sampling import Sample
    from reconciler.scratch.place import Place

__all__ = ["RowRehearsal", "around_rows", "with_rows"]

# Types whose values are written differently when the type itself changes, though they mean the same.
_REWRITTEN = frozenset({"composite_type", "range_type", "base_type", "table", "view", "materialized_view"})
_TYPES = frozenset({"domain", "enum"}) | _REWRITTEN
# Types whose values are OIDs that are written as the names of objects.
_BY_NAME = frozenset({
    "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
    "regprocedure", "regrole", "regtype",
})  # fmt: skip
_Values = list[dict[str, str | None]]


@dataclass(kw_only=True)
class RowRehearsal:
    """The rows of one rehearsal: `told` are columns whose values change because a hint says how."""

    sample: Sample
    told: frozenset[FactId] = frozenset()
    unloaded: dict[FactId, str] = field(default_factory=dict[FactId, str])
    _loaded: list[FactId] = field(default_factory=list[FactId])
    _before: Snapshot | None = None
    _held: dict[FactId, _Values] = field(default_factory=dict[FactId, _Values])

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each table whose rows were not rehearsed, with the reason."""
        reasons = {**self.sample.unread, **self.unloaded}
        return tuple(f"{table}: not rehearsed on its rows: {reasons[table]}" for table in sorted(reasons))

    def load(self, place: Place, made: Sequence[Statement]) -> None:
        """Puts the rows into the copy; `made` are the statements that made its tables, in their order."""
        order = {fact: number for number, each in enumerate(made) for fact in each.creates if fact.kind == "table"}
        for table, rows in sorted(self.sample.tables.items(), key=lambda each: order.get(each[0], 0)):
            text = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(*table.name), sql.SQL(", ").join(map(sql.Identifier, rows.columns))
            )
            try:
                with transaction(place.connection):
                    with cursor(place.connection) as writing, writing.copy(text) as copy:
                        copy.write(rows.data)
                    # A check that waits for the commit would hinder every ALTER TABLE.
                    execute(place.connection, "SET CONSTRAINTS ALL IMMEDIATE")
                self._loaded.append(table)
            except psycopg.Error as exc:
                self.unloaded[table] = server_message(exc).message

    def hold(self, place: Place, before: Snapshot) -> None:
        """Remembers the values before the plan runs; `before` is the copy, with its addresses."""
        self._before = before
        for root in sorted({_root(table, before) for table in self._loaded}):
            columns = _columns(root, before)
            self._held[root] = _read(place, root, {column: column for column in columns}, before)

    def compare(self, place: Place, after: Snapshot, plan: Plan) -> None:
        """Raises ProofError where a table does not keep its rows, or a column that stays its values."""
        lost = frozenset(hazard.fact for hazard in plan.hazards if hazard.kind is HazardKind.DATA_LOSS)
        for root in self._held:
            self._compare(root, place, after, plan, lost)

    def _compare(self, root: FactId, place: Place, after: Snapshot, plan: Plan, lost: frozenset[FactId]) -> None:
        before, held = self._before, self._held[root]
        assert before is not None
        tables = {table: _now(table, before, after) for table in tree(root, before)}
        if lost & ({*tables} | {now for now in tables.values() if now is not None}):
            return
        present = {now for now in tables.values() if now is not None}
        whole = [table for table in sorted(present) if not present.intersection(ancestors(table, after))]
        names = {column: _column_now(root, column, tables[root], before, after) for column in _columns(root, before)}
        excused = lost | self.told
        kept: dict[str, str] = {}
        for column, now in names.items():
            facts = {FactId("column", (*root.name, column)), *(FactId("column", (*each.name, now)) for each in whole)}
            there = [after.find(FactId("column", (*each.name, now))) for each in whole]
            if not facts & excused and all(each is not None and "generated" not in each for each in there):
                kept[column] = now
        found: _Values = []
        for table in whole:
            found += _read(place, table, kept, after)
        if len(found) != len(held):
            raise _error(f"{root} has {len(found)} rows of {len(held)}")
        if not whole:
            return
        exact = [column for column, now in kept.items() if self._is_exact(root, column, whole[0], now, after, plan)]
        for column in kept:
            if column in exact:
                differing = (_counted(held, [column]) - _counted(found, [column])).total()
            else:
                differing = sum(row[column] is None for row in found) - sum(row[column] is None for row in held)
            if differing > 0:
                fact = FactId("column", (*root.name, column))
                raise _error(f"{fact} does not keep its values: {differing} of {len(held)} are lost")
        if _counted(held, exact) != _counted(found, exact):
            raise _error(f"{root}: its columns keep their values, but its rows do not")

    def _is_exact(self, root: FactId, column: str, table: FactId, now: str, after: Snapshot, plan: Plan) -> bool:
        """Whether the values are written in the same way before and after."""
        assert self._before is not None
        old, new = FactId("column", (*root.name, column)), FactId("column", (*table.name, now))
        if self._before.definition(old)["type"] != after.definition(new)["type"]:
            return False
        types = _types(old, self._before)
        # What is written by a name changes with the name.
        if types & {FactId("enum", rename.new.name[:2]) for rename in plan.renames if rename.new.kind == "enum_label"}:
            return False
        if str(after.definition(new)["type"]).removesuffix("[]") in _BY_NAME:
            return False
        touched = {
            fact
            for statement in plan.statements
            for fact in (*statement.creates, *statement.alters, *statement.drops)
            if fact.kind in _REWRITTEN
        }
        return not touched & types


def with_rows(statements: Sequence[Statement]) -> list[Statement]:
    """The plan's statements as they are rehearsed on rows: what fills a column in batches fills it at once."""
    return [
        replace(each, rehearsal=f"{each.sql}; SET CONSTRAINTS ALL IMMEDIATE") if each.batched is not None else each
        for each in statements
    ]


def around_rows(statements: Sequence[Statement], state: Snapshot) -> tuple[list[Statement], list[Statement]]:
    """The statements that make a copy, before and after its rows: triggers and foreign keys of their own come after."""
    first: list[Statement] = []
    last: list[Statement] = []
    for statement in statements:
        facts = (*statement.creates, *statement.alters)
        (last if facts and all(_comes_late(fact, state) for fact in facts) else first).append(statement)
    return first, last


def _comes_late(fact: FactId, state: Snapshot) -> bool:
    if fact.kind in SATELLITE_KINDS:
        return _comes_late(fact.target, state)
    return fact.kind in ("trigger", "partition_trigger") or (
        fact.kind == "constraint" and (state.find(fact) or {}).get("type") == "foreign_key"
    )


def _root(table: FactId, state: Snapshot) -> FactId:
    return next(iter([*ancestors(table, state)][::-1]), table)


def _columns(table: FactId, state: Snapshot) -> list[str]:
    return [fact.name[2] for fact in state.children.get(table, ()) if fact.kind == "column"]


def _types(column: FactId, state: Snapshot) -> set[FactId]:
    """The types that the column's values are made of."""
    found: set[FactId] = set()
    waiting = [column]
    while waiting:
        for needed in state.dependencies.get(waiting.pop(), ()):
            if needed.kind in _TYPES and needed not in found and needed != state.parent(column):
                found.add(needed)
                waiting.append(needed)
    return found


def _now(table: FactId, before: Snapshot, after: Snapshot) -> FactId | None:
    """The table as it is called afterwards: under any name the same relation, else another of the same name."""
    address = before.addresses.get(table)
    renamed = next((fact for fact, each in after.addresses.items() if each == address and fact.kind == "table"), None)
    return renamed or (table if table in after else None)


def _column_now(root: FactId, column: str, table: FactId | None, before: Snapshot, after: Snapshot) -> str:
    """The column's name afterwards; one that was recreated in the same table has the same name."""
    address = before.addresses.get(FactId("column", (*root.name, column)))
    if table is not None and address is not None:
        for fact in after.children.get(table, ()):
            if fact.kind == "column" and after.addresses.get(fact) == address:
                return fact.name[2]
    return column


def _read(place: Place, table: FactId, columns: dict[str, str], state: Snapshot) -> _Values:
    """The table's rows as text, its columns under the names that `columns` maps to those in the table."""
    only = sql.SQL("" if "partition_key" in state.definition(table) else "ONLY ")
    values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(now)) for now in columns.values())
    text = sql.SQL("SELECT {} FROM {}{}").format(values, only, sql.Identifier(*table.name))
    with cursor(place.connection) as rows:
        return [dict(zip(columns, row, strict=True)) for row in rows.execute(text)]


def _counted(rows: _Values, columns: Iterable[str]) -> Counter[tuple[str | None, ...]]:
    chosen = [*columns]
    return Counter(tuple(row[column] for column in chosen) for row in rows)


def _error(what: str) -> ProofError:
    return ProofError(
        f"the plan was rehearsed on sampled rows: {what}",
        hint="look in the plan for what changes these rows, as a function that a default or a hint calls may;"
        " `--proof schema` rehearses without rows, if you have read the plan",
        left="nothing was changed",
    )
