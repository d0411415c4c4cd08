"""Which of two declarations is the older one: versions that applications give, and what is said of one that is behind.

Pure: no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.errors import ConfigError

__all__ = ["Behind", "is_higher", "version_text"]

_FORM = re.compile(r"(?:[a-z]+[-_./ ]?)?(\d.*)", re.DOTALL)
_TOKEN = re.compile(r"\d+|[a-z]+")
_COMMIT = re.compile(r"(?=.*(?:\d[a-f]|[a-f]{2}))[0-9a-f]{7,64}")
_UNRELEASED = {
    word: rank
    for rank, words in enumerate(
        ("dev", "alpha a", "beta b", "milestone m", "pre preview rc c cr", "snapshot"),
    )
    for word in words.split()
}
_BEFORE_RELEASE, _END, _WORD, _NUMBER = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """How far a declaration is behind the database.

    `idx` is the migration whose declaration it is; None where only its version tells that it is older. `head` is the
    migration that the database is at, `head_version` the highest version that an application gave. `run` is an
    unfinished run that leads from there to another declaration.
    """

    idx: int | None
    head: int
    version: str | None = None
    head_version: str | None = None
    run: int | None = None

    def __str__(self) -> str:
        if self.run is not None:
            return f"this declaration is migration {self.idx}, and run {self.run} to another one is unfinished"
        if self.idx is not None:
            return f"this declaration is migration {self.idx}, the database is at {self.head}"
        return (
            f"this declaration is of version {self.version}, the database is at version {self.head_version}"
            f" (migration {self.head})"
        )


def version_text(version: int | str) -> str:
    """The version as it is recorded. Raises ConfigError where it has no order, as the hash of a commit."""
    text = str(version).strip()
    if isinstance(version, bool) or _FORM.fullmatch(text.lower()) is None or _COMMIT.fullmatch(text.lower()):
        raise ConfigError(
            f"the application's version {text!r} has no order",
            hint="give a number that grows (a build number, a time) or a text like 1.10.2, 2.0rc1 or 2026-11-30",
        )
    return text


def is_higher(version: str, other: str) -> bool:
    """Whether the first is the higher of two versions."""
    return _order(version) > _order(other)


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers in it are compared as numbers, words as text; what comes before a release (`rc1`) is lower than it."""
    form = _FORM.fullmatch(version.lower())
    tokens: list[str] = _TOKEN.findall(form[1] if form else version)
    parts: list[tuple[int, int, str]] = []
    for place, token in enumerate(tokens):
        if token.isdigit():
            parts.append((_NUMBER, int(token), ""))
            continue
        _leave_out_zeros(parts)
        if token in _UNRELEASED and (len(token) > 1 or tokens[place + 1 : place + 2]):
            parts.append((_BEFORE_RELEASE, _UNRELEASED[token], ""))
        else:
            parts.append((_WORD, 0, token))
    _leave_out_zeros(parts)
    return (*parts, (_END, 0, ""))


def _leave_out_zeros(parts: list[tuple[int, int, str]]) -> None:
    """1.0 is 1."""
    while len(parts) > 1 and parts[-1] == (_NUMBER, 0, ""):
        parts.pop()
