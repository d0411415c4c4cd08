"""What of a plan those notice who read the server's log: subscribers of publications, other slots, standbys. Pure.

Postgres replicates rows and no DDL. A subscriber whose table lacks what it is sent stops, and goes on when it has it.
So each hazard says what to run there, and whether before this plan (`first`) or after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.hazards.hazards import stops_subscribers
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode
from reconciler.model.replication import describe_bytes
from reconciler.planner.core.nodes import Act, Node
from reconciler.planner.online import filled_columns
from reconciler.planner.partitions.publications import Sent, is_sent, lacks_identity, sends
from reconciler.planner.partitions.tree import ancestors, is_partitioned, links_of, parent_of, partitions_of, tree
from reconciler.planner.sql.casts import base_type, conversion
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import compose, joined, literal, name, raw
from reconciler.planner.sql.widening import takes_all
from reconciler.planner.strategies import recreate_table, reroute_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.intent import Rename
    from reconciler.model.plan import Statement
    from reconciler.model.replication import Replication
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context
    from reconciler.planner.partitions.publications import Lack

__all__ = ["of_renames", "ordered", "stopped_subscribers", "with_readers"]

_CHANGES = frozenset({"insert", "update"})
# An UPDATE of all rows writes each row and its index entries again, and each page as a whole after a checkpoint:
# measured at 2.2 times the size of table and indexes without those pages, so at most about this.
_LOG_PER_BYTE = 3
_SHOWN = 5


def stopped_subscribers(act: Act, fact: FactId, members: Sequence[FactId], context: Context) -> Iterator[Hazard]:
    """What a group of facts means for subscribers that is created, dropped or altered by the same statements."""
    for each in (fact, *members):
        yield from _without_identity(act, each, context)
        if context.has_subscribers:
            yield from _stopped(act, each, context)


def _stopped(act: Act, fact: FactId, context: Context) -> Iterator[Hazard]:
    match act, fact.kind:
        case Act.CREATE, "column" if context.persists(_table(fact)):
            yield from _retyped(fact, context) if fact in context.live else _added(fact, context)
        case Act.ALTER, "column":
            yield from _retyped(fact, context)
        case Act.DROP, "column" if fact not in context.goal and context.persists(_table(fact)):
            yield from _dropped(fact, context)
        case Act.CREATE, "table" if fact not in context.live:
            yield from _new_table(fact, context)
        case Act.CREATE, "publication_table" | "publication_schema" if fact not in context.live:
            yield from _newly_sent(fact, context)
        case Act.CREATE, "inheritance" if "bound" in context.new(fact):
            yield from _attached(fact, context)
        case Act.ALTER, "enum":
            yield from _labels(fact, context)
        case Act.RESTORE, "table":
            if fact in context.decided.recreated_tables:
                yield from _recreated(fact, context)
            if fact in reroute_rows.tables_with_returning_rows(context):
                yield from _rerouted(fact, context)
        case _:
            return


# --- whom, and what to run --------------------------------------------------------------------------------------------


def _who(publications: Iterable[Sent], context: Context) -> str:
    names = ", ".join(sorted({sent.name for sent in publications}))
    return _subscribers(names, context.replication)


def _subscribers(names: str, replication: Replication | None) -> str:
    slots = "; ".join(str(slot) for slot in replication.subscribers) if replication is not None else ""
    return f"subscribers of {names} ({slots or 'their slots may be on a standby'})"


def _to_run(first: Sequence[str] = (), afterwards: Sequence[str] = ()) -> str:
    parts = [f"first, on each of them: {' '.join(first)}"] if first else []
    if afterwards:
        parts.append(f"afterwards, on each of them: {' '.join(afterwards)}")
    return " ".join(parts)


def _refresh(context: Context) -> str:
    """Takes up tables that are new; a subscription is mostly called as its slot."""
    slots = context.replication.subscribers if context.replication is not None else ()
    return compose("ALTER SUBSCRIPTION {} REFRESH PUBLICATION;", name(slots[0].name if slots else "..."))


def _table(part: FactId) -> FactId:
    return FactId("table", part.name[:2])


def _sent_before_and_after(column: FactId, state: Snapshot, context: Context) -> list[Sent]:
    """The publications that are there and send the column; what a parent's brings is told of the parent's."""
    if state.definition(column).get("inherited"):
        return []
    return [
        sent
        for sent in sends(_table(column), state)
        if sent.publication in context.live and _CHANGES.intersection(sent.actions) and is_sent(column, sent, state)
    ]


def _alter(column: FactId, template: LiteralString, *more: str) -> str:
    parts = [raw(each) for each in more]
    return compose(template, qualified(column), name(column.name[2]), *parts)


# --- columns ----------------------------------------------------------------------------------------------------------


def _added(column: FactId, context: Context) -> Iterator[Hazard]:
    publications = _sent_before_and_after(column, context.goal, context)
    if not publications:
        return
    default = context.goal.find(FactId("default", column.name))
    expression = str(default["expression"]) if default is not None else None
    is_constant = expression is None or "(" not in expression
    kind = str(context.new(column)["type"])
    if expression is not None and is_constant:
        kind = f"{kind} DEFAULT {expression}"
    text = (
        f"{column} is new: {_who(publications, context)} stop with 'missing replicated column' at the next row; "
        + _to_run([_alter(column, "ALTER TABLE {} ADD COLUMN {} {};", kind)])
    )
    fills = column in context.intent.backfills and bool(context.new(column).get("not_null"))
    if fills and not filled_columns.is_filled_online(column, expression, context):
        fills, is_constant = False, True  # by an UPDATE, which is sent
    if fills or not is_constant or "identity" in context.new(column):
        text += f" to send the values that rows get now, run here then: {_touch(column, context)}"
    yield stops_subscribers(column, text)


def _touch(column: FactId, context: Context) -> str:
    """An UPDATE that changes nothing, so that every row is sent."""
    others = [each for each in recreate_table.columns_of(_table(column), context.goal) if each != column]
    plain = [each for each in (column, *sorted(others)) if not context.new(each).keys() & {"generated", "identity"}]
    chosen = name((plain or [column])[0].name[2])
    return compose("UPDATE {} SET {} = {};", qualified(column), chosen, chosen)


def _dropped(column: FactId, context: Context) -> Iterator[Hazard]:
    publications = _sent_before_and_after(column, context.live, context)
    if not publications:
        return
    old = context.old(column)
    needs_value = old.get("not_null") and "identity" not in old and FactId("default", column.name) not in context.live
    drop = _alter(column, "ALTER TABLE {} DROP COLUMN {};")
    who = _who(publications, context)
    if _identifies(column, context):
        text = f"{column} goes, by which {who} find rows: they stop; when they have, on each of them: {drop}"
    elif needs_value:
        first = [_alter(column, "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;")]
        text = f"{column} goes: {who} get no value for it, and stop where it is NOT NULL; {_to_run(first, [drop])}"
    else:
        text = f"{column} goes: {who} get no value for it, and go on; {_to_run((), [drop])}"
    yield stops_subscribers(column, text)


def _identifies(column: FactId, context: Context) -> bool:
    return any(
        part.kind == "constraint" and context.old(part)["type"] == "primary_key"
        for part in context.dependents.get(column, ())
    )


def _retyped(column: FactId, context: Context) -> Iterator[Hazard]:
    before, after = str(context.old(column)["type"]), str(context.new(column)["type"])
    publications = _sent_before_and_after(column, context.goal, context)
    if before == after or not publications:
        return
    said = context.intent.conversions.get(column)
    using = f" USING ({said})" if said is not None else conversion(name(column.name[2]), before, after).as_string(None)
    statement = _alter(column, "ALTER TABLE {} ALTER COLUMN {} TYPE {}{};", after, using)
    who = _who(publications, context)
    if takes_all(before, after) or base_type(after) in ("text", "character varying"):
        text = f"{who} stop at a value that {before} does not hold; {_to_run([statement])}"
    elif takes_all(after, before) or base_type(before) in ("text", "character varying"):
        text = f"{who} go on with {before}; {_to_run((), [statement])}"
    else:
        text = f"{who} stop at the next row that {before} does not hold; when they have, on each of them: {statement}"
    yield stops_subscribers(column, f"{column} becomes {after}: {text}")


def _labels(enum: FactId, context: Context) -> Iterator[Hazard]:
    """Labels that come, where a column of the type is sent."""
    old = set(cast("list[str]", context.old(enum)["labels"]))
    new = [label for label in cast("list[str]", context.new(enum)["labels"]) if label not in old]
    columns = [each for each in context.dependents.get(enum, ()) if each.kind == "column" and each in context.goal]
    publications = [sent for each in columns for sent in _sent_before_and_after(each, context.goal, context)]
    if new and publications:
        added = [compose("ALTER {} ADD VALUE {};", object_phrase(enum), literal(label)) for label in new]
        text = f"{enum} gets labels: {_who(publications, context)} stop at a row that has one; {_to_run(added)}"
        yield stops_subscribers(enum, text)


def of_renames(
    statements: Sequence[Statement], renames: Sequence[Rename], live: Snapshot, replication: Replication
) -> tuple[Statement, ...]:
    """The statements that rename, each with what subscribers notice; `live` is as it was before."""
    if not replication.has_subscribers(live.server_version):
        return tuple(statements)
    found = [*statements]
    for rename in renames:
        hazard = _renamed(rename, live, replication)
        place = next((at for at, each in enumerate(found) if rename.old in each.alters), None)
        if hazard is not None and place is not None:
            found[place] = replace(found[place], hazards=(*found[place].hazards, hazard))
    return tuple(found)


def _renamed(rename: Rename, live: Snapshot, replication: Replication) -> Hazard | None:
    old, new = rename.old, rename.new
    if old.kind not in ("table", "column"):
        return None
    table = _table(old)
    names = {sent.name for sent in sends(table, live) if old.kind == "table" or is_sent(old, sent, live)}
    if not names:
        return None
    if old.kind == "column":
        parts = (qualified(new), name(old.name[2]), name(new.name[2]))
        statement = compose("ALTER TABLE {} RENAME COLUMN {} TO {};", *parts)
    else:
        statement = compose("ALTER TABLE {} RENAME TO {};", qualified(old), name(new.name[1]))
    who = _subscribers(", ".join(sorted(names)), replication)
    return stops_subscribers(
        old, f"{old} is renamed: {who} stop at the next row; when they have, on each of them: {statement}"
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def _new_table(table: FactId, context: Context) -> Iterator[Hazard]:
    parents = {parent_of(link) for link in links_of(table, context.goal)}
    if parents & reroute_rows.tables_with_returning_rows(context) or context.decided.recreated_tables.intersection(
        ancestors(table, context.goal)
    ):
        return  # told with these
    publications = [
        sent
        for sent in sends(table, context.goal)
        if sent.publication in context.live and table in _names(table, sent, context.goal)
    ]
    if publications:
        who = _who(publications, context)
        text = f"{table} is new: {who} stop at its first row if they do not have it"
        steps = _to_run([_as_table(table, context)], [_refresh(context)])
        yield stops_subscribers(table, f"{text}, and leave it out until they are refreshed; {steps}")


def _as_table(table: FactId, context: Context) -> str:
    """The table as a subscriber needs it."""
    columns = sorted(recreate_table.columns_of(table, context.goal), key=context.position)
    parts = [compose("{} {}", name(each.name[2]), raw(str(context.new(each)["type"]))) for each in columns]
    keys = [part for part in context.goal.children.get(table, ()) if part.kind == "constraint"]
    parts += [str(context.new(k)["definition"]) for k in keys if context.new(k)["type"] == "primary_key"]
    return compose("CREATE TABLE {} ({});", qualified(table), joined([raw(each) for each in parts]))


def _newly_sent(part: FactId, context: Context) -> Iterator[Hazard]:
    if FactId("publication", part.name[:1]) not in context.live:
        return
    what = ".".join(part.name[1:])
    text = (
        f"{what} is sent too: {_subscribers(part.name[0], context.replication)} leave it out until they are refreshed"
    )
    yield stops_subscribers(part, f"{text}; {_to_run((), [_refresh(context)])}")


def _names(table: FactId, sent: Sent, state: Snapshot) -> set[FactId]:
    """The tables under whose names the publication sends the table's rows."""
    if sent.root is not None:
        return {sent.root}
    return {each for each in tree(table, state) if not is_partitioned(each, state)}


