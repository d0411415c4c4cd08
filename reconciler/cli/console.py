"""What the command line shares: where output goes, progress, errors, and which database is meant. Does I/O.

Data goes to standard output, everything else to standard error. Colour and progress are for terminals only.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from reconciler.errors import (
    BehindError,
    ConfigError,
    EmbeddedServerError,
    HazardError,
    ProofError,
    ReconcilerError,
    RunInterruptedError,
)
from reconciler.model.visible import visible, visible_line
from reconciler.redaction.dsn import redact
from reconciler.redaction.masking import redact_message
from reconciler.settings import setting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from rich.text import Text

    from reconciler.embedded import EmbeddedServer

__all__ = [
    "BEHIND",
    "DIFFERENCES",
    "DONE",
    "DRIFT",
    "FAILED",
    "INTERRUPTED",
    "PROOF_FAILED",
    "REFUSED",
    "UNFINISHED",
    "confirmed",
    "exit_code_of",
    "find_dsn",
    "is_interactive",
    "is_shown",
    "is_url",
    "opened",
    "print_data",
    "print_error",
    "print_note",
    "print_text",
    "print_warnings",
    "private_server",
    "styled",
    "working",
]

DONE, FAILED, DIFFERENCES, REFUSED, DRIFT, PROOF_FAILED, UNFINISHED, BEHIND = range(8)
INTERRUPTED = 130

EMBEDDED_FOLDER = Path(".reconciler")
_DSN_VARIABLES = setting("dsn").variables
# Of libpq's variables those that say where the server or the database is.
_LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE")

_STYLES = (
    (
        re.compile(
            r"^(conflict|drifted): |^NOT PLANNED|^Refused|^Blocking problems|^✗ |^\s+hazard data-loss|^\s+! data-loss"
        ),
        "bold red",
    ),
    (re.compile(r"^(pending|unfinished|unmanaged|followed|caught up|behind): |^\s+hazard |^Warnings|^\s*! "), "yellow"),
    (re.compile(r"^Plan for"), "bold"),
    (re.compile(r"^\s*\+ "), "green"),
    (re.compile(r"^\s*- "), "red"),
    (re.compile(r"^~ "), "cyan"),
    (re.compile(r"^· "), "dim"),
    (re.compile(r"^(In sync|Applied|Repaired|Accepted|Adopted)\b"), "green"),
    (re.compile(r"^\s*\d+\. |^== "), "bold"),
    (re.compile(r"^\s+(creates|drops|alters|lock|took) "), "dim"),
)


def exit_code_of(error: ReconcilerError) -> int:
    """The exit code that tells scripts what went wrong."""
    match error:
        case BehindError():
            return BEHIND
        case HazardError():
            return REFUSED
        case ProofError():
            return PROOF_FAILED
        case _:
            return FAILED


def print_data(text: str) -> None:
    """JSON or SQL, to standard output, to the letter."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_text(text: str) -> None:
    """A report, to standard output; coloured by its lines' first words where that is a terminal."""
    text = visible(text)
    if not _is_coloured(sys.stdout):
        print_data(text)
        return
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    for line in styled(text):
        console.print(line, soft_wrap=True)


def styled(text: str) -> Iterable[Text]:
    """Its lines, coloured by their first words."""
    from rich.text import Text

    for line in text.splitlines():
        yield Text(line, style=next((style for pattern, style in _STYLES if pattern.search(line)), ""))


def print_note(text: str) -> None:
    """Something for the reader, to standard error."""
    _print_aside(text, "dim")


def print_warnings(warnings: Iterable[str]) -> None:
    """Each of them once in a command, however many steps of it come upon it."""
    said: set[str] = click.get_current_context().find_root().meta.setdefault("reconciler.warnings", set())
    for warning in warnings:
        if warning not in said:
            said.add(warning)
            print_note(f"warning: {warning}")


def print_error(error: ReconcilerError | RunInterruptedError) -> None:
    """`error: ...` with all that is known, to standard error, never with a password."""
    lines = [error.describe(), *getattr(error, "__notes__", ())]
    _print_aside(f"error: {redact_message(os.linesep.join(lines))}", "red")


def _print_aside(text: str, style: str) -> None:
    text = visible(text)
    if not _is_coloured(sys.stderr):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        return
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text(text, style=style), soft_wrap=True)


def _is_coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def is_interactive() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str, show: Callable[[], object] = lambda: None) -> bool:
    """Whether a person at the terminal says yes, after `show`. Raises ConfigError where nobody can be asked."""
    if not is_interactive():
        raise ConfigError(
            f"nobody can be asked: {question}", hint="pass --yes where that is meant; nothing was changed"
        )
    show()
    if click.confirm(question, default=False, err=True):
        return True
    print_note("nothing was changed")
    return False


def is_shown() -> bool:
    """Whether what goes on is shown: on a terminal that can take it back."""
    return sys.stderr.isatty() and _is_coloured(sys.stderr)


def is_url(text: str) -> bool:
    """Whether a database is named, not a file."""
    return text.lower().startswith(("postgresql://", "postgres://", "postgresql+", "postgres+"))


@contextmanager
def working(what: str) -> Generator[Callable[[str], None]]:
    """Shows that long work goes on, on a terminal only; what it gives changes the text."""
    if not is_shown():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, highlight=False).status(escape(visible_line(what))) as status:
        yield lambda text: status.update(escape(visible_line(text)))


def find_dsn(given: str | None, configured: str | None) -> str | None:
    """The connection that was asked for, by option, environment or configuration; None where none was.

    An empty text means that libpq's own variables name it.
    """
    if given is not None:
        return given
    for name in _DSN_VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    if any(os.environ.get(name) for name in _LIBPQ_VARIABLES):
        return ""
    return configured


def private_server() -> type[EmbeddedServer]:
    """The class of private servers. Raises EmbeddedServerError where the operating system cannot have one."""
    try:
        from reconciler.embedded import EmbeddedServer
    except ModuleNotFoundError as exc:
        if exc.name not in ("fcntl", "pwd"):
            raise
        raise EmbeddedServerError(
            "the private Postgres needs Linux or another Unix", hint="name a server of your own: --dsn, DATABASE_URL"
        ) from exc
    return EmbeddedServer


@contextmanager
def opened(dsn: str | None, *, local: bool = False) -> Generator[str]:
    """A connection string that works: `dsn`, or that of a private server which runs as long as it is needed.

    Raises ConfigError where no connection was given, and `local` does not ask for the private server.
    """
    if dsn is not None:
        if dsn and "=" not in dsn and "://" not in dsn:
            # What it is cannot be told, and a part of it may be a password: it is not quoted.
            raise ConfigError(
                "the connection is neither a URL nor key=value pairs",
                hint="write postgresql://user@host:5432/database",
            )
        yield dsn
        return
    if not local:
        raise ConfigError(
            "no connection was given",
            hint="pass --dsn postgresql://user@host:5432/database, set RECONCILER_DSN, DATABASE_URL or libpq's"
            " PGHOST and PGDATABASE, write `dsn` into the configuration, or pass --local (`local = true`) for a"
            f" private Postgres in {EMBEDDED_FOLDER}/",
        )
    with working("starting a private Postgres"):
        server = private_server()(EMBEDDED_FOLDER).start()
    try:
        print_note(f"using a private Postgres at {redact(server.url)} (data and password in {EMBEDDED_FOLDER}/)")
        yield server.url
    finally:
        server.stop()
