"""What publications send of a table, and how they are kept from sending what is ours. Pure: no I/O.

Two means, both of which change nothing for the transactions of others. A column list for as long as a table has a
temporary column, which no subscriber could take: the list names all others. And `publish = ''` for as long as a
transaction moves rows that subscribers have: what is decoded sees the publication as it was at each change.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString, NamedTuple, cast

from reconciler.model.facts import FactId
from reconciler.model.plan import Stage
from reconciler.model.temporary_names import is_leftover
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.partitions.tree import ancestors, tree
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.model.facts import Definition, Json
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "ALL_ACTIONS",
    "Lack",
    "Sent",
    "as_before",
    "has_identity",
    "hidden_columns",
    "hide",
    "identified",
    "is_sent",
    "lacks_identity",
    "member",
    "published_columns",
    "sends",
    "shows_again",
    "silenced",
    "to_hide",
    "unlisted",
    "why_not_hidden",
    "why_not_updated",
    "without_identity",
]

_WORD = re.compile(r"[\w$]+")
ALL_ACTIONS = ("insert", "update", "delete", "truncate")


class Sent(NamedTuple):
    """That a publication sends a table's changes: under the name of `root`, else of the partitions that have the rows.

    `members` are the tables of its family that it names; `is_wide`: it sends all tables, or all of a schema.
    """

    publication: FactId
    members: tuple[FactId, ...]
    is_wide: bool
    root: FactId | None
    actions: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.publication.name[0]


def sends(table: FactId, state: Snapshot) -> Iterator[Sent]:
    """The publications that send changes of the table or, where it is partitioned, of its partitions."""
    found = state.find(table)
    if table.kind != "table" or found is None or found.get("unlogged"):
        return
    above = (table, *ancestors(table, state))
    family = {*tree(table, state), *above}
    for publication in (fact for fact in state.facts if fact.kind == "publication"):
        definition = state.definition(publication)
        parts = state.children.get(publication, ())
        schemas = {part.name[1] for part in parts if part.kind == "publication_schema"}
        members = tuple(part for part in parts if part.kind == "publication_table" and _table_of(part) in family)
        named = {_table_of(part) for part in members}
        is_wide = bool(definition.get("all_tables")) or any(each.name[0] in schemas for each in family)
        if not members and not is_wide:
            continue
        via_root = bool(definition.get("publish_via_partition_root"))
        roots = [each for each in above if definition.get("all_tables") or each.name[0] in schemas or each in named]
        yield Sent(
            publication=publication,
            members=members,
            is_wide=is_wide,
            root=roots[-1] if roots and (via_root or not (len(above) > 1 or "partition_key" in found)) else None,
            actions=tuple(cast("list[str]", definition.get("publish", [*ALL_ACTIONS]))),
        )


def _table_of(part: FactId) -> FactId:
    return FactId("table", part.name[1:])


def is_sent(column: FactId, sent: Sent, state: Snapshot) -> bool:
    """Whether the publication sends the column: no generated one, and none that a column list leaves out."""
    definition = state.find(column) or {}
    if "generated" in definition and (
        definition.get("virtual") or state.definition(sent.publication).get("publish_generated_columns") != "stored"
    ):
        return False
    lists = [state.definition(part).get("columns") for part in sent.members if part in state]
    return sent.is_wide or not lists or any(each is None or column.name[2] in cast("list[str]", each) for each in lists)


def has_identity(table: FactId, state: Snapshot) -> bool:
    """Whether subscribers can be told which row is updated or deleted."""
    identity = state.definition(table).get("replica_identity", "default")
    if identity == "full":
        return True
    parts = [part for part in state.children.get(table, ()) if part.kind in ("index", "constraint")]
    if any(state.definition(part).get("replica_identity") for part in parts):
        return True
    return identity == "default" and any(
        part.kind == "constraint"
        and state.definition(part)["type"] == "primary_key"
        and "DEFERRABLE" not in str(state.definition(part)["definition"])
        for part in parts
    )


def why_not_updated(tables: Iterable[FactId], context: Context) -> str | None:
    """Why Postgres refuses to update rows of these tables; None where it does not."""
    for table in tables:
        if "partition_key" in (context.live.find(table) or {}) or table not in context.live:
            continue
        for sent in sends(table, context.live):
            if "update" in sent.actions and (found := lacks_identity(table, sent, context.live)) is not None:
                return f"{sent.publication} sends updates of {table}, which has {found.what}"
    return None


class Lack(NamedTuple):
    """What a published table lacks so that its rows can be updated, and what gives it that."""

    what: str
    remedy: str


def lacks_identity(table: FactId, sent: Sent, state: Snapshot) -> Lack | None:
    """Why Postgres refuses updates and deletes of a table whose updates and deletes are sent; None where it does not.

    A filter may only read columns of the replica identity, and a list of columns must have all of them.
    """
    full = compose("ALTER TABLE {} REPLICA IDENTITY FULL", name(*table.name))
    if not has_identity(table, state):
        return Lack("no replica identity", f"declare a primary key for it, or {full}")
    identity = _identity_columns(table, state)
    above = ancestors(table, state) if sent.root is not None else ()
    for part in (part for part in sent.members if _table_of(part) in (table, *above)):
        definition = state.definition(part)
        listed = cast("list[str] | None", definition.get("columns"))
        if listed is not None and (identity is None or not identity <= {*listed}):
            what = f"a replica identity that is not in the list of columns of {sent.publication}"
            return Lack(what, "add its columns to the list")
        words = {word.lower() for word in _WORD.findall(str(definition.get("where", "")))}
        read = {each.name[2] for each in state.dependencies.get(part, ()) if each.kind == "column"}
        beyond = sorted(each for each in read - (identity or read) if words >= {*_WORD.findall(each.lower())})
        if beyond:
            what = f"a replica identity without column {beyond[0]}, which the filter of {sent.publication} reads"
            return Lack(what, f"filter by columns of the primary key, or {full}")
    return None


def _identity_columns(table: FactId, state: Snapshot) -> set[str] | None:
    """The names of the columns that tell which row is meant; None: all of them."""
    if state.definition(table).get("replica_identity") == "full":
        return None
    parts = [part for part in state.children.get(table, ()) if part.kind in ("index", "constraint")]
    chosen = [part for part in parts if state.definition(part).get("replica_identity")]
    chosen = chosen or [part for part in parts if state.definition(part).get("type") == "primary_key"]
    needed = (each for part in chosen for each in state.dependencies.get(part, ()))
    return {each.name[2] for each in needed if each.kind == "column" and each.name[:2] == table.name}


def without_identity(table: FactId, context: Context) -> Iterator[FactId]:
    """The tables among this one and its partitions that have no replica identity, before the plan and after it.

    Where a publication sends them, none of their rows can be updated, but in a transaction that gives them one.
    """
    for each in tree(table, context.live):
        if _always_lacks(each, context) and why_not_updated((each,), context) is not None:
            yield each


def _always_lacks(table: FactId, context: Context) -> bool:
    """Whether the table has no use of its replica identity in live nor, where it stays, in the goal."""
    states = [state for state in (context.live, context.goal) if table in state]
    return all(
        not has_identity(table, state)
        or any(lacks_identity(table, sent, state) is not None for sent in sends(table, state))
        for state in states
    )


def identified(
    tables: Sequence[FactId], drafts: Iterable[StatementDraft], context: Context
) -> Iterator[StatementDraft]:
    """The statements, which update rows, while these tables that have no replica identity have one."""
    for table in tables:
        yield exclusive(compose("ALTER TABLE {} REPLICA IDENTITY FULL", name(*table.name)), table)
    yield from drafts
    for table in tables:
        usual = raw(str(context.old(table).get("replica_identity", "default")).upper())
        if table in context.goal:
            usual = raw(str(context.new(table).get("replica_identity", "default")).upper())
        yield exclusive(compose("ALTER TABLE {} REPLICA IDENTITY {}", name(*table.name), usual), table)


def member(part: FactId, definition: Definition, *, with_word: bool = True) -> Part:
    """A table or a schema of a publication; exactly this table, as its children have facts of their own."""
    if part.kind == "publication_schema":
        return raw(compose("TABLES IN SCHEMA {}", name(part.name[1])))
    text = compose("{}ONLY {}", raw("TABLE " if with_word else ""), name(*part.name[1:]))
    if "columns" in definition:
        columns = joined([name(column) for column in cast("list[str]", definition["columns"])])
        text = compose("{} ({})", raw(text), columns)
    if "where" in definition:
        text = compose("{} WHERE ({})", raw(text), raw(str(definition["where"])))
    return raw(text)


# --- temporary columns ------------------------------------------------------------------------------------------------


def why_not_hidden(family: Collection[FactId], context: Context) -> str | None:
    """Why subscribers would get a temporary column of these tables; None where they do not, or nobody subscribes."""
    if not context.has_subscribers:
        return None
    for table in family:
        for sent in sends(table, context.live):
            reason = _why_shown(sent, table, family, context)
            if reason is not None:
                return reason
    return None


def _why_shown(sent: Sent, table: FactId, family: Collection[FactId], context: Context) -> str | None:
    live, which = context.live, f"{sent.publication}"
    listed = [part for part in sent.members if _table_of(part) in family]
    if sent.is_wide:
        return f"{which} sends whole schemas, and so its temporary column too"
    if not listed:
        return f"{which} sends it with the table that it is a part of"
    for part in listed:
        owner = _table_of(part)
        if "columns" in live.definition(part):
            continue
        if context.version < 150000:
            return f"{which} would send its temporary column, as there are no column lists before Postgres 15"
        if context.replication is None or sent.name not in context.replication.alterable:
            return f"{which} would send its temporary column, and belongs to another role"
        via_root = live.definition(sent.publication).get("publish_via_partition_root")
        if "partition_key" in live.definition(owner) and not via_root:
            return (
                f"{which} would send its temporary column, and takes no column list without publish_via_partition_root"
            )
        is_full = any(live.definition(each).get("replica_identity") == "full" for each in (*tree(owner, live), table))
        if is_full and {"update", "delete"}.intersection(sent.actions):
            return f"{which} would send its temporary column, and takes no column list with REPLICA IDENTITY FULL"
    return None


def to_hide(family: Collection[FactId], context: Context) -> list[FactId]:
    """The members of publications that get a column list while one of the tables has a temporary column."""
    if not context.has_subscribers or why_not_hidden(family, context) is not None:
        return []
    parts = {part for table in family for sent in sends(table, context.live) for part in sent.members}
    return sorted(part for part in parts if "columns" not in context.old(part) and _table_of(part) in family)


def published_columns(table: FactId, publication: FactId, state: Snapshot) -> list[str]:
    """The columns that a publication sends of a table where it has no column list, but for temporary ones."""
    stored = state.definition(publication).get("publish_generated_columns") == "stored"
    return sorted(
        column.name[2]
        for column in state.children.get(table, ())
        if column.kind == "column"
        and not is_leftover(column)
        and ("generated" not in state.definition(column) or (stored and not state.definition(column).get("virtual")))
    )


def hide(
    column: FactId, family: Collection[FactId], beside: Collection[FactId], context: Context
) -> Iterator[StatementDraft]:
    """The publications get column lists, before the temporary column of `column` is there.

    `beside` are all columns of the table that get a temporary one in this plan: the lists stay until the last is gone.
    """
    table = FactId("table", column.name[:2])
    if table in context.hiding:
        return
    context.hiding[table] = {*beside}
    for part in to_hide(family, context):
        for place, text in enumerate((_out(part), _in(part, _listed(part, context)))):
            yield StatementDraft(sql=text, stage=Stage.BEFORE, joined=place > 0, rehearsal="")


def unlisted(family: Collection[FactId], context: Context) -> Iterator[StatementDraft]:
    """The tables leave their publications, in the transaction in which the temporary column takes its place."""
    for part in to_hide(family, context):
        if part not in context.drops:
            yield StatementDraft(sql=_out(part), rehearsal="")


def shows_again(column: FactId, family: Collection[FactId], context: Context) -> Iterator[StatementDraft]:
    """And return to them, with the column list that they had: none, unless another column has a temporary one."""
    table = FactId("table", column.name[:2])
    left = context.hiding.get(table, set())
    left.discard(column)
    for part in to_hide(family, context):
        if part in context.drops:
            continue
        definition = _listed(part, context) if left else context.old(part)
        yield StatementDraft(sql=_in(part, definition), rehearsal="")


def _listed(part: FactId, context: Context) -> Definition:
    """The member with a list of all columns that it sends, but for temporary ones."""
    columns = published_columns(_table_of(part), FactId("publication", part.name[:1]), context.live)
    return {**context.old(part), "columns": cast("Json", columns)}


def _out(part: FactId) -> str:
    return compose("ALTER PUBLICATION {} DROP {}", name(part.name[0]), member(part, {}))


def _in(part: FactId, definition: Definition) -> str:
    return compose("ALTER PUBLICATION {} ADD {}", name(part.name[0]), member(part, definition))


def hidden_columns(live: Snapshot) -> Iterator[FactId]:
    """The members that still have the column list of a run that was interrupted: it names all but its own columns."""
    for part in (fact for fact in live.facts if fact.kind == "publication_table"):
        table, definition = _table_of(part), live.definition(part)
        if "columns" not in definition or not any(
            column.kind == "column" and is_leftover(column) for column in live.children.get(table, ())
        ):
            continue
        if definition["columns"] == published_columns(table, FactId("publication", part.name[:1]), live):
            yield part


def as_before(live: Snapshot) -> dict[FactId, Definition]:
    """Those members as they were before that run."""
    return {
        part: {key: value for key, value in live.definition(part).items() if key != "columns"}
        for part in hidden_columns(live)
    }


# --- rows that move ---------------------------------------------------------------------------------------------------


def silenced(publications: Sequence[FactId], context: Context) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """Statements before and after rows move, so that these publications do not send that."""
    first: list[StatementDraft] = []
    last: list[StatementDraft] = []
    template: LiteralString = "ALTER PUBLICATION {} SET (publish = {})"
    for publication in publications:
        usual = ", ".join(cast("Iterable[str]", context.old(publication).get("publish", ALL_ACTIONS)))
        about = name(publication.name[0])
        first.append(StatementDraft(sql=compose(template, about, literal("")), rehearsal=""))
        last.append(StatementDraft(sql=compose(template, about, literal(usual)), rehearsal=""))
    return first, last