def _attached(link: FactId, context: Context) -> Iterator[Hazard]:
    """A partition that is there and gets another bound, where no row moves: what is sent under its name must fit."""
    child, parent = _table(link), parent_of(link)
    if (
        link not in context.live
        or parent in reroute_rows.tables_with_returning_rows(context)
        or not context.persists(child)
    ):
        return
    if not context.changed(link) & {"bound"}:
        return
    if publications := [sent for sent in sends(child, context.live) if sent.root is None]:
        text = f"{child} gets another bound: {_who(publications, context)} stop at a row that theirs does not take"
        yield stops_subscribers(child, f"{text}; {_to_run([_detach(link)], [_attach(link, context)])}")


def _detach(link: FactId) -> str:
    return compose("ALTER TABLE {} DETACH PARTITION {};", name(*link.name[2:]), name(*link.name[:2]))


def _attach(link: FactId, context: Context) -> str:
    bound = raw(str(context.new(link)["bound"]))
    return compose("ALTER TABLE {} ATTACH PARTITION {} {};", name(*link.name[2:]), name(*link.name[:2]), bound)


def _recreated(table: FactId, context: Context) -> Iterator[Hazard]:
    """A table that is recreated: whether its rows are sent once more, and under which names from then on."""
    before = [*sends(table, context.live)]
    after = {sent.publication: sent for sent in sends(table, context.goal)}
    kept = [sent for sent in before if sent.publication in after]
    if not kept:
        return
    foreign = {*recreate_table.published_copies(table, context, ours=False)}
    truncate = compose("TRUNCATE {};", qualified(table))
    for sent in kept:
        who = _who([sent], context)
        names = _names(table, after[sent.publication], context.goal)
        if sent.publication in foreign:
            text = (
                f"{table} is recreated, and all of its rows are sent again, as this role may not alter"
                f" {sent.publication}: {who} stop with a duplicate key; when they have, on each of them: {truncate}"
            )
        elif names - _names(table, sent, context.live):
            shown = ", ".join(".".join(each.name) for each in sorted(names)[:_SHOWN])
            text = (
                f"{table} is recreated, and sent under other names from then on ({shown}): {who} stop or leave them"
                f" out; {_to_run((), [*_emptied(table, names, context), _refresh(context)])}"
                " which copies all rows; or declare the publication with publish_via_partition_root = true"
            )
        else:
            text = f"{table} is recreated: its rows are not sent again to {who}"
        yield stops_subscribers(table, text, context.sizes.get(table))
    yield from _other_columns(table, context)


