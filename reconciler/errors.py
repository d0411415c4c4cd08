"""Every error that reconciler raises on purpose, as one tree.

A message says what happened and to which object; `left` says what was left in the database; `hint` what to do.
Pure: no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.checks import Finding
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.intent import Suggestion
    from reconciler.model.versions import Behind

__all__ = [
    "ApplyError",
    "AuditError",
    "BehindError",
    "ConfigError",
    "ConnectError",
    "DatabaseError",
    "DeliveryError",
    "DriftError",
    "EmbeddedServerError",
    "EmptySourceError",
    "HazardError",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerVersionError",
    "LockTimeoutError",
    "PlanError",
    "PluginFailuresError",
    "PreflightError",
    "ProofError",
    "ReconcilerError",
    "RowsNotCarriedOverError",
    "RunInterruptedError",
    "ScratchError",
    "SourceError",
    "StalePlanError",
    "TerminatedError",
    "UnexpectedError",
    "UnmodelledError",
    "VerificationError",
]

# ReconcilerError
#   ConfigError            options, configuration files, a name that is none
#   ConnectError           no connection, or a server of an unsupported version
#   DatabaseError          Postgres refused one of our own reads
#   EmbeddedServerError    the private server could not be started or stopped
#   SourceError            the source cannot be read or loaded
#     EmptySourceError     it declares nothing
#   ScratchError           no scratch place can serve, or it broke
#   PlanError              no order of statements does it
#     UnmodelledError      there are unsupported changes
#   ProofError             the rehearsal did not end at the goal
#   BehindError            the declaration is older than what the database is at
#   HazardError            refused because of a hazard that was not allowed
#   PreflightError         what is in the database blocks the plan
#   ApplyError             a statement failed; everything was rolled back
#     LockTimeoutError     a lock was not granted in time
#     RowsNotCarriedOverError  a proof found that rows or values did not arrive
#     StalePlanError       live changed since the plan was made
#     VerificationError    the statements ran, but live is not the goal
#   LedgerError            the ledger's tables are not as they must be
#     LedgerDamagedError   a row is not of the form that reconciler writes
#     LedgerVersionError   they were written by a newer program
#   DeliveryError          a webhook or the like was not taken
#   DriftError             live drifted, and a start was to be refused then
#   AuditError             the log of DDL cannot be made, read or believed
#   UnexpectedError        what no other stands for
#   PluginFailuresError    several plugins, some of which failed
# KeyboardInterrupt
#   TerminatedError        SIGTERM reached the command line
#   RunInterruptedError    Ctrl-C or SIGTERM during a run, and what that left


class ReconcilerError(Exception):
    """Base of all errors of this package: `str()` gives all that is known, `message` only what happened.

    `is_recorded` is set where the run that failed with it is in the ledger already.
    """

    is_recorded = False

    def __init__(self, message: str, *, hint: str | None = None, left: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.left = left

    def __str__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """The message, what was left in the database and what to do, a line each."""
        return _described(self.message, self.left, self.hint)


class ConfigError(ReconcilerError):
    """An option, a configuration file or a name is not usable."""


class ConnectError(ReconcilerError):
    """The server cannot be reached, or is of a version that is not supported."""


class DatabaseError(ReconcilerError):
    """Postgres refused one of reconciler's own reads or bookkeeping statements."""


class EmbeddedServerError(ReconcilerError):
    """The private server could not be started, reached or stopped."""


class SourceError(ReconcilerError):
    """The source cannot be read, or Postgres refuses what it says.

    `finds_existing` is true where something that it makes is there already.
    """

    finds_existing = False


class EmptySourceError(SourceError):
    """The source declares nothing: to reconcile with it would drop everything."""


class ScratchError(ReconcilerError):
    """No scratch place can serve, or the one in use broke."""


class PlanError(ReconcilerError):
    """No ordered list of statements can be found."""


class UnmodelledError(PlanError):
    """There are unsupported changes."""


class ProofError(ReconcilerError):
    """The rehearsal failed, or did not end at the goal; nothing has touched the live database."""


class BehindError(ReconcilerError):
    """The declaration is older than what the database is at; nothing was changed. `behind` says by how much."""

    def __init__(self, plugin: str, behind: Behind, *, waited_s: float | None = None) -> None:
        waited = "" if waited_s is None else f"; waited {waited_s:g} s"
        super().__init__(
            f"{plugin}: {behind}{waited}",
            left="nothing was changed",
            hint="deploy the newer version; if going back is intended: `reconciler apply --allow-older`, a higher"
            " version of the application, or when_behind='apply'",
        )
        self.plugin = plugin
        self.behind = behind


