"""Which types take all values of which others, for those who write them and those who read them. Pure: no I/O."""

from __future__ import annotations

import re

__all__ = ["takes_all"]

_INTEGERS = ("smallint", "integer", "bigint", "numeric")
_TYPE = re.compile(r"([^(]+?)\s*(?:\((\d+)(?:,(-?\d+))?\))?")


def takes_all(old: str, new: str) -> bool:
    """Whether every value of `old` is one of `new`, unchanged, and clients made for `old` go on reading and writing."""
    if old == new:
        return True
    (before, size, scale), (after, new_size, new_scale) = _parts(old), _parts(new)
    if before in _INTEGERS and after in _INTEGERS and before != "numeric":
        return _INTEGERS.index(before) < _INTEGERS.index(after) and new_size is None
    if before == after == "numeric":
        return new_size is None or (size is not None and scale == new_scale and int(size) <= int(new_size))
    if before == "character varying" and after in ("character varying", "text"):
        return new_size is None or (size is not None and int(size) <= int(new_size))
    if before == "text" and after == "character varying":
        return new_size is None
    return (before, after) == ("real", "double precision")


def _parts(type_name: str) -> tuple[str, str | None, str | None]:
    """numeric(12,2) -> numeric, 12, 2."""
    found = _TYPE.fullmatch(type_name)
    return (found[1], found[2], found[3]) if found is not None else (type_name, None, None)
