"""A Source: SQL statements, and where each of them came from. Reads files, standard input, commands and modules.

The text is never parsed to be understood; it is split into statements, and what could leave the scratch place that it
is loaded into is refused, with its file and line.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from reconciler.db.dsn import redact
from reconciler.errors import EmptySourceError, SourceError
from reconciler.intent.hints import read_hints
from reconciler.redaction import redact_sql
from reconciler.source.loader import LoadReport, load
from reconciler.source.screening import holds_connection, refusal, runnable, writes_rows
from reconciler.source.splitter import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import MetaData

    from reconciler.intent.intent import Hint
    from reconciler.source.screening import Refusal
    from reconciler.source.splitter import Piece

__all__ = [
    "AnySource",
    "DatabaseSource",
    "LoadReport",
    "Reading",
    "Source",
    "SourceStatement",
    "load",
    "parse_source",
    "read_object",
    "source_from_object",
    "source_from_text",
]

COMMAND_TIMEOUT_S = 300.0
_SHOWN_REFUSALS = 20
_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_LOOKS_LIKE_ERROR = re.compile(
    r"\b(?:\w*error|\w*exception|ERR!|fatal|panic|traceback|failed|failure|cannot|not found|no such)\b", re.IGNORECASE
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_ENCODING_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_ENCODING_HINT = "save it as UTF-8: iconv -f OLD-ENCODING -t UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatement:
    """One SQL statement without its semicolon; `origin` as the user named it, `line` (1-based) of its first token."""

    sql: str
    origin: str
    line: int

    @property
    def where(self) -> str:
        """`schema/users.sql:12`."""
        return f"{self.origin}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a schema is declared by.

    `text` is what the ledger records: every part under a comment that names it, passwords masked. It differs from the
    statements where those are run otherwise than they are written (CREATE INDEX CONCURRENTLY).
    """

    statements: tuple[SourceStatement, ...]
    text: str
    description: str
    warnings: tuple[str, ...] = ()
    part_digests: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the texts as they were read; equal digests mean the same declaration, wherever it came from."""
        return _digest(self.part_digests)

    hints: tuple[Hint, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is declared: no statement at all, comments aside."""
        return not self.statements


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSource:
    """Another database whose schema is the desired one; `url` may hold a password, `description` does not."""

    url: str

    @property
    def description(self) -> str:
        return redact(self.url)


AnySource: TypeAlias = Source | DatabaseSource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Text of one origin, before it is split."""

    origin: str
    text: str
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def _digest(part_digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(part_digests).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A source that was read and not yet split: enough to see that it did not move, which is the most common case."""

    parts: tuple[_Part, ...]
    description: str | None = None

    @property
    def digest(self) -> str:
        """The digest that the source would have."""
        return _digest(part.digest for part in self.parts)

    def split(self) -> Source:
        """The source. Raises SourceError where it holds what a source may not hold."""
        return _source(self.parts, description=self.description)


def parse_source(
    specs: Sequence[str],
    *,
    stdin: TextIO | None = None,
    cwd: Path | None = None,
    allow_empty: bool = False,
    command_timeout_s: float = COMMAND_TIMEOUT_S,
) -> AnySource:
    """The source that the specs name together, in their order.

    A spec is a file, a folder (all its *.sql, recursively, sorted by path), `-` (standard input), `cmd:COMMAND` (what a
    shell command prints), `python:package.module:attribute` (SQLAlchemy metadata, an SQLModel class, SQL text, or a
    callable that gives one) or, alone, a URL of a database. Relative paths, commands and modules start from `cwd`.

    Raises SourceError where a part cannot be read or holds what a source may not hold, and EmptySourceError where
    nothing is declared, unless `allow_empty`.
    """
    if not specs:
        raise SourceError("no source was given", hint="name a file, a folder, `-` or a URL")
    urls = [spec for spec in specs if _URL.match(spec)]
    if urls:
        if len(specs) > 1:
            raise SourceError(
                f"{redact(urls[0])} cannot be combined with other sources", hint="give a database's URL alone"
            )
        return DatabaseSource(url=urls[0])
    folder = cwd if cwd is not None else Path.cwd()
    parts: list[_Part] = []
    for spec in specs:
        parts.extend(_read_spec(spec, stdin=stdin, cwd=folder, timeout_s=command_timeout_s))
    source = _source(parts, description=", ".join(_shown(spec) for spec in specs))
    if source.is_empty and not allow_empty:
        raise EmptySourceError(
            f"the source declares nothing: {source.description}",
            hint="check the path; to drop everything on purpose, allow an empty source (--allow-empty)",
        )
    return source


