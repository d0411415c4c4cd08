"""The command `reconciler`. Does I/O.

Exit codes: 0 done or in sync, also where all drift is acknowledged; 1 error; 2 differences pending (plan, check, diff);
3 refused because of a hazard; 4 drift or conflict (check); 5 proof failed; 6 a run is unfinished (check); 7 the
declaration is older than what the database is at. Heavy imports stand inside the commands, so that `--help` is light.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.audit import audit
from reconciler.cli.console import (
    BEHIND,
    DIFFERENCES,
    DONE,
    DRIFT,
    FAILED,
    INTERRUPTED,
    UNFINISHED,
    confirmed,
    exit_code_of,
    is_interactive,
    is_url,
    opened,
    print_data,
    print_error,
    print_note,
    print_text,
    print_warnings,
    working,
)
from reconciler.cli.incidents import incidents
from reconciler.cli.options import (
    CHECK_FORMATS,
    PLAN_FORMATS,
    CommandOptions,
    connecting,
    open_reconciler,
    read_options,
    reconciling,
    source_of,
)
from reconciler.cli.output import show_dry_run, show_plan, show_result, tell_ignored
from reconciler.cli.plan_file import apply_file, plan_text, write_plan
from reconciler.cli.plugin import plugin
from reconciler.cli.rename_prompts import with_answers
from reconciler.cli.rollback import rollback
from reconciler.cli.timeline import blame, log
from reconciler.cli.watch import watch, watch_check
from reconciler.errors import ConfigError, HazardError, ReconcilerError, RunInterruptedError, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from reconciler.client import Reconciler
    from reconciler.model.plan import Plan, Statement
    from reconciler.results import CheckResult, PlanResult
    from reconciler.source.source import AnySource, Source

__all__ = ["main", "run"]


def main() -> None:
    """The entry point of the command."""
    gc.disable()  # walking hundreds of thousands of facts again and again costs more than it would ever free
    signal.signal(signal.SIGTERM, _terminate)
    # psycopg warns of a rollback that a lost connection cannot do: the error itself says what happened.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    sys.exit(run(sys.argv[1:]))


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Ends the command as Ctrl-C does; a second SIGTERM ends the process at once."""
    signal.signal(number, signal.SIG_DFL)
    raise TerminatedError


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and gives its exit code; no error leaves it as a traceback."""
    try:
        done = cli.main(args=list(arguments), prog_name="reconciler", standalone_mode=False)
    except ReconcilerError as error:
        _print_error(error, as_json=_asks_for_json(arguments))
        return exit_code_of(error)
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt) as exc:
        cause = exc.__cause__ if isinstance(exc, click.Abort) else exc
        if isinstance(cause, RunInterruptedError):
            print_error(cause)
        else:
            print_note("interrupted: nothing was changed")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`); what Python flushes at its end must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return done if isinstance(done, int) else DONE


def _asks_for_json(arguments: Sequence[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def _print_error(error: ReconcilerError, *, as_json: bool) -> None:
    if as_json:
        from reconciler.report import json

        sys.stderr.write(json.to_text(json.error_document(error, exit_code_of(error))))
    else:
        print_error(error)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"reconciler {version('reconciler')}")
    except PackageNotFoundError:
        print("reconciler, run from its folder without being installed")
    context.exit()


# --- commands ---------------------------------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """Keep live Postgres databases equal to a declared schema.

    A SOURCE is an SQL file, a folder of them, `-`, cmd:COMMAND, python:MODULE:ATTRIBUTE, or a database's URL. Without
    one, the configuration's `source` holds.
    """


@cli.command()
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


@cli.command(short_help="Make the database equal to the declaration, and record it.")
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


_ALL_PLUGINS = click.option("--all-plugins", is_flag=True, help="All plugins that the ledger has recorded.")


@cli.command(short_help="Show which objects changed.")
@_ALL_PLUGINS
@click.option("--watch", "watched", is_flag=True, help="Go on until Ctrl-C, and show each change.")
@partial(reconciling, formats=CHECK_FORMATS)
def check(*, all_plugins: bool, watched: bool, **values: Any) -> int:
    """Show which objects moved; exit 4 on drift or conflict, 6 on an unfinished run, 2 if only the declaration changed.

    Without a SOURCE, and with one that is older than what the database is at (exit 7), the database is compared with
    what was recorded.
    """
    from reconciler.report import json, sql

    chosen = read_options(values, formats=CHECK_FORMATS)
    if watched:
        return watch_check(chosen, values, all_plugins=all_plugins)
    if all_plugins:
        return _check_all(chosen, values)
    source = source_of(chosen) if chosen.sources else None
    with open_reconciler(chosen) as reconciler, working("checking"):
        result = reconciler.record_incidents(reconciler.check(source, plugin=chosen.plugin))
    print_warnings(result.warnings)
    _tell_unrecorded([result])
    tell_ignored(result.ignored, chosen)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.check_document(result)))
        case "sql":
            print_data(sql.script(result.plan.statements, result.plan.unmodelled))
        case _:
            _show_checks([result], chosen)
    return _code_of(result)


def _tell_unrecorded(results: Sequence[CheckResult]) -> None:
    """Says where drift could not be written down as incidents."""
    why = {each.incidents.unrecorded for each in results if each.incidents is not None and each.drift}
    for each in sorted(filter(None, why)):
        print_note(f"no incident is recorded: {each}")


def _show_checks(results: Sequence[CheckResult], chosen: CommandOptions) -> None:
    """What was found, in a form for people."""
    match chosen.output:
        case "markdown":
            from reconciler.report.markdown import check_markdown

            print_data(check_markdown(results))
        case "html":
            from reconciler.report.html import check_html

            print_data(check_html(results))
        case _:
            from reconciler.report.text import check_text, plugins_text

            print_text("\n".join(map(check_text, results)) or plugins_text(()))


def _check_all(chosen: CommandOptions, values: dict[str, Any]) -> int:
    """Compares each plugin with its record; one that cannot be compared does not stop the others."""
    from reconciler.report import json

    if values["sources"] or values["plugin"] or chosen.output == "sql":
        raise ConfigError(
            "--all-plugins compares each plugin with its record", hint="leave SOURCE, --plugin and sql out"
        )
    with open_reconciler(chosen) as reconciler, working("checking"):
        results, failures = reconciler.check_all()
        results = {name: reconciler.record_incidents(result) for name, result in results.items()}
    _tell_unrecorded(list(results.values()))
    for result in results.values():
        print_warnings(f"plugin {result.plugin}: {warning}" for warning in result.warnings)
        tell_ignored(result.ignored, chosen)
    if chosen.output == "json":
        print_data(json.to_text(json.all_document("checks", map(json.check_document, results.values()))))
    else:
        _show_checks(list(results.values()), chosen)
    for name, error in failures.items():
        print_note(f"error: plugin {name}: {error.describe()}")
    codes = {FAILED} if failures else set[int]()
    codes |= {_code_of(result) for result in results.values()}
    return next((code for code in (DRIFT, FAILED, UNFINISHED, DIFFERENCES) if code in codes), DONE)


def _code_of(result: CheckResult) -> int:
    from reconciler.diff.drift import State

    if result.has_drift and not result.is_acknowledged:
        return DRIFT
    if result.unfinished is not None:
        return UNFINISHED
    if result.behind is not None:
        return BEHIND
    return DIFFERENCES if result.of(State.PENDING) or not result.plan.is_empty else DONE


@cli.command()
@click.option("--revert", is_flag=True, help="Change what drifted back to the declaration.")
@click.option("--accept", is_flag=True, help="Record what drifted as it is now.")
@click.option("--object", "objects", multiple=True, metavar="KIND:NAME", help="Only this object; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@reconciling
def repair(objects: tuple[str, ...], *, revert: bool, accept: bool, **values: Any) -> int:
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
            choice = _ask_for_repair(reconciler, source, objects, chosen)
            if choice is None:
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
    return show_result(result, "accepted" if choice == "accept" else "repaired", chosen)


def _ask_for_repair(
    reconciler: Reconciler, source: AnySource, objects: tuple[str, ...], chosen: CommandOptions
) -> str | None:
    """Shows what drifted and what a repair would do; revert, accept, or None where nothing is to be done."""
    from reconciler.diff.drift import State
    from reconciler.report import sql, text

    with working("checking"):
        result = reconciler.check(source, plugin=chosen.plugin)
        planned = reconciler.plan_repair(source, plugin=chosen.plugin, objects=objects)
    moved = result.of(State.DRIFTED, State.CONFLICT, State.UNMANAGED)
    print_text(text.check_text(replace(result, objects=moved)))
    if not planned.plan.statements and not result.has_drift:
        print_text(f"In sync: nothing drifted in plugin {chosen.plugin}.\n")
        return None
    print_text(f"--revert would run:\n\n{sql.script(planned.plan.statements)}\n--accept would record it as it is.\n")
    if refused := _refused(planned):
        print_text(f"--revert would be refused:\n{refused}\n")
    if chosen.dry_run:
        return None
    if not is_interactive():
        raise ConfigError("neither --revert nor --accept was given", hint="pass --revert or --accept")
    answer = click.prompt(
        "Revert, accept or nothing", type=click.Choice(["revert", "accept", "nothing"]), default="nothing", err=True
    )
    return None if answer == "nothing" else str(answer)


def _refused(planned: PlanResult) -> str:
    """Why the plan would be refused, with what allows it; empty where it would not."""
    from reconciler.hazards.policy import hazard_error

    lines = [f"{finding.message}; {finding.hint}" for finding in planned.findings if finding.blocks]
    if planned.refused:
        lines.append(hazard_error(planned.refused, online=bool(planned.options.online)).describe())
    return "".join(f"  {line}\n" for text in lines for line in text.splitlines())


@cli.command(short_help="Record a database that already holds the schema.")
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


@cli.command()
@_ALL_PLUGINS
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


@cli.command(short_help="List the recorded migrations.")
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


@cli.command()
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


@cli.command()
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


@cli.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--schema", multiple=True, metavar="NAME", help="Compare this schema only; may be repeated.")
@click.option("--scratch", metavar="auto|database|URL", help="Where files are built.")
@click.option("--ignore-unmodelled", is_flag=True, help="Continue although there are unsupported changes.")
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


@cli.command(short_help="Print the live schema as SQL.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="One file per object.")
@click.option("--schema", multiple=True, metavar="NAME", help="Dump this schema only; may be repeated.")
@click.option("--ignore-unmodelled", is_flag=True, help="Continue although there are unsupported objects.")
@click.option("--local", is_flag=True, help="Use a private Postgres, whose data stays in .reconciler/.")
@click.option("--dsn", metavar="URL", help="The database; else RECONCILER_DSN, DATABASE_URL, PG* variables.")
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


@cli.command(short_help="Draw the live tables and their foreign keys.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "--distance",
    type=click.IntRange(min=0),
    default=1,
    metavar="N",
    help="Draw what is up to N foreign keys away from the tables that fit a PATTERN, too.  [default: 1]",
)
@click.option("--schema", multiple=True, metavar="NAME", help="Draw this schema only; may be repeated.")
@click.option("--local", is_flag=True, help="Use a private Postgres, whose data stays in .reconciler/.")
@click.option("--dsn", metavar="URL", help="The database; else RECONCILER_DSN, DATABASE_URL, PG* variables.")
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


@cli.command()
def demo() -> int:
    """See it work on a private Postgres that leaves nothing behind."""
    from reconciler.cli.demo import run_demo

    run_demo(print_text)
    return DONE


cli.add_command(incidents)
cli.add_command(rollback)
cli.add_command(plugin)
cli.add_command(watch)
cli.add_command(audit)
cli.add_command(log)
cli.add_command(blame)

if __name__ == "__main__":
    main()
