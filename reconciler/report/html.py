"""Plans and checks as one HTML file that needs nothing beside it. Pure: no I/O.

All text is escaped, no script runs, nothing is loaded: the page's own policy forbids it. It is read in light and dark,
at a phone's width, and printed.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reconciler.diff.drift import State
from reconciler.hazards.hazards import describe_size
from reconciler.hazards.policy import consent_for, flags
from reconciler.model.visible import visible
from reconciler.redaction.masking import redact_message
from reconciler.report.markdown import grouped, states_alike
from reconciler.report.plan_text import SYMBOLS, count_text, describe_held, describe_tallies
from reconciler.report.statements import statement_lines
from reconciler.report.summary import parts_of, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.diff.drift import ObjectState
    from reconciler.model.checks import Finding
    from reconciler.report.summary import ObjectChange, Part, Summary
    from reconciler.results import CheckResult, PlanResult

__all__ = ["check_html", "plan_html"]

# The page stays below 2 MB: a larger plan leaves statements out, and says so.
_LIMIT = 1_900_000
_NAMED = 200

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --quiet: #59636e; --back: #fff; --text: #1f2328; --box: #f6f8fa;
  --add: #116329; --remove: #a40e26; --change: #7d4e00; --add-back: #dafbe1; --remove-back: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --quiet: #9198a1; --back: #0d1117; --text: #f0f6fc;
  --box: #151b23; --add: #56d364; --remove: #ff7b72; --change: #e3b341; --add-back: #12261e; --remove-back: #301b1e; } }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; background: var(--box); border: 1px solid var(--line); border-radius: 6px; }
.facts { border-collapse: collapse; width: 100%; } .facts th { text-align: left; vertical-align: top; width: 7rem; }
.facts th, .facts td { border-top: 1px solid var(--line); padding: .4rem .5rem; overflow-wrap: anywhere; }
.stop th { color: var(--remove); } .mind th { color: var(--change); }
.object { border: 1px solid var(--line); border-radius: 6px; margin: .75rem 0; padding: .5rem .75rem; }
.object h3 { font-size: 1rem; margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.object ul { list-style: none; margin: .4rem 0; padding-left: 1rem; }
.added { color: var(--add); } .removed { color: var(--remove); } .changed { color: var(--change); }
.note, .aside { color: var(--quiet); font-weight: 400; }
ins, del { text-decoration: none; display: block; }
ins { background: var(--add-back); } del { background: var(--remove-back); }
"""


def plan_html(planned: PlanResult) -> str:
    """The plan: what stands out, each object with its changes, and the statements, folded."""
    if planned.plan.is_empty:
        text = f"Plugin {planned.plugin} is as declared in {planned.source_description}."
        return _page(f"In sync: plugin {planned.plugin}", f"<p>{_text(text)}</p>")
    summary = summarise(planned)
    steps = "1 transaction" if planned.plan.is_one_transaction else f"{summary.steps} steps, each committed separately"
    body = [
        f"<p>{_text(describe_tallies(summary.tallies))}; {count_text(summary.statements, 'statement')} in {steps}.</p>",
        _facts(summary),
        *_refused(summary),
        *_findings("Warnings", [finding for finding in planned.findings if not finding.blocks]),
        "<h2>Objects</h2>",
        *(_object(objects) for objects in grouped(summary.objects)),
    ]
    body += [
        f"<p>= recreated as it is, because {_text(because)}: {_text(', '.join(map(str, facts[:_NAMED])))}</p>"
        for because, facts in summary.recreated.items()
    ]
    if planned.plan.unmodelled:
        names = "".join(f"<li>{_text(str(each.fact))}</li>" for each in planned.plan.unmodelled)
        body.append(f"<h2>Not planned</h2><ul>{names}</ul>")
    listed = "\n".join(statement_lines(planned.plan.statements))
    page = "\n".join(body)
    if len(page) + len(listed) * 1.2 < _LIMIT:
        title = f"{count_text(summary.statements, 'statement')}, with locks and reasons"
        page += f"\n<h2>Statements</h2><details><summary>{title}</summary><pre>{_text(listed)}</pre></details>"
    else:
        page += (
            "\n<p>The statements are left out, as the page would be too large: <code>--format sql</code> has them.</p>"
        )
    return _page(f"Plan for plugin {planned.plugin}", page)


