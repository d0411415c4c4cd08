"""Plans that are reviewed before they run: writing one to a file, applying one instead of a source. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.cli.console import print_note, working
from reconciler.cli.options import open_reconciler
from reconciler.cli.output import show_dry_run, show_result
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.cli.options import CommandOptions
    from reconciler.results import PlanResult

__all__ = ["apply_file", "write_plan"]

# What the plan was made with, and cannot be made otherwise now.
_DECIDED = {
    "sources": "a source",
    "plugin": "--plugin",
    "schema": "--schema",
    "all_schemas": "--all-schemas",
    "exact": "--exact",
    "scratch": "--scratch",
    "search_path": "--search-path",
}


def write_plan(planned: PlanResult, path: Path) -> None:
    """Writes the plan; never half of it. Raises ConfigError where it holds a secret or cannot be written."""
    from reconciler.workflows.plan_file import dump_plan

    text = dump_plan(planned)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}", hint="name another file") from exc
    print_note(f"wrote {path}: run it with `reconciler apply --plan {path}`")


def apply_file(path: Path, values: dict[str, Any], chosen: CommandOptions) -> int:
    """Applies the plan in the file as it is, or shows it in a dry run.

    Hazards may be allowed when it is made or when it is applied. Raises StalePlanError where it cannot be run any more.
    """
    given = [name for option, name in _DECIDED.items() if values.get(option)]
    if given:
        raise ConfigError(
            f"{given[0]} cannot be combined with --plan: the plan was made with its own",
            hint="leave it out, or make a new plan with it",
        )
    planned = _read(path)
    with open_reconciler(chosen) as reconciler:
        now = reconciler.options
        options = replace(
            planned.options,
            allow=planned.options.allow | now.allow,
            hazard_rules=now.hazard_rules,
            ignore_unmodelled=planned.options.ignore_unmodelled or now.ignore_unmodelled,
            lock_timeout_ms=now.lock_timeout_ms,
            lock_retries=now.lock_retries,
            preflight=now.preflight,
            preflight_timeout_ms=now.preflight_timeout_ms,
        )
        planned = replace(planned, options=options)
        if chosen.dry_run:
            with working("comparing with the database"):
                reconciler.require_current(planned)
                planned = reconciler.refresh_findings(planned)
            return show_dry_run(planned, chosen)
        from reconciler.cli.progress import following

        with following("applying", reconciler) as on_event:
            result = reconciler.apply(planned, on_event=on_event)
    return show_result(result, "applied", chosen)


def _read(path: Path) -> PlanResult:
    from reconciler.workflows.plan_file import load_plan

    try:
        text = path.read_text("utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint="check the path") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not a plan file: it is not UTF-8", hint="give what `plan --out` wrote") from exc
    return load_plan(text)
