"""The commands about what the ledger has: `status`, `history`, `show` and `reset`. Does I/O."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.console import DONE, confirmed, print_data, print_text, print_warnings
from reconciler.cli.options import ALL_PLUGINS, connecting, open_reconciler, read_options

__all__ = ["history", "reset", "show", "status"]


@click.command()
@ALL_PLUGINS
@connecting
def status(*, all_plugins: bool, **values: Any) -> int:
    """Show the last recorded migration and the last run."""
    from reconciler.report import json, text

    chosen = read_options(values, formats=("text", "json"))
    with open_reconciler(chosen) as reconciler:
        names = [each.name for each in reconciler.plugins()] if all_plugins else [chosen.plugin]
        states = [reconciler.status(plugin=name) for name in names]
    for found in states:
        print_warnings(found.warnings)
    if all_plugins and chosen.output == "json":
        print_data(json.to_text(json.all_document("statuses", map(json.status_document, states))))
        return DONE
    if all_plugins:
        print_text("\n".join(map(text.status_text, states)) or text.plugins_text(()))
        return DONE
    (found,) = states
    if chosen.output == "json":
        print_data(json.to_text(json.status_document(found)))
    else:
        print_text(text.status_text(found))
    return DONE


@click.command(short_help="List the recorded migrations.")
@connecting
def history(**values: Any) -> int:
    """List the recorded migrations, of all plugins unless one is named."""
    from reconciler.report import json, text

    chosen = read_options(values, formats=("text", "json"))
    plugin = values["plugin"]
    with open_reconciler(chosen) as reconciler:
        entries = reconciler.history(plugin=plugin)
    document = json.history_document(entries, plugin)
    if chosen.output == "json":
        print_data(json.to_text(document))
    else:
        print_text(text.history_text(entries))
    return DONE


@click.command()
@click.argument("idx", type=int)
@connecting
def show(idx: int, **values: Any) -> int:
    """Show one recorded migration with its statements."""
    from reconciler.report import json, sql, text

    chosen = read_options(values)
    with open_reconciler(chosen) as reconciler:
        record = reconciler.show(idx, plugin=chosen.plugin)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.migration_document(record)))
        case "sql":
            print_data(sql.recorded_script(record.statements))
        case _:
            print_text(text.migration_text(record))
    return DONE


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@connecting
def reset(*, yes: bool, **values: Any) -> int:
    """Forget what was recorded of the plugin. Its tables stay."""
    from reconciler.report import json

    chosen = read_options(values, formats=("text", "json"))
    if not yes and not confirmed(f"Delete all that is recorded of plugin {chosen.plugin}?"):
        return DONE
    with open_reconciler(chosen) as reconciler:
        rows = reconciler.reset(plugin=chosen.plugin)
    document = json.reset_document(chosen.plugin, rows)
    done = f"Forgot {rows} rows of plugin {chosen.plugin}; its schema is as it was.\n"
    if chosen.output == "json":
        print_data(json.to_text(document))
    else:
        print_text(done)
    return DONE
