"""What a check finds: recorded, live and declared side by side. Does I/O, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.diff.drift import State, compare, drifted_facts, with_followed
from reconciler.diff.goal import Desired, make_goal
from reconciler.errors import BehindError, ConfigError
from reconciler.intent.manual_renames import find_manual_renames, rename_warnings
from reconciler.intent.rename_simulation import with_renames
from reconciler.ledger.marks import load_addresses
from reconciler.ledger.migrations import load_recorded
from reconciler.ledger.plugins import load_others, migrations_since
from reconciler.ledger.states import server_time
from reconciler.ledger.steps import load_unfinished
from reconciler.ledger.trust import surviving
from reconciler.model.intent import Intent
from reconciler.model.plan import Plan
from reconciler.options import Drops, WhenBehind, scope_of
from reconciler.results import CheckResult
from reconciler.scratch.privileges import says_privileges
from reconciler.source.source import Source
from reconciler.workflows.execute_plan import is_unchanged
from reconciler.workflows.make_plan import plan_source
from reconciler.workflows.situation import with_rules

if TYPE_CHECKING:
    from typing import TypeGuard

    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.diff.drift import ObjectState
    from reconciler.ledger.plugins import Others
    from reconciler.model.snapshot import Extent
    from reconciler.options import Options
    from reconciler.source.source import AnySource

__all__ = ["check_recorded", "check_source"]


def check_source(session: Session, plugin: str, source: AnySource, options: Options) -> CheckResult:
    """The state of each object, in the transaction that is open; it is to be rolled back.

    An older declaration is not compared: live is, with what was recorded. Raises as `plan_source` does.
    """
    if _is_as_recorded(source, session, plugin, options):
        result = check_recorded(session, plugin, options)
        return replace(result, warnings=(*source.warnings, *result.warnings))
    older = options.when_behind is WhenBehind.APPLY
    try:
        found = plan_source(session, plugin, source, options, older=older, to_look=True)
    except BehindError as error:
        return replace(check_recorded(session, plugin, options), behind=error.behind)
    damaged: list[str] = []
    connection = session.connection
    unfinished = surviving(connection, lambda: load_unfinished(connection, plugin), None, damaged)
    recorded, renamed = found.recorded, found.renamed
    assert renamed is not None  # only a plan that was read from a file has none
    objects = compare(renamed.recorded, renamed.live, found.goal, unfinished.changes if unfinished else None)
    objects = with_renames(objects, renamed.renames, renamed.live)
    return CheckResult(
        plugin=plugin,
        objects=objects,
        plan=found.plan,
        recorded_idx=recorded.idx if recorded else None,
        warnings=(*found.warnings, *damaged),
        unfinished=unfinished,
        ignored=found.ignored,
        drift=drifted_facts(objects, found.live, recorded.snapshot if recorded else None),
        live=found.live,
    )


def check_recorded(session: Session, plugin: str, options: Options) -> CheckResult:
    """Live compared with what was recorded, in the transaction that is open. Raises ConfigError where nothing was."""
    connection = session.connection
    recorded = load_recorded(connection, plugin)
    if recorded is None:
        raise ConfigError(
            f"nothing is recorded for plugin {plugin}, and no source was given",
            hint="name a source, or apply one first",
        )
    extent = recorded.snapshot.extent
    read_at = server_time(connection)
    live = read_snapshot(connection, extent.schemas, outside=extent.outside, dependencies=True)
    others = load_others(connection, plugin)
    desired = Desired(snapshot=recorded.snapshot, baseline={}, builder="")
    scope = scope_of(plugin, options)
    scope = replace(scope, shared=frozenset(schema for schema in scope.schemas if schema in others.schemas))
    intent = with_rules(Intent(), options.ignore, (recorded.snapshot, live), session.clock().date())
    goal = make_goal(desired, live, recorded.snapshot, scope, intent, of_plugins=others.facts)
    plan = Plan(
        statements=(), differences=(), live_fingerprint=live.fingerprint, goal_fingerprint=goal.snapshot.fingerprint
    )
    manual = find_manual_renames(load_addresses(connection, plugin), live)
    unfinished = load_unfinished(connection, plugin)
    compared = compare(recorded.snapshot, live, goal, unfinished.changes if unfinished else None)
    objects = _with_followed(connection, plugin, extent, compared, others)
    return CheckResult(
        plugin=plugin,
        objects=objects,
        plan=plan,
        recorded_idx=recorded.idx,
        warnings=(*intent.warnings, *rename_warnings(manual, recorded.snapshot, live)),
        unfinished=unfinished,
        ignored=intent.by_rules,
        drift=drifted_facts(objects, live, recorded.snapshot),
        live=live,
        read_at=read_at,
    )


def _with_followed(
    connection: Connection, plugin: str, extent: Extent, objects: tuple[ObjectState, ...], others: Others
) -> tuple[ObjectState, ...]:
    """The same, with what other plugins' migrations since the record have brought about."""
    since = migrations_since(connection, plugin)
    changed = {fact: since[name] for fact, name in others.facts.items() if name in since}
    if not changed or not any(each.state is State.DRIFTED for each in objects):
        return objects
    wide = extent.with_objects(frozenset(changed)).all_schemas
    return with_followed(objects, read_snapshot(connection, wide, dependencies=True), changed)


def _is_as_recorded(source: AnySource, session: Session, plugin: str, options: Options) -> TypeGuard[Source]:
    """Whether to compare live with the record is to compare it with the declaration, which need not be built."""
    # What a source says of privileges that are not managed is known, and said, only as it is built.
    is_plain = (
        isinstance(source, Source) and not source.hints and not says_privileges(source) and options.drops is Drops.NOW
    )
    return is_plain and is_unchanged(session, plugin, source, options)
