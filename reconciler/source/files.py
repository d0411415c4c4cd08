"""The files that a declaration is read from, and how they are written again. Does I/O.

Only what was read as it stands can be written: a file of plain SQL, not a tool's migrations, what a command prints or a
Python object. A file is replaced whole or not at all, and no symbolic link is followed.
"""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.source.migration_folders import SourceFormat
from reconciler.source.parts import shown
from reconciler.source.reading import parse_source
from reconciler.source.source import Source, SourcePart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["DeclaredFiles", "FileChange", "changed_files", "read_files", "unified", "write_files"]

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFiles:
    """A source, and the file of each of its parts that may be written.

    `texts` are these files as they were read. New objects get files of their own in `folder`; where none was named,
    they go to the end of the last file. `fixed` says for each other part why it is not written.
    """

    source: Source
    paths: Mapping[str, Path]
    texts: Mapping[str, str]
    folder: tuple[str, Path] | None
    fixed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that becomes `after`; `before` is None for a new one, `after` for one that is removed."""

    name: str
    path: Path
    before: str | None
    after: str | None


def read_files(
    specs: Sequence[str], *, cwd: Path, source_format: SourceFormat = SourceFormat.AUTO, allow_empty: bool = True
) -> DeclaredFiles:
    """The source that the specs name, and its files. Raises SourceError, also where it is another database."""
    source = parse_source(specs, cwd=cwd, allow_empty=allow_empty, source_format=source_format)
    if not isinstance(source, Source):
        raise SourceError(
            f"{source.description} is a database, not files",
            hint="name the files or the folder that declare the schema",
        )
    paths: dict[str, Path] = {}
    fixed: dict[str, str] = {}
    folder: tuple[str, Path] | None = None
    for spec in specs:
        kind, _, rest = spec.partition(":")
        path = cwd / Path(spec).expanduser()
        if spec == "-" or (kind in ("cmd", "python") and rest):
            fixed[{"-": "<stdin>"}.get(spec, shown(spec))] = "it is not a file"
            continue
        if not path.is_dir():
            paths[shown(spec)] = path
            continue
        for file in path.rglob("*"):
            paths.setdefault(shown(str(Path(spec) / file.relative_to(path))), file)
        folder = folder or (spec, path)
    read = {part.origin: part.text for part in source.parts}
    for part in source.parts:
        if part.warnings:  # it is read in a tool's order
            fixed.setdefault(part.origin, f"{part.warnings[0]}: history is added to, not rewritten")
    texts: dict[str, str] = {}
    for origin, text in read.items():
        if origin not in paths or origin in fixed:
            fixed.setdefault(origin, "it is not a file")
            continue
        texts[origin] = paths[origin].read_bytes().decode()
        if texts[origin].removeprefix(_MARK) != text:
            fixed[origin] = "it is read as a tool's migration: history is added to, not rewritten"
    if folder is not None and any(origin in fixed for origin in read):
        folder = None
    return DeclaredFiles(
        source=source,
        paths={origin: paths[origin] for origin in read if origin in paths and origin not in fixed},
        texts={origin: text for origin, text in texts.items() if origin not in fixed},
        folder=folder,
        fixed=fixed,
    )


def changed_files(files: DeclaredFiles, parts: Iterable[SourcePart]) -> tuple[FileChange, ...]:
    """What the files have to become so that these parts are read from them."""
    found: list[FileChange] = []
    for part in parts:
        before = files.texts.get(part.origin)
        if before is None and part.origin in files.fixed:
            continue
        mark = _MARK if (before or "").startswith(_MARK) else ""
        after = f"{mark}{part.text}" if part.text.strip() or (before is not None and not before.strip()) else None
        path = files.paths.get(part.origin)
        if path is None:
            assert files.folder is not None  # only there are files made
            path = files.folder[1] / Path(part.origin).relative_to(Path(files.folder[0]))
        if before != after:
            found.append(FileChange(name=part.origin, path=path, before=before, after=after))
    return tuple(sorted(found, key=lambda change: change.name))


def unified(change: FileChange) -> str:
    """The change as a unified diff, as `git diff` names the files."""
    before, after = change.before or "", change.after or ""
    old = "/dev/null" if change.before is None else f"a/{change.name}"
    new = "/dev/null" if change.after is None else f"b/{change.name}"
    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write_files(files: DeclaredFiles, changes: Sequence[FileChange]) -> None:
    """Writes the changes: all new texts are on the disk before the first file is replaced.

    Raises SourceError, with nothing replaced, where a file was changed since it was read, is a symbolic link or is
    reached by one within the folder, or cannot be written.
    """
    roots = [files.folder[1]] if files.folder is not None else []
    for change in changes:
        _refuse_links(change, roots)
        _refuse_changed(change)
    written: list[tuple[Path, FileChange]] = []
    try:
        try:
            for change in changes:
                if change.after is not None:
                    change.path.parent.mkdir(parents=True, exist_ok=True)
                    written.append((_temporary(change), change))
        except OSError as exc:
            raise SourceError(f"the files cannot be written: {exc}", left="no file was changed") from exc
        for temporary, change in written:
            temporary.replace(change.path)
        for change in changes:
            if change.after is None:
                change.path.unlink()
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def _temporary(change: FileChange) -> Path:
    """A new file beside it that holds its new text, with its permissions."""
    assert change.after is not None
    handle, name = tempfile.mkstemp(prefix=".reconciler-", dir=change.path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(change.after.encode())
        file.flush()
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    mode = 0o666 & ~mask if change.before is None else stat.S_IMODE(change.path.stat().st_mode)
    Path(name).chmod(mode)
    return Path(name)


def _refuse_links(change: FileChange, roots: Sequence[Path]) -> None:
    inside = next((root for root in roots if change.path.is_relative_to(root)), change.path.parent)
    reached = [
        change.path,
        *(parent for parent in change.path.parents if parent.is_relative_to(inside) and parent != inside),
    ]
    for each in reached:
        if each.is_symlink():
            raise SourceError(
                f"{change.name}: {each} is a symbolic link, and is not followed",
                hint="name the file that it leads to",
                left="no file was changed",
            )


def _refuse_changed(change: FileChange) -> None:
    now = change.path.read_bytes().decode() if change.path.exists() else None
    if now != change.before:
        what = "is there already" if change.before is None else "was changed since it was read"
        raise SourceError(f"{change.name} {what}", hint="run the command again", left="no file was changed")
