"""Proofs that all rows and values have arrived before what held them goes. Pure: no I/O.

What moves or fills rows can be turned away by a policy, a rule or a trigger without an error. So nothing old goes
before a statement that none of these can filter has shown that all of it is there: a CHECK that is validated, or a
count and the values read with `row_security = off`. A statement with an `arrival` is such a proof, whatever is known of
guards.

Sets of rows are compared by a hash of each row, which costs less to sort than the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from reconciler.model.checks import NOT_CARRIED, Arrival
from reconciler.model.plan import LockMode, RowAccess, RowCommand
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.sql.quoting import Part, compose, dollar_quoted, joined, literal, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["Rows", "arrival", "not_among", "proof_of_count", "same_rows"]

_GUARDS = frozenset({"policy", "rule", "trigger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A set of rows: `values`, which is one expression a column, of those of `source` for which `where` holds."""

    values: Sequence[Part]
    source: Part
    where: Part | None = None

    @property
    def hashes(self) -> Part:
        """A query for a hash of 64 bits for each row, of its values as text, which every type has."""
        condition = raw("" if self.where is None else compose(" WHERE {}", self.where))
        row = joined([*self.values])
        template: LiteralString = "SELECT pg_catalog.hashtextextended(ROW({})::pg_catalog.text, 0) FROM {}{}"
        return raw(compose(template, row, self.source, condition))


def _family(table: FactId, context: Context) -> Iterable[FactId]:
    """The table, and what inherits from it or is a partition of it, on all levels, in live."""
    yield table
    for link in context.live.inheritances.get(table.name, ()):
        if (child := context.live.parent(link)) is not None:
            yield from _family(child, context)


def _guards_of(tables: Iterable[FactId], context: Context) -> tuple[FactId, ...]:
    """The policies, rules and triggers of the tables and of those below that can turn rows away, in live."""
    found: set[FactId] = set()
    for table in {member for each in tables for member in _family(each, context)}:
        if table not in context.live:
            continue
        has_policies = bool(context.old(table).get("row_security"))
        for part in context.live.children.get(table, ()):
            if part.kind not in _GUARDS or is_leftover(part) or context.old(part).get("enabled") == "DISABLE":
                continue
            if part.kind != "policy" or has_policies:
                found.add(part)
    return tuple(sorted(found))


def arrival(table: FactId, what: str, missing: str, context: Context, *, also: Iterable[FactId] = ()) -> Arrival:
    """What is proven of the table: `missing` is a query for the number of rows that did not arrive.

    What is on the table, on those below it and on those that are `also` named can have turned rows away.
    """
    return Arrival(table=table, what=what, missing=missing, guards=_guards_of((table, *also), context))


def proof_of_count(proven: Arrival, *also_read: RowAccess) -> StatementDraft:
    """The statement that fails where any row is missing; it reads with `row_security = off`, and so all or nothing.

    It reads the table, and what `also_read` says.
    """
    body = compose(
        "DECLARE missing pg_catalog.int8;\n"
        "BEGIN\n"
        "  SET LOCAL row_security = off;\n"
        "  missing := ({});\n"
        "  IF missing OPERATOR(pg_catalog.<>) 0 THEN\n"
        "    RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = pg_catalog.concat(missing, {});\n"
        "  END IF;\n"
        "END",
        raw(proven.missing),
        literal(NOT_CARRIED),
        literal(f" {proven.what}"),
    )
    # A name in a query is a column's before it is a variable's.
    text = compose("DO {}", dollar_quoted(f"\n#variable_conflict use_column\n{body}\n", "rows"))
    rows = (RowAccess(table=proven.table, command=RowCommand.SELECT), *also_read)
    return StatementDraft(sql=text, lock=LockMode.ACCESS_SHARE, locks=proven.table, rows=rows, arrival=proven)


def same_rows(before: Rows, after: Rows) -> str:
    """How many rows of `before` are not in `after`, or else how many more than these are there."""
    return compose(
        "SELECT greatest(({}), (SELECT pg_catalog.count(*) FROM ({}) m) OPERATOR(pg_catalog.-)"
        " (SELECT pg_catalog.count(*) FROM ({}) m))",
        raw(not_among(before, after)),
        after.hashes,
        before.hashes,
    )


def not_among(before: Rows, after: Rows) -> str:
    """How many rows of `before` are not in `after`, which may have others too.

    A row that is missing is not noticed where `after` had its equal in all columns before.
    """
    return compose("SELECT pg_catalog.count(*) FROM ({} EXCEPT ALL {}) m", before.hashes, after.hashes)
