"""Which recorded migration a rollback goes back to, what declares it, and what does not come back. Does I/O.

A rollback is an ordinary run whose source is the one that the ledger recorded: nothing is undone statement by
statement, since what the statements undid may be older than what live holds now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.diff.diff import diff
from reconciler.diff.goal import Scope
from reconciler.errors import ConfigError
from reconciler.intent.resolve import has, pairs_of
from reconciler.ledger.history import load_history, load_migration
from reconciler.ledger.marks import load_mark
from reconciler.model.facts import RELATION_KINDS, ROUTINE_KINDS, SATELLITE_KINDS, FactId
from reconciler.model.intent import Hint, HintKind, Subject, written
from reconciler.options import scope_of
from reconciler.source.hints import read_hints
from reconciler.source.reading import source_from_text
from reconciler.sqltext.lexer import split
from reconciler.workflows.make_plan import plan_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.ledger.history import MigrationRecord
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.results import PlanResult
    from reconciler.source.source import Source

__all__ = [
    "find_target",
    "in_last_scope",
    "plan_rollback",
    "source_of_target",
]

_SHOWN = 10
# Named within what they are a part of.
_PARTS = frozenset({"column", "constraint", "index", "trigger", "policy", "rule", "domain_constraint", "enum_label"})
_WHOLES = (*RELATION_KINDS, "enum", "domain")


def plan_rollback(
    session: Session, plugin: str, options: Options, *, to: int | None = None, steps: int | None = None
) -> PlanResult:
    """The plan that brings back what a migration declared; its notes say what would not come back.

    What is managed is what the last run managed, unless the options say it. Raises as `find_target` and `plan_source`.
    """
    connection = session.connection
    target = find_target(connection, plugin, to=to, steps=steps)
    chosen = in_last_scope(connection, plugin, options)
    source = _with_renames_back(connection, source_of_target(target), target, scope_of(plugin, chosen))
    found = plan_source(session, plugin, source, chosen)
    lost = _not_brought_back(found.plan, found.live, found.goal.record, target)
    return replace(
        found,
        source_description=f"migration {target.entry.idx} ({target.entry.source_description})",
        source_text=_recorded_text(target, source),
        notes=(*found.notes, *lost),
        rolls_back_to=target.entry.idx,
        behind=None,
    )


def find_target(connection: Connection, plugin: str, *, to: int | None, steps: int | None) -> MigrationRecord:
    """The migration whose state is wanted again: `to` by its idx, or the one `steps` before the last.

    Raises ConfigError where there is none, LedgerError where `to` was not recorded.
    """
    if (to is None) == (steps is None):
        raise ConfigError("a rollback needs either a migration or a number of steps", hint="pass --to IDX or --steps N")
    known = sorted(entry.idx for entry in load_history(connection, plugin))
    if steps is not None:
        if not 0 < steps < len(known):
            raise ConfigError(
                f"plugin {plugin} cannot roll back {steps} of its {len(known)} recorded migrations",
                hint="`reconciler history` lists them; the first cannot be undone, but `apply` an empty source with "
                "--allow-empty drops what was declared",
            )
        to = known[-1 - steps]
    assert to is not None
    return load_migration(connection, plugin, to)


def _last_scope(connection: Connection, plugin: str) -> Scope | None:
    """What the last run of the plugin managed; None where that is not known."""
    mark = load_mark(connection, plugin)
    if mark is None or not isinstance(mark.scope, dict):
        return None
    schemas = str(mark.scope.get("schemas", ""))
    exact = mark.scope.get("exact") == "True"
    if schemas == "*":
        return Scope(schemas=mark.schemas, all_schemas=True, exact=exact)
    named = tuple(schemas.split(","))
    # A schema's name may hold a comma; then those that were read must do.
    return Scope(schemas=named if set(named) <= set(mark.schemas) else mark.schemas, exact=exact)


def in_last_scope(connection: Connection, plugin: str, options: Options) -> Options:
    """The options with what the last run of the plugin managed, unless they say what is."""
    last = _last_scope(connection, plugin)
    if last is None or options.schemas is not None or options.all_schemas:
        return options
    return replace(
        options,
        schemas=None if last.all_schemas else last.schemas,
        all_schemas=last.all_schemas,
        exact=options.exact or last.exact,
    )


def source_of_target(target: MigrationRecord) -> Source:
    """The declaration that was recorded with the migration. Raises ConfigError where there is none that can be run.

    Passwords in it are masked: they stay as live has them, and one that live lacks is an error when it is planned.
    """
    name = f"migration {target.entry.idx} of plugin {target.entry.plugin}"
    text = target.source_text
    otherwise = "reconcile with the older declaration itself: `reconciler apply OLD_SOURCE`"
    if text is None:
        raise ConfigError(
            f"{name} was recorded by another program, which does not store declarations, so it cannot be planned",
            hint=otherwise,
        )
    if not text and target.snapshot is not None and target.snapshot.facts:
        raise ConfigError(
            f"{name} was declared by another database ({target.entry.source_description}), whose schema was not kept "
            "as SQL: the recorded state alone does not give an order to create it in",
            hint=otherwise,
        )
    return source_from_text(text, origin=f"<{name}>")


def _with_renames_back(connection: Connection, source: Source, target: MigrationRecord, scope: Scope) -> Source:
    """The source with hints that turn the renames since then around, in place of those that once led to it.

    What a later migration renamed by a hint has its old name again, and keeps its rows and values.
    """
    plugin = target.entry.plugin
    path = tuple(dict.fromkeys((*(() if scope.all_schemas else scope.schemas), "public")))
    kept = tuple(hint for hint in source.hints if hint.kind is not HintKind.RENAMED)
    steps: list[Mapping[FactId, FactId]] = []
    schemas: set[str] = set()
    before, said = target.snapshot, frozenset[tuple[FactId, FactId]]()
    for idx in sorted(entry.idx for entry in load_history(connection, plugin) if entry.idx >= target.entry.idx):
        record = target if idx == target.entry.idx else load_migration(connection, plugin, idx)
        if record.snapshot is None or before is None:
            return replace(source, hints=kept)
        text, origin = record.source_text or "", f"<migration {idx}>"
        now_said = pairs_of(read_hints(text, list(split(text, origin)), origin), record.snapshot, path)
        if idx > target.entry.idx:
            # A hint that stays in the source after it was followed means nothing any more.
            steps.append(_made(dict(now_said - said), before))
        before, said = record.snapshot, now_said
        schemas.update(before.schemas)
    if target.snapshot is None or not any(steps):
        return replace(source, hints=kept)
    live = read_snapshot(connection, sorted(schemas))
    return replace(source, hints=(*kept, *_renames_back(steps, target.snapshot, live)))


def _recorded_text(target: MigrationRecord, source: Source) -> str:
    """The declaration as the rollback records it: with its renames, so that it can be rolled back itself."""
    text = target.source_text or ""
    lines = [f"{written(hint)}\n" for hint in source.hints if hint.kind is HintKind.RENAMED]
    return f"{text}\n{''.join(lines)}" if lines else text


def _made(pairs: Mapping[FactId, FactId], before: Snapshot) -> Mapping[FactId, FactId]:
    """The renames (old -> new) that could be made: nothing had the new name, or it was renamed as well."""
    back = {new: old for old, new in pairs.items()}
    return {old: new for old, new in pairs.items() if new in pairs or not has(before, _moved_whole(new, back))}


def _renames_back(steps: Sequence[Mapping[FactId, FactId]], then: Snapshot, live: Snapshot) -> Iterable[Hint]:
    """A hint for whatever is called otherwise now than it was called then."""
    for fact in (*then.facts, *_labels(then)):
        is_part = fact.kind in _PARTS
        if fact.kind in SATELLITE_KINDS or (not is_part and then.parent(fact) is not None):
            continue
        now = fact
        for pairs in steps:
            now = _moved(now, pairs)
        own = now.name[-1:] if is_part else now.name
        if own == (fact.name[-1:] if is_part else fact.name) or not has(live, now):
            continue
        name, part = (fact.name[:-1], fact.name[-1]) if is_part else (fact.name, None)
        if fact.kind in ROUTINE_KINDS:
            name, own = name[:2], own[:2]
        subject = Subject(kinds=(fact.kind,), name=name, part=part)
        where = "a reversed rename"
        yield Hint(kind=HintKind.RENAMED, subject=subject, argument=own, where=where, due=True)


def _labels(state: Snapshot) -> Iterable[FactId]:
    for enum in state.facts:
        if enum.kind == "enum":
            for label in cast("list[str]", state.definition(enum)["labels"]):
                yield FactId("enum_label", (*enum.name, label))


def _moved(fact: FactId, pairs: Mapping[FactId, FactId]) -> FactId:
    """What the fact is called after these renames; a part of something is named within its new name."""
    moved = _moved_whole(fact, pairs)
    return pairs.get(moved, moved)


def _moved_whole(fact: FactId, pairs: Mapping[FactId, FactId]) -> FactId:
    """The fact where what it is in, or a part of, has its new name."""
    schema = pairs.get(FactId("schema", fact.name[:1])) if fact.kind != "schema" and len(fact.name) > 1 else None
    moved = FactId(fact.kind, (*schema.name, *fact.name[1:])) if schema is not None else fact
    if fact.kind in _PARTS:
        for kind in _WHOLES:
            if (whole := pairs.get(FactId(kind, moved.name[:2]))) is not None:
                return FactId(fact.kind, (*whole.name, *moved.name[2:]))
    return moved


def _not_brought_back(plan: Plan, live: Snapshot, goal: Snapshot, target: MigrationRecord) -> tuple[str, ...]:
    """What a rollback cannot restore, a line each: rows that are gone, and what the declaration did not say."""
    lines = [*_empty(plan, live)]
    if target.snapshot is not None:
        other = [each.fact for each in diff(goal, target.snapshot) if each.fact in target.snapshot.facts]
        lines += [f"{fact} was recorded, but is not as its declaration says: it will be as declared" for fact in other]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
    return tuple(lines)


def _empty(plan: Plan, live: Snapshot) -> Iterable[str]:
    dropped = {fact for statement in plan.statements for fact in statement.drops}
    for statement in plan.statements:
        for fact in statement.creates:
            again = fact in dropped and fact in live.facts
            if fact.kind == "table":
                yield f"{fact} {'is recreated without' if again else 'is restored without'} its rows"
            elif fact.kind == "column" and FactId("table", fact.name[:2]) in live.facts:
                yield f"{fact} {'is recreated without' if again else 'is restored without'} its values"
