"""The command `check`. Does I/O."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import (
    BEHIND,
    DIFFERENCES,
    DONE,
    DRIFT,
    FAILED,
    UNFINISHED,
    print_data,
    print_note,
    print_text,
    print_warnings,
    working,
)
from reconciler.cli.options import (
    ALL_PLUGINS,
    PLAN_FORMATS,
    CommandOptions,
    open_reconciler,
    read_options,
    reconciling,
    source_of,
)
from reconciler.cli.output import tell_ignored
from reconciler.cli.timeline import MOMENT, parse_moment
from reconciler.cli.watch import watch_check
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.client import Reconciler
    from reconciler.results import CheckResult
    from reconciler.source.source import AnySource

__all__ = ["check"]


@click.command(short_help="Show which objects changed.")
@ALL_PLUGINS
@click.option("--since", metavar="TIME", help=f"Only what was changed since then. {MOMENT} Needs the log of DDL.")
@click.option("--by", "role", metavar="ROLE", help="Only what this role had a part in. Needs the log of DDL.")
@click.option("--watch", "watched", is_flag=True, help="Go on until Ctrl-C, and show each change.")
@partial(reconciling, formats=PLAN_FORMATS)
def check(*, all_plugins: bool, since: str | None, role: str | None, watched: bool, **values: Any) -> int:
    """Show which objects moved; exit 4 on drift or conflict, 6 on an unfinished run, 2 if only the declaration changed.

    Without a SOURCE, and with one that is older than what the database is at (exit 7), the database is compared with
    what was recorded.
    """
    from reconciler.report import json, sql

    chosen = read_options(values, formats=PLAN_FORMATS)
    if watched and (since is not None or role is not None):
        raise ConfigError("--watch shows all changes", hint="leave --since and --by out")
    if (since is not None or role is not None) and chosen.output == "sql":
        raise ConfigError("a plan is made of all that differs", hint="leave --since and --by out, or sql")
    if watched:
        return watch_check(chosen, values, all_plugins=all_plugins)
    if all_plugins:
        return _check_all(chosen, values, since, role)
    source = source_of(chosen) if chosen.sources else None
    with open_reconciler(chosen) as reconciler, working("checking"):
        result = reconciler.record_incidents(reconciler.check(source, plugin=chosen.plugin))
        result = _narrowed(reconciler, result, since, role)
    print_warnings(result.warnings)
    _tell_unrecorded([result])
    tell_ignored(result.ignored, chosen)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.check_document(result)))
        case "sql":
            print_data(sql.script(result.plan.statements, result.plan.unmodelled))
        case "sarif":
            _print_sarif([result], source)
        case _:
            _show_checks([result], chosen)
    return _code_of(result)


def _narrowed(reconciler: Reconciler, result: CheckResult, since: str | None, role: str | None) -> CheckResult:
    from reconciler.workflows.attribution import narrowed

    if since is None and role is None:
        return result
    return narrowed(reconciler.connection, result, since=parse_moment(since), role=role)


def _print_sarif(results: Sequence[CheckResult], source: AnySource | None) -> None:
    from reconciler.report import json, sarif
    from reconciler.source.places import places_of
    from reconciler.version import program_version

    print_data(json.to_text(sarif.check_log(results, places_of(source), version=program_version())))


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


def _check_all(chosen: CommandOptions, values: dict[str, Any], since: str | None, role: str | None) -> int:
    """Compares each plugin with its record; one that cannot be compared does not stop the others."""
    from reconciler.report import json

    if values["sources"] or values["plugin"] or chosen.output == "sql":
        raise ConfigError(
            "--all-plugins compares each plugin with its record", hint="leave SOURCE, --plugin and sql out"
        )
    with open_reconciler(chosen) as reconciler, working("checking"):
        results, failures = reconciler.check_all()
        results = {name: reconciler.record_incidents(result) for name, result in results.items()}
        results = {name: _narrowed(reconciler, result, since, role) for name, result in results.items()}
    _tell_unrecorded(list(results.values()))
    for result in results.values():
        print_warnings(f"plugin {result.plugin}: {warning}" for warning in result.warnings)
        tell_ignored(result.ignored, chosen)
    if chosen.output == "json":
        print_data(json.to_text(json.all_document("checks", map(json.check_document, results.values()))))
    elif chosen.output == "sarif":
        _print_sarif(list(results.values()), None)
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
