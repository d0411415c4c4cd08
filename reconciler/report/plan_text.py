"""A plan as text: a head with what stands out, each object with its changes, the statements if wanted. Pure: no I/O.

Symbols have words beside them. `reconciler.cli.console` colours lines by the words they begin with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.diff.diff import Change
from reconciler.hazards.hazards import describe_size
from reconciler.hazards.policy import consent_for, flags
from reconciler.model.hazards import HazardKind
from reconciler.redaction.masking import redact_message
from reconciler.report.statements import statement_lines
from reconciler.report.summary import Part, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Finding
    from reconciler.model.hazards import Hazard
    from reconciler.report.summary import Held, ObjectChange, Summary, Tally
    from reconciler.results import PlanResult

__all__ = ["SYMBOLS", "count_text", "describe_held", "describe_seconds", "describe_tallies", "plan_lines"]

SYMBOLS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}
_SHOWN = 4
_SHOWN_BLOCKS = 3
_INDENT = "    "
_OTHERS = {
    HazardKind.BREAKS_CLIENTS: "CLIENTS",
    HazardKind.PRIVILEGES: "ACCESS",
    HazardKind.CORRECTNESS: "WRONG",
    HazardKind.REPLICATION: "REPLICAS",
    HazardKind.MAY_FAIL: "MAY FAIL",
    HazardKind.FIRES_TRIGGERS: "TRIGGERS",
    HazardKind.MISSING_INDEX: "INDEX",
    HazardKind.EXTENSION_VERSION: "VERSION",
    HazardKind.EMPTY_SOURCE: "EMPTY",
    HazardKind.IRREVERSIBLE: "ONE WAY",
}


def plan_lines(planned: PlanResult, *, details: bool = False) -> list[str]:
    """The lines of a plan that is not empty."""
    summary = summarise(planned)
    lines = [f"Plan for plugin {planned.plugin}: {describe_tallies(summary.tallies)}; {_extent(planned, summary)}"]
    lines += [*_head(summary), ""]
    for each in summary.objects:
        lines += _object(each)
    for because, facts in summary.recreated.items():
        lines.append(f"= recreated as it is, because {because}: {_listed([str(fact) for fact in facts], ', ')}")
    lines += _findings(planned.findings)
    if planned.suggestions:
        lines += ["", "Possible renames, not planned as such:"]
        for suggestion in planned.suggestions:
            lines += [f"  {suggestion}", f"     if it is one, write beside it: {suggestion.line}"]
    if summary.refused:
        lines += ["", "Refused by apply unless allowed:"]
        for hazard in summary.refused:
            lines += [f"  {_hazard(hazard)}", f"    {flags([consent_for(hazard)])}"]
    if details:
        lines += ["", *statement_lines(planned.plan.statements)]
    else:
        quiet = sum(each.quiet for each in summary.objects)
        small = f", {count_text(quiet, 'hazard')} of little weight here" if quiet else ""
        lines += [
            "",
            f"{count_text(summary.statements, 'statement')}{small}: --details shows them, with locks and reasons",
        ]
    return lines


def _extent(planned: PlanResult, summary: Summary) -> str:
    """`9 statements in 1 transaction`, or the steps."""
    statements = count_text(summary.statements, "statement")
    if planned.plan.is_one_transaction:
        return f"{statements} in 1 transaction"
    return f"{statements} in {summary.steps} steps, each committed separately"


def describe_tallies(tallies: Iterable[Tally]) -> str:
    """`4 tables (+1 -1), 9 columns`."""
    found: list[str] = []
    for each in tallies:
        parts = [f"+{each.added}" if each.added else "", f"-{each.removed}" if each.removed else ""]
        signs = " ".join(part for part in parts if part)
        found.append(f"{each.number:,} {each.noun}{f' ({signs})' if signs else ''}")
    return ", ".join(found) or "nothing that is read as an object"


def _head(summary: Summary) -> Iterable[str]:
    """What stands out, a line each: the four that matter most are the first."""
    for finding in summary.blocked[:_SHOWN_BLOCKS]:
        yield f"{_label('✗', 'BLOCKED')}{redact_message(finding.message)}"
    if len(summary.blocked) > _SHOWN_BLOCKS:
        yield f"{_label('✗', 'BLOCKED')}and {len(summary.blocked) - _SHOWN_BLOCKS} more (below)"
    if summary.losses:
        yield f"{_label('✗', 'LOSES')}{_listed([_loss(hazard) for hazard in summary.losses], ' · ')}"
    for held in summary.held:
        yield f"{_label('!', 'LOCKS')}{describe_held(held, several=summary.steps > 1)}"
    for kind, hazards in summary.others.items():
        yield f"{_label('!', _OTHERS[kind])}{_listed([hazard.message for hazard in hazards], ' · ', shown=2)}"
    if summary.brief:
        yield f"{_label('·', 'locks')}briefly: {_listed([str(relation) for relation in summary.brief], ', ')}"


def _label(symbol: str, word: str) -> str:
    return f"{symbol} {word:<9}"


def _loss(hazard: Hazard) -> str:
    """`column shop.customers.legacy_ref (about 20,000 rows, 1 MB)`."""
    size = describe_size(hazard.size)
    gone = hazard.message.startswith("drops ")
    return f"{hazard.fact if gone else hazard.message}{f' ({size})' if size else ''}"


def describe_held(held: Held, *, several: bool) -> str:
    """Which relations a step locks, how strongly, and for about how long, with the longest work of it."""
    step = f"step {held.step}: " if several else ""
    relations = _listed([str(relation) for relation in held.relations], ", ", shown=2)
    time = "" if held.seconds is None else f" for {describe_seconds(held.seconds)}"
    size = describe_size(held.work.size)
    return f"{step}{relations}: {held.mode}{time}; {held.work.message}{f' ({size})' if size else ''}"


def describe_seconds(seconds: float) -> str:
    """`about 20 s`, `about 3 min`."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 120:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 7_200 else f"about {seconds / 3_600:.0f} h"


