"""SQLAlchemy's metadata as SQL, rendered by its own Postgres dialect. Imports the user's modules; no database."""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from reconciler.errors import SourceError
from reconciler.source.metadata_hints import metadata_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from sqlalchemy import MetaData

__all__ = ["import_object", "render"]

_TYPE = re.compile(r"CREATE (TYPE|DOMAIN|SEQUENCE)\b", re.IGNORECASE)


def import_object(path: str, *, cwd: Path) -> object:
    """What `package.module:attribute` names; a function is called for it. Modules in `cwd` are found too.

    Raises SourceError, naming what failed, for anything that the import or the call raises.
    """
    module_name, _, attributes = path.partition(":")
    if not module_name or not attributes:
        raise SourceError(f"python:{path} names no attribute", hint="write python:package.module:attribute")
    with _importable(cwd):
        value: object = _guarded(path, f"import {module_name}", lambda: importlib.import_module(module_name))
        for name in attributes.split("."):
            if not hasattr(value, name):
                raise SourceError(f"python:{path}: there is no {name} in {module_name}", hint="check the attribute")
            value = getattr(value, name)
        if callable(value) and not isinstance(value, type) and not hasattr(value, "metadata"):
            value = _guarded(path, f"call {attributes}", cast("Callable[[], object]", value))
    return value


def render(metadata: MetaData, origin: str, seen: set[str] | None = None) -> str:
    """All that `metadata.create_all()` would send to Postgres, the schemas that it takes for granted, and the hints.

    `seen` are the statements of other metadata before: a type that both use is made once. Raises SourceError where
    SQLAlchemy cannot render it, or a hint in an `info` is none.
    """
    from reconciler.source.metadata_engine import RecordingConnection

    seen = set[str]() if seen is None else seen
    engine = RecordingConnection()
    tables = [table for table in metadata.tables.values() if not table.info.get("is_view")]
    try:
        # What is mapped to a view is none of the tables; the view itself is declared elsewhere.
        metadata.create_all(engine, checkfirst=False, tables=tables if len(tables) < len(metadata.tables) else None)
    except (Exception, SystemExit) as exc:  # listeners are the user's, and may raise anything
        raise SourceError(
            f"{origin}: SQLAlchemy cannot render it: {type(exc).__name__}: {exc}",
            hint="`metadata.create_all(engine)` must work, and its listeners without an answer of the database",
        ) from exc
    statements = [each for each in engine.statements if each not in seen or not _TYPE.match(each)]
    seen.update(statements)
    quote = engine.dialect.identifier_preparer.quote
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {quote(name)}" for name in _schemas(metadata)]
    hints = metadata_hints(metadata, origin, engine.dialect)
    return "".join([*(f"{hint}\n" for hint in hints), *(f"{statement};\n" for statement in [*schemas, *statements])])


def _schemas(metadata: MetaData) -> list[str]:
    """The schemas of tables, of their columns' types, and of sequences."""
    from sqlalchemy import ARRAY

    tables = metadata.tables.values()
    named = {table.schema for table in tables}
    types = [column.type for table in tables for column in table.columns]
    types += [cast("ARRAY[object]", each).item_type for each in types if isinstance(each, ARRAY)]
    named |= {getattr(each, "schema", None) for each in types}
    # There is no public way to a sequence that no column uses.
    named |= {sequence.schema for sequence in metadata._sequences.values()}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return sorted(name for name in named if name)


@contextmanager
def _importable(folder: Path) -> Generator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _guarded(path: str, what: str, action: Callable[[], object]) -> object:
    """The action's result. A user's module may raise anything, and may try to end the process."""
    try:
        return action()
    except (Exception, SystemExit) as exc:
        raise SourceError(
            f"python:{path}: could not {what}: {type(exc).__name__}: {exc}",
            hint="the module must be importable from the working folder",
        ) from exc
