"""The commands `plan`, `apply` and `adopt`. Does I/O."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DONE, confirmed, is_interactive, working
from reconciler.cli.options import (
    PLAN_FORMATS,
    CommandOptions,
    open_reconciler,
    read_options,
    reconciling,
    source_of,
)
from reconciler.cli.output import show_dry_run, show_plan, show_result
from reconciler.cli.plan_file import apply_file, plan_text, write_plan
from reconciler.cli.rename_prompts import with_answers
from reconciler.errors import ConfigError, HazardError

if TYPE_CHECKING:
    from reconciler.client import Reconciler
    from reconciler.results import PlanResult
    from reconciler.source.source import AnySource

__all__ = ["adopt", "apply", "plan"]


@click.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the plan to a file, too."
)
@click.option(
    "--sign-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="KEY",
    help="Sign the file with this private Ed25519 key.",
)
@partial(reconciling, formats=PLAN_FORMATS)
def plan(out: Path | None, sign_key: Path | None, **values: Any) -> int:
    """Show what would be done; exit 2 if anything would."""
    chosen = read_options(values, formats=PLAN_FORMATS)
    if sign_key is not None and out is None:
        raise ConfigError("--sign-key signs a plan file, and none is written", hint="pass --out FILE too")
    source = source_of(chosen)
    with open_reconciler(chosen) as reconciler:
        planned, answered = _planned(reconciler, source, chosen)
        text = None if out is None else plan_text(planned, answered, reconciler, sign_key)
    if out is not None and text is not None:
        write_plan(text, out)
    return show_plan(planned, chosen, source)


@click.command(short_help="Make the database equal to the declaration, and record it.")
@click.option("--plan", "file", type=click.Path(path_type=Path), metavar="FILE", help="Run what `plan --out` wrote.")
@click.option(
    "--verify-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="KEY",
    help="Run only a file that is signed with this public Ed25519 key's private one.",
)
@click.option("--any-database", is_flag=True, help="The file may have been made for another database.")
@click.option("--yes", is_flag=True, help="Do not show the plan and ask, which is done on a terminal only.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@reconciling
def apply(file: Path | None, verify_key: Path | None, *, any_database: bool, yes: bool, **values: Any) -> int:
    """Bring the database to what is declared, in one transaction, and record it."""
    chosen = read_options(values)
    if file is not None:
        return apply_file(file, values, chosen, verify_key=verify_key, any_database=any_database)
    if verify_key is not None or any_database:
        raise ConfigError("--verify-key and --any-database are about a plan file", hint="pass --plan FILE")
    source = source_of(chosen)
    with open_reconciler(chosen) as reconciler:
        if chosen.dry_run:
            return _dry_run(reconciler, source, chosen)
        if is_interactive() and not yes:
            return _apply_confirmed(reconciler, source, chosen)
        from reconciler.cli.progress import following

        try:
            with following("reconciling", reconciler) as on_event:
                result = reconciler.migrate(source, plugin=chosen.plugin, on_event=on_event)
        except HazardError as error:
            answered = with_answers(source, error.suggestions)
            if answered is None:
                raise
            with following("reconciling", reconciler) as on_event:
                result = reconciler.migrate(answered, plugin=chosen.plugin, on_event=on_event)
    return show_result(result, "applied", chosen)


def _apply_confirmed(reconciler: Reconciler, source: AnySource, chosen: CommandOptions) -> int:
    """Shows the plan on the terminal and applies it where that is wanted; what is refused is not asked about."""
    planned, _ = _planned(reconciler, source, chosen)
    if planned.plan.statements:
        show_plan(planned, chosen)
        blocked = planned.refused or any(finding.blocks for finding in planned.findings)
        if not blocked and not confirmed("Apply this plan?"):
            return DONE
    from reconciler.cli.progress import following

    with following("applying", reconciler) as on_event:
        result = reconciler.apply(planned, on_event=on_event)
    return show_result(result, "applied", chosen)


def _planned(reconciler: Reconciler, source: AnySource, chosen: CommandOptions) -> tuple[PlanResult, AnySource]:
    """The plan and its source; on a terminal with the renames that were confirmed."""
    with working("planning"):
        planned = reconciler.plan(source, plugin=chosen.plugin)
    answered = with_answers(source, planned.suggestions) if chosen.output == "text" else None
    if answered is None:
        return planned, source
    with working("planning"):
        return reconciler.plan(answered, plugin=chosen.plugin), answered


def _dry_run(reconciler: Reconciler, source: AnySource, chosen: CommandOptions) -> int:
    return show_dry_run(_planned(reconciler, source, chosen)[0], chosen)


@click.command(short_help="Record a database that already holds the schema.")
@click.option("--change", is_flag=True, help="Change what differs from the declaration, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@reconciling
def adopt(*, change: bool, yes: bool, **values: Any) -> int:
    """Record a database that already holds the schema. What differs is an error, or changed with --change."""
    chosen = read_options(values)
    source = source_of(chosen)
    with open_reconciler(chosen) as reconciler:
        if chosen.dry_run:
            return _dry_run(reconciler, source, chosen)
        if change and not yes:
            planned, source = _planned(reconciler, source, chosen)
            question = f"Change the database and record it as plugin {chosen.plugin}?"
            if planned.plan.statements and not confirmed(question, lambda: show_plan(planned, chosen)):
                return DONE
        with working("adopting"):
            result = reconciler.adopt(source, plugin=chosen.plugin, change=change)
    return show_result(result, "adopted", chosen)
