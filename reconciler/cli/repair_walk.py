"""`repair` on a terminal: each object that drifted is asked about, then all that was decided is shown and done.

Does I/O.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, cast

import click

from reconciler.cli.console import print_note, print_text, working
from reconciler.cli.output import show_plan, show_result
from reconciler.cli.pull import pull_accepted
from reconciler.cockpit.basket import Basket, Choice, Ignoring
from reconciler.cockpit.items import items_of
from reconciler.hazards.policy import consent_for, consents, rule_of_consent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.options import CommandOptions
    from reconciler.client import Reconciler
    from reconciler.cockpit.items import Item
    from reconciler.model.hazards import Hazard
    from reconciler.results import CheckResult, PlanResult
    from reconciler.source.source import AnySource

__all__ = ["walk"]

_KEYS = {
    "r": Choice.REVERT,
    "a": Choice.ACCEPT,
    "w": Choice.WRITE_BACK,
    "i": Choice.IGNORE,
    "s": Choice.SKIP,
}
_DECIDED = frozenset({"objects", "revert", "accept", "pulls", "dry_run"})
_QUESTION = "[r]evert [a]ccept [w]rite back [i]gnore [s]kip [d]iff [q]uit"


def walk(
    reconciler: Reconciler,
    source: AnySource,
    found: CheckResult,
    planned: PlanResult,
    chosen: CommandOptions,
    *,
    objects: Sequence[str],
) -> None:
    """Asks about each object of `found` that drifted, or of these `objects`, and does what was decided.

    `planned` is the repair that would revert all of them. Nothing is done before all of it was shown and confirmed.
    """
    items = [item for item in items_of(found, planned) if not objects or item.object.key in objects]
    basket = Basket.empty()
    for number, item in enumerate(items, 1):
        print_text(_card(item, number, len(items)))
        answer = _ask(reconciler, source, item, chosen)
        if answer is None:
            print_note("nothing was changed")
            return
        ignoring = _ask_why() if answer is Choice.IGNORE else None
        basket = basket.choose(item, answer, ignoring)
    if basket.rules:
        print_text(f"Write into the configuration to leave these alone:\n\n{basket.rules}\n")
    if basket.is_idle:
        print_note("nothing was changed")
        return
    _run(reconciler, source, basket, chosen)


def _card(item: Item, number: int, count: int) -> str:
    """The object with its three states side by side."""
    lines = [f"{item.state}: {item.object} ({number} of {count})"]
    if item.author is not None:
        lines.append(f"  {item.author}")
    lines += [f"  renamed: {each}" for each in item.renamed]
    for side in item.sides:
        lines.append(f"  {side.fact}")
        lines += [f"    recorded  {side.recorded}", f"    live      {side.live}", f"    declared  {side.declared}"]
    return "\n" + "\n".join(lines) + "\n"


def _ask(reconciler: Reconciler, source: AnySource, item: Item, chosen: CommandOptions) -> Choice | None:
    """What is to be done with the object; None to leave."""
    while True:
        key = click.prompt(
            _QUESTION,
            type=click.Choice([*_KEYS, "d", "q"], case_sensitive=False),
            show_choices=False,
            default="s",
            err=True,
        )
        match key:
            case "q":
                return None
            case "d":
                with working("planning"):
                    alone = reconciler.plan_repair(source, plugin=chosen.plugin, objects=[item.object.key])
                show_plan(alone, replace(chosen, output="text", details=True))
            case _:
                return _KEYS[key]


def _ask_why() -> Ignoring:
    reason = click.prompt("Reason", err=True)
    until = click.prompt("Until (YYYY-MM-DD, or nothing)", default="", show_default=False, value_proc=_date, err=True)
    return Ignoring(reason=reason, until=until)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise click.BadParameter(f"{text} is not a date") from None


def _run(reconciler: Reconciler, source: AnySource, basket: Basket, chosen: CommandOptions) -> None:
    """Shows what was decided, its plan, proof and hazards; does it where that is confirmed."""
    from reconciler.cli.progress import following
    from reconciler.ledger.runs import RunKind

    reverting, options = basket.of(Choice.REVERT), reconciler.options
    allowed: tuple[Hazard, ...] = ()
    planned: PlanResult | None = None
    if reverting:
        with working("planning"):
            planned = reconciler.plan_repair(source, plugin=chosen.plugin, objects=reverting)
        show_plan(planned, replace(chosen, output="text"))
        print_note(f"rehearsed: {'no' if planned.options.proof.value == 'off' else planned.options.proof.value}")
        if any(finding.blocks for finding in planned.findings):
            print_note("what blocks has to be solved first; nothing was changed")
            return
        if planned.refused:
            if not click.confirm("Allow exactly these hazards?", default=False, err=True):
                print_note("nothing was changed")
                return
            allowed = planned.refused
            given = sorted(consents([consent_for(hazard) for hazard in allowed]))
            options = replace(options, hazard_rules=(*options.hazard_rules, *map(rule_of_consent, given)))
            planned = reconciler.plan_repair(source, plugin=chosen.plugin, objects=reverting, options=options)
    for choice, what in ((Choice.ACCEPT, "records as live has it"), (Choice.WRITE_BACK, "records and writes back")):
        for key in basket.of(choice):
            print_text(f"{what}: {key}\n")
    if not click.confirm("Run this?", default=False, err=True):
        print_note("nothing was changed")
        return
    commands = basket.commands(_given(), allowed)
    if planned is not None:
        with following("repairing", reconciler) as on_event:
            result = reconciler.apply(planned, kind=RunKind.REPAIR, on_event=on_event)
        show_result(result, "repaired", chosen)
    for choice in (Choice.ACCEPT, Choice.WRITE_BACK):
        if keys := basket.of(choice):
            accepting = reconciler.plan_repair(source, plugin=chosen.plugin, accept=True, objects=keys)
            show_result(reconciler.apply(accepting, kind=RunKind.REPAIR), "accepted", chosen)
            pull_accepted(reconciler, accepting, chosen, wanted=choice is Choice.WRITE_BACK)
    print_note("the same without questions:\n" + "\n".join(f"  {line}" for line in commands))


def _given() -> list[str]:
    """What the command line of this command was given, but for what this walk decides."""
    context = click.get_current_context()
    given: list[str] = []
    for parameter in context.command.get_params(context):
        name = str(parameter.name)
        if name in _DECIDED or context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value: object = context.params[name]
        values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        if isinstance(parameter, click.Argument):
            given += map(str, values)
        elif isinstance(value, bool):
            given.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            given += [text for each in values for text in (parameter.opts[0], str(each))]
    return given
