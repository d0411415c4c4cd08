"""The command `incidents`: what drifted, who knows of it, how it ended. Does I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.console import DONE, DRIFT, print_data, print_text
from reconciler.cli.options import connecting, open_reconciler, read_options
from reconciler.errors import ConfigError
from reconciler.model.policies import parse_duration

__all__ = ["incidents", "parse_until"]


@click.group(invoke_without_command=True, short_help="List drift as incidents, or acknowledge one.")
@click.option("--closed", is_flag=True, help="Those that are over, too.")
@connecting
@click.pass_context
def incidents(context: click.Context, /, *, closed: bool, **values: Any) -> int:
    """List the incidents, of all plugins unless one is named; exit 4 where one is open and not acknowledged."""
    if context.invoked_subcommand is not None:
        return DONE
    from reconciler.model.incidents import IncidentStatus
    from reconciler.report import json
    from reconciler.report.incidents import incidents_text

    chosen = read_options(values, formats=("text", "json"))
    plugin = values["plugin"]
    with open_reconciler(chosen) as reconciler:
        found = reconciler.incidents(plugin=plugin, closed=closed)
    if chosen.output == "json":
        print_data(json.to_text(json.incidents_document(found, plugin)))
    else:
        print_text(incidents_text(found))
    return DRIFT if any(each.status is IncidentStatus.OPEN for each in found) else DONE


@incidents.command()
@click.argument("incident", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why the drift may stay as it is.")
@click.option(
    "--until", metavar="TIME", help="A day, a time (UTC unless it says), or how long: 12h, 7d.  [default: for good]"
)
@connecting
def acknowledge(incident: int, *, reason: str, until: str | None, **values: Any) -> int:
    """Take the drift of INCIDENT for known; the same object changed once more is not."""
    from reconciler.report import json
    from reconciler.report.incidents import incidents_text

    chosen = read_options(values, formats=("text", "json"))
    end = None if until is None else parse_until(until, datetime.now(UTC))
    with open_reconciler(chosen) as reconciler:
        found = reconciler.acknowledge(incident, reason, until=end)
    if chosen.output == "json":
        print_data(json.to_text(json.incidents_document([found], found.plugin)))
    else:
        print_text(incidents_text([found]))
    return DONE


def parse_until(text: str, now: datetime) -> datetime:
    """A time to come: `2030-12-31`, `2030-12-31 18:00`, or how long from now, `7d`. Raises ConfigError."""
    if (duration := parse_duration(text)) is not None:
        return now + duration
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError(f"{text} is no time", hint="write 2030-12-31, 2030-12-31 18:00, 12h or 7d") from exc
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
