"""What the log of DDL tells: entries, who made them, and whose a difference is. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from reconciler.model.facts import Address

__all__ = [
    "Actor",
    "Attribution",
    "AttributionKind",
    "AuditState",
    "Entry",
    "Happening",
    "OwnRun",
    "Seal",
    "attribution_of",
]

# Of a statement, in one line.
_SHOWN = 200


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
    def who(self) -> tuple[str | None, ...]:
        """The roles, by which one is told from another."""
        return (self.login_role, self.session_role, self.effective_role)

    @property
    def roles(self) -> frozenset[str]:
        """All roles that the statement was run with."""
        return frozenset(role for role in self.who if role)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose a difference is, or those of an object.

    `entries` are those of the log that made it, oldest first, `runs` those of reconciler's own. With `unlogged` a part
    of it was changed by no logged statement, at `at` where the server keeps times of commits.
    """

    kind: AttributionKind
    entries: tuple[Entry, ...] = ()
    runs: tuple[OwnRun, ...] = ()
    unlogged: bool = False
    at: datetime | None = None

    @property
    def roles(self) -> frozenset[str]:
        """All roles that the statements were run with."""
        return frozenset(role for entry in self.entries for role in entry.actor.roles)

    @property
    def last_at(self) -> datetime | None:
        """When it was changed last, where that is known."""
        times = [entry.at for entry in self.entries]
        return max([*times, self.at] if self.at is not None else times, default=None)

    def __str__(self) -> str:
        """`by ann (session role ann, psql) on 2026-11-30 12:04:11 UTC, transaction 88123: CREATE INDEX ...`."""
        match self.kind:
            case AttributionKind.BY:
                more = len({entry.statement for entry in self.entries}) - 1
                return f"by {_act(self.entries[-1])}{f' (and {more} more before)' if more else ''}"
            case AttributionKind.SEVERAL:
                acts = list(dict.fromkeys(_act(entry) for entry in self.entries)) + [str(run) for run in self.runs]
                return f"by several: {'; '.join([*acts, _unlogged(self.at)] if self.unlogged else acts)}"
            case AttributionKind.RUN:
                return f"by {', '.join(map(str, self.runs))}{_run_act(self)}"
            case AttributionKind.BEFORE_LOG:
                return "before the log began"
            case AttributionKind.NOT_LOGGED:
                before = f"; before that by {_act(self.entries[-1])}" if self.entries else ""
                return f"{_unlogged(self.at)}{before}"


def attribution_of(parts: Iterable[Attribution]) -> Attribution | None:
    """What the attributions of the parts make together; None where there is none."""
    found = list(parts)
    if not found:
        return None
    others = [each for each in found if each.kind is not AttributionKind.RUN]
    entries = {entry.id: entry for each in others or found for entry in each.entries}
    ordered = tuple(entries[number] for number in sorted(entries))
    runs = tuple(dict.fromkeys(run for each in found for run in each.runs))
    unlogged = any(each.unlogged for each in found)
    at = max((each.at for each in found if each.at is not None), default=None)
    logged = [each for each in found if each.kind in (AttributionKind.BY, AttributionKind.SEVERAL)]
    if logged:
        whose = {entry.actor.who for each in logged for entry in each.entries}
        kind = AttributionKind.SEVERAL if len(whose) > 1 or unlogged else AttributionKind.BY
        return Attribution(kind=kind, entries=ordered, unlogged=unlogged, at=at)
    if unlogged:
        return Attribution(kind=AttributionKind.NOT_LOGGED, entries=ordered, unlogged=True, at=at)
    if runs:
        return Attribution(kind=AttributionKind.RUN, runs=runs, entries=ordered, at=at)
    return Attribution(kind=AttributionKind.BEFORE_LOG)


def _run_act(found: Attribution) -> str:
    if found.entries:
        last = found.entries[-1]
        return f" ({last.actor.login_role}, on {_time(last.at)}, transaction {last.xid})"
    return f" (on {_time(found.at)})" if found.at is not None else ""


def _unlogged(at: datetime | None) -> str:
    return f"not by logged DDL{f', committed on {_time(at)}' if at is not None else ''}"


def _act(entry: Entry) -> str:
    said = visible_line(" ".join((entry.statement or entry.tag).split()))
    shown = said if len(said) <= _SHOWN else f"{said[: _SHOWN - 3]}..."
    return f"{entry.actor} on {_time(entry.at)}, transaction {entry.xid}: {shown}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One run of reconciler, or one statement of somebody, with what the log has of it; `by` is who, in words."""

    at: datetime
    by: str
    entries: tuple[Entry, ...] = ()
    run: OwnRun | None = None


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