def _emptied(table: FactId, names: Collection[FactId], context: Context) -> Iterator[str]:
    """What a subscriber runs so that each table that is sent from then on is there, and holds nothing yet."""
    if table in names:
        yield compose("TRUNCATE {};", qualified(table))
        return
    yield compose("DROP TABLE {};", qualified(table))
    key = raw(str(context.new(table).get("partition_key", "")))
    whole = _as_table(table, context).removesuffix(";")
    yield compose("{} PARTITION BY {};", raw(whole), key)
    for each in tree(table, context.goal):
        for link, part in partitions_of(each, context.goal):
            below = context.new(part).get("partition_key")
            rest = raw("" if below is None else compose(" PARTITION BY {}", raw(str(below))))
            bound = raw(str(context.new(link)["bound"]))
            yield compose("CREATE TABLE {} PARTITION OF {} {}{};", qualified(part), qualified(each), bound, rest)


def _other_columns(table: FactId, context: Context) -> Iterator[Hazard]:
    """What differs in the columns of a table that is recreated."""
    live, goal = ({*recreate_table.columns_of(table, state)} for state in (context.live, context.goal))
    for column in sorted(live | goal):
        if column not in live:
            yield from _added(column, context)
        elif column not in goal:
            yield from _dropped(column, context)
        else:
            yield from _retyped(column, context)


