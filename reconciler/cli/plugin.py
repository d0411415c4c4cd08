"""The commands `plugin list`, `plugin rename` and `plugin uninstall`. Does I/O."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.console import DONE, FAILED, is_interactive, print_data, print_text
from reconciler.cli.options import connecting, open_reconciler, planning, read_options
from reconciler.errors import ConfigError

__all__ = ["plugin"]


@click.group()
def plugin() -> None:
    """List the plugins of a database, give one another name, or take one out."""


@plugin.command("list")
@connecting
def list_(**values: Any) -> int:
    """List the plugins that the ledger has recorded."""
    from reconciler.report import json, text

    chosen = read_options(values, formats=("text", "json"))
    with open_reconciler(chosen) as reconciler:
        found = reconciler.plugins()
    if chosen.output == "json":
        print_data(json.to_text(json.plugins_document(found)))
    else:
        print_text(text.plugins_text(found))
    return DONE


@plugin.command()
@click.argument("old")
@click.argument("new")
@connecting
def rename(old: str, new: str, **values: Any) -> int:
    """Give plugin OLD the name NEW, with its history. Its schema keeps its name: name it with --schema from then on."""
    chosen = read_options(values, formats=("text",))
    with open_reconciler(chosen) as reconciler:
        schemas = next((each.schemas for each in reconciler.plugins() if each.name == old), None)
        rows = reconciler.rename_plugin(old, new)
    print_text(f"Renamed plugin {old} to {new}: {rows} rows of the ledger.\n")
    if schemas:
        print_text(f"It manages {', '.join(schemas)}: pass --schema where that does not follow from the new name.\n")
    return DONE


@plugin.command()
@click.argument("name")
@click.option("--archive", is_flag=True, help="Rename its schemas, with all rows, instead of dropping anything.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@planning
def uninstall(name: str, *, archive: bool, yes: bool, **values: Any) -> int:
    """Drop what plugin NAME has recorded, and forget it. What would lose data must be allowed, as for apply."""
    chosen = read_options(values, formats=("text",))
    if not yes:
        if not is_interactive():
            raise ConfigError(f"plugin {name} is not uninstalled without consent", hint="pass --yes")
        what = "Rename the schemas" if archive else "Drop all that is recorded"
        if not click.confirm(f"{what} of plugin {name}, and forget it?", default=False, err=True):
            return FAILED
    with open_reconciler(chosen) as reconciler:
        lines = reconciler.uninstall_plugin(name, archive=archive)
    print_text("".join(f"{line}\n" for line in lines))
    return DONE
