"""The entry point of the command `reconciler`. Does I/O.

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
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from reconciler.cli.apply import adopt, apply, plan
from reconciler.cli.audit import audit
from reconciler.cli.check import check
from reconciler.cli.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    exit_code_of,
    print_error,
    print_note,
    print_text,
)
from reconciler.cli.history import history, reset, show, status
from reconciler.cli.incidents import incidents
from reconciler.cli.plugin import plugin
from reconciler.cli.pull import pull
from reconciler.cli.repair import repair
from reconciler.cli.rollback import rollback
from reconciler.cli.schemas import diagram, diff, dump
from reconciler.cli.timeline import blame, log
from reconciler.cli.watch import watch
from reconciler.errors import ReconcilerError, RunInterruptedError, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

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
def demo() -> int:
    """See it work on a private Postgres that leaves nothing behind."""
    from reconciler.cli.demo import run_demo

    run_demo(print_text)
    return DONE


for command in (
    plan,
    apply,
    adopt,
    check,
    repair,
    pull,
    rollback,
    diff,
    dump,
    diagram,
    status,
    history,
    show,
    reset,
    plugin,
    incidents,
    watch,
    audit,
    log,
    blame,
):
    cli.add_command(command)

if __name__ == "__main__":
    main()
