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
    from collections.abc import Callable, Sequence

    from reconciler.apply.backfill import BackfillProgress
    from reconciler.cli.options import CommandOptions
    from reconciler.model.plan import Statement
    from reconciler.model.replication import Reader
    from reconciler.results import MigrateResult, PlanResult
    from reconciler.source.source import AnySource

__all__ = ["ProgressPrinter", "describe_filled", "describe_waiting", "show_dry_run", "show_plan", "show_result"]


def show_plan(planned: PlanResult, chosen: CommandOptions, source: AnySource | None = None) -> int:
    """The plan, to standard output; `source` says where its objects are declared."""
    from reconciler.report import json, sql, text

    found = planned.plan
    print_warnings(planned.warnings)
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
        case _:
            print_text(text.plan_text(planned))
    if found.unmodelled and chosen.output != "text":
        print_note(text.unmodelled_text(found).rstrip())
    if found.unmodelled and not chosen.options.ignore_unmodelled:
        return FAILED
    return DIFFERENCES if found.statements else DONE


def show_dry_run(planned: PlanResult, chosen: CommandOptions) -> int:
    """The plan, and that it was only shown; refused where an apply would be."""
    code = show_plan(planned, chosen)
    print_note("dry run: nothing was changed")
    if code == FAILED:
        return FAILED
    if planned.refused:
        return REFUSED
    return FAILED if any(finding.blocks for finding in planned.findings) else DONE


class ProgressPrinter:
    """Tells `say` of each statement before it runs, and of a column that is filled how far that is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._text = ""

    def __call__(self, position: int, statement: Statement) -> None:
        """The statement that comes next."""
        from reconciler.sqltext.redacted_sql import redact_sql

        self._text = f"{position}: {' '.join(redact_sql(statement.sql).split())[:80]}"
        self._say(self._text)

    def filled(self, filled: BackfillProgress, /) -> None:
        """How far the statement is that runs in batches."""
        self._say(f"{self._text}  [{describe_filled(filled)}]")

    def waiting(self, behind: tuple[Reader, ...], /) -> None:
        """That the batches wait for those who are too far behind."""
        self._say(f"{self._text}  [{describe_waiting(behind)}]")


def describe_waiting(behind: Sequence[Reader]) -> str:
    """`waits for standby a, 2 GB behind`."""
    return f"waits for {'; '.join(str(each) for each in behind)}"


def describe_filled(filled: BackfillProgress) -> str:
    """`filled about 1,200 of 5,000 rows, 24 %`, and where an earlier run was resumed."""

    def amount(share: float) -> str:
        return f"{100 * share:.0f} %" if filled.rows is None else f"about {filled.rows * share:,.0f}"

    done = amount(filled.share)
    if filled.rows is not None:
        done = f"{done} of {filled.rows:,} rows, {100 * filled.share:.0f} %"
    if not filled.before:
        return f"filled {done}"
    if filled.before < filled.share:
        return f"filled {done}; resumed after {amount(filled.before)}"
    return f"filled {done}, which had values before"


def show_result(result: MigrateResult, verb: str, chosen: CommandOptions) -> int:
    """What was done, to standard output; `verb` as in `applied`."""
    from reconciler.report import json, sql, text

    print_warnings(result.warnings)
    match chosen.output:
        case "json":
            print_data(json.to_text(json.result_document(result)))
        case "sql":
            print_data(sql.script(result.statements))
        case _:
            print_text(text.result_text(result, verb))
    return DONE
