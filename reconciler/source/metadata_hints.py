"""Hints in the `info` of SQLAlchemy's tables and columns, written as the comments that they stand for. Pure: no I/O.

Column("email", Text, info={"reconciler": {"renamed_from": "mail"}})
Column("seen", Boolean, info={"reconciler": {"backfill": "false", "firing_triggers": True}})
Table("orders", metadata, info={"reconciler": {"keep": True}})
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import MetaData
    from sqlalchemy.engine.interfaces import Dialect

__all__ = ["metadata_hints"]

_KEY = "reconciler"
_FLAGS = ("keep", "ignore")
_FOR_COLUMNS = ("using", "backfill")
_FIRING = "firing_triggers"
_WRITTEN = re.compile(r'(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")(?:\.(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+"))?')
_KNOWN = ("renamed_from", *_FOR_COLUMNS, _FIRING, *_FLAGS)


def metadata_hints(metadata: MetaData, origin: str, dialect: Dialect) -> list[str]:
    """A comment for each hint. Raises SourceError, naming the table or column, for one that is none."""
    found: list[str] = []
    for table in metadata.tables.values():
        parts = [part for part in (table.schema, table.name) if part]
        found += _hints("table", parts, table.info, origin, dialect)
        for column in table.columns:
            found += _hints("column", [*parts, column.name], column.info, origin, dialect)
    return found


def _hints(kind: str, parts: list[str], info: Mapping[object, object], origin: str, dialect: Dialect) -> Iterable[str]:
    said = info.get(_KEY)
    if said is None:
        return
    subject = f"{kind} {'.'.join(parts)}"
    if not isinstance(said, dict):
        raise SourceError(
            f"{origin}: the info of {subject} has {said!r} for reconciler",
            hint=f"write a dictionary with {', '.join(_KNOWN)}",
        )
    values = cast("dict[object, object]", said)
    for name, value in values.items():
        known = [each for each in _KNOWN if kind == "column" or each not in (*_FOR_COLUMNS, _FIRING)]
        if name not in known:
            raise SourceError(
                f"{origin}: the info of {subject} has no hint {name!r}", hint=f"known are: {', '.join(known)}"
            )
        words = _words(str(name), value, dialect)
        if words is None:
            wanted = "True or False" if name in (*_FLAGS, _FIRING) else "a text"
            raise SourceError(f"{origin}: the info of {subject} has {name} = {value!r}", hint=f"{name} takes {wanted}")
        if name == _FIRING and value and "backfill" not in values:
            raise SourceError(
                f"{origin}: the info of {subject} has {_FIRING} without a backfill", hint="say what the rows get, too"
            )
        if words and name == "backfill" and values.get(_FIRING) is True:
            words = f"{words} firing triggers"
        if words:
            yield _comment(f"on {kind} {'.'.join(_quoted(part) for part in parts)}: {words}")


def _words(name: str, value: object, dialect: Dialect) -> str | None:
    """The hint as a comment says it; empty where it is not wanted, None where the value is none."""
    if name == _FIRING:
        return "" if isinstance(value, bool) else None
    if name in _FLAGS:
        return (name if value else "") if isinstance(value, bool) else None
    if name in _FOR_COLUMNS:
        from sqlalchemy.sql.elements import ClauseElement

        if isinstance(value, ClauseElement):
            value = str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        return f"{name} {value}" if isinstance(value, str) and value.strip() else None
    if not isinstance(value, str) or not value:
        return None
    # As SQL writes a name, maybe with its schema; a single one may come without the quotes that it needs.
    return f"renamed from {value if _WRITTEN.fullmatch(value) else _quoted(value)}"


def _quoted(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'


def _comment(text: str) -> str:
    """On one line where it is one, so that no text can end the comment."""
    if "\n" not in text and "\r" not in text:
        return f"-- {_KEY}: {text}"
    return f"/* {_KEY}: {text.replace('*/', '* /')} */"