def source_from_text(sql: str, origin: str = "<string>") -> Source:
    """The source that an SQL text is. Raises SourceError where it holds what a source may not hold."""
    return _source(
        [_Part(origin=_shown(origin), text=_checked(sql.removeprefix("\ufeff"), origin))], description=origin
    )


def source_from_object(value: object) -> Source:
    """The source that a Python value is: a Source, SQL text, a Path, SQLAlchemy metadata, or a list of such values.

    A class or module with a `metadata` attribute (an SQLModel or declarative base) stands for its metadata.
    """
    if isinstance(value, list | tuple):
        members = [source_from_object(member) for member in cast("Iterable[object]", value)]
        return Source(
            statements=tuple(statement for member in members for statement in member.statements),
            text="".join(member.text for member in members),
            description=", ".join(member.description for member in members),
            warnings=tuple(warning for member in members for warning in member.warnings),
            part_digests=tuple(digest for member in members for digest in member.part_digests),
            hints=tuple(hint for member in members for hint in member.hints),
        )
    found = read_object(value)
    return found if isinstance(found, Source) else found.split()


def read_object(value: object) -> Source | Reading:
    """The same, not yet split where that can wait."""
    if isinstance(value, Source):
        return value
    if isinstance(value, list | tuple):
        return source_from_object(cast("object", value))
    if isinstance(value, Path):
        return Reading(parts=tuple(_read_path(value, str(value))), description=str(value))
    if isinstance(value, str) and _URL.match(value):
        raise SourceError(f"{redact(value)} is a database, not SQL text", hint="pass DatabaseSource(url=...)")
    return Reading(parts=(_part_of_object(value, "<string>" if isinstance(value, str) else "<metadata>"),))


def _source(parts: Sequence[_Part], *, description: str | None = None) -> Source:
    statements: list[SourceStatement] = []
    texts: list[str] = []
    warnings: list[str] = []
    refused: list[tuple[str, Refusal]] = []
    hints: list[Hint] = []
    for part in parts:
        pieces = list(split(part.text, part.origin))
        refused.extend((f"{part.origin}:{piece.line}", why) for piece in pieces if (why := refusal(piece)) is not None)
        statements.extend(
            SourceStatement(sql=runnable(piece.sql), origin=part.origin, line=piece.line) for piece in pieces
        )
        texts.append(_recorded(part, pieces))
        warnings.extend(part.warnings)
        warnings.extend(_warnings_of_rows(part.origin, pieces))
        if not refused:
            hints.extend(read_hints(part.text, pieces, part.origin))
    if refused:
        raise _refusal_error(refused)
    return Source(
        statements=tuple(statements),
        text="".join(texts),
        description=description if description is not None else ", ".join(part.origin for part in parts),
        warnings=tuple(warnings),
        part_digests=tuple(part.digest for part in parts),
        hints=tuple(hints),
    )


def _refusal_error(refused: list[tuple[str, Refusal]]) -> SourceError:
    lines = [f"{where}: {why.reason}" for where, why in refused[:_SHOWN_REFUSALS]]
    if len(refused) > _SHOWN_REFUSALS:
        lines.append(f"and {len(refused) - _SHOWN_REFUSALS} more")
    hints = dict.fromkeys(why.hint for _, why in refused[:_SHOWN_REFUSALS])
    return SourceError("\n".join(lines), hint="; ".join(hints))


def _warnings_of_rows(origin: str, pieces: Sequence[Piece]) -> list[str]:
    lines = [piece.line for piece in pieces if writes_rows(piece.sql)]
    if not lines:
        return []
    count = "a statement" if len(lines) == 1 else f"{len(lines)} statements"
    return [
        f"{origin}:{lines[0]}: {count} here write rows, which are no part of a schema and do not reach the database"
    ]


def _recorded(part: _Part, pieces: Sequence[Piece]) -> str:
    """The part under its header, ended so that the next part can follow, passwords masked."""
    kept: list[str] = [f"-- source: {part.origin}\n"]
    position = 0
    for piece in pieces:
        if holds_connection(piece.sql):
            kept += [part.text[position : piece.start], redact_sql(piece.sql)]
            position = piece.end
    kept.append(part.text[position:])
    if not part.text.endswith("\n"):
        kept.append("\n")
    if pieces and not pieces[-1].terminated:
        kept.append(";\n")
    return "".join(kept)