def _rerouted(parent: FactId, context: Context) -> Iterator[Hazard]:
    """Rows that go to other partitions, where each is sent under its own name; as they leave, theirs is detached."""
    foreign = reroute_rows.unsent(parent, context, ours=False)
    size = context.sizes.get(parent)
    for sent in sends(parent, context.live):
        who = _who([sent], context)
        if sent.publication in foreign:
            then = _over_rows_sent_again(parent, sent.root, context)
            yield stops_subscribers(
                parent,
                f"rows of {parent} that go to other partitions are sent again, as this role may not alter"
                f" {sent.publication}: {who} stop with a duplicate key; when they have, {then}",
                size,
            )
        elif sent.root is None:
            steps = _to_run(*_like_plain_tables(parent, context))
            text = (
                f"rows of {parent} that go to other partitions are sent as INSERTs into these, and stay where they"
                f" were: {who} stop where a bound of theirs does not take one; {steps}"
            )
            yield stops_subscribers(parent, text, size)


def _over_rows_sent_again(parent: FactId, root: FactId | None, context: Context) -> str:
    if root is not None and (texts := reroute_rows.moved_of(root, parent, context)):
        return f"on each of them: {' '.join(texts)}"
    return "let them skip that transaction: ALTER SUBSCRIPTION ... SKIP (lsn = '...') with the LSN that their log names"


