"""What the commands print of plans and results, and the exit codes that follow. Does I/O.

Heavy imports stand inside the functions, as in `cli`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.console import (
    DIFFERENCES,
    DONE,
    FAILED,
    REFUSED,
    print_data,
    print_note,
    print_text,
    print_warnings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.options import CommandOptions
    from reconciler.results import MigrateResult, PlanResult
    from reconciler.source.source import AnySource

__all__ = ["show_dry_run", "show_plan", "show_result", "tell_ignored"]


def show_plan(planned: PlanResult, chosen: CommandOptions, source: AnySource | None = None) -> int:
    """The plan, to standard output; `source` says where its objects are declared."""
    from reconciler.report import json, sql, text

    found = planned.plan
    print_warnings(planned.warnings)
    tell_ignored(planned.ignored, chosen)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.plan_document(planned)))
        case "sql":
            print_data(sql.script(found.statements, found.unmodelled))
        case "sarif":
            from reconciler.report import sarif
            from reconciler.source.places import places_of
            from reconciler.version import program_version

            print_data(json.to_text(sarif.log(planned, places_of(source), version=program_version())))
        case "markdown":
            from reconciler.report.markdown import plan_markdown

            print_data(plan_markdown(planned))
        case "html":
            from reconciler.report.html import plan_html

            print_data(plan_html(planned))
        case _:
            print_text(text.plan_text(planned, details=chosen.details))
    if found.unmodelled and chosen.output != "text":
        print_note(text.unmodelled_text(found).rstrip())
    if found.unmodelled and not chosen.options.ignore_unmodelled:
        return FAILED
    return DIFFERENCES if found.statements else DONE


def tell_ignored(lines: Sequence[str], chosen: CommandOptions) -> None:
    """How much the configuration's rules leave alone, or what and why where that was asked for."""
    if not lines:
        return
    print_note(f"{len(lines)} ignored by {chosen.configuration}{'' if chosen.show_ignored else ' (--show-ignored)'}")
    for line in lines if chosen.show_ignored else ():
        print_note(f"  {line}")


def show_dry_run(planned: PlanResult, chosen: CommandOptions) -> int:
    """The plan, and that it was only shown; refused where an apply would be."""
    code = show_plan(planned, chosen)
    print_note("dry run: nothing was changed")
    if code == FAILED:
        return FAILED
    if planned.refused:
        return REFUSED
    return FAILED if any(finding.blocks for finding in planned.findings) else DONE


def show_result(result: MigrateResult, verb: str, chosen: CommandOptions) -> int:
    """What was done, to standard output; `verb` as in `applied`."""
    from reconciler.report import json, sql, text

    print_warnings(result.warnings)
    tell_ignored(result.ignored, chosen)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.result_document(result)))
        case "sql":
            print_data(sql.script(result.statements))
        case _:
            print_text(text.result_text(result, verb))
    return DONE
