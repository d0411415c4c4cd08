"""Keeps live Postgres databases equal to a declared schema. This module is the public API, nothing else.

Names are imported when they are first used, so that `import reconciler` costs next to nothing. Does no I/O.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.client import Reconciler, reconcile_all
    from reconciler.diff.drift import ObjectState, State
    from reconciler.errors import (
        ApplyError,
        ConfigError,
        ConnectError,
        DatabaseError,
        EmbeddedServerError,
        EmptySourceError,
        HazardError,
        LedgerError,
        LedgerVersionError,
        LockTimeoutError,
        PlanError,
        PluginFailuresError,
        PreflightError,
        ProofError,
        ReconcilerError,
        RunInterruptedError,
        ScratchError,
        SourceError,
        StalePlanError,
        TerminatedError,
        UnmodelledError,
        VerificationError,
    )
    from reconciler.hazards.policy import HazardRule, Verdict
    from reconciler.ledger.managers import JournalManager, SnapshotManager
    from reconciler.model.checks import Finding, FindingKind
    from reconciler.model.hazards import Hazard, HazardKind
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.plugins import derive_schema_name
    from reconciler.options import Options, Proof
    from reconciler.results import CheckResult, MigrateResult, PlanResult, Status
    from reconciler.source.reading import parse_source, source_from_object, source_from_text
    from reconciler.source.source import DatabaseSource, Source
    from reconciler.startup import reconcile_on_startup, reconcile_on_startup_async

    __version__: str

__all__ = [
    "ApplyError",
    "CheckResult",
    "ConfigError",
    "ConnectError",
    "DatabaseError",
    "DatabaseSource",
    "EmbeddedServerError",
    "EmptySourceError",
    "Finding",
    "FindingKind",
    "Hazard",
    "HazardError",
    "HazardKind",
    "HazardRule",
    "JournalManager",
    "LedgerError",
    "LedgerVersionError",
    "LockTimeoutError",
    "MigrateResult",
    "ObjectState",
    "Options",
    "Plan",
    "PlanError",
    "PlanResult",
    "PluginFailuresError",
    "PreflightError",
    "Proof",
    "ProofError",
    "Reconciler",
    "ReconcilerError",
    "RunInterruptedError",
    "ScratchError",
    "SnapshotManager",
    "Source",
    "SourceError",
    "StalePlanError",
    "State",
    "Statement",
    "Status",
    "TerminatedError",
    "UnmodelledError",
    "Verdict",
    "VerificationError",
    "__version__",
    "derive_schema_name",
    "parse_source",
    "reconcile_all",
    "reconcile_on_startup",
    "reconcile_on_startup_async",
    "source_from_object",
    "source_from_text",
]

_MODULES = {
    "CheckResult": "results",
    "DatabaseSource": "source.source",
    "Finding": "model.checks",
    "FindingKind": "model.checks",
    "Hazard": "model.hazards",
    "HazardKind": "model.hazards",
    "HazardRule": "hazards.policy",
    "JournalManager": "ledger.managers",
    "MigrateResult": "results",
    "ObjectState": "diff.drift",
    "Options": "options",
    "Plan": "model.plan",
    "PlanResult": "results",
    "Proof": "options",
    "Reconciler": "client",
    "SnapshotManager": "ledger.managers",
    "Source": "source.source",
    "State": "diff.drift",
    "Statement": "model.plan",
    "Status": "results",
    "Verdict": "hazards.policy",
    "derive_schema_name": "model.plugins",
    "parse_source": "source.reading",
    "reconcile_all": "client",
    "reconcile_on_startup": "startup",
    "reconcile_on_startup_async": "startup",
    "source_from_object": "source.reading",
    "source_from_text": "source.reading",
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
