"""Tables that must be recreated keep their rows: the old one is renamed, its rows move into the new one. Pure: no I/O.

This is for a plain table that becomes partitioned, or the reverse; for a partitioned one with another key; and for what
else ALTER TABLE cannot do. The partitions of the old table are renamed with it and stay attached to it until its rows
have moved. A partition that stays without being a partition of the new table is detached before that, with its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, RowAccess, RowCommand
from reconciler.planner.columns.backfill import read_by
from reconciler.planner.columns.sequence_values import continue_after
from reconciler.planner.core.arrival import Rows, arrival, not_among, proof_of_count, same_rows
from reconciler.planner.core.nodes import ROUTINES, Act, Node
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.core.strategy import Strategy
from reconciler.planner.partitions.index_attachment import detaches_when_renamed
from reconciler.planner.partitions.publications import sends, silenced
from reconciler.planner.partitions.tree import is_partitioned, links_of, partitions_of, tree
from reconciler.planner.sql.casts import conversion
from reconciler.planner.sql.object_names import qualified, split_name
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "RecreateTable",
    "calls_own",
    "columns_of",
    "compared",
    "is_recreated",
    "published_copies",
    "value_for",
    "waits_for_rows",
]

_SUFFIX = "__replaced"


def _holds_rows(table: FactId, context: Context) -> bool:
    """Whether rows must move when the table is recreated: those of a partitioned one stay if the key does."""
    key = context.old(table).get("partition_key")
    return key is None or key != context.new(table).get("partition_key")


def is_recreated(table: FactId, context: Context) -> bool:
    """Whether the table is recreated and has rows of its own, or its partitions have them."""
    if table.kind != "table" or table not in context.drops or table not in context.creates:
        return False
    return table in context.live and _holds_rows(table, context)


def _recreated_with(table: FactId, context: Context) -> Iterable[FactId]:
    """The partitions that must be recreated with a table because its rows are distributed differently."""
    if table.kind != "table" or table not in context.goal or table not in context.live:
        return
    if table.name not in context.live.inheritances or not _holds_rows(table, context):
        return
    after = {*tree(table, context.goal)}
    yield from (child for child in tree(table, context.live) if child in after and child != table)


def _recreated_tables(context: Context) -> tuple[set[FactId], set[FactId]]:
    """The tables whose rows move; and with them their partitions: all tables that get a temporary name."""
    found = {table for table in context.drops & context.creates if is_recreated(table, context)}
    families = {table: [*_family(table, context)] for table in sorted(found)}
    members = {child for table, family in families.items() for child in family if child != table}
    return found - members, found | members


def _family(table: FactId, context: Context) -> Iterable[FactId]:
    """The old table and those of its partitions that are detached from it only to be recreated, or for good."""
    after = {*tree(table, context.goal)}
    waiting = [table]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += (
            child
            for _, child in partitions_of(current, context.live)
            if child in context.drops and (child not in context.goal or child in after)
        )


def calls_own(part: FactId, context: Context) -> bool:
    """Whether a part of a renamed table calls a routine that is recreated, as it has rows of such a table."""
    routines = (each for each in context.live.dependencies.get(part, ()) if each.kind in ROUTINES)
    renamed = context.decided.renamed_tables
    return context.live.object_of(part) in renamed and any(
        routine in context.drops and not renamed.isdisjoint(context.live.dependencies.get(routine, ()))
        for routine in routines
    )


def _dropped_alone(fact: FactId, owners: Sequence[FactId], context: Context) -> Sequence[FactId]:
    """Those of `owners` that drop the fact with them. What a renamed table would keep, names or rows, is dropped
    before.

    Names of indexes, keys and statistics belong to the schema and not to the table; so do those of sequences.
    """
    if not context.decided.renamed_tables:
        return owners
    if fact in context.decided.renamed_tables or calls_own(fact, context):
        return ()
    table = context.live.parent(fact)
    match fact.kind:
        case "index" | "statistics":
            alone = True
        case "constraint":
            definition = context.old(fact)
            kind = definition["type"]
            refers = any(each in context.decided.renamed_tables for each in _referred(fact, context))
            alone = kind in ("primary_key", "unique", "exclude") or (kind == "foreign_key" and refers)
            alone = alone or (not definition.get("inherited") and any(_leaving(fact, context)))
        case "policy" | "rule":
            alone = any(_leaving(fact, context)) or any(_changing(fact, context))
        case "trigger":
            alone = any(_leaving(fact, context))
        case "inheritance":
            alone = detaches_when_renamed(fact, context) or _leaves_parent(fact, context)
        case _:
            alone = False
    if not alone or (table is not None and table not in context.decided.renamed_tables):
        return owners
    return [owner for owner in owners if owner.kind in ("index", "constraint")]


def _leaves_parent(link: FactId, context: Context) -> bool:
    """Whether the old table would be altered with a parent that stays, before the rows have moved."""
    return "bound" not in context.old(link) and FactId("table", link.name[2:]) not in context.decided.renamed_tables


def _leaving(fact: FactId, context: Context) -> Iterable[FactId]:
    """What the fact needs and is dropped, other than renamed tables and what is dropped with them."""
    for needed in context.live.dependencies.get(fact, ()):
        if needed in context.drops and context.live.object_of(needed) not in context.decided.renamed_tables:
            owned = context.live.find(FactId("owned_by", needed.name)) if needed.kind == "sequence" else None
            if (
                owned is None
                or FactId("table", (str(owned["schema"]), str(owned["table"]))) not in context.decided.renamed_tables
            ):
                yield needed


def _changing(fact: FactId, context: Context) -> Iterable[FactId]:
    """Columns of other tables that the fact names: Postgres changes no type that a rule or a policy names."""
    for needed in context.live.dependencies.get(fact, ()):
        if (
            needed.kind == "column"
            and needed in context.alters
            and context.live.parent(needed) not in context.decided.renamed_tables
        ):
            yield needed


def _referred(fact: FactId, context: Context) -> Iterable[FactId]:
    for needed in context.live.dependencies.get(fact, ()):
        yield context.live.object_of(needed)


def _rename_out_of_the_way(table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Gives the old table a temporary name, and its sequences too."""
    text = compose(
        "ALTER TABLE {} RENAME TO {}",
        qualified(table),
        name(context.interim_name(table.name[0], table.name[1], _SUFFIX)),
    )
    yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
    for schema, sequence in _sequences(table, context):
        text = compose(
            "ALTER SEQUENCE {} RENAME TO {}",
            name(schema, sequence),
            name(context.interim_name(schema, sequence, _SUFFIX)),
        )
        yield StatementDraft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)


