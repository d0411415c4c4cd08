"""Results as JSON documents for programs, as docs/json-format.md describes them. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.hazards.policy import consent_for
from reconciler.model.incidents import describe_incident
from reconciler.redaction.masking import redact_message
from reconciler.report import audit
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.diff.diff import Difference
    from reconciler.diff.drift import ObjectState
    from reconciler.errors import ReconcilerError
    from reconciler.ledger.history import HistoryEntry, MigrationRecord
    from reconciler.ledger.plugins import PluginEntry
    from reconciler.ledger.runs import Run
    from reconciler.ledger.steps import UnfinishedRun
    from reconciler.model.audit import Attribution, AuditState, Happening, Seal
    from reconciler.model.checks import Finding
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.incidents import Incident, IncidentChanges
    from reconciler.model.intent import Rename, Suggestion
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.versions import Behind
    from reconciler.results import CheckResult, MigrateResult, PlanResult, Status

__all__ = [
    "FORMAT_VERSION",
    "all_document",
    "audit_status_document",
    "audit_verification_document",
    "blame_document",
    "check_document",
    "diff_document",
    "error_document",
    "head",
    "history_document",
    "incidents_document",
    "migration_document",
    "plan_document",
    "plugins_document",
    "reset_document",
    "result_document",
    "status_document",
    "timeline_document",
    "to_text",
]

# The second number grows with each addition, the first where something that was there goes or means something else.
FORMAT_VERSION = "1.5"


def to_text(document: dict[str, object]) -> str:
    """The document as text, indented, ended by a newline."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def plan_document(planned: PlanResult) -> dict[str, object]:
    """What `plan` found."""
    return {
        **head("plan", planned.plugin),
        "source": planned.source_description,
        "scratch": planned.scratch,
        "desired_fingerprint": planned.desired_fingerprint,
        "recorded_idx": planned.recorded.idx if planned.recorded else None,
        "warnings": list(planned.warnings),
        "behind": _behind(planned.behind),
        "later": [fact.key for fact in planned.later],
        "ignored": list(planned.ignored),
        **_plan(planned.plan),
        "refused": [_hazard(hazard) for hazard in planned.refused],
        "findings": [_finding(finding) for finding in planned.findings],
        "suggestions": [_suggestion(each) for each in planned.suggestions],
    }


def diff_document(plan: Plan) -> dict[str, object]:
    """What `diff` found: no plugin takes part."""
    return {**head("diff", None), **_plan(plan)}


def check_document(result: CheckResult) -> dict[str, object]:
    """What `check` found; objects in sync are counted only."""
    moved = [each for each in result.objects if each.state.value != "in sync"]
    return {
        **head("check", result.plugin),
        "recorded_idx": result.recorded_idx,
        "has_drift": result.has_drift,
        "in_sync_count": len(result.objects) - len(moved),
        "objects": [_object_state(each, result.attributions) for each in moved],
        "statements": [_statement(each) for each in result.plan.statements],
        "unmodelled": [_difference(each) for each in result.plan.unmodelled],
        "unfinished": _unfinished(result.unfinished) if result.unfinished else None,
        "behind": _behind(result.behind),
        "warnings": list(result.warnings),
        "ignored": list(result.ignored),
        "is_acknowledged": result.is_acknowledged,
        "incidents": None if result.incidents is None else _changes(result.incidents),
    }


def incidents_document(incidents: Iterable[Incident], plugin: str | None) -> dict[str, object]:
    """The incidents of one plugin or of all."""
    return {**head("incidents", plugin), "incidents": [describe_incident(each) for each in incidents]}


def _changes(changes: IncidentChanges) -> dict[str, object]:
    return {
        "standing": [describe_incident(each) for each in changes.standing],
        "resolved": [describe_incident(each) for each in changes.resolved],
        "unrecorded": changes.unrecorded,
    }