def _object(each: ObjectChange) -> Iterable[str]:
    size = describe_size(each.size)
    aside = "; ".join(part for part in (each.note, size) if part)
    yield f"{SYMBOLS[each.change]} {each.object}{f'  ({aside})' if aside else ''}"
    width = max((len(part.what) for part in each.parts if part.detail and len(part.what) <= 32), default=0)
    for part in each.parts:
        yield from _part(part, width)
    for hazard in each.hazards:
        yield f"{_INDENT}! {_hazard(hazard)}"


def _part(part: Part, width: int) -> Iterable[str]:
    if part.what or part.detail:
        detail = f"  {part.detail}" if part.detail else ""
        yield f"{_INDENT}{SYMBOLS[part.change]} {f'{part.what:<{width}}' if detail else part.what}{detail}".rstrip()
    for line in part.lines:
        yield f"{_INDENT}  {line}"


def _hazard(hazard: Hazard) -> str:
    size = describe_size(hazard.size)
    return f"{hazard.kind.word}: {hazard.message}{f' ({size})' if size else ''}"


def _findings(findings: Sequence[Finding]) -> Iterable[str]:
    """What blocks the plan, and what to know before it runs."""
    for title, blocks in (("Blocking problems, because of which apply would refuse:", True), ("Warnings:", False)):
        found = [finding for finding in findings if finding.blocks is blocks]
        if found:
            yield ""
            yield title
            for finding in found:
                place = "" if finding.statement is None else f"{finding.statement}. "
                yield f"  {place}{redact_message(finding.message)}"
                yield f"     {finding.hint}"


def _listed(texts: Sequence[str], separator: str, *, shown: int = _SHOWN) -> str:
    unique = list(dict.fromkeys(texts))
    more = f" and {len(unique) - shown:,} more" if len(unique) > shown else ""
    return f"{separator.join(unique[:shown])}{more}"


def count_text(number: int, noun: str) -> str:
    """`1 statement`, `1,200 statements`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