def check_html(results: Sequence[CheckResult]) -> str:
    """What `check` found of each plugin; objects that moved alike stand together."""
    body: list[str] = []
    for result in results:
        moved = [each for each in result.objects if each.state is not State.IN_SYNC]
        counts = ", ".join(f"{len(result.of(state)):,} {state}" for state in State if result.of(state)) or "no objects"
        body.append(f"<h2>Plugin {_text(result.plugin)}</h2><p>{_text(counts)}</p>")
        body += [_state(states) for states in states_alike(moved)]
        if result.plan.unmodelled:
            names = "".join(f"<li>{_text(str(each.fact))}</li>" for each in result.plan.unmodelled)
            body.append(f"<h3>Not planned</h3><ul>{names}</ul>")
    return _page("Check", "\n".join(body))


def _facts(summary: Summary) -> str:
    rows = [("stop", "✗ blocked", redact_message(finding.message)) for finding in summary.blocked]
    rows += [
        ("stop", "✗ loses", f"{hazard.message} ({describe_size(hazard.size) or 'size unknown'})")
        for hazard in summary.losses
    ]
    rows += [("mind", "! locks", describe_held(held, several=summary.steps > 1)) for held in summary.held]
    for kind, hazards in summary.others.items():
        rows += [("mind", f"! {kind.value.replace('_', ' ')}", hazard.message) for hazard in hazards]
    cells = "".join(
        f'<tr class="{group}"><th scope="row">{_text(word)}</th><td>{_text(text)}</td></tr>'
        for group, word, text in rows
    )
    return f'<table class="facts"><caption class="aside">What stands out</caption>{cells}</table>' if rows else ""


def _refused(summary: Summary) -> Iterable[str]:
    if summary.refused:
        allowed = flags(dict.fromkeys(consent_for(hazard) for hazard in summary.refused))
        yield f"<p>Refused by apply unless allowed:</p><pre>{_text(allowed)}</pre>"


def _findings(title: str, findings: Sequence[Finding]) -> Iterable[str]:
    if findings:
        items = "".join(
            f'<li>{_text(redact_message(each.message))} <span class="note">{_text(each.hint)}</span></li>'
            for each in findings
        )
        yield f"<h2>{title}</h2><ul>{items}</ul>"


def _object(objects: Sequence[ObjectChange]) -> str:
    first = objects[0]
    names = ", ".join(str(each.object) for each in objects[:_NAMED])
    more = f" and {len(objects) - _NAMED:,} more" if len(objects) > _NAMED else ""
    alike = f" ({len(objects):,}, alike)" if len(objects) > 1 else ""
    size = describe_size(first.size) if len(objects) == 1 else ""
    aside = "; ".join(part for part in (first.note, size) if part)
    hazards = "".join(
        f"<li>! {_text(hazard.kind.value.replace('_', '-'))}: {_text(hazard.message)}</li>"
        for hazard in (first.hazards if len(objects) == 1 else ())
    )
    return (
        f'<section class="object"><h3><span class="{first.change}">{SYMBOLS[first.change]} {first.change}</span>'
        f' {_text(names)}{more}{alike} <span class="note">{_text(aside)}</span></h3>'
        f"<ul>{_parts(first.parts)}{hazards}</ul></section>"
    )


def _state(states: Sequence[ObjectState]) -> str:
    first = states[0]
    names = ", ".join(str(each.object) for each in states[:_NAMED])
    more = f" and {len(states) - _NAMED:,} more" if len(states) > _NAMED else ""
    return (
        f'<section class="object"><h3>{_text(first.state.value)}: {_text(names)}{more}'
        f' <span class="note">{_text(first.meaning)}</span></h3>'
        f"<ul>{_parts(parts_of(first.object, first.differences))}</ul></section>"
    )


def _parts(parts: Iterable[Part]) -> str:
    found: list[str] = []
    for part in parts:
        detail = f" <code>{_text(part.detail)}</code>" if part.detail else ""
        lines = f"<pre>{''.join(map(_line, part.lines))}</pre>" if part.lines else ""
        sign = f'<span class="{part.change}">{SYMBOLS[part.change]}</span>'
        found.append(f"<li>{sign} {_text(part.what)}{detail}{lines}</li>")
    return "".join(found)


def _line(line: str) -> str:
    text = _text(line)
    if line.startswith("+"):
        return f"<ins>{text}</ins>"
    return f"<del>{text}</del>" if line.startswith("-") else f"{text}\n"


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{_text(title)}</h1>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    """Text that is shown as it is: no markup, no character that moves others."""
    return escape(visible(text))