def result_document(result: MigrateResult) -> dict[str, object]:
    """What `apply`, `repair` or `adopt` did."""
    return {
        **head("result", result.plugin),
        "idx": result.idx,
        "dry_run": result.dry_run,
        "skipped": result.skipped,
        "behind": _behind(result.behind),
        "later": [fact.key for fact in result.later],
        "ignored": list(result.ignored),
        "statements": [_statement(each) for each in result.statements],
        "warnings": list(result.warnings),
    }


def status_document(status: Status) -> dict[str, object]:
    """What the ledger knows of a plugin."""
    return {
        **head("status", status.plugin),
        "has_run": status.has_run,
        "snapshots": status.snapshots,
        "last_migration": _entry(status.last_migration) if status.last_migration else None,
        "last_run": _run(status.last_run) if status.last_run else None,
        "unfinished": _unfinished(status.unfinished) if status.unfinished else None,
        "later": [fact.key for fact in status.later],
    }


def plugins_document(plugins: Iterable[PluginEntry]) -> dict[str, object]:
    """The recorded plugins."""
    return {
        **head("plugins", None),
        "plugins": [
            {
                "name": each.name,
                "schemas": None if each.schemas is None else list(each.schemas),
                "idx": each.idx,
                "recorded_at": each.recorded_at.isoformat() if each.recorded_at is not None else None,
                "object_count": each.object_count,
            }
            for each in plugins
        ],
    }


def all_document(kind: str, documents: Iterable[dict[str, object]]) -> dict[str, object]:
    """The documents of all plugins in one."""
    return {**head(kind, None), "plugins": list(documents)}


def history_document(entries: Iterable[HistoryEntry], plugin: str | None) -> dict[str, object]:
    """All recorded migrations."""
    return {**head("history", plugin), "migrations": [_entry(each) for each in entries]}


def migration_document(record: MigrationRecord) -> dict[str, object]:
    """One recorded migration."""
    return {
        **head("migration", record.entry.plugin),
        **_entry(record.entry),
        "statements": [
            {
                "sql": each.sql,
                "hazards": list(each.hazards),
                "transactional": each.transactional,
                "duration_ms": each.duration_ms,
            }
            for each in record.statements
        ],
        "source_text": record.source_text,
        "fingerprint": record.snapshot.fingerprint if record.snapshot else None,
        "run": _run(record.run) if record.run else None,
    }


def _behind(behind: Behind | None) -> dict[str, object] | None:
    return asdict(behind) if behind else None


def reset_document(plugin: str, rows: int) -> dict[str, object]:
    """What `reset` deleted from the ledger."""
    return {**head("reset", plugin), "rows": rows}


def error_document(error: ReconcilerError, exit_code: int) -> dict[str, object]:
    """Why a command failed. It goes to standard error."""
    return {
        **head("error", None),
        "error": type(error).__name__,
        "message": redact_message(error.message),
        "hint": error.hint,
        "left": error.left,
        "exit_code": exit_code,
        "findings": [_finding(finding) for finding in getattr(error, "findings", ())],
        "refused": [_hazard(hazard) for hazard in getattr(error, "hazards", ())],
        "rows_missing": getattr(error, "rows", None),
        "guards": [fact.key for fact in getattr(error, "guards", ())],
    }


def head(kind: str, plugin: str | None = None) -> dict[str, object]:
    """How every document begins."""
    return {"format": f"reconciler/{kind}", "format_version": FORMAT_VERSION, "plugin": plugin}


def _plan(plan: Plan) -> dict[str, object]:
    return {
        "in_sync": plan.is_empty,
        "live_fingerprint": plan.live_fingerprint,
        "goal_fingerprint": plan.goal_fingerprint,
        "renames": [_rename(each) for each in plan.renames],
        "statements": [_statement(each) for each in plan.statements],
        "differences": [_difference(each) for each in plan.differences],
        "unmodelled": [_difference(each) for each in plan.unmodelled],
    }


