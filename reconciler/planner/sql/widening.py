"""Which types take all values of which others, for those who write them and those who read them. Pure: no I/O."""

from __future__ import annotations

import re

__all__ = ["is_rounded", "keeps_values", "takes_all"]

_INTEGERS = ("smallint", "integer", "bigint", "numeric")
_MODIFIER = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
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


def keeps_values(old: str, new: str) -> bool:
    """Whether every value of `old` stays the same number in `new`, though it may be written with more places."""
    if takes_all(old, new):
        return True
    (before, size, scale), (after, new_size, new_scale) = _parts(old), _parts(new)
    if not before == after == "numeric" or size is None or new_size is None:
        return False
    places, new_places = int(scale or 0), int(new_scale or 0)
    return places <= new_places and int(size) - places <= int(new_size) - new_places


def is_rounded(old: str, new: str) -> bool:
    """Whether values may lose places between a number or time and the same type with another modifier.

    Too many digits are an error and no loss.
    """
    places, new_places = _places(old), _places(new)
    return new_places is not None and (places is None or places > new_places)


def _places(type_name: str) -> int | None:
    """How many places after the point or parts of a second a value may have; None: as many as it likes."""
    found = _MODIFIER.search(type_name)
    return int(found[2] or (0 if type_name.startswith("numeric") else found[1])) if found is not None else None


def _parts(type_name: str) -> tuple[str, str | None, str | None]:
    """numeric(12,2) -> numeric, 12, 2."""
    found = _TYPE.fullmatch(type_name)
    return (found[1], found[2], found[3]) if found is not None else (type_name, None, None)