def _read_spec(spec: str, *, stdin: TextIO | None, cwd: Path, timeout_s: float) -> list[_Part]:
    if spec == "-":
        return [_Part(origin="<stdin>", text=_read_stdin(stdin if stdin is not None else sys.stdin))]
    kind, _, rest = spec.partition(":")
    match kind:
        case "cmd" if rest:
            return [_run_command(rest, cwd=cwd, timeout_s=timeout_s)]
        case "python" if rest:
            return [_import_object(rest, cwd=cwd)]
        case _:
            return _read_path(cwd / Path(spec).expanduser(), spec)


def _read_path(path: Path, name: str) -> list[_Part]:
    if not path.exists():
        raise SourceError(f"there is no file or folder {_shown(name)}", hint="check the path")
    if not path.is_dir():
        return [_read_file(path, name)]
    files = sorted(_sql_files(path), key=lambda file: file.relative_to(path).parts)
    return [_read_file(file, str(Path(name) / file.relative_to(path))) for file in files]


def _sql_files(folder: Path) -> Iterable[Path]:
    """All *.sql below the folder, but those in hidden folders."""
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() == ".sql" and not hidden and file.is_file():
            yield file


def _read_file(path: Path, name: str) -> _Part:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise SourceError(f"{_shown(name)} cannot be read: {exc.strerror}", hint="check its permissions") from exc
    return _Part(origin=_shown(name), text=_decode(data, _shown(name)))


def _read_stdin(stdin: TextIO) -> str:
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        return _checked(stdin.read().removeprefix("\ufeff"), "<stdin>")
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


def _checked(text: str, name: str) -> str:
    """`text`, known to be something that Postgres can be sent."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as exc:
        raise SourceError(
            f"{_shown(name)} holds a lone surrogate at character {exc.start}", hint=_ENCODING_HINT
        ) from exc
    if b"\0" in encoded:
        raise SourceError(f"{_shown(name)} holds a zero byte at byte offset {encoded.find(0)}", hint=_ENCODING_HINT)
    return text


def _run_command(command: str, *, cwd: Path, timeout_s: float) -> _Part:
    """What the command prints. Its complaints are looked at even if it says that it succeeded."""
    origin = _shown(f"cmd:{command}")
    output, complaint, status = _capture(command, origin, cwd=cwd, timeout_s=timeout_s)
    if status != 0:
        raise SourceError(f"{origin} failed with exit status {status}: {complaint or 'it printed nothing on stderr'}")
    if complaint and _LOOKS_LIKE_ERROR.search(complaint):
        raise SourceError(
            f"{origin} reported an error although its exit status is 0: {complaint}",
            hint="make the command succeed without it, or send its stderr elsewhere (2>/dev/null)",
        )
    text = _decode(output, origin)
    if not text.strip():
        raise EmptySourceError(f"{origin} printed nothing", hint="run the command alone and see what it prints")
    return _Part(origin=origin, text=text, warnings=(f"{origin}: {complaint}",) if complaint else ())


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
            os.killpg(process.pid, signal.SIGKILL)  # the shell's children too
            if isinstance(exc, subprocess.TimeoutExpired):
                raise SourceError(f"{origin} did not end within {timeout_s:g} s") from exc
            raise
    return output, redact(complaint.decode(errors="replace").strip()), process.returncode


def _import_object(path: str, *, cwd: Path) -> _Part:
    from reconciler.source.metadata import import_object

    origin = f"python:{_shown(path)}"
    return _part_of_object(import_object(path, cwd=cwd), origin)


def _part_of_object(value: object, origin: str) -> _Part:
    if isinstance(value, str):
        return _Part(origin=origin, text=_checked(value.removeprefix("\ufeff"), origin))
    if isinstance(value, list | tuple):
        texts = [_part_of_object(member, origin).text for member in cast("Iterable[object]", value)]
        return _Part(origin=origin, text="".join(f"{text.rstrip().removesuffix(';')}\n;\n" for text in texts))
    if isinstance(value, Path):
        return _read_file(value, str(value))
    metadata = _metadata_of(value)
    if metadata is None:
        raise SourceError(
            f"{origin} is a {type(value).__name__}, which is no source",
            hint="give SQL text, a Path, SQLAlchemy metadata, an SQLModel or declarative base, or a list of those",
        )
    from reconciler.source.metadata import render

    return _Part(origin=origin, text=_checked(render(metadata, origin), origin))


def _metadata_of(value: object) -> MetaData | None:
    if "sqlalchemy" not in sys.modules:  # then nothing can be of one of its types
        return None
    from sqlalchemy import MetaData

    for candidate in (value, getattr(value, "metadata", None)):
        if isinstance(candidate, MetaData):
            return candidate
    return None


def _shown(name: str) -> str:
    """`name` on one line and without passwords: it stands in messages and in a comment of the recorded text."""
    return redact(_CONTROL_CHARACTERS.sub(" ", name))