def _sequences(table: FactId, context: Context) -> Iterable[tuple[str, str]]:
    """Those of identity columns, and those that belong to a column and are no longer declared."""
    for column in columns_of(table, context.live):
        identity = cast("Definition | None", context.old(column).get("identity"))
        if identity is not None:
            yield _sequence(identity)
        for owned in context.dependents.get(column, ()):
            if owned.kind == "owned_by" and FactId("sequence", owned.name) in context.drops:
                yield owned.name[0], owned.name[1]


def _move_rows(table: FactId, context: Context) -> Iterable[StatementDraft]:
    """Moves the rows into the new table, which continues the numbers of the old one, and drops the old one.

    Rows that have been rerouted to another partition do not move.
    """
    which = context.decided.rows_that_stay.get(table)
    live = {column.name[2]: column for column in columns_of(table, context.live)}
    goal = sorted(columns_of(table, context.goal), key=context.position)
    filled = [column for column in goal if "generated" not in context.new(column)]
    values = [(column, value_for(column, live, context)) for column in filled]
    said = [(column, value) for column, value in values if value is not None]
    size = context.sizes.get(table)
    found: list[Hazard] = [hazards.rewrites(table, "its rows move into a new table", size)]
    if "partition_key" in context.new(table):
        found.append(hazards.may_fail(table, "fails if a row fits no partition", size))
    stay = {column.name[2] for column in goal}
    found += [hazards.loses_column(column, size) for key, column in live.items() if key not in stay]
    if said:
        always = any("identity" in context.new(column) for column, _ in said)
        text = compose(
            "INSERT INTO {} ({}){} SELECT {} FROM {}{}",
            qualified(table),
            joined([name(column.name[2]) for column, _ in said]),
            raw(" OVERRIDING SYSTEM VALUE" if always else ""),
            joined([value for _, value in said]),
            _old(table, context),
            raw("" if which is None else compose(" WHERE {}", which)),
        )
        old = FactId("table", (table.name[0], context.interim_name(table.name[0], table.name[1], _SUFFIX)))
        hints = (context.intent.backfills.get(column) or context.intent.conversions.get(column) for column, _ in said)
        rows = (
            RowAccess(table=table, command=RowCommand.INSERT),
            RowAccess(table=table, command=RowCommand.SELECT, aside=old, is_last=True),
            *(read for hint in hints if hint is not None for read in read_by(hint, table, context)),
        )
        first, last = silenced(published_copies(table, context), context)
        yield from first
        yield StatementDraft(sql=text, hazards=tuple(found), lock=LockMode.ACCESS_EXCLUSIVE, locks=table, rows=rows)
        yield from last
        yield _proof(table, said, which, context)
    for column, _ in said:
        yield from _numbers_on(column, context)
    yield StatementDraft(
        sql=compose("DROP TABLE {}", _old(table, context)), lock=LockMode.ACCESS_EXCLUSIVE, locks=table
    )