class HazardError(ReconcilerError):
    """Refused because of a hazard that was not allowed; nothing has touched the live database.

    `hazards` are those that are refused, `suggestions` what looks like a rename among what would be lost.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        left: str | None = None,
        hazards: tuple[Hazard, ...] = (),
        suggestions: tuple[Suggestion, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, left=left)
        self.hazards = hazards
        self.suggestions = suggestions


class PreflightError(ReconcilerError):
    """What is in the database would make a statement fail, or a privilege is missing; nothing was locked.

    `findings` are what blocks the plan, with counts and examples.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, left: str | None = None, findings: tuple[Finding, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, left=left)
        self.findings = findings


class ApplyError(ReconcilerError):
    """A statement failed on the live database.

    `statement` is its SQL, `position` its 1-based place in the plan; `sqlstate`, `detail` are Postgres's.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        left: str | None = None,
        statement: str | None = None,
        position: int | None = None,
        sqlstate: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, left=left)
        self.statement = statement
        self.position = position
        self.sqlstate = sqlstate
        self.detail = detail

    def describe(self) -> str:
        lines = [self.message]
        if self.detail:
            lines.append(f"detail: {self.detail}")
        if self.statement:
            where = f"statement {self.position}" if self.position else "statement"
            lines.append(f"{where}: {self.statement}")
        if self.left:
            lines.append(f"left in the database: {self.left}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class LockTimeoutError(ApplyError):
    """A lock was not granted in time."""


class RowsNotCarriedOverError(ApplyError):
    """Rows or values did not arrive where they belong, so that what holds them was not dropped.

    `rows` is their number; None where this role cannot count them. `guards` are the policies, rules and triggers of the
    table that can have turned them away.
    """

    rows: int | None = None
    guards: tuple[FactId, ...] = ()

    def count(self, rows: int, what: str) -> None:
        """Says their number, which was counted afterwards; `what` follows it in the message."""
        self.rows = rows
        self.message = f"{rows} {what}"


class StalePlanError(ApplyError):
    """The live database changed since the plan was made."""


class VerificationError(ApplyError):
    """All statements ran, but the live database did not end at the goal; everything was rolled back."""


class LedgerError(ReconcilerError):
    """The ledger's tables are missing, damaged or not writable."""


class LedgerDamagedError(LedgerError):
    """A row of the ledger is not of the form that reconciler writes."""


class LedgerVersionError(LedgerError):
    """The ledger was written by a newer version of reconciler."""


class DeliveryError(ReconcilerError):
    """Somebody who is to be told of an incident did not take it; it is tried again."""


class DriftError(ReconcilerError):
    """Live drifted, and the start was to be refused then; nothing was changed."""


class AuditError(ReconcilerError):
    """The log of DDL cannot be made, read or believed."""


class PluginFailuresError(ReconcilerError):
    """Some of several plugins failed; `failures` maps each such plugin to its error, the others are done.

    `str()` has all that is known of each.
    """

    def __init__(self, failures: Mapping[str, ReconcilerError], *, succeeded: tuple[str, ...]) -> None:
        self.failures = dict(failures)
        self.succeeded = succeeded
        parts = "; ".join(f"{plugin}: {error.message}" for plugin, error in self.failures.items())
        super().__init__(f"{len(self.failures)} of {len(self.failures) + len(succeeded)} plugins failed: {parts}")

    def describe(self) -> str:
        count, of = len(self.failures), len(self.failures) + len(self.succeeded)
        lines = [f"{count} of {of} plugins failed; {', '.join(self.succeeded) or 'none'} reconciled"]
        for plugin, error in self.failures.items():
            first, *rest = error.describe().splitlines()
            lines += [f"plugin {plugin}: {first}", *(f"  {line}" for line in rest)]
        return "\n".join(lines)


class UnexpectedError(ReconcilerError):
    """Something failed that no error of this package stands for; its `__cause__` says what."""

    def __init__(self, exc: Exception, doing: str) -> None:
        super().__init__(
            f"cannot {doing}: {type(exc).__name__}: {exc}",
            hint="see its __cause__: a defect of what was handed in, or else of reconciler; then please report it",
        )
        self.__cause__ = exc


class TerminatedError(KeyboardInterrupt):
    """The process was told to end by SIGTERM; it is ended as by Ctrl-C."""


class RunInterruptedError(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a run; says what was left in the database, and what to do.

    It stays a KeyboardInterrupt, so that nothing takes it for an error to go on from.
    """

    is_recorded = False

    def __init__(self, cause: KeyboardInterrupt, *, left: str | None = None, hint: str | None = None) -> None:
        self.message = "terminated" if isinstance(cause, TerminatedError) else "interrupted"
        super().__init__(self.message)
        self.left = left
        self.hint = hint

    def __str__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """The message, what was left in the database and what to do, a line each."""
        return _described(self.message, self.left, self.hint)


def _described(message: str, left: str | None, hint: str | None) -> str:
    lines = [message]
    if left:
        lines.append(f"left in the database: {left}")
    if hint:
        lines.append(f"hint: {hint}")
    return "\n".join(lines)
