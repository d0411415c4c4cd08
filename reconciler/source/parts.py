"""The text of a source, part by part: files, folders, standard input, commands, Python values. Does I/O.

What comes in is UTF-8 that Postgres can be sent, or an error that says where it is not.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from reconciler.errors import EmptySourceError, SourceError
from reconciler.redaction.dsn import redact
from reconciler.source.migration_folders import (
    SourceFormat,
    choose_files,
    format_of,
    without_alembic_table,
    without_way_back,
)
from reconciler.source.ownership import require_own
from reconciler.source.source import SourcePart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import MetaData

__all__ = ["checked", "part_of_object", "read_path", "read_spec", "shown"]

_LOOKS_LIKE_ERROR = re.compile(
    r"\b(?:\w*error|\w*exception|ERR!|fatal|panic|traceback|failed|failure|cannot|not found|no such)\b", re.IGNORECASE
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_ENCODING_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_ENCODING_HINT = "save it as UTF-8: iconv -f OLD-ENCODING -t UTF-8"


def read_spec(
    spec: str, *, stdin: TextIO | None, cwd: Path, timeout_s: float, source_format: SourceFormat = SourceFormat.AUTO
) -> list[SourcePart]:
    """The parts that one spec of `parse_source` names. Raises SourceError, EmptySourceError."""
    if spec == "-":
        text = _read_stdin(stdin if stdin is not None else sys.stdin)
        part = SourcePart(origin="<stdin>", text=without_alembic_table(text, "<stdin>"))
        return [_without_way_back(part, source_format)]
    kind, _, rest = spec.partition(":")
    match kind:
        case "cmd" if rest:
            return [_run_command(rest, cwd=cwd, timeout_s=timeout_s)]
        case "python" if rest:
            return [_import_object(rest, cwd=cwd)]
        case _:
            return read_path(cwd / Path(spec).expanduser(), spec, source_format)


def read_path(path: Path, name: str, source_format: SourceFormat = SourceFormat.AUTO) -> list[SourcePart]:
    """A file, or all *.sql of a folder, those of a migration tool in its order; `name` is what the user calls it."""
    if not path.exists():
        raise SourceError(f"file or folder {shown(name)} does not exist", hint="check the path")
    if not path.is_dir():
        return [_without_way_back(_read_file(path, name), source_format)]
    files = sorted(_sql_files(path), key=lambda file: file.relative_to(path).parts)
    chosen = choose_files(path, files, source_format, shown(name))
    parts = [_read_file(file, str(Path(name) / file.relative_to(path))) for file in chosen.files]
    parts = [replace(part, text=without_way_back(part.text, chosen.format)) for part in parts]
    if parts and chosen.note:
        parts[0] = replace(parts[0], warnings=(f"{shown(name)} is {chosen.note}",))
    return parts


def _without_way_back(part: SourcePart, source_format: SourceFormat) -> SourcePart:
    """A single file without what undoes it, by its marks, and a note of that."""
    found = format_of(part.text) if source_format is SourceFormat.AUTO else source_format
    text = without_way_back(part.text, found)
    if text == part.text:
        return part
    return replace(part, text=text, warnings=(f"{part.origin} is read as a migration of {found}",))


def _sql_files(folder: Path) -> Iterable[Path]:
    """All *.sql below the folder, but those in hidden folders."""
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() == ".sql" and not hidden and file.is_file():
            yield file


def _read_file(path: Path, name: str) -> SourcePart:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise SourceError(f"{shown(name)} cannot be read: {exc.strerror}", hint="check its permissions") from exc
    return SourcePart(origin=shown(name), text=without_alembic_table(_decode(data, shown(name)), shown(name)))


def _read_stdin(stdin: TextIO) -> str:
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        return checked(stdin.read().removeprefix("\ufeff"), "<stdin>")
    return _decode(cast("bytes", buffer.read()), "<stdin>")


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in _ENCODING_MARKS:
        if data.startswith(mark):
            raise SourceError(f"{name} is {encoding}, not UTF-8, at byte offset 0", hint=_ENCODING_HINT)
    zero = data.find(b"\0")
    if zero >= 0:
        raise SourceError(
            f"{name} holds a zero byte at byte offset {zero}: it is UTF-16 or not text at all", hint=_ENCODING_HINT
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise SourceError(
            f"{name}:{line}: not UTF-8 at byte offset {exc.start} (0x{data[exc.start]:02x})", hint=_ENCODING_HINT
        ) from exc


def checked(text: str, name: str) -> str:
    """`text`, known to be something that Postgres can be sent."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as exc:
        raise SourceError(
            f"{shown(name)} holds a lone surrogate at character {exc.start}", hint=_ENCODING_HINT
        ) from exc
    if b"\0" in encoded:
        raise SourceError(f"{shown(name)} holds a zero byte at byte offset {encoded.find(0)}", hint=_ENCODING_HINT)
    return text


