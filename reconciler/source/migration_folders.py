"""Folders of migration files of other tools, as a declaration: in their order, without what undoes them. Reads files.

The files say how the schema came to be; run from the first to the last they end at what it is. Each tool has an order
of its own (V2 before V10) and a place for what undoes them, which would take everything away again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["Chosen", "SourceFormat", "choose_files", "format_of", "without_alembic_table", "without_way_back"]


class SourceFormat(StrEnum):
    """How the files of a folder are read: by what they look like, as they are, or as those of a tool."""

    AUTO = "auto"
    PLAIN = "plain"
    FLYWAY = "flyway"
    GOOSE = "goose"
    DBMATE = "dbmate"
    GOLANG_MIGRATE = "golang-migrate"
    PRISMA = "prisma"
    DRIZZLE = "drizzle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The files to read, in their order, those that are left out, and as whose they are read."""

    files: tuple[Path, ...]
    left_out: tuple[Path, ...] = ()
    format: SourceFormat = SourceFormat.PLAIN

    @property
    def note(self) -> str | None:
        """What to tell the user; None where all is read as it stands there."""
        if self.format is SourceFormat.PLAIN:
            return None
        left = f"; {len(self.left_out)} that undo or surround them are left out" if self.left_out else ""
        return f"read as migrations of {self.format}, {len(self.files)} files in their order{left}"


_FLYWAY = re.compile(r"(?P<kind>[VUBR])(?P<version>\d+(?:[._]\d+)*)?__.+\.sql", re.DOTALL)
_FLYWAY_CALLBACK = re.compile(r"(?:before|after|createSchema)\w*\.sql")
_GOLANG = re.compile(r"(?P<version>\d+)_.+\.(?P<way>up|down)\.sql", re.DOTALL)
_NUMBERED = re.compile(r"(?P<version>\d+)[_-]?.*\.sql", re.DOTALL)
_GOOSE_MARK = re.compile(r"^[ \t]*--[ \t]*\+goose[ \t]+(?P<way>up|down)\b.*$", re.IGNORECASE | re.MULTILINE)
_DBMATE_MARK = re.compile(r"^[ \t]*--[ \t]*migrate:(?P<way>up|down)\b.*$", re.IGNORECASE | re.MULTILINE)
_ALEMBIC_MARK = re.compile(r"^-- Running (?P<way>upgrade|downgrade)\b", re.MULTILINE)
_ALEMBIC_TABLE = re.compile(
    r"^(?:CREATE TABLE|INSERT INTO|UPDATE|DELETE FROM|DROP TABLE)\s+(?:[\w\"]+\.)?\"?alembic_version\"?\b[^;]*;",
    re.IGNORECASE | re.MULTILINE,
)
# How tools that are not read here mark what undoes a file, or name it: sql-migrate, node-pg-migrate, MyBatis, Play,
# rambler; diesel, db-migrate, Sqitch.
_OTHER_MARK = re.compile(
    r"^[ \t]*(?:--|#)[ \t#/-]*(?:\+migrate[ \t]+down|down[ \t]+migration|@undo|!downs|rambler[ \t]+down)\b",
    re.IGNORECASE | re.MULTILINE,
)
_OTHER_NAME = re.compile(r"(?P<before>.*[._/-]|)(?P<way>down|undo|revert|rollback)(?P<after>\.sql|/.*\.sql)")
_FORWARD = {
    "down": ("up",),
    "undo": ("do", "up"),
    "revert": ("deploy", "up"),
    "rollback": ("deploy", "apply", "migrate"),
}
_MARKS = {SourceFormat.GOOSE: _GOOSE_MARK, SourceFormat.DBMATE: _DBMATE_MARK}


def choose_files(folder: Path, files: Sequence[Path], wanted: SourceFormat, name: str) -> Chosen:
    """The files of the folder that make up the declaration; `name` is what the user calls it.

    Raises SourceError where they look like a tool's, but not all of them do.
    """
    found = _recognised(folder, files) if wanted is SourceFormat.AUTO else wanted
    if found is SourceFormat.PLAIN or not files:
        if wanted is SourceFormat.AUTO:
            _require_no_way_back(folder, files, name)
        return Chosen(files=tuple(files))
    chosen = _READERS[found](folder, files)
    known = {*chosen.files, *chosen.left_out}
    strangers = [file for file in files if file not in known]
    if strangers:
        raise SourceError(
            f"{name} holds migrations of {found}, but {strangers[0].relative_to(folder)} is none",
            hint="move it elsewhere, or pass --source-format plain, which reads all files in the order of their names",
        )
    return chosen


