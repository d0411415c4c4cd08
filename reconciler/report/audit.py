"""The log of DDL as text and as JSON. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.report.json import head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.model.audit import AuditState, Seal

__all__ = ["state_document", "state_text", "verification_document", "verification_text"]


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


def state_document(state: AuditState, seal: Seal | None) -> dict[str, object]:
    """The same as a document."""
    return {
        **head("audit-status"),
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


def verification_document(
    broken: Sequence[tuple[int, datetime, str]], missing: str | None, last: Seal | None
) -> dict[str, object]:
    """The same as a document."""
    return {
        **head("audit-verification"),
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