def _like_plain_tables(parent: FactId, context: Context) -> tuple[list[str], list[str]]:
    """Partitions that change are tables of their own on a subscriber until it has got all rows that move."""
    live, goal = dict(partitions_of(parent, context.live)), dict(partitions_of(parent, context.goal))
    changed = [link for link in sorted(goal) if link in live and "bound" in context.changed(link)]
    new = [link for link in sorted(goal) if link not in live]
    gone = [link for link in sorted(live) if link not in goal]
    like: LiteralString = "CREATE TABLE {} (LIKE {} INCLUDING ALL);"
    first = [_detach(link) for link in changed]
    first += [compose(like, qualified(goal[link]), qualified(parent)) for link in new]
    afterwards = [_refresh(context)] if new else []
    afterwards += [
        compose("DROP TABLE {};", qualified(live[link])) if live[link] not in context.goal else _detach(link)
        for link in gone
    ]
    afterwards += reroute_rows.leaving(parent, context)
    return first, [*afterwards, *(_attach(link, context) for link in (*changed, *new))]


# --- the publisher itself ---------------------------------------------------------------------------------------------


def _without_identity(act: Act, fact: FactId, context: Context) -> Iterator[Hazard]:
    """A published table of which no UPDATE and DELETE is possible any more, whoever subscribes."""
    if fact.kind == "publication_table" and act is not Act.DROP:
        table = FactId("table", fact.name[1:])
    elif fact.kind in ("constraint", "index") and act is not Act.CREATE and _is_identity(context.old(fact)):
        table = _table(fact)
    elif fact.kind == "table" and act is Act.ALTER:
        table = fact
    else:
        return
    if table.kind != "table" or table not in context.goal or is_partitioned(table, context.goal):
        return
    why = _refused(table, context.goal)
    if not why or (table in context.live and _refused(table, context.live)):
        return
    events = " and ".join(sorted({action.upper() for actions in why.values() for action in actions}))
    first = next(iter(why))
    text = f"{table} is published and has {first.what}: {events} of it fail, for everybody; {first.remedy}"
    yield stops_subscribers(table, text, context.sizes.get(table))


def _is_identity(definition: Definition) -> bool:
    return definition.get("type") == "primary_key" or bool(definition.get("replica_identity"))


def _refused(table: FactId, state: Snapshot) -> dict[Lack, set[str]]:
    """Why Postgres refuses which of UPDATE and DELETE of the table."""
    found: dict[Lack, set[str]] = {}
    for sent in sends(table, state):
        actions = {*sent.actions} & {"update", "delete"}
        if actions and (lacks := lacks_identity(table, sent, state)) is not None:
            found.setdefault(lacks, set()).update(actions)
    return found


# --- those who read the whole log -------------------------------------------------------------------------------------


