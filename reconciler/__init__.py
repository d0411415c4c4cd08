"""Keeps live Postgres databases equal to a declared schema. This module is the public API, nothing else.

Names are imported when they are first used, so that `import reconciler` costs next to nothing. Does no I/O.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.client import Reconciler, reconcile_all
    from reconciler.client_async import AsyncReconciler
    from reconciler.db.connections import Connection
    from reconciler.db.targets import Database, Location, OpenConnection
    from reconciler.diff.diff import Change, Difference
    from reconciler.diff.drift import ObjectState, State
    from reconciler.diff.goal import Desired, Goal, Scope
    from reconciler.diff.kept import KeptDeclaration
    from reconciler.diff.privileges import Said
    from reconciler.errors import (
        ApplyError,
        AuditError,
        BehindError,
        ConfigError,
        ConnectError,
        DatabaseError,
        DeliveryError,
        DriftError,
        EmbeddedServerError,
        EmptySourceError,
        HazardError,
        LedgerDamagedError,
        LedgerError,
        LedgerVersionError,
        LockTimeoutError,
        PlanError,
        PluginFailuresError,
        PreflightError,
        ProofError,
        ReconcilerError,
        RowsNotCarriedOverError,
        RunInterruptedError,
        ScratchError,
        SourceError,
        StalePlanError,
        TerminatedError,
        UnexpectedError,
        UnmodelledError,
        VerificationError,
    )
    from reconciler.hazards.policy import HazardRule, Verdict
    from reconciler.intent.rename_simulation import Renamed
    from reconciler.ledger.history import HistoryEntry, MigrationRecord
    from reconciler.ledger.managers import Journal, JournalEntry, JournalManager, SnapshotManager
    from reconciler.ledger.migrations import Head, Recorded, RecordedStatement
    from reconciler.ledger.plugins import PluginEntry
    from reconciler.ledger.runs import Run, RunKind, RunOutcome
    from reconciler.ledger.steps import UnfinishedRun
    from reconciler.model.audit import Actor, Attribution, AttributionKind, Entry, OwnRun
    from reconciler.model.checks import Arrival, Check, Finding, FindingKind, Question
    from reconciler.model.events import BackfillProgress, Event, Phase
    from reconciler.model.facts import Address, Definition, FactId, Json
    from reconciler.model.hazards import Hazard, HazardKind, TableSize
    from reconciler.model.ignore import IgnoreRule
    from reconciler.model.incidents import (
        Acknowledgement,
        ClosedBy,
        DriftedFact,
        Incident,
        IncidentChange,
        IncidentChanges,
        IncidentStatus,
    )
    from reconciler.model.intent import Hint, HintKind, Rename, Subject, Suggestion
    from reconciler.model.outlook import Outlook, Speeds
    from reconciler.model.plan import (
        LockMode,
        Online,
        Plan,
        Reach,
        RelationLock,
        RowAccess,
        RowCommand,
        Statement,
        Step,
    )
    from reconciler.model.plugins import derive_schema_name
    from reconciler.model.replication import MaxLag, Reader
    from reconciler.model.snapshot import Extent, Snapshot
    from reconciler.model.versions import Behind
    from reconciler.options import Drops, OnDrift, Options, Partitions, Proof, WhenBehind
    from reconciler.redaction.masking import Secret, SecretText
    from reconciler.results import CheckResult, MigrateResult, PlanResult, Status
    from reconciler.source.files import DeclaredFiles, FileChange, read_files, write_files
    from reconciler.source.reading import parse_source, source_from_object, source_from_text
    from reconciler.source.source import AnySource, DatabaseSource, Declaration, Source, SourcePart, SourceStatement
    from reconciler.startup import reconcile_on_startup, reconcile_on_startup_async
    from reconciler.workflows.pull import Pull

    __version__: str

__all__ = [
    "Acknowledgement",
    "Actor",
    "Address",
    "AnySource",
    "ApplyError",
    "Arrival",
    "AsyncReconciler",
    "Attribution",
    "AttributionKind",
    "AuditError",
    "BackfillProgress",
    "Behind",
    "BehindError",
    "Change",
    "Check",
    "CheckResult",
    "ClosedBy",
    "ConfigError",
    "ConnectError",
    "Connection",
    "Database",
    "DatabaseError",
    "DatabaseSource",
    "Declaration",
    "DeclaredFiles",
    "Definition",
    "DeliveryError",
    "Desired",
    "Difference",
    "DriftError",
    "DriftedFact",
    "Drops",
    "EmbeddedServerError",
    "EmptySourceError",
    "Entry",
    "Event",
    "Extent",
    "FactId",
    "FileChange",
    "Finding",
    "FindingKind",
    "Goal",
    "Hazard",
    "HazardError",
    "HazardKind",
    "HazardRule",
    "Head",
    "Hint",
    "HintKind",
    "HistoryEntry",
    "IgnoreRule",
    "Incident",
    "IncidentChange",
    "IncidentChanges",
    "IncidentStatus",
    "Journal",
    "JournalEntry",
    "JournalManager",
    "Json",
    "KeptDeclaration",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerVersionError",
    "Location",
    "LockMode",
    "LockTimeoutError",
    "MaxLag",
    "MigrateResult",
    "MigrationRecord",
    "ObjectState",
    "OnDrift",
    "Online",
    "OpenConnection",
    "Options",
    "Outlook",
    "OwnRun",
    "Partitions",
    "Phase",
    "Plan",
    "PlanError",
    "PlanResult",
    "PluginEntry",
    "PluginFailuresError",
    "PreflightError",
    "Proof",
    "ProofError",
    "Pull",
    "Question",
    "Reach",
    "Reader",
    "Reconciler",
    "ReconcilerError",
    "Recorded",
    "RecordedStatement",
    "RelationLock",
    "Rename",
    "Renamed",
    "RowAccess",
    "RowCommand",
    "RowsNotCarriedOverError",
    "Run",
    "RunInterruptedError",
    "RunKind",
    "RunOutcome",
    "Said",
    "Scope",
    "ScratchError",
    "Secret",
    "SecretText",
    "Snapshot",
    "SnapshotManager",
    "Source",
    "SourceError",
    "SourcePart",
    "SourceStatement",
    "Speeds",
    "StalePlanError",
    "State",
    "Statement",
    "Status",
    "Step",
    "Subject",
    "Suggestion",
    "TableSize",
    "TerminatedError",
    "UnexpectedError",
    "UnfinishedRun",
    "UnmodelledError",
    "Verdict",
    "VerificationError",
    "WhenBehind",
    "__version__",
    "derive_schema_name",
    "parse_source",
    "read_files",
    "reconcile_all",
    "reconcile_on_startup",
    "reconcile_on_startup_async",
    "source_from_object",
    "source_from_text",
    "write_files",
]

_MODULES = {
    "Acknowledgement": "model.incidents",
    "Actor": "model.audit",
    "Address": "model.facts",
    "AnySource": "source.source",
    "Arrival": "model.checks",
    "AsyncReconciler": "client_async",
    "Attribution": "model.audit",
    "AttributionKind": "model.audit",
    "BackfillProgress": "model.events",
    "Behind": "model.versions",
    "Change": "diff.diff",
    "Check": "model.checks",
    "CheckResult": "results",
    "ClosedBy": "model.incidents",
    "Connection": "db.connections",
    "Database": "db.targets",
    "DatabaseSource": "source.source",
    "Declaration": "source.source",
    "DeclaredFiles": "source.files",
    "Definition": "model.facts",
    "Desired": "diff.goal",
    "Difference": "diff.diff",
    "DriftedFact": "model.incidents",
    "Drops": "options",
    "Entry": "model.audit",
    "Event": "model.events",
    "Extent": "model.snapshot",
    "FactId": "model.facts",
    "FileChange": "source.files",
    "Finding": "model.checks",
    "FindingKind": "model.checks",
    "Goal": "diff.goal",
    "Hazard": "model.hazards",
    "HazardKind": "model.hazards",
    "HazardRule": "hazards.policy",
    "Head": "ledger.migrations",
    "Hint": "model.intent",
    "HintKind": "model.intent",
    "HistoryEntry": "ledger.history",
    "IgnoreRule": "model.ignore",
    "Incident": "model.incidents",
    "IncidentChange": "model.incidents",
    "IncidentChanges": "model.incidents",
    "IncidentStatus": "model.incidents",
    "Journal": "ledger.managers",
    "JournalEntry": "ledger.managers",
    "JournalManager": "ledger.managers",
    "Json": "model.facts",
    "KeptDeclaration": "diff.kept",
    "Location": "db.targets",
    "LockMode": "model.plan",
    "MaxLag": "model.replication",
    "MigrateResult": "results",
    "MigrationRecord": "ledger.history",
    "ObjectState": "diff.drift",
    "OnDrift": "options",
    "Online": "model.plan",
    "OpenConnection": "db.targets",
    "Options": "options",
    "Outlook": "model.outlook",
    "OwnRun": "model.audit",
    "Partitions": "options",
    "Phase": "model.events",
    "Plan": "model.plan",
    "PlanResult": "results",
    "PluginEntry": "ledger.plugins",
    "Proof": "options",
    "Pull": "workflows.pull",
    "Question": "model.checks",
    "Reach": "model.plan",
    "Reader": "model.replication",
    "Reconciler": "client",
    "Recorded": "ledger.migrations",
    "RecordedStatement": "ledger.migrations",
    "RelationLock": "model.plan",
    "Rename": "model.intent",
    "Renamed": "intent.rename_simulation",
    "RowAccess": "model.plan",
    "RowCommand": "model.plan",
    "Run": "ledger.runs",
    "RunKind": "ledger.runs",
    "RunOutcome": "ledger.runs",
    "Said": "diff.privileges",
    "Scope": "diff.goal",
    "Secret": "redaction.masking",
    "SecretText": "redaction.masking",
    "Snapshot": "model.snapshot",
    "SnapshotManager": "ledger.managers",
    "Source": "source.source",
    "SourcePart": "source.source",
    "SourceStatement": "source.source",
    "Speeds": "model.outlook",
    "State": "diff.drift",
    "Statement": "model.plan",
    "Status": "results",
    "Step": "model.plan",
    "Subject": "model.intent",
    "Suggestion": "model.intent",
    "TableSize": "model.hazards",
    "UnfinishedRun": "ledger.steps",
    "Verdict": "hazards.policy",
    "WhenBehind": "options",
    "derive_schema_name": "model.plugins",
    "parse_source": "source.reading",
    "read_files": "source.files",
    "reconcile_all": "client",
    "reconcile_on_startup": "startup",
    "reconcile_on_startup_async": "startup",
    "source_from_object": "source.reading",
    "source_from_text": "source.reading",
    "write_files": "source.files",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from reconciler.version import program_version

        value: object = program_version()
    else:
        value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