def _proof(table: FactId, said: Sequence[tuple[FactId, Part]], which: Part | None, context: Context) -> StatementDraft:
    """Proves that the rows have arrived. The policies of the old table have been suspended for good by then."""
    values, names = compared(said, context)
    # What inherits from it has rows of its own.
    only = raw("" if is_partitioned(table, context.goal) else "ONLY ")
    before = Rows(values=values, source=_old(table, context), where=which)
    after = Rows(values=names, source=raw(compose("{}{}", only, qualified(table))))
    missing = (not_among if _gets_other_rows(table, context) else same_rows)(before, after)
    what = f"rows of {table} did not arrive in the new table as they were"
    return proof_of_count(arrival(table, what, missing, context, also=tree(table, context.goal)))


def _gets_other_rows(table: FactId, context: Context) -> bool:
    """Whether other tables bring rows into the new one: a parent, partitions that are there or whose rows move too."""
    others = {*tree(table, context.goal)} - {table}
    return bool(links_of(table, context.goal)) or any(
        context.persists(other) or other in context.decided.recreated_tables for other in others
    )


def compared(said: Iterable[tuple[FactId, Part]], context: Context) -> tuple[list[Part], list[Part]]:
    """The values that columns get, as they are read from the columns, and the columns' names.

    What a hint says is left out, as it may differ each time that it is computed.
    """
    hinted = context.intent.backfills.keys() | context.intent.conversions.keys()
    kept = [(column, value) for column, value in said if column not in hinted]
    return [_as_kept(*each, context) for each in kept], [name(column.name[2]) for column, _ in kept]


def _as_kept(column: FactId, value: Part, context: Context) -> Part:
    before, after = str(context.old(column)["type"]), str(context.new(column)["type"])
    return value if before == after else raw(compose("({})::{}", value, raw(after)))


def published_copies(table: FactId, context: Context, *, ours: bool = True) -> list[FactId]:
    """The publications of which subscribers would get rows that they have once more, as they move into a new table.

    `ours`: those that this role may alter; else those that it may not. A table that is in one by its own name is not
    yet in it again.
    """
    if not context.has_subscribers or context.replication is None:
        return []
    return [
        sent.publication
        for sent in sends(table, context.live)
        if (sent.name in context.replication.alterable) is ours
        and sent.publication not in context.drops
        and (sent.is_wide or any(context.persists(part) for part in sent.members))
    ]


def value_for(column: FactId, live: dict[str, FactId], context: Context) -> Part | None:
    """The value of the new table's column, computed from the old one; None: its default."""
    if column.name[2] not in live:
        hint = context.intent.backfills.get(column)
        return None if hint is None else raw(compose("({})", raw(hint)))
    field = name(column.name[2])
    before, after = str(context.old(column)["type"]), str(context.new(column)["type"])
    hint = context.intent.conversions.get(column)
    if hint is not None:
        return raw(compose("({})", raw(hint)))
    if any(needed in context.decided.renamed_types for needed in context.live.dependencies.get(column, ())):
        return raw(compose("{}::text::{}", field, raw(after)))
    if before == after:
        return field
    using = conversion(field, before, after).as_string(None).removeprefix(" USING ")
    return raw(using) if using else field  # assigned as ALTER COLUMN TYPE would: cut nowhere without a word


