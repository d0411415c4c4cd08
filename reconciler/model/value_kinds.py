"""How values are written in the configuration: which are taken for what. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from reconciler.errors import ConfigError
from reconciler.model.policies import parse_duration, parse_window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "DAY",
    "DURATION",
    "FLAG",
    "NUMBER",
    "SIZE",
    "TABLES",
    "TEXT",
    "TEXTS",
    "VERSION",
    "WINDOW",
    "ValueKind",
]

Value = TypeVar("Value")

_SIZE = re.compile(r"(\d+)\s*(B|kB|MB|GB|TB)", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[Value]):
    """What a value must be, in words, and what it is read as; None where it is not that."""

    words: str
    read: Callable[[object], Value | None]

    def of(self, table: Mapping[str, object], key: str, where: str) -> Value | None:
        """The key's value in a table; None where it is not there. Raises ConfigError, which begins with `where`."""
        if key not in table:
            return None
        value = self.read(table[key])
        if value is None:
            raise ConfigError(f"{where}: {key.replace('_', '-')} must be {self.words}")
        return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in cast("list[object]", value)):
        return tuple(cast("list[str]", value))
    return None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _size(value: object) -> int | None:
    """Bytes: a number, or a text like `64MB`."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match[1]) * _UNITS[match[2].upper()]
    return _number(value)


def _version(value: object) -> str | None:
    number = _number(value)
    return _text(value) if number is None else str(number)


def _day(value: object) -> date | None:
    """A day, as TOML has it, or as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _duration(value: object) -> timedelta | None:
    return parse_duration(value) if isinstance(value, str) else None


def _window(value: object) -> tuple[time, time] | None:
    return parse_window(value) if isinstance(value, str) else None


def _tables(value: object) -> tuple[dict[str, object], ...] | None:
    if isinstance(value, list) and all(isinstance(each, dict) for each in cast("list[object]", value)):
        return tuple(cast("list[dict[str, object]]", value))
    return None


TEXT = ValueKind("a text", _text)
TEXTS = ValueKind("a text or a list of texts", _texts)
FLAG = ValueKind("true or false", _flag)
NUMBER = ValueKind("a number, not negative", _number)
SIZE = ValueKind("a size like 64MB", _size)
VERSION = ValueKind("a number or a text", _version)
DAY = ValueKind("a day like 2030-12-31", _day)
DURATION = ValueKind("a time like 30s, 5min, 12h or 7d", _duration)
WINDOW = ValueKind("a part of the day in UTC like 22:00-06:00", _window)
TABLES = ValueKind("a list of tables", _tables)
