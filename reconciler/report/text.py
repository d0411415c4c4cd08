"""Results as text for people. Pure: no I/O.

Lines are plain; `reconciler.cli.console` colours them by the words they begin with.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.diff.diff import Change
from reconciler.diff.drift import State
from reconciler.redaction.masking import redact_message
from reconciler.report.audit import author_text
from reconciler.report.incidents import changes_lines
from reconciler.report.plan_text import plan_lines
from reconciler.report.statements import INDENT, numbered, statement_lines
from reconciler.report.summary import one_line, value_text
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.diff.diff import Difference
    from reconciler.diff.drift import ObjectState
    from reconciler.ledger.history import HistoryEntry, MigrationRecord
    from reconciler.ledger.migrations import RecordedStatement
    from reconciler.ledger.plugins import PluginEntry
    from reconciler.ledger.steps import UnfinishedRun
    from reconciler.model.audit import Attribution
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Plan
    from reconciler.results import CheckResult, MigrateResult, PlanResult, Status

__all__ = [
    "check_text",
    "history_text",
    "migration_text",
    "plan_text",
    "plugins_text",
    "result_text",
    "status_text",
    "unmodelled_text",
]

_SHOWN_FACTS = 6
_IN_LIVE = {
    Change.ADDED: "missing in the database",
    Change.REMOVED: "in the database only",
    Change.CHANGED: "differs (database -> declaration)",
}
_SINCE_RECORDED = {
    Change.ADDED: "added since it was recorded",
    Change.REMOVED: "removed since it was recorded",
    Change.CHANGED: "changed since it was recorded (then -> now)",
}
_BY_THE_RUN = {
    Change.ADDED: "added by the run",
    Change.REMOVED: "removed by the run",
    Change.CHANGED: "changed by the run (before -> after)",
}
_MOVED = (
    State.CONFLICT,
    State.DRIFTED,
    State.PENDING,
    State.UNFINISHED,
    State.UNMANAGED,
    State.FOLLOWED,
    State.CAUGHT_UP,
)
_RESUMED = {
    "apply": "run `reconciler apply` with the same source again",
    "adopt": "run `reconciler adopt` with the same source again",
    "repair": "run the same `reconciler repair` again, or `reconciler apply`",
    "rollback": "run the same `reconciler rollback` again, or `reconciler apply` to go forward",
}


def plan_text(planned: PlanResult, *, details: bool = False) -> str:
    """The plan: what it amounts to, what blocks it, each object; with `details` its statements, too."""
    plan = planned.plan
    if plan.is_empty:
        return f"In sync: {_plugin(planned.plugin)} is as declared in {planned.source_description}.\n"
    return _text(plan_lines(planned, details=details)) + unmodelled_text(plan)


def unmodelled_text(plan: Plan) -> str:
    """The unsupported changes, prominently; empty where there are none."""
    if not plan.unmodelled:
        return ""
    lines = [f"NOT PLANNED: {_count(len(plan.unmodelled), 'unsupported change')}:"]
    lines += [f"  {_change(difference)}" for difference in plan.unmodelled]
    lines.append("  make these changes manually, or pass --ignore-unmodelled to apply the rest without them")
    return _text(lines)


def check_text(result: CheckResult) -> str:
    """Every object that is not in sync: its state, what that means, and what differs."""
    count = Counter(each.state for each in result.objects)
    lines: list[str] = []
    for each in result.of(*_MOVED):
        lines += _object_state(each, result.attributions)
    if result.unfinished is not None:
        lines += [*_unfinished(result.unfinished), ""]
    if result.behind is not None:
        lines += [f"behind: {result.behind}", "  the database was compared with what was recorded", ""]
    if result.incidents is not None and (told := changes_lines(result.incidents)):
        lines += [*told, ""]
    found = [f"{count[state]} {state}" for state in (*_MOVED, State.IN_SYNC) if count[state]]
    recorded = "nothing recorded yet" if result.recorded_idx is None else f"recorded: migration {result.recorded_idx}"
    lines.append(f"{_plugin(result.plugin)} ({recorded}): {', '.join(found) or 'no objects'}.")
    return _text(lines) + unmodelled_text(result.plan)


def result_text(result: MigrateResult, verb: str) -> str:
    """What was done; `verb` as in `applied`."""
    if result.skipped or (not result.statements and result.idx is None):
        return f"In sync: nothing to do for {_plugin(result.plugin)}.\n"
    what = _count(len(result.statements), "statement")
    if result.dry_run:
        return _text(
            [*statement_lines(result.statements), f"Dry run: {what} for {_plugin(result.plugin)}, nothing changed."]
        )
    lines = [*statement_lines(result.statements)]
    lines.append(f"{verb.capitalize()}: {what}, recorded as migration {result.idx} of {_plugin(result.plugin)}.")
    return _text(lines)


def status_text(status: Status) -> str:
    """What the ledger knows of a plugin."""
    lines = [f"{_plugin(status.plugin)}"]
    last = status.last_migration
    if last is None:
        lines.append("  no migration is recorded")
    else:
        lines.append(f"  last migration  {last.idx}  {last.tag}")
        lines.append(f"  recorded        {_time(last.created_at)}")
        if last.hash is not None:
            lines.append(f"  declaration     {last.hash[:16]}  {last.source_description or ''}".rstrip())
        lines.append(f"  snapshots       {status.snapshots}")
    if status.unfinished is not None:
        lines += [f"  {line}" for line in _unfinished(status.unfinished)]
    lines += [f"  dropped later   {fact}" for fact in status.later]
    if status.last_run is not None:
        run = status.last_run
        lines.append(f"  last run        {run.kind} {run.outcome} at {_time(run.started_at)} by {run.database_user}")
        if run.error:
            lines.append(f"  its error       {one_line(redact_message(run.error))}")
    return _text(lines)


def plugins_text(plugins: Sequence[PluginEntry]) -> str:
    """The recorded plugins, a line each."""
    if not plugins:
        return "No plugin is recorded.\n"
    lines: list[str] = []
    for each in plugins:
        schemas = "recorded by another program" if each.schemas is None else ", ".join(each.schemas) or "no schema"
        last = "no migration" if each.idx is None or each.recorded_at is None else f"migration {each.idx}"
        when = f" of {_time(each.recorded_at)}" if each.recorded_at is not None else ""
        lines.append(f"{each.name}  ({schemas}; {_count(each.object_count, 'object')}; {last}{when})")
    return _text(lines)


def _unfinished(run: UnfinishedRun) -> list[str]:
    """How far the run came, whose it is, whether it is at work, and how to resume it."""
    whose = f"{run.database_user}{f' from {run.client_address}' if run.client_address else ''}"
    named = f" ({run.application_name})" if run.application_name else ""
    source = f" of {run.source_description}" if run.source_description else ""
    lines = [
        f"unfinished: {run.steps_done} of {run.step_count} steps are done",
        f"  {run.kind}{source}, begun at {_time(run.started_at)} by {whose}{named}",
    ]
    if run.last_sql is not None:
        lines.append(f"  last begun: {one_line(redact_sql(run.last_sql))}")
    if run.is_running:
        return [*lines, "  running: a session is at work on it; another run waits until it has ended"]
    if run.error is not None:
        lines.append(f"  failed: {one_line(redact_message(run.error))}")
    else:
        lines.append("  interrupted: no session is at work on it")
    return [*lines, f"  to resume it, {_RESUMED[run.kind.value]}"]


def history_text(entries: Sequence[HistoryEntry]) -> str:
    """All recorded migrations, a line each."""
    if not entries:
        return "Nothing is recorded.\n"
    rows = [("PLUGIN", "IDX", "RECORDED", "STATEMENTS", "TAG", "SOURCE")]
    for entry in entries:
        count = "?" if entry.statement_count is None else str(entry.statement_count)
        source = entry.source_description or ""
        rows.append((entry.plugin, str(entry.idx), _time(entry.created_at), count, entry.tag, one_line(source)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return _text("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def migration_text(record: MigrationRecord) -> str:
    """One recorded migration with its statements."""
    entry = record.entry
    lines = [f"Migration {entry.idx} of {_plugin(entry.plugin)}: {entry.tag}", f"  recorded  {_time(entry.created_at)}"]
    if entry.source_description:
        lines.append(f"  source    {entry.source_description}")
    if record.run is not None:
        lines.append(f"  run       {record.run.kind} by {record.run.database_user} with {record.run.program_version}")
    if record.snapshot is not None:
        lines.append(f"  result    {len(record.snapshot)} facts, fingerprint {record.snapshot.fingerprint[:16]}")
    lines.append("")
    for position, statement in enumerate(record.statements, start=1):
        lines += _recorded_statement(position, statement)
    return _text(lines)


def _recorded_statement(position: int, statement: RecordedStatement) -> list[str]:
    lines = numbered(position, statement.sql)
    for hazard in statement.hazards:
        if isinstance(hazard, dict):
            lines.append(f"{INDENT}hazard {str(hazard.get('kind')).replace('_', '-')}: {hazard.get('message')}")
    if statement.duration_ms is not None:
        lines.append(f"{INDENT}took {statement.duration_ms:.1f} ms")
    return [*lines, ""]


def _object_state(state: ObjectState, whose: Mapping[FactId, Attribution]) -> list[str]:
    """What differs, from live's side: what it lacks, what it has too much, and its values beside the declared ones."""
    words = {State.CAUGHT_UP: _SINCE_RECORDED, State.FOLLOWED: _SINCE_RECORDED, State.UNFINISHED: _BY_THE_RUN}.get(
        state.state, _IN_LIVE
    )
    lines = [f"{state.state}: {state.object}", f"  {state.meaning}"]
    lines += [f"  to be renamed: {rename}" for rename in state.renames]
    for difference in state.differences:
        lines.append(f"  {words[difference.change]}: {difference.fact}")
        if difference.change is Change.CHANGED:
            lines += [
                f"    {name}: {value_text(before)} -> {value_text(after)}"
                for name, (before, after) in difference.attributes.items()
            ]
        if (found := whose.get(difference.fact)) is not None:
            lines.append(f"    {author_text(found, difference.change, since_recorded=words is _SINCE_RECORDED)}")
    if not state.differences and (found := whose.get(state.object)) is not None:
        lines.append(f"  {author_text(found, Change.ADDED, since_recorded=True)}")
    return [*lines, ""]


def _change(difference: Difference) -> str:
    return f"{difference.change} {difference.fact}"


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _plugin(name: str) -> str:
    return f"plugin {name}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
