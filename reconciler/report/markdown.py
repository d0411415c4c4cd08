"""Plans and checks as Markdown, for pull requests and job summaries. Pure: no I/O.

A report keeps below what GitHub takes for a comment. Objects with the same changes are one entry; what does not fit is
counted, never cut in the middle. Names and values are code, so that they are no markup.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.diff.drift import State
from reconciler.hazards.hazards import describe_size
from reconciler.hazards.policy import consent_for, flags
from reconciler.model.visible import visible, visible_line
from reconciler.redaction.masking import redact_message
from reconciler.report.diagram import diagram_of_plan, mermaid
from reconciler.report.plan_text import SYMBOLS, count_text, describe_held, describe_tallies
from reconciler.report.summary import parts_of, summarise
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.diff.drift import ObjectState
    from reconciler.model.facts import FactId
    from reconciler.report.summary import ObjectChange, Part
    from reconciler.results import CheckResult, PlanResult

__all__ = ["LIMIT", "check_markdown", "grouped", "plan_markdown", "states_alike"]

# GitHub's limit for the text of a comment.
LIMIT = 65_536
# What the last line takes, which says how much was left out.
_RESERVED = 200
_NAMED = 20
# A picture of more tables is for a page of its own.
_DRAWN = 40
_WRONG = (State.CONFLICT, State.DRIFTED, State.PENDING, State.UNFINISHED, State.UNMANAGED)


def plan_markdown(planned: PlanResult) -> str:
    """The plan: a table of what stands out, each object, and its statements folded."""
    if planned.plan.is_empty:
        return f"**In sync:** plugin {_code(planned.plugin)} is as declared in {_code(planned.source_description)}.\n"
    summary = summarise(planned)
    steps = "1 transaction" if planned.plan.is_one_transaction else f"{summary.steps} steps"
    head = [
        f"### Plan for plugin {_code(planned.plugin)}",
        "",
        f"{_plain(describe_tallies(summary.tallies))}; {count_text(summary.statements, 'statement')} in {steps}",
        "",
    ]
    facts = [("✗ blocked", redact_message(finding.message)) for finding in summary.blocked]
    facts += [
        ("✗ loses", f"{hazard.message} ({describe_size(hazard.size) or 'size unknown'})") for hazard in summary.losses
    ]
    facts += [("! locks", describe_held(held, several=summary.steps > 1)) for held in summary.held]
    facts += [
        (f"! {kind.value.replace('_', ' ')}", each.message) for kind, found in summary.others.items() for each in found
    ]
    if facts:
        head += ["| | |", "|---|---|", *(f"| {word} | {_plain(text)} |" for word, text in facts[:_NAMED])]
        head += [f"| | and {len(facts) - _NAMED:,} more |"] if len(facts) > _NAMED else []
        head.append("")
    if summary.refused:
        allowed = flags(dict.fromkeys(consent_for(hazard) for hazard in summary.refused))
        head += ["Refused by apply unless allowed:", "", _fenced(visible_line(allowed), "sh"), ""]
    blocks = [_group(objects) for objects in grouped(summary.objects)]
    blocks += [
        f"- recreated as it is, because {_plain(because)}: {_names(facts_)}"
        for because, facts_ in summary.recreated.items()
    ]
    statements = ";\n".join(redact_sql(statement.sql) for statement in planned.plan.statements)
    folded = _folded(f"{count_text(summary.statements, 'statement')}", _fenced(f"{statements};", "sql"))
    picture = diagram_of_plan(planned)
    if 0 < len(picture.tables) <= _DRAWN:
        folded = f"{_folded('The tables', _fenced(mermaid(picture), 'mermaid'))}\n\n{folded}"
    unplanned = [f"- **not planned**: {_code(str(difference.fact))}" for difference in planned.plan.unmodelled]
    return _fitted("\n".join(head), [*unplanned, *blocks], "objects", folded)


def check_markdown(results: Sequence[CheckResult]) -> str:
    """What `check` found of each plugin; objects that moved alike are one entry."""
    head, blocks = ["### Check", ""], list[str]()
    for result in results:
        moved = [each for each in result.objects if each.state is not State.IN_SYNC]
        counts = ", ".join(f"{len(result.of(state)):,} {state}" for state in State if result.of(state)) or "no objects"
        wrong = bool(result.of(*_WRONG) or result.unfinished or result.plan.unmodelled)
        head.append(f"{'✗' if wrong else '✓'} plugin {_code(result.plugin)}: {counts}")
        head.append("")
        if result.unfinished is not None:
            done, steps = result.unfinished.steps_done, result.unfinished.step_count
            blocks.append(f"- **unfinished run**: {done} of {steps} steps are done")
        blocks += [f"- **not planned**: {_code(str(difference.fact))}" for difference in result.plan.unmodelled]
        blocks += [_state_group(objects) for objects in states_alike(moved)]
    return _fitted("\n".join(head), blocks, "kinds of change", "")


def grouped(objects: Iterable[ObjectChange]) -> list[list[ObjectChange]]:
    """Objects of one kind that change alike, in the order of the first of each group."""
    found: dict[object, list[ObjectChange]] = {}
    for each in objects:
        key = (each.object.kind, each.change, each.parts, tuple(hazard.kind for hazard in each.hazards))
        alone = each.object if each.note or not each.parts else None
        found.setdefault((key, alone), []).append(each)
    return list(found.values())


def _group(objects: Sequence[ObjectChange]) -> str:
    first = objects[0]
    if len(objects) > 1:
        title = f"`{SYMBOLS[first.change]}` **{len(objects):,} of kind {first.object.kind.replace('_', ' ')}**, alike"
        lines = [f"- {title}: {_names([each.object for each in objects])}"]
    else:
        aside = "; ".join(part for part in (first.note, describe_size(first.size)) if part)
        lines = [f"- `{SYMBOLS[first.change]}` {_code(str(first.object))}{f' ({_plain(aside)})' if aside else ''}"]
    lines += _parts(first.parts)
    if len(objects) == 1:
        lines += [
            f"  - **!** {hazard.kind.value.replace('_', '-')}: {_plain(hazard.message)}" for hazard in first.hazards
        ]
    else:
        kinds = dict.fromkeys(hazard.kind.word for hazard in first.hazards)
        lines += [f"  - **!** each: {', '.join(kinds)}"] if kinds else []
    return "\n".join(lines)


def states_alike(states: Iterable[ObjectState]) -> list[list[ObjectState]]:
    """Objects of one kind whose state and differences are the same."""
    found: dict[object, list[ObjectState]] = {}
    for each in states:
        parts = parts_of(each.object, each.differences)
        alone = each.object if each.renames or not parts else None
        found.setdefault((each.state, each.meaning, each.object.kind, parts, alone), []).append(each)
    return list(found.values())


def _state_group(states: Sequence[ObjectState]) -> str:
    first = states[0]
    lines = [f"- **{first.state}**: {_names([each.object for each in states])} ({_plain(first.meaning)})"]
    return "\n".join([*lines, *_parts(parts_of(first.object, first.differences))])


def _parts(parts: Iterable[Part]) -> list[str]:
    lines: list[str] = []
    for part in parts:
        detail = f" {_code(part.detail)}" if part.detail else ""
        if part.what or detail:
            lines.append(f"  - `{SYMBOLS[part.change]}` {_plain(part.what)}{detail}".rstrip())
        if part.lines:
            lines += ["", *(f"    {line}" for line in _fenced("\n".join(part.lines), "diff").split("\n")), ""]
    return lines


def _fitted(head: str, blocks: Sequence[str], what: str, folded: str) -> str:
    """The parts as far as they fit; the statements last, as they are the first that can be missed."""
    text, left = head, 0
    for position, block in enumerate(blocks):
        if len(text) + len(block) + 1 > LIMIT - _RESERVED:
            left = len(blocks) - position
            break
        text = f"{text}\n{block}"
    if left:
        return f"{text}\n\n{left:,} more {what} do not fit here: `--format text` or `html` has all.\n"
    if folded and len(text) + len(folded) + 3 > LIMIT - _RESERVED:
        return f"{text}\n\nThe picture and the statements do not fit here: `--format sql` has them.\n"
    return f"{text}\n\n{folded}".rstrip() + "\n"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _names(facts: Sequence[FactId]) -> str:
    shown = ", ".join(_code(str(fact)) for fact in facts[:_NAMED])
    return f"{shown} and {len(facts) - _NAMED:,} more" if len(facts) > _NAMED else shown


def _code(text: str) -> str:
    """Text as code on one line: nothing in it is markup."""
    line = visible_line(" ".join(text.split()))
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def _plain(text: str) -> str:
    """Text on one line in which nothing is markup, and which mentions nobody."""
    line = re.sub(r"([\\`*_\[\]#|<>~&$])", r"\\\1", visible_line(" ".join(text.split())))
    return line.replace("@", "@<!-- -->")


def _fenced(text: str, language: str) -> str:
    shown = visible(text)
    ticks = "`" * max(3, max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"
