"""From what a user names to a Source: read, split into statements, screened, its hints taken. Does I/O.

The text is never parsed to be understood; it is split into statements, and what could leave the scratch place that it
is loaded into is refused, with its file and line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from reconciler.errors import EmptySourceError, SourceError
from reconciler.redaction.dsn import redact
from reconciler.source.hints import read_hints
from reconciler.source.migration_folders import SourceFormat
from reconciler.source.parts import checked, part_of_object, read_path, read_spec, shown
from reconciler.source.screening import refusal, runnable, without_frames, writes_rows
from reconciler.source.skipped import skipped_definitions
from reconciler.source.source import AnySource, DatabaseSource, Source, SourcePart, SourceStatement, digest_of
from reconciler.sqltext.lexer import split
from reconciler.sqltext.redacted_sql import keeps_secret, redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.intent import Hint
    from reconciler.source.screening import Refusal
    from reconciler.sqltext.lexer import Piece

__all__ = [
    "Reading",
    "masked_text",
    "parse_source",
    "read_object",
    "source_from_object",
    "source_from_parts",
    "source_from_text",
]

COMMAND_TIMEOUT_S = 300.0
_SHOWN_REFUSALS = 20
_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
# Text of one word with a slash or a suffix: no statement of SQL looks like that.
_PATH = re.compile(r"\s*(?:[^\s;'\"()]*[/\\][^\s;'\"()]*|[^\s;'\"()/]+\.(?:sql|py|toml|txt))\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A source that was read and not yet split: enough to see that it did not move, which is the most common case."""

    parts: tuple[SourcePart, ...]
    description: str | None = None

    @property
    def digest(self) -> str:
        """The digest that the source would have."""
        return digest_of(part.digest for part in self.parts)

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
    source_format: SourceFormat = SourceFormat.AUTO,
) -> AnySource:
    """The source that the specs name together, in their order.

    A spec is a file, a folder (all its *.sql, recursively, sorted by path; the migrations of a tool in its order), `-`
    (standard input), `cmd:COMMAND` (what a shell command prints), `python:package.module:attribute` (SQLAlchemy
    metadata, an SQLModel class, SQL text, or a callable that gives one) or, alone, a URL of a database. Relative paths,
    commands and modules start from `cwd`.

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
    parts: list[SourcePart] = []
    for spec in specs:
        parts.extend(read_spec(spec, stdin=stdin, cwd=folder, timeout_s=command_timeout_s, source_format=source_format))
    source = _source(parts, description=", ".join(shown(spec) for spec in specs))
    if source.is_empty and not allow_empty:
        raise EmptySourceError(
            f"the source declares nothing: {source.description}",
            hint="check the path; to drop everything intentionally, allow an empty source (--allow-empty)",
        )
    return source


def source_from_text(sql: str, origin: str = "<string>") -> Source:
    """The source that an SQL text is. Raises SourceError where it holds what a source may not hold."""
    return _source(
        [SourcePart(origin=shown(origin), text=checked(sql.removeprefix("\ufeff"), origin))], description=origin
    )


def source_from_parts(parts: Sequence[SourcePart], description: str) -> Source:
    """The source of these texts. Raises SourceError where one holds what a source may not hold."""
    return _source(parts, description=description)


def masked_text(part: SourcePart) -> str:
    """The part's text with masks in place of passwords and other secrets."""
    return _masked(part, list(split(part.text, part.origin)))


def source_from_object(value: object) -> Source:
    """The source that a Python value is: a Source, SQL text, a Path, SQLAlchemy metadata, or a list of such values.

    A class or module with a `metadata` attribute (an SQLModel or declarative base) stands for its metadata.
    """
    return _from_object(value, set())


