"""The command `repair`. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DONE, is_interactive, print_note, print_text, working
from reconciler.cli.options import CommandOptions, open_reconciler, read_options, reconciling, source_of
from reconciler.cli.output import show_plan, show_result
from reconciler.cli.pull import pull_accepted
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from reconciler.client import Reconciler
    from reconciler.results import PlanResult
    from reconciler.source.source import AnySource

__all__ = ["repair"]


@click.command()
@click.option("--revert", is_flag=True, help="Change what drifted back to the declaration.")
@click.option("--accept", is_flag=True, help="Record what drifted as it is now.")
@click.option("--object", "objects", multiple=True, metavar="KIND:NAME", help="Only this object; may be repeated.")
@click.option(
    "--pull/--no-pull",
    "pulls",
    default=None,
    help="After --accept, change the files so that they declare it; on a terminal they are shown and it is asked.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@reconciling
def repair(objects: tuple[str, ...], *, revert: bool, accept: bool, pulls: bool | None, **values: Any) -> int:
    """End drift: bring it back to the declaration, or record it."""
    chosen = read_options(values)
    if revert and accept:
        raise ConfigError(
            "--revert and --accept cannot be combined", hint="pass one; --object selects what it is about"
        )
    choice = "revert" if revert else "accept" if accept else None
    source = source_of(chosen)
    with open_reconciler(chosen) as reconciler:
        if choice is None:
            _decide(reconciler, source, objects, chosen)
            return DONE
        with working("repairing"):
            planned = reconciler.plan_repair(
                source, plugin=chosen.plugin, accept=choice == "accept", objects=objects, options=reconciler.options
            )
        if chosen.dry_run:
            show_plan(planned, chosen)
            print_note("dry run: nothing was changed")
            return DONE
        from reconciler.cli.progress import following
        from reconciler.ledger.runs import RunKind

        with following("repairing", reconciler) as on_event:
            result = reconciler.apply(planned, kind=RunKind.REPAIR, on_event=on_event)
        code = show_result(result, "accepted" if choice == "accept" else "repaired", chosen)
        if choice == "accept":
            pull_accepted(reconciler, planned, chosen, wanted=pulls)
    return code


def _decide(reconciler: Reconciler, source: AnySource, objects: tuple[str, ...], chosen: CommandOptions) -> None:
    """On a terminal asks about each object that drifted; elsewhere shows them and what a repair would do.

    Raises ConfigError where there is something to decide and nobody can be asked.
    """
    from reconciler.cli.repair_walk import walk
    from reconciler.diff.drift import State
    from reconciler.report import sql, text

    with working("checking"):
        result = reconciler.check(source, plugin=chosen.plugin)
        planned = reconciler.plan_repair(source, plugin=chosen.plugin, objects=objects)
    moved = result.of(State.DRIFTED, State.CONFLICT, State.UNMANAGED)
    is_drifted = bool(planned.plan.statements) or result.has_drift
    if is_drifted and is_interactive() and not chosen.dry_run:
        walk(reconciler, source, result, planned, chosen, objects=objects)
        return
    print_text(text.check_text(replace(result, objects=moved)))
    if not is_drifted:
        print_text(f"In sync: nothing drifted in plugin {chosen.plugin}.\n")
        return
    print_text(f"--revert would run:\n\n{sql.script(planned.plan.statements)}\n--accept would record it as it is.\n")
    if refused := _refused(planned):
        print_text(f"--revert would be refused:\n{refused}\n")
    if not chosen.dry_run:
        raise ConfigError("neither --revert nor --accept was given", hint="pass --revert or --accept")


def _refused(planned: PlanResult) -> str:
    """Why the plan would be refused, with what allows it; empty where it would not."""
    from reconciler.hazards.policy import hazard_error

    lines = [f"{finding.message}; {finding.hint}" for finding in planned.findings if finding.blocks]
    if planned.refused:
        lines.append(hazard_error(planned.refused, online=bool(planned.options.online)).describe())
    return "".join(f"  {line}\n" for text in lines for line in text.splitlines())
