"""Who reads the write-ahead log of a server: logical slots, standbys; and how far they may be behind. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.errors import ConfigError
from reconciler.model.plugins import USUAL_LEDGER_SCHEMA

__all__ = ["USUAL_LAG", "MaxLag", "Reader", "Replication", "describe_bytes"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_OFF = "off"


def describe_bytes(count: int) -> str:
    """`3 MB`."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A logical slot (it has a `plugin`) or a standby, and how far it is behind; None where that is not known.

    `is_active`: somebody is connected. `is_seen`: this role may read how far that one is.
    """

    name: str
    plugin: str | None = None
    is_active: bool = True
    lag_bytes: int | None = None
    lag_s: float | None = None
    is_seen: bool = True

    def __str__(self) -> str:
        kind = f"slot {self.name}: {self.plugin}" if self.plugin is not None else f"standby {self.name or '(no name)'}"
        parts = [kind] if self.is_active else [kind, "inactive"]
        if self.lag_bytes is not None:
            behind = describe_bytes(self.lag_bytes)
            parts.append(f"{behind} behind" if self.lag_s is None else f"{behind} and {self.lag_s:.1f} s behind")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """Who reads the log: `slots` are the logical ones of this database, `others` those of other databases.

    `alterable` are the publications that this role may alter, `ledger` is the ledger's schema.
    """

    slots: tuple[Reader, ...] = ()
    others: tuple[Reader, ...] = ()
    standbys: tuple[Reader, ...] = ()
    hot: bool = False
    alterable: frozenset[str] = frozenset()
    ledger: str = USUAL_LEDGER_SCHEMA

    @property
    def subscribers(self) -> tuple[Reader, ...]:
        """The slots that read publications."""
        return tuple(slot for slot in self.slots if slot.plugin == "pgoutput")

    def has_subscribers(self, server_version: int) -> bool:
        """Whether somebody may be subscribed to a publication: by a slot here or, from 16 on, by one on a standby."""
        return bool(self.subscribers or (self.standbys and server_version >= 160000))

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Everybody who is connected and gets what is written."""
        return tuple(each for each in (*self.standbys, *self.slots, *self.others) if each.is_active)

    @property
    def is_hidden(self) -> bool:
        """Whether somebody is connected of whom this role may not read how far behind it is."""
        return any(not each.is_seen for each in self.readers)

    def beyond(self, limit: MaxLag) -> tuple[Reader, ...]:
        """Those who are further behind than the limit."""
        return tuple(each for each in self.readers if limit.is_passed_by(each))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLag:
    """How far behind a reader may be while rows are backfilled: in time, in bytes of the log, or however far (None)."""

    seconds: float | None = None
    bytes: int | None = None

    @classmethod
    def parse(cls, text: str) -> MaxLag:
        """`10s,1GB`, one of them, or `off`. Raises ConfigError."""
        seconds: float | None = None
        count: int | None = None
        for part in () if text.strip().lower() == _OFF else text.lower().split(","):
            found = _AMOUNT.fullmatch(part.strip())
            if found is not None and found[2] in _SECONDS and seconds is None:
                seconds = float(found[1]) * _SECONDS[found[2]]
            elif found is not None and found[2] in _BYTES and count is None:
                count = int(float(found[1]) * _BYTES[found[2]])
            else:
                raise ConfigError(
                    f"max-lag: {text!r} is not a lag", hint="write a time, a size or both: 10s,1GB; or off"
                )
        return cls(seconds=seconds, bytes=count)

    @property
    def is_off(self) -> bool:
        """Whether nobody is waited for."""
        return self.seconds is None and self.bytes is None

    def is_passed_by(self, reader: Reader) -> bool:
        """Whether the reader is further behind than this."""
        late = self.seconds is not None and reader.lag_s is not None and reader.lag_s > self.seconds
        return late or (self.bytes is not None and reader.lag_bytes is not None and reader.lag_bytes > self.bytes)


USUAL_LAG = MaxLag(seconds=10, bytes=1024**3)