def _of_all_tables(replication: Replication, context: Context) -> Hazard | None:
    """The ledger's tables are sent, too, where all are."""
    wide = [fact for fact in context.live.facts if fact.kind == "publication" and context.old(fact).get("all_tables")]
    if not wide or not context.has_subscribers:
        return None
    who = _subscribers(", ".join(fact.name[0] for fact in wide), replication)
    text = (
        f"{wide[0]} sends all tables, and so the ledger's: {who} stop where schema {replication.ledger} is not"
        " there, or has a ledger of its own; publish FOR TABLES IN SCHEMA instead, or make its tables there first,"
        f" empty, with what pg_dump --schema-only --schema {replication.ledger} prints"
    )
    return stops_subscribers(wide[0], text)


def with_readers(statements: Sequence[Statement], context: Context) -> list[Statement]:
    """The statements, with what a backfill writes for them, and the first lock that standbys replay."""
    found = [*statements]
    replication = context.replication
    if replication is None:
        return found
    for place, statement in enumerate(found):
        if statement.batched is not None and (cost := _of_backfill(statement.batched, replication, context)):
            found[place] = replace(statement, hazards=(*statement.hazards, cost))
    locked = [
        (place, each.locks)
        for place, each in enumerate(found)
        if each.lock is LockMode.ACCESS_EXCLUSIVE and each.locks is not None and each.locks.kind == "table"
    ]
    if replication.hot and locked:
        tables = sorted({table for _, table in locked})
        shown = ", ".join(".".join(table.name) for table in tables[:_SHOWN])
        shown += f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
        standbys = "; ".join(str(each) for each in replication.standbys)
        text = (
            f"standbys replay the locks on {shown} until the commit, and cancel queries there that are in the way for"
            f" longer than max_standby_streaming_delay ({standbys})"
        )
        place, table = locked[0]
        found[place] = replace(found[place], hazards=(*found[place].hazards, stops_subscribers(table, text)))
    if found and (cost := _of_all_tables(replication, context)):
        found[0] = replace(found[0], hazards=(*found[0].hazards, cost))
    return found


def _of_backfill(table: FactId, replication: Replication, context: Context) -> Hazard | None:
    readers = (*replication.standbys, *replication.slots, *replication.others)
    if not readers:
        return None
    size = context.sizes.get(table)
    amount = f"up to about {describe_bytes(size.bytes * _LOG_PER_BYTE)} of WAL" if size is not None else "WAL"
    text = f"updates all rows of {table}, and writes {amount} for {'; '.join(str(each) for each in readers)}"
    publications = [sent for sent in sends(table, context.live) if "update" in sent.actions]
    if publications and context.has_subscribers:
        names = ", ".join(sorted({sent.name for sent in publications}))
        text += f"; each row is sent again to subscribers of {names}, without the new column"
    if others := [slot.name for slot in replication.slots if slot not in replication.subscribers]:
        text += f"; {', '.join(others)} also get the temporary column"
    return stops_subscribers(table, text, size)


# --- the order --------------------------------------------------------------------------------------------------------


def ordered(context: Context) -> Iterator[tuple[Node, Node]]:
    """(earlier, later): rows move before their publication is altered; a column list goes before what it names."""
    if not context.has_subscribers:
        return
    moving_to = context.decided.recreated_tables | reroute_rows.tables_with_returning_rows(context)
    for publication in (fact for fact in context.alters if fact.kind == "publication"):
        yield from ((Node(Act.RESTORE, table), Node(Act.ALTER, publication)) for table in moving_to)
    changing = {_table(each) for each in context.alters | context.creates if each.kind == "column"}
    for table in sorted(changing):
        beside = filled_columns.beside(table, context) if context.persists(table) else set[FactId]()
        parts = filled_columns.hides(table, context) if beside else []
        if not parts:
            continue
        nodes = [Node(Act.CREATE if each in context.creates else Act.ALTER, each) for each in sorted(beside)]
        others = [
            *(each for each in context.live.children.get(table, ()) if each.kind == "column" and each not in beside)
        ]
        for node in nodes:
            yield from ((Node(Act.DROP, part), node) for part in parts if part in context.drops)
            for other in others:
                if other in context.drops:
                    yield node, Node(Act.DROP, other)
                elif other in context.alters and "type" in context.changed(other):
                    yield node, Node(Act.ALTER, other)