def _from_object(value: object, seen: set[str]) -> Source:
    """The same; `seen` are the statements of metadata before it."""
    if isinstance(value, list | tuple):
        members = [_from_object(member, seen) for member in cast("Iterable[object]", value)]
        return Source(
            statements=tuple(statement for member in members for statement in member.statements),
            text="".join(member.text for member in members),
            description=", ".join(member.description for member in members),
            warnings=tuple(warning for member in members for warning in member.warnings),
            part_digests=tuple(digest for member in members for digest in member.part_digests),
            hints=tuple(hint for member in members for hint in member.hints),
            parts=tuple(part for member in members for part in member.parts),
        )
    found = read_object(value, seen)
    return found if isinstance(found, Source) else found.split()


def read_object(value: object, seen: set[str] | None = None) -> Source | Reading:
    """The same, not yet split where that can wait; `seen` are the statements of metadata before it."""
    if isinstance(value, Source):
        return value
    if isinstance(value, list | tuple):
        return source_from_object(cast("object", value))
    if isinstance(value, Path):
        return Reading(parts=tuple(read_path(value, str(value))), description=str(value))
    if isinstance(value, str) and _URL.match(value):
        raise SourceError(f"{redact(value)} is a database, not SQL text", hint="pass DatabaseSource(url=...)")
    if isinstance(value, str) and _PATH.fullmatch(value):
        raise SourceError(
            f"{shown(value)} looks like the path of a file, but text is taken as SQL", hint=f"pass Path({value!r})"
        )
    return Reading(parts=(part_of_object(value, "<string>" if isinstance(value, str) else "<metadata>", seen),))


def _source(parts: Sequence[SourcePart], *, description: str | None = None) -> Source:
    statements: list[SourceStatement] = []
    texts: list[str] = []
    warnings: list[str] = []
    refused: list[tuple[str, Refusal]] = []
    hints: list[Hint] = []
    for part in parts:
        said = list(split(part.text, part.origin))
        pieces = without_frames(said)
        refused.extend((f"{part.origin}:{piece.line}", why) for piece in pieces if (why := refusal(piece)) is not None)
        statements.extend(
            SourceStatement(sql=runnable(piece.sql), origin=part.origin, line=piece.line) for piece in pieces
        )
        texts.append(_recorded(part, said))
        warnings.extend(part.warnings)
        warnings.extend(_warnings_of_rows(part.origin, pieces))
        warnings.extend(_warnings_of_secrets(part.origin, pieces))
        if not refused:
            hints.extend(read_hints(part.text, said, part.origin))
    if refused:
        raise _refusal_error(refused)
    warnings.extend(skipped_definitions(statements))
    return Source(
        statements=tuple(statements),
        text="".join(texts),
        description=description if description is not None else ", ".join(part.origin for part in parts),
        warnings=tuple(warnings),
        part_digests=tuple(part.digest for part in parts),
        hints=tuple(hints),
        parts=tuple(parts),
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
    count = "a statement writes" if len(lines) == 1 else f"{len(lines)} statements write"
    return [f"{origin}:{lines[0]}: {count} rows, which are not part of a schema and are not applied"]


def _warnings_of_secrets(origin: str, pieces: Sequence[Piece]) -> list[str]:
    return [
        f"{origin}:{piece.line}: the body of this routine seems to hold a password or another secret; it is recorded as"
        " it is, and whoever may read the catalogs can read it"
        for piece in pieces
        if keeps_secret(piece.sql)
    ]


def _masked(part: SourcePart, pieces: Sequence[Piece]) -> str:
    kept: list[str] = []
    position = 0
    for piece in pieces:
        kept += [redact_sql(part.text[position : piece.start]), redact_sql(piece.sql)]
        position = piece.end
    return "".join([*kept, redact_sql(part.text[position:])])


def _recorded(part: SourcePart, pieces: Sequence[Piece]) -> str:
    """The part under its header, ended so that the next part can follow, passwords masked."""
    kept: list[str] = [f"-- source: {part.origin}\n", _masked(part, pieces)]
    if not part.text.endswith("\n"):
        kept.append("\n")
    if pieces and not pieces[-1].terminated:
        kept.append(";\n")
    return "".join(kept)
