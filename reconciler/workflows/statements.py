"""The statements of a plan, made twice: once to know what to ask live beside its catalogs. Does I/O, only reads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psycopg import sql

from reconciler.apply.lag import read_replication
from reconciler.catalog.snapshot_reader import read_rights
from reconciler.catalog.statistics import read_index_use, read_sizes, read_unalterable_extensions
from reconciler.model.facts import FactId
from reconciler.planner.planner import make_plan
from reconciler.preflight.preflight import answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.diff.goal import Goal
    from reconciler.intent.rename_simulation import Renamed
    from reconciler.model.hazards import IndexUse, TableSize
    from reconciler.model.intent import Intent
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options


__all__ = ["plan_statements", "unseen_lag"]


def plan_statements(
    session: Session, live: Snapshot, renamed: Renamed, goal: Goal, intent: Intent, options: Options
) -> Plan:
    """The plan after the renames, with what live says beside its catalogs: made once to know what to ask."""
    connection = session.connection
    before = {new: old for old, new in renamed.names.items()}
    make = partial(
        make_plan,
        renamed.live,
        goal.snapshot,
        current_user=session.user,
        unalterable_extensions=read_unalterable_extensions(connection, live, goal.snapshot),
        intent=intent,
        kept=goal.kept,
        names_before_renames={new: old for new, old in before.items() if new != old},
    )
    plan = make()
    if not plan.statements:
        return plan
    return make(
        rights=read_rights(connection),
        sizes=_sizes(connection, plan, before),
        index_use=_index_use(connection, plan, before),
        online=options.steps,
        answers=answered(connection, plan.questions, options, before),
        replication=read_replication(connection),
    )


def _sizes(connection: Connection, plan: Plan, before: Mapping[FactId, FactId]) -> Mapping[FactId, TableSize]:
    """The sizes of the tables that the plan is about, by the names that it uses; `before` are those in live."""
    tables = {
        FactId("table", fact.name[:2])
        for statement in plan.statements
        for fact in (
            *statement.creates,
            *statement.drops,
            *statement.alters,
            *((statement.locks,) if statement.locks else ()),
            *((statement.batched,) if statement.batched else ()),
            *(hazard.fact for hazard in statement.hazards if hazard.fact.kind == "table"),
        )
        if len(fact.name) > 1
    }
    tables |= {question.table for question in plan.questions}
    found = read_sizes(connection, sorted(before.get(table, table) for table in tables))
    return {table: found[old] for table in tables if (old := before.get(table, table)) in found}


def _index_use(connection: Connection, plan: Plan, before: Mapping[FactId, FactId]) -> Mapping[FactId, IndexUse]:
    """How often the indexes that go were used, by the names that the plan uses; those of keys by the constraints'."""
    gone = [fact for statement in plan.statements for fact in statement.drops if fact.kind in ("index", "constraint")]
    if not gone:
        return {}
    names = {fact: (former.name[0], former.name[2]) for fact in gone if (former := before.get(fact, fact))}
    found = read_index_use(connection, sorted(set(names.values())))
    return {fact: found[name] for fact, name in names.items() if name in found}


def unseen_lag(connection: Connection, plan: Plan, options: Options) -> Iterable[str]:
    """A warning where rows are backfilled and this role may not read how far others are behind."""
    if options.max_lag.is_off or all(each.batched is None for each in plan.statements):
        return
    if read_replication(connection).is_hidden:
        yield (
            "this role may not read how far standbys and subscribers are behind, so backfills do not wait for them:"
            f" GRANT pg_read_all_stats TO {sql.Identifier(connection.info.user).as_string(connection)}"
        )
