"""Which recorded migration a rollback goes back to, what declares it, and what does not come back. Does I/O.

A rollback is an ordinary run whose source is the one that the ledger recorded: nothing is undone statement by
statement, since what the statements undid may be older than what live holds now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler import ledger
from reconciler.diff import diff
from reconciler.errors import ConfigError
from reconciler.goal import Scope
from reconciler.snapshot import FactId
from reconciler.source import Source, source_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db import Connection
    from reconciler.ledger import MigrationRecord
    from reconciler.plan import Plan
    from reconciler.snapshot import Snapshot

__all__ = ["find_target", "last_scope", "not_brought_back", "source_of_target"]

_SHOWN = 10


def find_target(connection: Connection, plugin: str, *, to: int | None, steps: int | None) -> MigrationRecord:
    """The migration whose state is wanted again: `to` by its idx, or the one `steps` before the last.

    Raises ConfigError where there is none, LedgerError where `to` was not recorded.
    """
    if (to is None) == (steps is None):
        raise ConfigError("a rollback needs either a migration or a number of steps", hint="pass --to IDX or --steps N")
    known = sorted(entry.idx for entry in ledger.history(connection, plugin))
    if steps is not None:
        if not 0 < steps < len(known):
            raise ConfigError(
                f"plugin {plugin} cannot go back {steps} of its {len(known)} recorded migrations",
                hint="`reconciler history` lists them; the first cannot be undone, but `apply` an empty source with "
                "--allow-empty drops what was declared",
            )
        to = known[-1 - steps]
    assert to is not None
    return ledger.show(connection, plugin, to)


def last_scope(connection: Connection, plugin: str) -> Scope | None:
    """What the last run of the plugin managed; None where that is not known."""
    mark = ledger.load_mark(connection, plugin)
    if mark is None or not isinstance(mark.scope, dict):
        return None
    schemas = str(mark.scope.get("schemas", ""))
    exact = mark.scope.get("exact") == "True"
    if schemas == "*":
        return Scope(schemas=mark.schemas, all_schemas=True, exact=exact)
    named = tuple(schemas.split(","))
    # A schema's name may hold a comma; then those that were read must do.
    return Scope(schemas=named if set(named) <= set(mark.schemas) else mark.schemas, exact=exact)


def source_of_target(target: MigrationRecord) -> Source:
    """The declaration that was recorded with the migration. Raises ConfigError where there is none that can be run.

    Passwords in it are masked: they stay as live has them, and one that live lacks is an error when it is planned.
    """
    name = f"migration {target.entry.idx} of plugin {target.entry.plugin}"
    text = target.source_text
    otherwise = "reconcile with the older declaration itself: `reconciler apply OLD_SOURCE`"
    if text is None:
        raise ConfigError(
            f"{name} was recorded by another program, which keeps no declaration: there is nothing to plan from",
            hint=otherwise,
        )
    if not text and target.snapshot is not None and target.snapshot.facts:
        raise ConfigError(
            f"{name} was declared by another database ({target.entry.source_description}), whose schema was not kept "
            "as SQL: the recorded state alone does not tell in which order it can be made",
            hint=otherwise,
        )
    return source_from_text(text, origin=f"<{name}>")


def not_brought_back(plan: Plan, live: Snapshot, goal: Snapshot, target: MigrationRecord) -> tuple[str, ...]:
    """What a rollback cannot restore, a line each: rows that are gone, and what the declaration did not say."""
    lines = [*_empty(plan, live)]
    if target.snapshot is not None:
        other = [each.fact for each in diff(goal, target.snapshot) if each.fact in target.snapshot.facts]
        lines += [f"{fact} was recorded, but is not as its declaration says: it stays as declared" for fact in other]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
    return tuple(lines)


def _empty(plan: Plan, live: Snapshot) -> Iterable[str]:
    dropped = {fact for statement in plan.statements for fact in statement.drops}
    for statement in plan.statements:
        for fact in statement.creates:
            again = fact in dropped and fact in live.facts
            if fact.kind == "table":
                yield f"{fact} {'is made anew, without' if again else 'comes back without'} its rows"
            elif fact.kind == "column" and FactId("table", fact.name[:2]) in live.facts:
                yield f"{fact} {'is made anew, without' if again else 'comes back without'} its values"