def _run_command(command: str, *, cwd: Path, timeout_s: float) -> SourcePart:
    """What the command prints. Its complaints are looked at even if it says that it succeeded."""
    origin = shown(f"cmd:{command}")
    output, complaint, status = _capture(command, origin, cwd=cwd, timeout_s=timeout_s)
    if status != 0:
        raise SourceError(f"{origin} failed with exit status {status}: {complaint or 'it printed nothing on stderr'}")
    if complaint and _LOOKS_LIKE_ERROR.search(complaint):
        raise SourceError(
            f"{origin} reported an error although its exit status is 0: {complaint}",
            hint="make the command succeed without it, or send its stderr elsewhere (2>/dev/null)",
        )
    text = without_alembic_table(_decode(output, origin), origin)
    if not text.strip():
        raise EmptySourceError(f"{origin} printed nothing", hint="run the command alone and see what it prints")
    return SourcePart(origin=origin, text=text, warnings=(f"{origin}: {complaint}",) if complaint else ())


def _capture(command: str, origin: str, *, cwd: Path, timeout_s: float) -> tuple[bytes, str, int]:
    """The command's standard output, its redacted standard error and its exit status."""
    try:
        process = subprocess.Popen(  # noqa: S602 - the user's own command, which is meant for a shell
            command,
            shell=True,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as exc:
        raise SourceError(f"{origin} cannot be started: {exc.strerror}") from exc
    with process:
        try:
            output, complaint = process.communicate(timeout=timeout_s)
        except BaseException as exc:
            _kill(process)
            if isinstance(exc, subprocess.TimeoutExpired):
                raise SourceError(f"{origin} did not end within {timeout_s:g} s") from exc
            raise
    return output, redact(complaint.decode(errors="replace").strip()), process.returncode


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the shell, and where there are process groups its children too."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _import_object(path: str, *, cwd: Path) -> SourcePart:
    from reconciler.source.metadata import import_object

    # The folder goes before all others where modules are looked for.
    require_own(cwd, f"python:{shown(path)}")
    origin = f"python:{shown(path)}"
    return part_of_object(import_object(path, cwd=cwd), origin)


def part_of_object(value: object, origin: str, seen: set[str] | None = None) -> SourcePart:
    """What a Python value declares: SQL text, a Path, SQLAlchemy metadata or a list of those. Raises SourceError.

    `seen` are the statements of metadata before it in a list.
    """
    if isinstance(value, str):
        return SourcePart(origin=origin, text=checked(value.removeprefix("\ufeff"), origin))
    if isinstance(value, list | tuple):
        seen = set[str]() if seen is None else seen
        texts = [part_of_object(member, origin, seen).text for member in cast("Iterable[object]", value)]
        return SourcePart(origin=origin, text="".join(f"{text.rstrip().removesuffix(';')}\n;\n" for text in texts))
    if isinstance(value, Path):
        return _read_file(value, str(value))
    metadata = _metadata_of(value)
    if metadata is None:
        raise SourceError(
            f"{origin} is a {type(value).__name__}, which is not a source",
            hint="give SQL text, a Path, SQLAlchemy metadata, an SQLModel or declarative base, or a list of those",
        )
    from reconciler.source.metadata import render

    return SourcePart(origin=origin, text=checked(render(metadata, origin, seen), origin))


def _metadata_of(value: object) -> MetaData | None:
    if "sqlalchemy" not in sys.modules:  # then nothing can be of one of its types
        return None
    from sqlalchemy import MetaData

    for candidate in (value, getattr(value, "metadata", None)):
        if isinstance(candidate, MetaData):
            return candidate
    return None


def shown(name: str) -> str:
    """`name` on one line and without passwords: it stands in messages and in a comment of the recorded text."""
    return redact(_CONTROL_CHARACTERS.sub(" ", name))
