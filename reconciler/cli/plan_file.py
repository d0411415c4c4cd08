"""Plans that are reviewed before they run: writing one to a file, applying one instead of a source. Does I/O."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.cli.console import print_note, working
from reconciler.cli.options import open_reconciler
from reconciler.cli.output import show_dry_run, show_result
from reconciler.errors import ConfigError
from reconciler.settings import stored

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.cli.options import CommandOptions
    from reconciler.client import Reconciler
    from reconciler.results import PlanResult
    from reconciler.source.source import AnySource
    from reconciler.workflows.plan_file import ReviewedPlan

__all__ = ["apply_file", "plan_text", "write_plan"]

_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/1": 1, "/dev/fd/2": 2}


def plan_text(planned: PlanResult, source: AnySource, reconciler: Reconciler, sign_key: Path | None) -> str:
    """The plan as the text of a file, signed where a key is given. Raises ConfigError."""
    from reconciler.db.identity import read_identity
    from reconciler.workflows.plan_file import dump_plan
    from reconciler.workflows.signatures import Signer

    signer = None if sign_key is None else Signer(sign_key)
    return dump_plan(planned, source, read_identity(reconciler.connection), signer)


def write_plan(text: str, path: Path) -> None:
    """Writes the plan: a file at once or not at all, a pipe as it is. Raises ConfigError where that cannot be done."""
    try:
        if str(path) in _STREAMS:
            _write_all(os.dup(_STREAMS[str(path)]), text)
        elif path.exists() and not path.is_file():
            _write_all(os.open(path, os.O_WRONLY), text)
        else:
            _write_file(path, text)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}", hint="name another file") from exc
    print_note(f"wrote {path}: run it with `reconciler apply --plan {path}`")


def _write_file(path: Path, text: str) -> None:
    """A new file beside it takes its place: nobody sees half a plan, and nobody can have it written elsewhere."""
    if path.is_symlink():
        raise ConfigError(
            f"{path} is a symbolic link, which is not followed", hint=f"name the file itself: {os.path.realpath(path)}"
        )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        _write_all(descriptor, text)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _write_all(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())


def apply_file(
    path: Path, values: dict[str, Any], chosen: CommandOptions, *, verify_key: Path | None, any_database: bool
) -> int:
    """Makes the plan of the file again and applies it where it is what was reviewed, or shows it in a dry run.

    Hazards are allowed by this command alone. Raises StalePlanError where the plan is another now.
    """
    given = [name for option, name in (("sources", "a source"), ("plugin", "--plugin")) if values.get(option)]
    given += [each.flag.replace("/", " or ") for each in stored() if each.flag and each.is_said(values.get(each.name))]
    if given:
        raise ConfigError(
            f"{given[0]} cannot be combined with --plan: the plan was made with its own",
            hint="leave it out, or make a new plan with it",
        )
    reviewed = _read(path, verify_key)
    with open_reconciler(chosen) as reconciler:
        planned = _planned_again(reconciler, reviewed, any_database=any_database)
        if chosen.dry_run:
            return show_dry_run(planned, chosen)
        from reconciler.cli.progress import following

        with following("applying", reconciler) as on_event:
            result = reconciler.apply(planned, on_event=on_event)
    return show_result(result, "applied", chosen)


def _planned_again(reconciler: Reconciler, reviewed: ReviewedPlan, *, any_database: bool) -> PlanResult:
    from reconciler.db.identity import read_identity
    from reconciler.workflows.plan_file import require_database, require_reviewed, require_unmoved

    with working("planning"):
        if not any_database:
            require_database(reviewed, read_identity(reconciler.connection))
            require_unmoved(reviewed, reconciler.connection)
        planned = reconciler.plan(
            reviewed.source, plugin=reviewed.plugin, options=reviewed.options_with(reconciler.options)
        )
    require_reviewed(reviewed, planned)
    return planned


def _read(path: Path, verify_key: Path | None) -> ReviewedPlan:
    from reconciler.workflows.plan_file import load_plan
    from reconciler.workflows.signatures import Verifier

    verifier = None if verify_key is None else Verifier(verify_key)
    try:
        text = path.read_text("utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint="check the path") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not a plan file: it is not UTF-8", hint="give what `plan --out` wrote") from exc
    return load_plan(text, verifier)
