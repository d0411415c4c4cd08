"""The command `pull`, and the end of `repair --accept`: what live has is written into the files that declare it.

Does I/O.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DONE, confirmed, is_interactive, print_note, print_text, working
from reconciler.cli.options import open_reconciler, read_options, reconciling
from reconciler.errors import ConfigError, ReconcilerError
from reconciler.model.visible import shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.options import CommandOptions
    from reconciler.client import Reconciler
    from reconciler.results import PlanResult
    from reconciler.source.files import DeclaredFiles
    from reconciler.workflows.pull import Pull

__all__ = ["pull", "pull_accepted"]

_SHOWN = 4


@click.command(short_help="Write what live has into the files that declare it.")
@click.option("--object", "objects", multiple=True, metavar="KIND:NAME", help="Only this object; may be repeated.")
@click.option("--recorded", is_flag=True, help="Only what live has as it is recorded; leave out what drifted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and write nothing.")
@partial(reconciling, formats=("text",))
def pull(objects: tuple[str, ...], *, recorded: bool, yes: bool, **values: Any) -> int:
    """Change the files of a SOURCE so that they declare what live has; the database is only read.

    Shows the change of each file first. What it comes to is built before anything is written: where it is not what live
    has, no file is changed.
    """
    chosen = read_options(values, formats=("text",))
    with open_reconciler(chosen) as reconciler:
        files = _read(chosen)
        with working("comparing"):
            found = reconciler.plan_pull(files, plugin=chosen.plugin, objects=objects, recorded=recorded)
    _write(files, found, yes=yes, dry_run=chosen.dry_run)
    return DONE


def pull_accepted(reconciler: Reconciler, planned: PlanResult, chosen: CommandOptions, *, wanted: bool | None) -> None:
    """Makes the files agree with what a repair accepted, or says how, or why they do not.

    `wanted` is what the command line said of it; None where it said nothing: then a person at a terminal is asked.
    """
    objects = _accepted(planned)
    if not objects or wanted is False:
        return
    keys = " ".join(f"--object {shell_word(key)}" for key in objects[:_SHOWN])
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    if wanted is None and not is_interactive():
        print_note(f"the declaration still has it as before: `reconciler pull {keys}`{more} writes it into the files")
        return
    try:
        files = _read(chosen)
        with working("comparing with the files"):
            found = reconciler.plan_pull(files, plugin=chosen.plugin, only=objects, recorded=True)
        _write(files, found, yes=wanted is True)
    except ReconcilerError as error:
        if wanted:
            error.left = "what drifted is accepted; no file was changed"
            raise
        print_note(f"the files still have it as before: {error.describe()}")


def _accepted(planned: PlanResult) -> list[str]:
    """The objects that the record has otherwise after the repair than before."""
    before = planned.recorded.snapshot if planned.recorded is not None else None
    after = planned.goal.record
    if before is None:
        return []
    moved = {
        fact for fact in before.facts.keys() | after.facts.keys() if before.facts.get(fact) != after.facts.get(fact)
    }
    return sorted({(planned.live if fact in planned.live else before).object_of(fact).key for fact in moved})


def _read(chosen: CommandOptions) -> DeclaredFiles:
    from reconciler.source.files import read_files

    if not chosen.sources:
        raise ConfigError("no source was given", hint="name the files or the folder that declare the schema")
    return read_files(chosen.sources, cwd=chosen.folder, source_format=chosen.source_format)


def _write(files: DeclaredFiles, found: Pull, *, yes: bool, dry_run: bool = False) -> None:
    from reconciler.source.files import unified, write_files

    if not found.changes:
        print_text("The files declare what live has.\n")
        return
    print_text("\n".join(map(unified, found.changes)))
    count = f"{len(found.changes)} file{'' if len(found.changes) == 1 else 's'}"
    if dry_run:
        print_note(f"dry run: {count} would be changed")
        return
    if not yes and not confirmed(f"Change {count}?"):
        return
    write_files(files, found.changes)
    print_note(f"changed {count}; they build what live has{_pending(found)}")


def _pending(found: Pull) -> str:
    if not found.pending:
        return ""
    names: Sequence[str] = [each.key for each in found.pending[:_SHOWN]]
    more = f" and {len(found.pending) - _SHOWN} more" if len(found.pending) > _SHOWN else ""
    return f" of these objects; others differ still: {', '.join(names)}{more}"