def _numbers_on(column: FactId, context: Context) -> Iterable[StatementDraft]:
    """An identity column continues at the position of its old sequence; a new sequence, after the largest value."""
    for owned in context.sequences_of(FactId("table", column.name[:2])):
        serial = FactId("sequence", owned.name)
        if serial in context.creates and context.new(owned)["column"] == column.name[2]:
            yield continue_after(column, compose("{}", qualified(serial)), context.new(serial))
    identity = cast("Definition | None", context.new(column).get("identity"))
    if identity is None:
        return
    before = cast("Definition | None", context.old(column).get("identity")) if column in context.live else None
    sequence = str(identity["sequence"])
    options = [{**each, "sequence": "", "always": None} for each in (before or {}, identity)]
    if before is None or options[0] != options[1] or context.changed(column) & {"type"}:
        yield continue_after(column, sequence, identity)
        return
    schema, old = _sequence(before)
    template = compose(
        "SELECT pg_catalog.setval({}, last_value, is_called) FROM {}",
        literal(sequence),
        name(schema, context.interim_name(schema, old, _SUFFIX)),
    )
    yield StatementDraft(sql=template, lock=LockMode.ACCESS_SHARE)


def _ordered(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later): rows move when their new table is complete, and before anything that would check them."""
    for table in context.decided.recreated_tables:
        rows = Node(Act.RESTORE, table)
        family = {*tree(table, context.goal)}
        for member in family:
            links = [link for link in context.goal.inheritances.get(member.name, ()) if link in context.creates]
            parts = [part for part in context.goal.children.get(member, ()) if part.kind in ("column", "default")]
            for fact in (member, *links, *parts):
                if fact in context.creates or fact in context.alters:
                    yield Node(Act.CREATE if fact in context.creates else Act.ALTER, fact), rows
        for fact in context.creates:
            if waits_for_rows(fact, family, context):
                yield rows, Node(Act.CREATE, fact)
        for member in _family(table, context):
            for column in (member, *columns_of(member, context.live)):
                for part in (column, FactId("default", column.name)):
                    for needed in () if calls_own(part, context) else _leaving(part, context):
                        yield rows, Node(Act.RESTORE if needed in context.decided.renamed_types else Act.DROP, needed)


def waits_for_rows(fact: FactId, family: set[FactId], context: Context) -> bool:
    """Triggers and rules, which would fire, and what reads the rows or must not check them yet."""
    match fact.kind:
        case "trigger" | "partition_trigger" | "rule":
            return context.goal.parent(fact) in family
        case "constraint":
            definition = context.new(fact)
            if definition.get("not_valid"):
                return context.goal.parent(fact) in family
            if definition["type"] != "foreign_key":
                return False
        case "view" | "materialized_view" | "publication_table" | "publication_schema":
            pass
        case _:
            return False
    needed = context.goal.dependencies.get(fact, frozenset())
    return any(context.goal.object_of(each) in family for each in needed)


def columns_of(table: FactId, state: Snapshot) -> list[FactId]:
    return [child for child in state.children.get(table, ()) if child.kind == "column"]


def _old(table: FactId, context: Context) -> Part:
    return name(table.name[0], context.interim_name(table.name[0], table.name[1], _SUFFIX))


def _sequence(identity: Definition) -> tuple[str, str]:
    """The name of an identity column's sequence, which Postgres quoted."""
    schema, sequence = split_name(str(identity["sequence"]))
    return schema, sequence


class RecreateTable(Strategy):
    """Tables that cannot be altered: renamed out of the way, and dropped when their rows have moved."""

    def recreated_with(self, gone: FactId, context: Context) -> Iterable[FactId]:
        return _recreated_with(gone, context)

    def settle(self, context: Context) -> None:
        context.decided.recreated_tables, context.decided.renamed_tables = _recreated_tables(context)

    def restored(self, context: Context) -> Collection[FactId]:
        return context.decided.recreated_tables

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        return _ordered(context)

    def owners_of_drop(self, fact: FactId, owners: Sequence[FactId], context: Context) -> Sequence[FactId]:
        return _dropped_alone(fact, owners, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft] | None:
        return _rename_out_of_the_way(fact, context) if fact in context.decided.renamed_tables else None

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        if fact in context.decided.recreated_tables:
            yield from _move_rows(fact, context)