def format_of(text: str) -> SourceFormat:
    """As whose migration the text of a single file is read: by its marks."""
    return next((tool for tool, mark in _MARKS.items() if mark.search(text)), SourceFormat.PLAIN)


def without_way_back(text: str, format: SourceFormat) -> str:  # noqa: A002 - as the option is called
    """The text of a file without the part that undoes it, which is blank: all lines keep their numbers."""
    mark = _MARKS.get(format)
    if mark is None:
        return text
    kept: list[str] = []
    position, is_kept = 0, True
    for found in mark.finditer(text):
        kept.append(_kept(text[position : found.start()], is_kept=is_kept))
        position, is_kept = found.start(), found["way"].lower() == "up"
    return "".join([*kept, _kept(text[position:], is_kept=is_kept)])


def without_alembic_table(text: str, origin: str) -> str:
    """What `alembic upgrade --sql` printed, without Alembic's own table; any other text as it is.

    Raises SourceError for what `alembic downgrade --sql` printed.
    """
    found = _ALEMBIC_MARK.search(text)
    if found is None:
        return text
    if found["way"].lower() == "downgrade":
        raise SourceError(
            f"{origin} is a downgrade of Alembic, which undoes a schema",
            hint="use what `alembic upgrade head --sql` prints, or cmd:alembic upgrade head --sql",
        )
    return _ALEMBIC_TABLE.sub(lambda statement: "\n" * statement[0].count("\n"), text)


def _kept(text: str, *, is_kept: bool) -> str:
    return text if is_kept else "\n" * text.count("\n")


def _recognised(folder: Path, files: Sequence[Path]) -> SourceFormat:
    names = [file.name for file in files]
    if (folder / "meta" / "_journal.json").is_file():
        return SourceFormat.DRIZZLE
    if (folder / "migration_lock.toml").is_file() or (
        len(files) > 1 and all(name == "migration.sql" for name in names)
    ):
        return SourceFormat.PRISMA
    if any((found := _FLYWAY.fullmatch(name)) and found["kind"] in "VUB" and found["version"] for name in names):
        return SourceFormat.FLYWAY
    if any(_GOLANG.fullmatch(name) for name in names):
        return SourceFormat.GOLANG_MIGRATE
    for tool, mark in _MARKS.items():
        if any(_has(file, mark) for file in files):
            return tool
    return SourceFormat.PLAIN


def _require_no_way_back(folder: Path, files: Sequence[Path], name: str) -> None:
    """Raises SourceError where files undo what others do, as those of a tool that is not known here."""
    names = {file.relative_to(folder).as_posix() for file in files}
    for file in files:
        own = file.relative_to(folder).as_posix()
        found = _OTHER_NAME.fullmatch(own)
        pairs = [f"{found['before']}{way}{found['after']}" for way in _FORWARD[found["way"]]] if found else []
        if not names.isdisjoint(pairs) or _has(file, _OTHER_MARK):
            raise SourceError(
                f"{name} holds migrations of a tool that is not read here: {own} undoes what others do",
                hint="name the files that lead forward in their order, or pass --source-format plain, which reads all"
                " files in the order of their names",
            )


def _require_one_of_each(versions: Iterable[tuple[object, Path]]) -> None:
    """Raises SourceError where two files have the same version: their order is not known."""
    seen: dict[object, Path] = {}
    for version, file in versions:
        other = seen.setdefault(version, file)
        if other is not file:
            raise SourceError(
                f"{other.name} and {file.name} have the same version", hint="give one of them another version"
            )


def _has(file: Path, mark: re.Pattern[str]) -> bool:
    try:
        return mark.search(file.read_text("utf-8", errors="replace")) is not None
    except OSError:
        return False  # that it cannot be read is said when it is


