"""The command `rollback`. Does I/O."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.console import DONE, confirmed, print_warnings, working
from reconciler.cli.options import open_reconciler, planning, read_options
from reconciler.cli.output import show_dry_run, show_plan, show_result

__all__ = ["rollback"]


@click.command(short_help="Restore what an earlier migration declared.")
@click.option("--to", type=int, metavar="IDX", help="Restore what this migration declared.")
@click.option("--steps", type=int, metavar="N", help="Restore what was declared N migrations before the last.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@planning
def rollback(to: int | None, steps: int | None, *, yes: bool, **values: Any) -> int:
    """Bring back what an earlier migration declared, as a new migration.

    The schema comes back; rows that were lost do not. There is no SOURCE: it was recorded. Change your declaration too,
    or the next apply goes forward again.
    """
    chosen = read_options(values)
    with open_reconciler(chosen) as reconciler:
        with working("planning"):
            planned = reconciler.plan_rollback(plugin=chosen.plugin, to=to, steps=steps)
        print_warnings(planned.warnings)
        if chosen.dry_run:
            return show_dry_run(planned, chosen)
        question = f"Restore migration {planned.rolls_back_to} of plugin {chosen.plugin}?"
        if not yes and planned.plan.statements and not confirmed(question, lambda: show_plan(planned, chosen)):
            return DONE
        from reconciler.cli.progress import following
        from reconciler.ledger.runs import RunKind

        with following("rolling back", reconciler) as on_event:
            result = reconciler.apply(planned, kind=RunKind.ROLLBACK, on_event=on_event)
    return show_result(result, "rolled back", chosen)
