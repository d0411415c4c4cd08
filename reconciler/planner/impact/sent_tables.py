"""What subscribers notice where a table is sent, recreated, or its rows go to other partitions. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.hazards.hazards import stops_subscribers
from reconciler.model.facts import FactId
from reconciler.planner.impact.sent_columns import added, dropped, retyped
from reconciler.planner.impact.subscriber_steps import (
    readers_of,
    refresh,
    subscribers_of,
    table_of,
    to_run,
)
from reconciler.planner.partitions.publications import Sent, sends
from reconciler.planner.partitions.tree import ancestors, is_partitioned, links_of, parent_of, partitions_of, tree
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import compose, joined, name, raw
from reconciler.planner.strategies import recreate_table, reroute_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["attached", "created", "newly_sent", "recreated", "rerouted"]

_SHOWN = 5


def created(table: FactId, context: Context) -> Iterator[Hazard]:
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
        who = subscribers_of(publications, context)
        text = f"{table} is new: {who} stop at its first row if they do not have it"
        steps = to_run([_as_table(table, context)], [refresh(context)])
        yield stops_subscribers(table, f"{text}, and leave it out until they are refreshed; {steps}")


def _as_table(table: FactId, context: Context) -> str:
    """The table as a subscriber needs it."""
    columns = sorted(recreate_table.columns_of(table, context.goal), key=context.position)
    parts = [compose("{} {}", name(each.name[2]), raw(str(context.new(each)["type"]))) for each in columns]
    keys = [part for part in context.goal.children.get(table, ()) if part.kind == "constraint"]
    parts += [str(context.new(k)["definition"]) for k in keys if context.new(k)["type"] == "primary_key"]
    return compose("CREATE TABLE {} ({});", qualified(table), joined([raw(each) for each in parts]))


def newly_sent(part: FactId, context: Context) -> Iterator[Hazard]:
    if FactId("publication", part.name[:1]) not in context.live:
        return
    what = ".".join(part.name[1:])
    text = f"{what} is sent too: {readers_of(part.name[0], context.replication)} leave it out until they are refreshed"
    yield stops_subscribers(part, f"{text}; {to_run((), [refresh(context)])}")


def _names(table: FactId, sent: Sent, state: Snapshot) -> set[FactId]:
    """The tables under whose names the publication sends the table's rows."""
    if sent.root is not None:
        return {sent.root}
    return {each for each in tree(table, state) if not is_partitioned(each, state)}


def attached(link: FactId, context: Context) -> Iterator[Hazard]:
    """A partition that is there and gets another bound, where no row moves: what is sent under its name must fit."""
    child, parent = table_of(link), parent_of(link)
    if (
        link not in context.live
        or parent in reroute_rows.tables_with_returning_rows(context)
        or not context.persists(child)
    ):
        return
    if not context.changed(link) & {"bound"}:
        return
    if publications := [sent for sent in sends(child, context.live) if sent.root is None]:
        who = subscribers_of(publications, context)
        text = f"{child} gets another bound: {who} stop at a row that theirs does not take"
        yield stops_subscribers(child, f"{text}; {to_run([_detach(link)], [_attach(link, context)])}")


def _detach(link: FactId) -> str:
    return compose("ALTER TABLE {} DETACH PARTITION {};", name(*link.name[2:]), name(*link.name[:2]))


def _attach(link: FactId, context: Context) -> str:
    bound = raw(str(context.new(link)["bound"]))
    return compose("ALTER TABLE {} ATTACH PARTITION {} {};", name(*link.name[2:]), name(*link.name[:2]), bound)


def recreated(table: FactId, context: Context) -> Iterator[Hazard]:
    """A table that is recreated: whether its rows are sent once more, and under which names from then on."""
    before = [*sends(table, context.live)]
    after = {sent.publication: sent for sent in sends(table, context.goal)}
    kept = [sent for sent in before if sent.publication in after]
    if not kept:
        return
    foreign = {*recreate_table.published_copies(table, context, ours=False)}
    truncate = compose("TRUNCATE {};", qualified(table))
    for sent in kept:
        who = subscribers_of([sent], context)
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
                f" out; {to_run((), [*_emptied(table, names, context), refresh(context)])}"
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
            yield from added(column, context)
        elif column not in goal:
            yield from dropped(column, context)
        else:
            yield from retyped(column, context)


def rerouted(parent: FactId, context: Context) -> Iterator[Hazard]:
    """Rows that go to other partitions, where each is sent under its own name; as they leave, theirs is detached."""
    foreign = reroute_rows.unsent(parent, context, ours=False)
    size = context.sizes.get(parent)
    for sent in sends(parent, context.live):
        who = subscribers_of([sent], context)
        if sent.publication in foreign:
            then = _over_rows_sent_again(parent, sent.root, context)
            yield stops_subscribers(
                parent,
                f"rows of {parent} that go to other partitions are sent again, as this role may not alter"
                f" {sent.publication}: {who} stop with a duplicate key; when they have, {then}",
                size,
            )
        elif sent.root is None:
            steps = to_run(*_like_plain_tables(parent, context))
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
    afterwards = [refresh(context)] if new else []
    afterwards += [
        compose("DROP TABLE {};", qualified(live[link])) if live[link] not in context.goal else _detach(link)
        for link in gone
    ]
    afterwards += reroute_rows.leaving(parent, context)
    return first, [*afterwards, *(_attach(link, context) for link in (*changed, *new))]