def _flyway(_: Path, files: Sequence[Path]) -> Chosen:
    read: dict[str, list[tuple[tuple[int, ...], str, Path]]] = {"V": [], "B": [], "R": [], "U": []}
    left_out = [file for file in files if _FLYWAY_CALLBACK.fullmatch(file.name)]
    for file in files:
        found = _FLYWAY.fullmatch(file.name)
        if found is not None and (found["kind"] == "R") is not bool(found["version"]):
            numbers = re.split("[._]", found["version"] or "0")
            read[found["kind"]].append((tuple(map(int, numbers)), file.name, file))
    for kind in "VUB":
        _require_one_of_each((_significant(version), file) for version, _, file in read[kind])
    # A baseline stands for all versions up to its own.
    start = max(read["B"])[:1] if read["B"] else ()
    versions = [each for each in sorted(read["V"]) if not start or each[0] > start[0]]
    first = [max(read["B"])] if read["B"] else []
    kept = [each[2] for each in (*first, *versions, *sorted(read["R"], key=lambda each: each[1]))]
    others = [each[2] for kind in read.values() for each in kind if each[2] not in kept]
    return Chosen(files=tuple(kept), left_out=(*others, *left_out), format=SourceFormat.FLYWAY)


def _significant(version: tuple[int, ...]) -> tuple[int, ...]:
    """The version without the zeros at its end: 1.0 is 1."""
    return _significant(version[:-1]) if version[1:] and not version[-1] else version


def _golang(_: Path, files: Sequence[Path]) -> Chosen:
    found = [(int(match["version"]), match["way"], file) for file in files if (match := _GOLANG.fullmatch(file.name))]
    _require_one_of_each(((version, way), file) for version, way, file in found)
    return Chosen(
        files=tuple(file for _, way, file in sorted(found) if way == "up"),
        left_out=tuple(file for _, way, file in sorted(found) if way == "down"),
        format=SourceFormat.GOLANG_MIGRATE,
    )


def _marked(format: SourceFormat) -> Callable[[Path, Sequence[Path]], Chosen]:  # noqa: A002 - as the option is called
    def read(_: Path, files: Sequence[Path]) -> Chosen:
        numbered = [
            (int(found["version"]), file.name, file)
            for file in files
            if (found := _NUMBERED.fullmatch(file.name)) and _has(file, _MARKS[format])
        ]
        return Chosen(files=tuple(file for _, _, file in sorted(numbered)), format=format)

    return read


def _prisma(_: Path, files: Sequence[Path]) -> Chosen:
    kept = sorted((file for file in files if file.name == "migration.sql"), key=lambda file: file.parent.name)
    downs = [file for file in files if file.name == "down.sql"]
    return Chosen(files=tuple(kept), left_out=tuple(downs), format=SourceFormat.PRISMA)


def _drizzle(folder: Path, files: Sequence[Path]) -> Chosen:
    journal = folder / "meta" / "_journal.json"
    by_name = {file.name: file for file in files if file.parent == folder}
    try:
        entries = cast("Iterable[dict[str, object]]", json.loads(journal.read_text("utf-8"))["entries"])
        tags = [str(entry["tag"]) for entry in sorted(entries, key=lambda entry: int(str(entry["idx"])))]
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise SourceError(f"{journal} cannot be read: {exc}", hint="restore it, or pass --source-format plain") from exc
    missing = [tag for tag in tags if f"{tag}.sql" not in by_name]
    if missing:
        raise SourceError(f"{journal} names {missing[0]}, but there is no {missing[0]}.sql", hint="restore the file")
    return Chosen(files=tuple(by_name[f"{tag}.sql"] for tag in tags), format=SourceFormat.DRIZZLE)


_READERS: dict[SourceFormat, Callable[[Path, Sequence[Path]], Chosen]] = {
    SourceFormat.FLYWAY: _flyway,
    SourceFormat.GOLANG_MIGRATE: _golang,
    SourceFormat.GOOSE: _marked(SourceFormat.GOOSE),
    SourceFormat.DBMATE: _marked(SourceFormat.DBMATE),
    SourceFormat.PRISMA: _prisma,
    SourceFormat.DRIZZLE: _drizzle,
}
