"""Proofs that all rows and values have arrived before what held them goes. Pure: no I/O.

What moves or fills rows can be turned away by a policy, a rule or a trigger without an error. So nothing old goes
before a statement that none of these can filter has shown that all of it is there: a CHECK that is validated, or a
count and the values read with `row_security = off`. A statement with an `arrival` is such a proof, whatever is known of
guards.

Rows are compared as text, which every type has. A digest of a set of rows is one number that does not depend on their
order, and of which the sum for two sets is the one of both together: their count and the sum of their hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model.checks import NOT_CARRIED, Arrival
from reconciler.model.plan import LockMode
from reconciler.model.temporary_names import is_leftover, temporary_name
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.sql.quoting import Part, compose, dollar_quoted, joined, literal, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["Rows", "added_up", "arrival", "kept_in_mind", "proof_of_count", "same_rows", "shared_out"]

_GUARDS = frozenset({"policy", "rule", "trigger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A set of rows: `values`, which is one expression a column, of those of `source` for which `where` holds."""

    values: Sequence[Part]
    source: Part
    where: Part | None = None

    @property
    def texts(self) -> Part:
        """A query for each row as one text."""
        condition = raw("" if self.where is None else compose(" WHERE {}", self.where))
        return raw(compose("SELECT ROW({})::pg_catalog.text FROM {}{}", joined([*self.values]), self.source, condition))

    @property
    def digest(self) -> Part:
        """A query for the one number: 10^40 for each row, and the sum of the rows' hashes, of 64 bits each."""
        return raw(
            compose(
                "(SELECT pg_catalog.numeric_add(pg_catalog.numeric_mul(pg_catalog.count(*), 1e40),"
                " coalesce(pg_catalog.sum(pg_catalog.hashtextextended(r.t, 0)), 0)) FROM ({}) r(t))",
                self.texts,
            )
        )


def _family(table: FactId, context: Context) -> Iterable[FactId]:
    """The table, and what inherits from it or is a partition of it, on all levels, in live."""
    yield table
    for link in context.live.heirs.get(table.name, ()):
        if (heir := context.live.parent(link)) is not None:
            yield from _family(heir, context)


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


def proof_of_count(proven: Arrival) -> StatementDraft:
    """The statement that fails where any row is missing; it reads with `row_security = off`, and so all or nothing."""
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
    return _block(body, proven)


def same_rows(before: Rows, after: Rows) -> str:
    """How many rows of `before` are not in `after`, or the other way round; one scan of each where all are."""
    return compose(
        "SELECT CASE WHEN {} OPERATOR(pg_catalog.=) {} THEN 0 ELSE greatest(1,"
        " (SELECT pg_catalog.count(*) FROM ({} EXCEPT ALL {}) m),"
        " (SELECT pg_catalog.count(*) FROM ({} EXCEPT ALL {}) m)) END",
        before.digest,
        after.digest,
        before.texts,
        after.texts,
        after.texts,
        before.texts,
    )


def kept_in_mind(rows: Rows, table: FactId) -> StatementDraft:
    """Notes the digest of the rows for `added_up` and `shared_out`, until the transaction ends."""
    body = compose(
        "BEGIN\n  SET LOCAL row_security = off;\n  PERFORM pg_catalog.set_config({}, {}::pg_catalog.text, true);\nEND",
        _setting(table),
        rows.digest,
    )
    return _block(body, None)


def added_up(parts: Sequence[Rows], whole: Rows, table: FactId) -> str:
    """How many rows are missing in `whole`, which must be those that were noted of the table, and `parts`."""
    return _missing(_sum([_note(table), *(each.digest for each in parts)]), whole.digest)


def shared_out(parts: Sequence[Rows], table: FactId) -> str:
    """How many rows are missing in `parts`, which must be together those that were noted of the table."""
    return _missing(_note(table), _sum([each.digest for each in parts]))


def _missing(expected: Part, found: Part) -> str:
    return compose(
        "SELECT CASE WHEN s.expected OPERATOR(pg_catalog.=) s.found THEN 0 ELSE greatest(1, pg_catalog.round("
        "pg_catalog.numeric_div(pg_catalog.numeric_sub(s.expected, s.found), 1e40)))::pg_catalog.int8 END"
        " FROM (SELECT {}, {}) s(expected, found)",
        expected,
        found,
    )


def _sum(digests: Sequence[Part]) -> Part:
    total = digests[0]
    for each in digests[1:]:
        total = raw(compose("pg_catalog.numeric_add({}, {})", total, each))
    return total


def _note(table: FactId) -> Part:
    return raw(compose("pg_catalog.current_setting({}, true)::pg_catalog.numeric", _setting(table)))


def _setting(table: FactId) -> Part:
    return literal(f"reconciler.{temporary_name(*table.name, 'rows')}")


def _block(body: str, proven: Arrival | None) -> StatementDraft:
    # A name in a query is a column's before it is a variable's.
    text = compose("DO {}", dollar_quoted(f"\n#variable_conflict use_column\n{body}\n", "rows"))
    return StatementDraft(sql=text, lock=LockMode.ACCESS_SHARE, locks=proven.table if proven else None, arrival=proven)
