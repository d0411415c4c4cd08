"""The commands about schemas alone, without a ledger: `diff`, `dump` and `diagram`. Does I/O."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DIFFERENCES, DONE, FAILED, is_url, opened, print_data, print_note, working
from reconciler.cli.options import connecting, read_options, setting_option
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.model.plan import Plan, Statement
    from reconciler.source.source import Source

__all__ = ["diagram", "diff", "dump"]


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@setting_option("schema", help="Compare this schema only; may be repeated.")
@setting_option("scratch", metavar="auto|database|URL", help="Where files are built.")
@setting_option("ignore_unmodelled")
@connecting
def diff(before: str, after: str, **values: Any) -> int:
    """Print the SQL that turns A into B; exit 2 if there is any. Each is a URL, a file or a folder."""
    from reconciler.workflows.compare import compare_databases, compare_sources

    chosen = read_options(values)
    schemas = chosen.options.schemas or ()
    urls = [side for side in (before, after) if is_url(side)]
    if len(urls) == 2:
        found = compare_databases(before, after, schemas)
    else:
        old, new = (side if is_url(side) else _file(side) for side in (before, after))
        dsn = values["dsn"] or (urls[0] if urls else chosen.dsn)
        with opened(dsn, local=chosen.local) as server, working("comparing"):
            found = compare_sources(old, new, server=server, scratch=chosen.options.scratch, schemas=schemas)
    if chosen.output == "json":
        from reconciler.report import json

        print_data(json.to_text(json.diff_document(found)))
    else:
        _print_script(found)
    if found.unmodelled and not chosen.options.ignore_unmodelled:
        return FAILED
    return DIFFERENCES if found.statements else DONE


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
@setting_option("ignore_unmodelled", help="Continue although there are unsupported objects.")
@setting_option("local")
@setting_option("dsn")
def dump(output: Path | None, **values: Any) -> int:
    """Print the live schema as SQL that rebuilds it in an empty database."""
    from reconciler.workflows.compare import dump as dumped
    from reconciler.workflows.compare import files_of_dump

    chosen = read_options(values)
    with opened(chosen.dsn, local=chosen.local) as dsn, working("reading"):
        plan, live = dumped(dsn, chosen.options.schemas or ())
    if output is None:
        _print_script(plan)
    else:
        files = files_of_dump(plan, live)
        _write_files({path: [plan.statements[position] for position in files[path]] for path in files}, output)
        _tell_unmodelled(plan)
    return FAILED if plan.unmodelled and not chosen.options.ignore_unmodelled else DONE


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
