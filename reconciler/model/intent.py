"""What a comparison of two states cannot show, and people therefore write beside their DDL. Pure: no I/O.

A `Hint` is what stands in the source; `Intent` is what the hints of a source come to on one database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.model.facts import FactId
    from reconciler.model.snapshot import Snapshot

__all__ = ["Hint", "HintKind", "Intent", "Rename", "Subject", "Suggestion", "dotted", "is_within", "written"]

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class HintKind(StrEnum):
    """What a hint can say, by its first word."""

    RENAMED = "renamed"
    USING = "using"
    BACKFILL = "backfill"
    KEEP = "keep"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a piece of DDL speaks of, as its words name it: `name` as written, maybe without its schema.

    `part` is the column, constraint, index or the like of the relation that `name` names.
    """

    kinds: tuple[str, ...]
    name: tuple[str, ...]
    part: str | None = None

    def __str__(self) -> str:
        parts = self.name if self.part is None else (*self.name, self.part)
        return f"{self.kinds[0].replace('_', ' ')} {'.'.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One hint: what it says (`argument`: the old name's parts, or an expression), of what, and where it stands.

    `firing`: of a backfill, that triggers are to fire for what it writes.

    A rename that is `due` is still to be made, whatever the recorded declaration asked for.
    """

    kind: HintKind
    subject: Subject
    argument: tuple[str, ...] = ()
    where: str = ""
    due: bool = False
    firing: bool = False


def written(hint: Hint) -> str:
    """A hint of a rename as a comment that may stand anywhere: `read_hints` reads the same from it."""
    subject = hint.subject
    parts = subject.name if subject.part is None else (*subject.name, subject.part)
    kind = subject.kinds[0].replace("_", " ")
    return f"-- reconciler: on {kind} {dotted(parts)}: renamed from {dotted(hint.argument)}"


def dotted(parts: Sequence[str]) -> str:
    """The name as SQL writes it, in quotes where it needs them."""
    return ".".join(part if _PLAIN_NAME.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """`old`, which would go, may be what `new`, which would come, was called; `why` it is thought so."""

    old: FactId
    new: FactId
    why: str

    @property
    def line(self) -> str:
        """The comment that says so, for the line before the declaration of `new` or the end of its own."""
        return f"-- reconciler: renamed from {self._old_name}"

    @property
    def line_anywhere(self) -> str:
        """The same as it may stand anywhere in the source."""
        return written(self.hint)

    @property
    def hint(self) -> Hint:
        """What the comment would be read as."""
        is_part = self.new.kind in ("column", "enum_label")
        subject = Subject(
            kinds=(self.new.kind,),
            name=self.new.name[:-1] if is_part else self.new.name,
            part=self.new.name[-1] if is_part else None,
        )
        return Hint(kind=HintKind.RENAMED, subject=subject, argument=self._given, where="an answer on the terminal")

    @property
    def _given(self) -> tuple[str, ...]:
        if self.new.kind in ("column", "enum_label") or self.old.name[:-1] == self.new.name[:-1]:
            return self.old.name[-1:]
        return self.old.name

    @property
    def _old_name(self) -> str:
        if self.new.kind == "enum_label":
            return "'" + self.old.name[-1].replace("'", "''") + "'"
        return dotted(self._given)

    def __str__(self) -> str:
        return f"{self.new} may be {self.old} under another name: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """One object that gets another name or schema; `where` is the place of the hint, if one asked for it.

    One that is `manual` was made outside of any run since the last record, or takes such a one back. An extension keeps
    its name and gets another `schema`.
    """

    old: FactId
    new: FactId
    where: str = ""
    manual: bool = False
    schema: str = ""

    def __str__(self) -> str:
        if self.schema:
            return f"{self.old} -> schema {self.schema}"
        return f"{self.old} -> {'.'.join(self.new.name)}"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What the hints come to: `renames` that apply here, expressions by column, and what is left alone.

    `firing` are the columns whose `backfills` are to fire the table's triggers, as a client's write would.

    `kept` are never dropped, with what they hold; `ignored` are as live has them, whatever is declared. `attributes`
    are of facts that are managed, but for these. `by_rules` is what was ignored by rules, a line each; `ruled` are the
    facts of those.
    """

    renames: tuple[Rename, ...] = ()
    conversions: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    backfills: Mapping[FactId, str] = field(default_factory=dict["FactId", str])
    firing: frozenset[FactId] = frozenset()
    kept: frozenset[FactId] = frozenset()
    ignored: frozenset[FactId] = frozenset()
    attributes: frozenset[tuple[FactId, str]] = frozenset()
    by_rules: tuple[str, ...] = ()
    ruled: frozenset[FactId] = frozenset()
    warnings: tuple[str, ...] = ()

    def keeps(self, fact: FactId, live: Snapshot) -> bool:
        """Whether the fact, or what it is a part of, is never dropped."""
        return bool(self.kept) and is_within(fact, self.kept, live)


def is_within(fact: FactId, wholes: frozenset[FactId], state: Snapshot) -> bool:
    """Whether the fact is one of these, or a part of one."""
    found: FactId | None = fact
    while found is not None:
        if found in wholes:
            return True
        found = state.parent(found)
    return False
