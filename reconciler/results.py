"""What the use cases return. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.diff.drift import ObjectState, State
from reconciler.hazards.policy import refused_of, unused_consents
from reconciler.model.audit import attribution_of
from reconciler.model.incidents import IncidentStatus
from reconciler.model.outlook import Outlook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciler.diff.goal import Goal, Scope
    from reconciler.diff.kept import KeptDeclaration
    from reconciler.intent.rename_simulation import Renamed
    from reconciler.ledger.history import HistoryEntry
    from reconciler.ledger.managers import Journal
    from reconciler.ledger.migrations import Head, Recorded
    from reconciler.ledger.runs import Run
    from reconciler.ledger.steps import UnfinishedRun
    from reconciler.model.audit import Attribution
    from reconciler.model.checks import Finding
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.incidents import DriftedFact, IncidentChanges
    from reconciler.model.intent import Suggestion
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Extent, Snapshot
    from reconciler.model.versions import Behind
    from reconciler.options import Options

__all__ = ["CheckResult", "MigrateResult", "PlanResult", "Status", "left_in_place"]


@dataclass(frozen=True, kw_only=True)
class PlanResult:
    """A plan with all that it was made from; `scratch` names where desired was built, and why there.

    `is_whole` is false for a repair after which live is not as the whole declaration says.
    `head` is how far the record had come, `rolls_back_to` the migration whose declaration a rollback brings back.
    `renamed` is live after the plan's renames; a plan that was read from a file has none. `findings` are what
    blocked it, or could delay it, when it was made; `suggestions` what looks like a rename and is planned as none,
    `ignored` what rules of the configuration leave alone, a line each.
    `behind` is set where the declaration is older than what the database is at, `later` has what it no longer declares
    and is not dropped yet.
    `notes` are the warnings that came of making it, `rename_warnings` those of renames that nobody declared; what is
    allowed can change until it is applied. `outlook` has what was read of live with the findings, `to_keep` what was
    built of the declaration, so that it need not be built again.
    """

    plugin: str
    plan: Plan
    live: Snapshot
    goal: Goal
    desired_fingerprint: str
    source_text: str
    source_description: str
    source_digest: str
    recorded: Recorded | None
    scope: Scope
    options: Options
    scratch: str
    head: Head
    notes: tuple[str, ...] = ()
    rename_warnings: tuple[str, ...] = ()
    rolls_back_to: int | None = None
    renamed: Renamed | None = None
    is_whole: bool = True
    findings: tuple[Finding, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    behind: Behind | None = None
    later: tuple[FactId, ...] = ()
    ignored: tuple[str, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)
    to_keep: KeptDeclaration | None = field(default=None, repr=False, compare=False)

    @property
    def extent(self) -> Extent:
        """What of the database is read to see whether it still is what the plan was made for, or is what it makes."""
        return self.live.extent.with_objects(self.goal.snapshot.outside)

    @property
    def refused(self) -> tuple[Hazard, ...]:
        """The hazards that the options do not allow."""
        return refused_of(self.plan.hazards, frozenset(self.options.allow), self.options.hazard_rules)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What came of making the plan, and which consents it has no use for."""
        older = () if self.behind is None else (str(self.behind),)
        return (
            *older,
            *left_in_place(self.later),
            *self.notes,
            *self.rename_warnings,
            *unused_consents(self.plan.hazards, self.options.allow),
        )


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What `check` found: the state of each object, and the plan that would bring live to the declaration.

    `unfinished` is a run that is at work, or was interrupted; what it changes is in that state, and is no drift. Where
    the declaration is `behind`, live is compared with what was recorded instead. `drift` has each thing that somebody
    changed by hand, `live` what it was found in, `incidents` what became of it in the ledger, where that was asked.
    `attributions` say whose a difference is, where a log of DDL tells. Where it is what the record is about that was
    read, `read_at` is when that began, by the server's clock.
    """

    plugin: str
    objects: tuple[ObjectState, ...]
    plan: Plan
    recorded_idx: int | None
    warnings: tuple[str, ...] = ()
    unfinished: UnfinishedRun | None = None
    behind: Behind | None = None
    ignored: tuple[str, ...] = ()
    drift: tuple[DriftedFact, ...] = ()
    live: Snapshot | None = None
    read_at: datetime | None = None
    incidents: IncidentChanges | None = None
    attributions: Mapping[FactId, Attribution] = field(default_factory=dict["FactId", "Attribution"])

    def attribution_of(self, state: ObjectState) -> Attribution | None:
        """Whose the differences of an object are; None where no log tells."""
        facts = [each.fact for each in state.differences] or [state.object]
        return attribution_of(self.attributions[fact] for fact in facts if fact in self.attributions)

    @property
    def is_acknowledged(self) -> bool:
        """Whether there is drift, and all of it is acknowledged."""
        if not self.drift or self.incidents is None:
            return False
        known = {
            (each.fact, each.fingerprint)
            for each in self.incidents.standing
            if each.status is IncidentStatus.ACKNOWLEDGED
        }
        return all((each.fact, each.fingerprint) in known for each in self.drift)

    def of(self, *states: State) -> tuple[ObjectState, ...]:
        """The objects in one of these states."""
        return tuple(each for each in self.objects if each.state in states)

    @property
    def has_drift(self) -> bool:
        """Whether live changed although no run changed it."""
        return bool(self.of(State.DRIFTED, State.CONFLICT))


@dataclass(frozen=True, kw_only=True)
class MigrateResult:
    """What `migrate`, `apply`, `repair` or `adopt` did. `idx` is None where there was nothing to record.

    Where the declaration is `behind`, the database was left alone. `later` has what is no longer declared and was not
    dropped yet.
    """

    plugin: str
    idx: int | None
    statements: tuple[Statement, ...] = ()
    dry_run: bool = False
    skipped: bool = False
    warnings: tuple[str, ...] = ()
    behind: Behind | None = None
    later: tuple[FactId, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the ledger knows of a plugin; `later` has what is no longer declared and was not dropped yet."""

    plugin: str
    has_run: bool
    last_migration: HistoryEntry | None
    journal: Journal | None
    snapshots: int
    last_run: Run | None
    unfinished: UnfinishedRun | None = None
    warnings: tuple[str, ...] = ()
    later: tuple[FactId, ...] = ()


def left_in_place(later: tuple[FactId, ...]) -> tuple[str, ...]:
    """A warning that names what is no longer declared and was not dropped yet; none where there is nothing."""
    if not later:
        return ()
    names = ", ".join(str(fact) for fact in later)
    return (f"no longer declared, dropped by the next migration or `reconciler apply --drops now`: {names}",)
