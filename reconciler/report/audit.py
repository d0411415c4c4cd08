"""The log of DDL as text and as JSON. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diff.diff import Change
from reconciler.model.audit import AttributionKind
from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.model.audit import Actor, Attribution, AuditState, Entry, Happening, OwnRun, Seal
    from reconciler.model.facts import FactId

__all__ = [
    "attribution_value",
    "author_text",
    "blame_text",
    "blame_value",
    "entry_value",
    "state_text",
    "state_value",
    "timeline_text",
    "timeline_value",
    "verification_text",
    "verification_value",
]


_LIVE_HAS = {Change.ADDED: "dropped", Change.REMOVED: "added", Change.CHANGED: "changed"}
_SINCE = {Change.ADDED: "added", Change.REMOVED: "dropped", Change.CHANGED: "changed"}


def author_text(found: Attribution, change: Change, *, since_recorded: bool) -> str:
    """`added by ann (session role ann, psql) on 2026-11-30 12:04:11 UTC, transaction 88123: CREATE INDEX ...`.

    A difference goes from live to the declaration, or with `since_recorded` from the record to live.
    """
    verb = (_SINCE if since_recorded else _LIVE_HAS)[change]
    return f"{verb}{',' if found.kind is AttributionKind.NOT_LOGGED else ''} {found}"


def attribution_value(found: Attribution | None) -> dict[str, object] | None:
    """Whose a difference is, for a document."""
    if found is None:
        return None
    return {
        "kind": found.kind.value,
        "text": str(found),
        "at": None if found.last_at is None else found.last_at.isoformat(),
        "unlogged": found.unlogged,
        "entries": [entry_value(entry) for entry in found.entries],
        "runs": [_run(run) for run in found.runs],
    }


def entry_value(entry: Entry) -> dict[str, object]:
    """One entry of the log, for a document."""
    return {
        "id": entry.id,
        "transaction": entry.xid,
        "at": entry.at.isoformat(),
        "event": entry.event,
        "tag": entry.tag,
        "object_type": entry.object_type,
        "identity": entry.identity,
        "statement": entry.statement,
        "context": entry.context,
        **_actor(entry.actor),
    }


def _actor(actor: Actor) -> dict[str, object]:
    return {
        "login_role": actor.login_role,
        "session_role": actor.session_role,
        "effective_role": actor.effective_role,
        "authenticated": actor.authenticated,
        "application": actor.application,
        "client": actor.client,
        "pid": actor.pid,
        "backend_start": None if actor.backend_start is None else actor.backend_start.isoformat(),
    }


def timeline_text(happened: Sequence[Happening]) -> str:
    """A line for each run and for each statement of somebody, oldest first."""
    if not happened:
        return "Nothing is known to have changed it.\n"
    return "".join(f"{_time(each.at)}  {_happening(each)}\n" for each in happened)


def _happening(each: Happening) -> str:
    if each.run is not None:
        return visible_line(f"{each.run} ({each.run.kind} by {each.by})")
    first = each.entries[0]
    said = " ".join((first.statement or first.tag).split())
    objects = ", ".join(
        dict.fromkeys(f"{entry.object_type or 'object'} {entry.identity or '?'}" for entry in each.entries)
    )
    return visible_line(f"{each.by}, transaction {first.xid}: {objects}: {said}")


def timeline_value(happened: Sequence[Happening]) -> list[dict[str, object]]:
    """The same for a document."""
    return [
        {
            "at": each.at.isoformat(),
            "by": each.by,
            "run": None if each.run is None else _run(each.run),
            "entries": [entry_value(entry) for entry in each.entries],
        }
        for each in happened
    ]


def blame_text(parts: Sequence[tuple[FactId, Attribution | None]]) -> str:
    """A line for each part of a relation."""
    return "".join(f"{fact}: {'not known' if found is None else found}\n" for fact, found in parts)


def blame_value(parts: Sequence[tuple[FactId, Attribution | None]]) -> list[dict[str, object]]:
    """The same for a document."""
    return [{"fact": fact.key, "author": attribution_value(found)} for fact, found in parts]


def _run(run: OwnRun) -> dict[str, object]:
    return {"plugin": run.plugin, "run_id": run.run_id, "kind": run.kind, "idx": run.idx}


def state_text(state: AuditState, seal: Seal | None) -> str:
    """Whether there is a log, whether it can be believed, and its last seal."""
    if not state.installed:
        return "There is no log of DDL (`reconciler audit install` makes it).\n"
    lines = ["log of DDL"]
    lines += [f"  not believed  {problem}" for problem in state.problems]
    if not state.problems:
        lines.append("  state         on, as it was made")
    lines.append(f"  notifies      {'at each commit' if state.notifies else 'no'}")
    if not state.problems and not state.readable:
        lines.append("  readable      not by this role (`reconciler audit install --reader ROLE`)")
    if state.since is not None:
        lines.append(f"  since         {_time(state.since)}")
    if seal is not None:
        lines.append(f"  last seal     {seal.id} of {_time(seal.at)}: {seal.hash}")
    return "".join(f"{line}\n" for line in lines)


def state_value(state: AuditState, seal: Seal | None) -> dict[str, object]:
    """The same for a document."""
    return {
        "installed": state.installed,
        "intact": state.is_intact,
        "problems": list(state.problems),
        "notifies": state.notifies,
        "readable": state.readable,
        "since": None if state.since is None else state.since.isoformat(),
        "last_seal": _seal(seal),
    }


def verification_text(broken: Sequence[tuple[int, datetime, str]], missing: str | None, last: Seal | None) -> str:
    """Which seal is the first that does not match any more; or that all do."""
    lines: list[str] = []
    if broken:
        number, at, what = broken[0]
        lines.append(f"Changed: seal {number} of {_time(at)} does not match: {what}.")
        if len(broken) > 1:
            lines.append(f"  {len(broken) - 1} later seals do not match either.")
    if missing is not None:
        lines.append(f"Changed: the seal {missing} is not there any more.")
    if not lines:
        lines.append(
            "Intact: the log matches all of its seals." if last else "Intact: nothing is logged or sealed yet."
        )
    if last is not None:
        lines.append(f"  last seal {last.id} of {_time(last.at)}: {last.hash}")
    return "".join(f"{line}\n" for line in lines)


def verification_value(
    broken: Sequence[tuple[int, datetime, str]], missing: str | None, last: Seal | None
) -> dict[str, object]:
    """The same for a document."""
    return {
        "intact": not broken and missing is None,
        "broken": [{"seal": number, "at": at.isoformat(), "what": what} for number, at, what in broken],
        "missing": missing,
        "last_seal": _seal(last),
    }


def _seal(seal: Seal | None) -> dict[str, object] | None:
    if seal is None:
        return None
    return {"id": seal.id, "at": seal.at.isoformat(), "rows": seal.rows, "hash": seal.hash}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
