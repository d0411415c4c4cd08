"""What guards a table's rows: policies, rules and triggers that filter what our statements do, or act on it. Pure.

One place answers, of any state, which of them a statement that reads or writes rows would meet, and so whether rows can
be backfilled in batches, beside the work of others, where nothing can be switched off. `guard_suspension` switches them
off around what runs in the plan's transaction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.model.plan import RowCommand
from reconciler.model.temporary_names import TRIGGER_PREFIX, is_leftover
from reconciler.sqltext.lexer import lexemes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "Batching",
    "Policies",
    "Trigger",
    "batching",
    "below",
    "fires",
    "mentioned",
    "policies_on",
    "rules_on",
    "triggers_met",
    "triggers_of",
]

_WORD = re.compile(r"[\w$]+")
# A row that another key sends to another partition is deleted from one and inserted into the other.
_MOVES_ROWS = frozenset({RowCommand.INSERT, RowCommand.UPDATE, RowCommand.DELETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger as one table has it, its own or a partition's part of its parent's; `state` as ALTER TABLE says it."""

    table: FactId
    name: str
    state: str
    is_before: bool
    for_each_row: bool
    events: frozenset[str]

    @property
    def fact(self) -> FactId:
        """What people call it."""
        return FactId("trigger", (*self.table.name, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The row security of a table that applies to our role; where we own the table it is for FORCE alone."""

    table: FactId
    names: tuple[FactId, ...]
    by_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How rows are backfilled in batches so that nothing of the user's acts on it; `why_not` where that cannot be had.

    `as_replica` is with session_replication_role = replica, which no usual trigger or rule fires in.
    """

    as_replica: bool = False
    why_not: str | None = None


# --- policies ---------------------------------------------------------------------------------------------------------


def policies_on(table: FactId, state: Snapshot, context: Context) -> Policies | None:
    """The table's row security, where it would filter what our role reads or writes through it."""
    definition = state.find(table)
    if definition is None or not definition.get("row_security") or context.rights.bypasses_policies:
        return None
    owned = is_ours(table, state, context)
    if owned and not definition.get("force_row_security"):
        return None
    names = tuple(part for part in state.children.get(table, ()) if part.kind == "policy")
    return Policies(table=table, names=names, by_force=owned)


def is_ours(table: FactId, state: Snapshot, context: Context) -> bool:
    """Whether our role has the rights of the table's owner."""
    owner = state.find(FactId("owner", (table.kind, *table.name)))
    return owner is None or context.rights.acts_as(str(owner["role"]))


def mentioned(expression: str, context: Context) -> Iterable[FactId]:
    """The tables under row security that an expression of the user's may read: a word of it is their name."""
    words = {word.lower() for word in _WORD.findall(expression)}
    tables = sorted(fact for fact in context.live.facts if fact.kind == "table")
    named = (fact for fact in tables if words >= set(_WORD.findall(fact.name[1].lower())))
    return [fact for fact in named if policies_on(fact, context.live, context) is not None]


# --- rules ------------------------------------------------------------------------------------------------------------


def rules_on(table: FactId, command: RowCommand, state: Snapshot) -> Iterable[tuple[FactId, str]]:
    """(rule, how it is enabled) of the rules for this command on the table, which its name in a statement calls."""
    for part in state.children.get(table, ()):
        if part.kind == "rule":
            definition = state.definition(part)
            if _event_of_rule(str(definition["definition"])) == command.value:
                yield part, str(definition.get("enabled", "ENABLE"))


def _event_of_rule(text: str) -> str:
    """CREATE RULE name AS ON EVENT TO ..., as Postgres prints it."""
    return [token.keyword for token in islice(lexemes(text), 6)][5]


# --- triggers ---------------------------------------------------------------------------------------------------------


def triggers_met(
    table: FactId, command: RowCommand, state: Snapshot, *, only: bool = False
) -> Iterable[tuple[FactId, Trigger]]:
    """(table that holds the rows or is named, trigger) for all that the command on the table could fire.

    `only` leaves out what inherits from it.
    """
    events = frozenset({command})
    if command is RowCommand.UPDATE and "partition_key" in (state.find(table) or {}):
        events = _MOVES_ROWS
    for each in (table, *(() if only else below(table, state))):
        for trigger in triggers_of(each, state):
            met = events if trigger.for_each_row else {command} if each == table else set[RowCommand]()
            if trigger.events & met and not is_leftover(trigger.fact):
                yield each, trigger


def triggers_of(table: FactId, state: Snapshot) -> Iterable[Trigger]:
    """The table's own triggers, and those for each row that it has as a partition."""
    for part in state.children.get(table, ()):
        if part.kind == "trigger":
            definition = state.definition(part)
            yield _trigger(table, part.name[2], definition["definition"], definition.get("enabled", "ENABLE"))
    switched: dict[str, object] = {}
    current = table
    while (parent := _partition_of(current, state)) is not None:
        for part in state.children.get(current, ()):
            if part.kind == "partition_trigger":
                switched.setdefault(part.name[2], state.definition(part)["enabled"])
        for part in state.children.get(parent, ()):
            if part.kind == "trigger":
                definition = state.definition(part)
                how = switched.get(part.name[2], definition.get("enabled", "ENABLE"))
                trigger = _trigger(table, part.name[2], definition["definition"], how)
                if trigger.for_each_row:
                    yield trigger
        current = parent


def _partition_of(table: FactId, state: Snapshot) -> FactId | None:
    for link in state.children.get(table, ()):
        if link.kind == "inheritance" and "bound" in state.definition(link):
            return FactId("table", link.name[2:])
    return None


def below(table: FactId, state: Snapshot) -> Iterable[FactId]:
    """The tables that inherit from the table or are partitions of it, on all levels, each once."""
    seen = {table}
    waiting = [table]
    while waiting:
        for link in state.inheritances.get(waiting.pop().name, ()):
            child = state.parent(link)
            if child is not None and child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child


def _trigger(table: FactId, name: str, text: object, state: object) -> Trigger:
    """CREATE [CONSTRAINT] TRIGGER name BEFORE event OR event ON table ... FOR EACH ROW, as Postgres prints it."""
    words = [token.keyword for token in lexemes(str(text)) if token.kind != "comment"]
    start = words.index("TRIGGER") + 2
    end = words.index("ON", start)
    each = next(place for place in range(end, len(words)) if words[place : place + 2] == ["FOR", "EACH"])
    return Trigger(
        table=table,
        name=name,
        state=str(state),
        is_before=words[start] == "BEFORE",
        for_each_row=words[each + 2] == "ROW",
        events=frozenset(words[start:end]) & frozenset(RowCommand),
    )


def fires(state: str, *, as_replica: bool = False) -> bool:
    """Whether a trigger or rule that is so enabled acts, by session_replication_role."""
    match state:
        case "ENABLE":
            return not as_replica
        case "ENABLE REPLICA":
            return as_replica
        case _:
            return state == "ENABLE ALWAYS"


# --- in batches -------------------------------------------------------------------------------------------------------


def batching(
    holders: Iterable[FactId],
    context: Context,
    *,
    synced: Collection[FactId] = (),
    checked: bool = False,
    expression: str = "",
    firing: bool = False,
    late: bool = False,
) -> Batching:
    """How the tables' rows can be filled by UPDATEs of their own transactions, with the guards that live has.

    `late` is after the plan's transaction, with those of the goal.

    `synced` are the tables on which a trigger of ours sets a column in each row that is written. `checked`: foreign
    keys or deferrable constraints of what is filled must look at the rows. `expression` is what the user says the
    values are, and `firing` that triggers are to fire for it.
    """
    holders, state = tuple(holders), context.goal if late else context.live
    refused = (_unbatchable(table, state, context) for table in (*holders, *mentioned(expression, context)))
    why_not = next((why for why in refused if why is not None), None) or _last_word(synced, context)
    if why_not is not None:
        return Batching(why_not=why_not)
    may_be_replica = context.rights.sets_replication_role and not checked and not firing
    met = {as_replica: [*_acting(holders, state, as_replica=as_replica, firing=firing)] for as_replica in (True, False)}
    if may_be_replica and not met[True]:
        return Batching(as_replica=True)
    if not met[False]:
        return Batching()
    found = met[False][0] if not may_be_replica else met[True][0]
    why = f"{found} acts on what is written"
    if not context.rights.sets_replication_role and found not in met[True]:
        why = f"{why}, as this role may not set session_replication_role"
    return Batching(why_not=why)


def _unbatchable(table: FactId, state: Snapshot, context: Context) -> str | None:
    policies = policies_on(table, state, context)
    if policies is None:
        return None
    names = ", ".join(str(each) for each in policies.names) or "row security without a policy"
    return f"{names} applies to this role on {table}"


def _last_word(tables: Iterable[FactId], context: Context) -> str | None:
    """A BEFORE trigger that fires after ours may make another row of the one that ours has seen."""
    for table in tables:
        for holder in (table, *below(table, context.live)):
            for each in triggers_of(holder, context.live):
                late = each.name.encode() >= TRIGGER_PREFIX.encode() and not is_leftover(each.fact)
                writes = each.events & {RowCommand.INSERT, RowCommand.UPDATE}
                if late and writes and each.is_before and each.for_each_row and each.state != "DISABLE":
                    return f"{each.fact} fires after the one that would keep a new column equal"
    return None


def _acting(holders: Iterable[FactId], state: Snapshot, *, as_replica: bool, firing: bool) -> Iterable[FactId]:
    """The rules and triggers that an UPDATE of each of the tables alone would meet."""
    for table in holders:
        for rule, how in rules_on(table, RowCommand.UPDATE, state):
            if fires(how, as_replica=as_replica):
                yield rule
        for _, trigger in () if firing else triggers_met(table, RowCommand.UPDATE, state, only=True):
            if fires(trigger.state, as_replica=as_replica):
                yield trigger.fact
