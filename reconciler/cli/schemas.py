"""The commands about schemas alone: `diff`, `dump` and `diagram`. The ledger is asked for what was once. Does I/O."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DIFFERENCES, DONE, FAILED, is_url, opened, print_data, print_note, working
from reconciler.cli.options import connecting, open_reconciler, read_options, setting_option
from reconciler.cli.timeline import parse_moment
from reconciler.errors import ConfigError
from reconciler.model.plugins import DEFAULT_PLUGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.cli.options import CommandOptions
    from reconciler.model.plan import Plan, Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.source.source import Source
    from reconciler.workflows.past import Moment

__all__ = ["diagram", "diff", "dump"]


_MOMENT = "WHEN (a day, a time, or how long ago: 12h, 7d) or the number of a migration of --plugin."


@click.command()
@click.argument("before", metavar="A", required=False)
@click.argument("after", metavar="B", required=False)
@click.option("--from", "begin", metavar="WHEN|IDX", help=f"Instead of A and B: the schema as it was. {_MOMENT}")
@click.option("--to", "end", metavar="WHEN|IDX", help="Until then; what is there now, if it is not said.")
@setting_option("schema", help="Compare this schema only; may be repeated.")
@setting_option("scratch", metavar="auto|database|URL", help="Where files are built.")
@setting_option("ignore_unmodelled")
@connecting
def diff(before: str | None, after: str | None, begin: str | None, end: str | None, **values: Any) -> int:
    """Print the SQL that turns A into B; exit 2 if there is any. Each is a URL, a file or a folder.

    With --from it is what the schemas of one plugin have become since then.
    """
    chosen = read_options(values)
    if begin is not None and before is None:
        found = _since(chosen, begin, end)
    elif before is not None and after is not None and begin is None and end is None:
        found = _between(chosen, values["dsn"], before, after)
    else:
        raise ConfigError("name what to compare: two of URLs, files and folders, or --from alone or with --to")
    if chosen.output == "json":
        from reconciler.report import json

        print_data(json.to_text(json.diff_document(found)))
    else:
        _print_script(found)
    if found.unmodelled and not chosen.options.ignore_unmodelled:
        return FAILED
    return DIFFERENCES if found.statements else DONE


def _between(chosen: CommandOptions, dsn: str | None, before: str, after: str) -> Plan:
    from reconciler.workflows.compare import compare_databases, compare_sources

    schemas = chosen.options.schemas or ()
    urls = [side for side in (before, after) if is_url(side)]
    if len(urls) == 2:
        return compare_databases(before, after, schemas)
    old, new = (side if is_url(side) else _file(side) for side in (before, after))
    with opened(dsn or (urls[0] if urls else chosen.dsn), local=chosen.local) as server, working("comparing"):
        return compare_sources(old, new, server=server, scratch=chosen.options.scratch, schemas=schemas)


def _since(chosen: CommandOptions, begin: str, end: str | None) -> Plan:
    from reconciler.workflows.past import compare_past

    until = None if end is None else _moment(end)
    with open_reconciler(chosen) as reconciler:
        found, notes = compare_past(reconciler.connection, chosen.plugin, _moment(begin), until)
    for note in notes:
        print_note(note)
    return found


def _moment(text: str) -> Moment:
    if text.isascii() and text.isdigit():
        return int(text)
    found = parse_moment(text)
    assert found is not None
    return found


def _file(spec: str) -> Source:
    from reconciler.source.reading import parse_source
    from reconciler.source.source import Source

    source = parse_source([spec], allow_empty=True)
    assert isinstance(source, Source)  # only a URL gives anything else
    return source


def _print_script(plan: Plan) -> None:
    from reconciler.report import sql

    print_data(sql.script(plan.statements, plan.unmodelled))
    _tell_unmodelled(plan)


def _tell_unmodelled(plan: Plan) -> None:
    if plan.unmodelled:
        from reconciler.report import text

        print_note(text.unmodelled_text(plan).rstrip())


@click.command(short_help="Print the live schema as SQL.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="One file per object.")
@setting_option("schema", help="Dump this schema only; may be repeated.")
@click.option("--at", metavar="WHEN|IDX", help=f"The schemas of --plugin as they were: {_MOMENT}")
@setting_option("plugin", help=f"Whose schemas --at is about.  [default: {DEFAULT_PLUGIN}]")
@setting_option("ignore_unmodelled", help="Continue although there are unsupported objects.")
@setting_option("local")
@setting_option("dsn")
def dump(output: Path | None, at: str | None, **values: Any) -> int:
    """Print the live schema, or with --at what it was, as SQL that rebuilds it in an empty database."""
    from reconciler.workflows.compare import dump as dumped
    from reconciler.workflows.compare import files_of_dump

    chosen = read_options(values)
    if at is not None:
        plan, live = _dumped_at(chosen, at)
    else:
        with opened(chosen.dsn, local=chosen.local) as dsn, working("reading"):
            plan, live = dumped(dsn, chosen.options.schemas or ())
    if output is None:
        _print_script(plan)
    else:
        files = files_of_dump(plan, live)
        _write_files({path: [plan.statements[position] for position in files[path]] for path in files}, output)
        _tell_unmodelled(plan)
    return FAILED if plan.unmodelled and not chosen.options.ignore_unmodelled else DONE


def _dumped_at(chosen: CommandOptions, at: str) -> tuple[Plan, Snapshot]:
    from reconciler.workflows.past import rebuild_past

    if chosen.options.schemas:
        raise ConfigError("--at and --schema cannot be combined", hint="--at prints the schemas of --plugin")
    with open_reconciler(chosen) as reconciler:
        plan, past = rebuild_past(reconciler.connection, chosen.plugin, _moment(at))
    for note in past.notes:
        print_note(note)
    return plan, past.snapshot


def _write_files(files: Mapping[str, Sequence[Statement]], folder: Path) -> None:
    from reconciler.report import sql

    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"the folder {folder} is not empty", hint="name a new one, or empty it first")
    for path, statements in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sql.script(statements), "utf-8")
    print_note(f"wrote {len(files)} files to {folder}")


@click.command(short_help="Draw the live tables and their foreign keys.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "--distance",
    type=click.IntRange(min=0),
    default=1,
    metavar="N",
    help="Draw what is up to N foreign keys away from the tables that fit a PATTERN, too.  [default: 1]",
)
@setting_option("schema", help="Draw this schema only; may be repeated.")
@setting_option("local")
@setting_option("dsn")
def diagram(patterns: tuple[str, ...], distance: int, **values: Any) -> int:
    """Print the live tables and their foreign keys as a Mermaid diagram, which GitHub and many editors draw.

    A PATTERN is the name of a table with its schema, with * (shop.order*); without one, all tables are drawn.
    """
    from reconciler.report.diagram import MOST_TABLES, diagram_of, mermaid
    from reconciler.workflows.compare import read_schema

    chosen = read_options(values)
    with opened(chosen.dsn, local=chosen.local) as dsn, working("reading"):
        live = read_schema(dsn, chosen.options.schemas or ())
    found = diagram_of(live, patterns=patterns, distance=distance)
    if not found.tables:
        raise ConfigError(
            f"no table fits {' '.join(patterns)}" if patterns else "there is no table to draw",
            hint="a pattern is a table's name with its schema: shop.orders, shop.*",
        )
    if len(found.tables) > MOST_TABLES:
        raise ConfigError(
            f"{len(found.tables):,} tables are too many for one picture",
            hint="name some: shop.orders, shop.*, --schema",
        )
    print_data(mermaid(found))
    return DONE
