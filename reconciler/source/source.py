"""What a schema is declared by: SQL statements and where each of them came from, or another database. Pure: no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from reconciler.redaction.dsn import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import MetaData

    from reconciler.model.intent import Hint

__all__ = [
    "AnySource",
    "DatabaseSource",
    "Declaration",
    "HasMetadata",
    "Source",
    "SourcePart",
    "SourceStatement",
    "digest_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatement:
    """One SQL statement without its semicolon; `origin` as the user named it, `line` (1-based) of its first token."""

    sql: str
    origin: str
    line: int

    @property
    def where(self) -> str:
        """`schema/users.sql:12`."""
        return f"{self.origin}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """Text of one origin, before it is split."""

    origin: str
    text: str
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a schema is declared by.

    `text` is what the ledger records: every part under a comment that names it, passwords masked. It differs from the
    statements where those are run otherwise than they are written (CREATE INDEX CONCURRENTLY).
    `parts` are the texts as they were read.
    """

    statements: tuple[SourceStatement, ...]
    text: str
    description: str
    warnings: tuple[str, ...] = ()
    part_digests: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    parts: tuple[SourcePart, ...] = field(default=(), repr=False, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 over the texts as they were read; equal digests mean the same declaration, wherever it came from."""
        return digest_of(self.part_digests)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is declared: no statement at all, comments aside."""
        return not self.statements


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSource:
    """Another database whose schema is the desired one; `url` may hold a password, `description` does not."""

    url: str

    @property
    def description(self) -> str:
        return redact(self.url)


AnySource: TypeAlias = Source | DatabaseSource


class HasMetadata(Protocol):
    """A declarative base, an SQLModel class or a module: what has SQLAlchemy's metadata."""

    @property
    def metadata(self) -> MetaData: ...


# What a library user may hand in: text is SQL, a Path is a file or a folder, and a list is all of its members.
Declaration: TypeAlias = "str | Path | Source | DatabaseSource | MetaData | HasMetadata | Sequence[Declaration]"


def digest_of(part_digests: Iterable[str]) -> str:
    """The digest of a source whose parts have these."""
    return hashlib.sha256("".join(part_digests).encode()).hexdigest()