def _rename(rename: Rename) -> dict[str, object]:
    return {"from": rename.old.key, "to": rename.new.key, "where": rename.where or None}


def _statement(statement: Statement) -> dict[str, object]:
    return {
        "sql": redact_sql(statement.sql),
        "creates": [fact.key for fact in statement.creates],
        "drops": [fact.key for fact in statement.drops],
        "alters": [fact.key for fact in statement.alters],
        "hazards": [_hazard(hazard) for hazard in statement.hazards],
        "lock": statement.lock.value if statement.lock else None,
        "locks": statement.locks.key if statement.locks else None,
        "blocks": statement.lock.blocks if statement.lock else None,
        "transactional": statement.transactional,
        "step": statement.step,
        "batched": statement.batched is not None,
        "proves_arrival": statement.arrival is not None,
        "because": statement.because,
    }


def _hazard(hazard: Hazard) -> dict[str, object]:
    return {
        "kind": hazard.kind.value,
        "message": hazard.message,
        "object": hazard.fact.key,
        "allow": consent_for(hazard),
        "size": {"rows": hazard.size.rows, "bytes": hazard.size.bytes} if hazard.size else None,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind.value,
        "message": redact_message(finding.message),
        "hint": finding.hint,
        "object": finding.fact.key if finding.fact else None,
        "blocks": finding.blocks,
        "count": finding.count,
        "at_least": finding.at_least,
        "examples": list(finding.examples),
        "statement": finding.statement,
    }


def _suggestion(suggestion: Suggestion) -> dict[str, object]:
    return {
        "from": suggestion.old.key,
        "to": suggestion.new.key,
        "why": suggestion.why,
        "line": suggestion.line,
        "line_anywhere": suggestion.line_anywhere,
    }


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "fact": difference.fact.key,
        "change": difference.change.value,
        "attributes": {
            name: {"before": before, "after": after} for name, (before, after) in difference.attributes.items()
        },
    }


def _object_state(state: ObjectState, whose: Mapping[FactId, Attribution]) -> dict[str, object]:
    return {
        "object": state.object.key,
        "state": state.state.value,
        "meaning": state.meaning,
        "renames": [_rename(each) for each in state.renames],
        "differences": [
            {**_difference(each), "author": audit.attribution_value(whose.get(each.fact))} for each in state.differences
        ],
        "author": audit.attribution_value(None if state.differences else whose.get(state.object)),
    }


def audit_status_document(state: AuditState, seal: Seal | None) -> dict[str, object]:
    """Whether there is a log of DDL, and whether it can be believed."""
    return {**head("audit-status"), **audit.state_value(state, seal)}


def timeline_document(happened: Sequence[Happening], plugin: str | None) -> dict[str, object]:
    """What became of the schema, oldest first."""
    return {**head("log", plugin), "happened": audit.timeline_value(happened)}


def blame_document(parts: Sequence[tuple[FactId, Attribution | None]]) -> dict[str, object]:
    """Each part of a relation, and since when it is as it is."""
    return {**head("blame"), "parts": audit.blame_value(parts)}


def audit_verification_document(
    broken: Sequence[tuple[int, datetime, str]], missing: str | None, last: Seal | None
) -> dict[str, object]:
    """Whether the log of DDL matches its seals."""
    return {**head("audit-verification"), **audit.verification_value(broken, missing, last)}


def _entry(entry: HistoryEntry) -> dict[str, object]:
    return _times_as_text(asdict(entry))


def _run(run: Run) -> dict[str, object]:
    return _times_as_text(asdict(run))


def _unfinished(run: UnfinishedRun) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "kind": run.kind.value,
        "state": run.state,
        "started_at": run.started_at.isoformat(),
        "database_user": run.database_user,
        "client_address": run.client_address,
        "application_name": run.application_name,
        "source": run.source_description,
        "steps_done": run.steps_done,
        "step_count": run.step_count,
        "last_sql": run.last_sql,
        "error": run.error,
    }


def _times_as_text(values: dict[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
