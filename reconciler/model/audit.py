"""What the log of DDL tells: entries, who made them, and whose a difference is. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciler.model.facts import Address, FactId

__all__ = ["Actor", "Attribution", "AttributionKind", "AuditState", "Entry", "OwnRun", "Seal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who ran a statement, and from where.

    `login_role` is whom the session was opened as, `session_role` is other than that after SET SESSION AUTHORIZATION,
    and `effective_role` after SET ROLE or inside of a SECURITY DEFINER function. What a client says of itself
    (`application`) proves nothing.
    """

    login_role: str
    session_role: str
    effective_role: str | None = None
    authenticated: str | None = None
    application: str | None = None
    client: str | None = None
    pid: int = 0
    backend_start: datetime | None = None

    def __str__(self) -> str:
        """`ann (session role ann, psql, 10.0.3.7)`."""
        parts = [f"session role {self.session_role}"]
        if self.effective_role not in (None, self.session_role):
            parts.append(f"as {self.effective_role}")
        parts += [part for part in (self.application, self.client) if part]
        return visible_line(f"{self.login_role} ({', '.join(parts)})")

    @property
    def roles(self) -> frozenset[str]:
        """All roles that the statement was run with."""
        return frozenset(filter(None, (self.login_role, self.session_role, self.effective_role)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one statement did to one object. `statement` and `context` are None where they may hold a secret.

    `versions` are the catalog rows that its transaction had left by then, each with the command that wrote it:
    "catalog:classid:objid:objsubid:xmin". `names` are of what was dropped, the arguments of a routine behind them.
    """

    id: int
    xid: int
    at: datetime
    event: str
    tag: str
    address: Address | None
    object_type: str | None
    identity: str | None
    actor: Actor
    statement: str | None = None
    context: str | None = None
    names: tuple[str, ...] = ()
    relation: int | None = None
    versions: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def is_drop(self) -> bool:
        """Whether the object is gone."""
        return self.event == "sql_drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRun:
    """A run of reconciler that an entry is of, as the ledger knows it."""

    plugin: str
    run_id: int
    kind: str
    idx: int | None

    def __str__(self) -> str:
        what = f"run {self.run_id}" if self.idx is None else f"migration {self.idx}"
        return f"plugin {self.plugin}, {what}"


class AttributionKind(StrEnum):
    """How much is known of who made a difference."""

    BY = "by"
    SEVERAL = "several"
    RUN = "run"
    NOT_LOGGED = "not_logged"
    BEFORE_LOG = "before_log"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose the differences of an object are.

    `entries` are those of the log that made them, oldest first, `runs` those of reconciler's own. `at` is when, also
    where only the commit of an unlogged change has a time. `facts` says for each difference what holds for it alone.
    """

    kind: AttributionKind
    entries: tuple[Entry, ...] = ()
    runs: tuple[OwnRun, ...] = ()
    at: datetime | None = None
    facts: Mapping[FactId, Attribution] = field(default_factory=dict["FactId", "Attribution"])

    @property
    def roles(self) -> frozenset[str]:
        """All roles that the statements were run with."""
        return frozenset().union(*(entry.actor.roles for entry in self.entries))

    def __str__(self) -> str:
        """`by ann (session role ann, psql) on 2026-11-30 12:04:11 UTC, transaction 88123: CREATE INDEX ...`."""
        match self.kind:
            case AttributionKind.BY:
                return f"by {_act(self.entries[-1])}"
            case AttributionKind.SEVERAL:
                acts = [_act(entry) for entry in self.entries] + [str(run) for run in self.runs]
                return f"by several: {'; '.join(acts)}"
            case AttributionKind.RUN:
                return f"by {', '.join(map(str, self.runs))}"
            case AttributionKind.BEFORE_LOG:
                return "changed before the log began"
            case AttributionKind.NOT_LOGGED:
                when = f", committed on {_time(self.at)}" if self.at is not None else ""
                return f"changed, not by logged DDL{when}"
            case AttributionKind.UNKNOWN:
                return "not known by whom"


def _act(entry: Entry) -> str:
    said = f": {visible_line(' '.join(entry.statement.split()))}" if entry.statement else f": {entry.tag}"
    return f"{entry.actor} on {_time(entry.at)}, transaction {entry.xid}{said}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """Whether there is a log, and whether it can be believed; `problems` say why not, and `readable` for this role."""

    installed: bool
    problems: tuple[str, ...] = ()
    notifies: bool = False
    readable: bool = False
    since: datetime | None = None
    since_xid: int | None = None

    @property
    def is_intact(self) -> bool:
        """Whether what the log says is so, and all that it can see is in it."""
        return self.installed and not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A hash over entries and over the seal before it; `hash` is in hexadecimal digits."""

    id: int
    at: datetime
    rows: int
    hash: str
