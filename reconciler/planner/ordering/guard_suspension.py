"""Guards that are switched off around statements of ours that read or write rows, in their transaction. Pure: no I/O.

A statement says what it does to rows (`Statement.rows`); what would filter it, turn it away or act on it is known from
the facts as they are by then. It is switched off before and put back exactly as it was after. Nobody else sees that, as
the transaction holds the table's lock until its commit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.errors import PlanError
from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, RowCommand, Stage, Statement
from reconciler.model.snapshot import Snapshot
from reconciler.planner.core.relation_locks import relation_locks
from reconciler.planner.core.row_guards import below, fires, is_ours, policies_on, rules_on, triggers_met, triggers_of
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import RowAccess
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.row_guards import Trigger

__all__ = ["with_guards_suspended"]

_KINDS = frozenset({"table", "inheritance", "policy", "rule", "trigger", "partition_trigger", "owner", "constraint"})
# How a statement begins that writes rows, and so must say it.
_WRITES = tuple(f"{word} " for word in ("UPDATE", "INSERT", "DELETE", "MERGE", "COPY", "TRUNCATE", "WITH"))


def with_guards_suspended(statements: Sequence[Statement], context: Context) -> list[Statement]:
    """The statements, in the order in which they run, with what each needs around it.

    Raises PlanError, naming the policies or rules, where our role may not switch off what would turn it away.
    """
    for statement in statements:
        assert statement.rows or not statement.sql.startswith(_WRITES), f"rows are written unsaid: {statement.sql}"
    if not any(statement.rows for statement in statements):
        return [*statements]
    facts = {fact: text for fact, text in context.live.facts.items() if fact.kind in _KINDS}
    found: list[Statement] = []
    immediate: set[int] = set()
    for statement in statements:
        if statement.rows and statement.batched is None:
            around = _Around(statement, Snapshot(facts=dict(facts)), context)
            if around.defers and statement.step not in immediate:
                # What waits for the commit would hinder each ALTER TABLE that follows.
                immediate.add(statement.step)
                found.append(_beside(statement, "SET CONSTRAINTS ALL IMMEDIATE", context))
            found += around.before
            found.append(replace(statement, hazards=(*statement.hazards, *around.hazards)))
            found += reversed(around.after)
        elif statement.rows:
            asked_for = _asked_for(statement, Snapshot(facts=dict(facts)), context)
            found.append(replace(statement, hazards=(*statement.hazards, *asked_for)))
        else:
            found.append(statement)
        for fact in statement.drops:
            facts.pop(fact, None)
        for fact in (*statement.creates, *(each for each in statement.alters if each in facts)):
            if fact.kind in _KINDS and fact in context.goal.facts:
                facts[fact] = context.goal.facts[fact]
    return found


def _beside(
    statement: Statement,
    text: str,
    context: Context,
    guard: FactId | None = None,
    table: FactId | None = None,
    lock: LockMode | None = None,
) -> Statement:
    """A statement in the same step; `table` is the one that it locks, where others know it already."""
    switch = Statement(
        sql=text,
        alters=(guard,) if guard is not None else (),
        lock=lock if table is not None else None,
        locks=table,
        step=statement.step,
    )
    return replace(switch, relation_locks=relation_locks(switch, Stage.TOGETHER, context))


class _Around:
    """What stands before and after one statement; `after` in the order of `before`."""

    def __init__(self, statement: Statement, state: Snapshot, context: Context) -> None:
        self._statement, self._state, self._context = statement, state, context
        self.before: list[Statement] = []
        self.after: list[Statement] = []
        self.hazards: list[Hazard] = []
        self.defers = False
        for access in statement.rows:
            self._policies(access)
            if access.command is not RowCommand.SELECT:
                self._rules(access)
                self._triggers(access)
                self.defers = self.defers or self._waits_for_commit(access)

    def _switch(self, guard: FactId, table: FactId, off: str, on: Iterable[tuple[FactId, str]], lock: LockMode) -> None:
        """Switches the guard off, and with the statements `on` back, in their order."""
        waited_for = table if table in self._context.live else None
        first = _beside(self._statement, off, self._context, guard, waited_for, lock)
        if first not in self.before:
            self.before.append(first)
            # `after` is run from its end.
            self.after += reversed(
                [_beside(self._statement, text, self._context, fact, waited_for, lock) for fact, text in on]
            )

    def _policies(self, access: RowAccess) -> None:
        state = self._context.live if access.aside is not None else self._state
        policies = policies_on(access.table, state, self._context)
        if policies is None:
            return
        if not policies.by_force:
            names = ", ".join(str(each) for each in policies.names) or "row security"
            raise PlanError(
                f"{names} applies to this role on {access.table}, whose rows the plan {_doing(access.command)}",
                hint="run as the owner of the table, or as a role with BYPASSRLS",
            )
        alter = raw(compose("ALTER TABLE {}", _named(access)))
        off, on = (compose("{} {} ROW LEVEL SECURITY", alter, raw(word)) for word in ("NO FORCE", "FORCE"))
        back = [] if access.is_last else [(access.table, on)]
        self._switch(access.table, access.table, off, back, LockMode.ACCESS_EXCLUSIVE)

    def _rules(self, access: RowAccess) -> None:
        for rule, how in rules_on(access.table, access.command, self._state):
            if not fires(how):
                continue
            if not is_ours(access.table, self._state, self._context):
                raise PlanError(
                    f"{rule} rewrites what the plan {_doing(access.command)}, and this role may not disable it",
                    hint=f"run as the owner of {access.table}, or disable the rule by hand meanwhile",
                )
            off, on = (_switching(rule, "RULE", each) for each in ("DISABLE", how))
            self._switch(rule, access.table, off, [(rule, on)], LockMode.ACCESS_EXCLUSIVE)

    def _triggers(self, access: RowAccess) -> None:
        met = [each for each in self._met(access) if fires(each[1].state)]
        if access.fires_triggers:
            self._say(access, [trigger for _, trigger in met], "as the hint asks for")
            return
        beyond = [trigger for table, trigger in met if not is_ours(table, self._state, self._context)]
        self._say(access, beyond, "as this role does not own the table and cannot disable it")
        for table, trigger in self._tops(met):
            if is_ours(table, self._state, self._context):
                self._disable(table, trigger)

    def _met(self, access: RowAccess) -> Iterable[tuple[FactId, Trigger]]:
        return triggers_met(access.table, access.command, self._state, only=access.only)

    def _tops(self, met: list[tuple[FactId, Trigger]]) -> Iterable[tuple[FactId, str]]:
        """The highest tables to switch each trigger at: a partition's part is switched with its parent's."""
        places = {(table, trigger.name) for table, trigger in met}
        for table, trigger in sorted(places):
            above = self._above(table)
            if not any((each, trigger) in places for each in above):
                yield table, trigger

    def _above(self, table: FactId) -> Iterable[FactId]:
        for link in self._state.children.get(table, ()):
            if link.kind == "inheritance" and "bound" in self._state.definition(link):
                parent = FactId("table", link.name[2:])
                yield parent
                yield from self._above(parent)

    def _disable(self, table: FactId, trigger: str) -> None:
        parts = dict(self._parts(table, trigger))
        fact = FactId("trigger", (*table.name, trigger))
        back = [(part, how) for part, how in parts.items() if part == fact or how != parts[fact]]
        self._switch(
            fact,
            table,
            _switching(fact, "TRIGGER", "DISABLE"),
            [(part, _switching(part, "TRIGGER", how)) for part, how in back],
            LockMode.SHARE_ROW_EXCLUSIVE,
        )

    def _parts(self, table: FactId, trigger: str) -> Iterable[tuple[FactId, str]]:
        """(part, how it is enabled) of the trigger as the table and its partitions have it, from the top down."""
        for each in (table, *below(table, self._state)):
            if each == table or table in self._above(each):
                for found in triggers_of(each, self._state):
                    if found.name == trigger:
                        yield found.fact, found.state

    def _say(self, access: RowAccess, triggers: list[Trigger], why: str) -> None:
        size = self._context.sizes.get(access.table)
        for fact in dict.fromkeys(trigger.fact for trigger in triggers):
            self.hazards.append(hazards.fires_trigger(fact, access.table, why, size))

    def _waits_for_commit(self, access: RowAccess) -> bool:
        """Whether a constraint of the table, or one that refers to it, may be checked at the commit only."""
        live = self._context.live
        tables = {access.table, *below(access.table, self._state)}
        keys = {part for table in tables for part in self._state.children.get(table, ()) if part.kind == "constraint"}
        for table in tables:
            for column in live.children.get(table, ()):
                keys.update(each for each in self._context.dependents.get(column, ()) if each.kind == "constraint")
        return any("DEFERRABLE" in self._state.facts.get(key, "") for key in keys)


def _asked_for(statement: Statement, state: Snapshot, context: Context) -> Iterable[Hazard]:
    """What batches fire because a hint asks for it."""
    for access in statement.rows:
        if access.fires_triggers:
            for _, trigger in triggers_met(access.table, access.command, state, only=access.only):
                if fires(trigger.state):
                    size = context.sizes.get(access.table)
                    yield hazards.fires_trigger(trigger.fact, access.table, "as the hint asks for", size)


def _named(access: RowAccess) -> Part:
    return qualified(access.aside or access.table)


def _switching(fact: FactId, word: str, how: str) -> str:
    return compose("ALTER TABLE {} {} {} {}", qualified(fact), raw(how), raw(word), name(fact.name[2]))


def _doing(command: RowCommand) -> str:
    return {
        RowCommand.SELECT: "reads",
        RowCommand.INSERT: "inserts",
        RowCommand.UPDATE: "updates",
        RowCommand.DELETE: "deletes",
    }[command]
