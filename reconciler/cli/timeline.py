"""The commands `log` and `blame`. Does I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.console import DONE, print_data, print_note, print_text
from reconciler.cli.incidents import parse_until
from reconciler.cli.options import connecting, open_reconciler, read_options
from reconciler.model.policies import parse_duration

__all__ = ["MOMENT", "blame", "log", "parse_moment"]

_FORMATS = ("text", "json")
MOMENT = "A day, a time (UTC unless it says), or how long ago: 12h, 7d."


@click.command(short_help="Show what became of the schema, by whom.")
@click.argument("object_", metavar="[OBJECT]", required=False)
@click.option("--since", metavar="TIME", help=MOMENT)
@click.option("--until", metavar="TIME", help=MOMENT)
@click.option("--by", "role", metavar="ROLE", help="Only what this role did.")
@connecting
def log(object_: str | None, *, since: str | None, until: str | None, role: str | None, **values: Any) -> int:
    """Show runs of reconciler and statements of people in one line of time; of OBJECT, as in `app.accounts`, or of all.

    Statements of people are known where `audit install` was run.
    """
    from reconciler.report import audit, json
    from reconciler.workflows.timeline import Wanted, timeline

    chosen = read_options(values, formats=_FORMATS)
    wanted = Wanted(
        object=object_, plugin=values["plugin"], since=parse_moment(since), until=parse_moment(until), role=role
    )
    with open_reconciler(chosen) as reconciler:
        happened, notes = timeline(reconciler.connection, wanted)
    for note in notes:
        print_note(note)
    if chosen.output == "json":
        print_data(json.to_text(json.timeline_document(happened, values["plugin"])))
    else:
        print_text(audit.timeline_text(happened))
    return DONE


@click.command(short_help="Show since when, and by whom, each part of a table is as it is.")
@click.argument("table")
@connecting
def blame(table: str, **values: Any) -> int:
    """Show of each column, constraint and index of TABLE who left it as it is: a statement, or a migration."""
    from reconciler.report import audit, json
    from reconciler.workflows.timeline import blame

    chosen = read_options(values, formats=_FORMATS)
    with open_reconciler(chosen) as reconciler:
        parts = blame(reconciler.connection, table)
    if chosen.output == "json":
        print_data(json.to_text(json.blame_document(parts)))
    else:
        print_text(audit.blame_text(parts))
    return DONE


def parse_moment(text: str | None) -> datetime | None:
    """A time that is past: `2026-11-30`, `2026-11-30 18:00`, or how long ago, `7d`. Raises ConfigError."""
    if text is None:
        return None
    now = datetime.now(UTC)
    duration = parse_duration(text)
    return parse_until(text, now) if duration is None else now - duration
