"""Hints x declared x live -> what they come to on this database. Pure: no I/O.

A rename applies where live has the old name and not the new one. Where live has the new one, it has been made already
and the hint is harmless; so it is where live has neither, unless something of that kind would be dropped: then the old
name is most likely misspelt, and to go on would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.model.facts import DATABASE_WIDE_KINDS, ROUTINE_KINDS, FactId
from reconciler.model.intent import HintKind, Intent, Rename

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.intent import Hint, Subject
    from reconciler.model.snapshot import Snapshot

__all__ = ["has", "pairs_of", "resolve"]

_PARTS = frozenset({"column", "constraint", "index", "trigger", "policy", "rule", "domain_constraint", "enum_label"})
# The order in which renames are looked at: what holds others goes before what it holds.
_LEVELS = {"schema": 0, **dict.fromkeys(_PARTS, 2)}
_NOT_RENAMABLE = frozenset({"extension", "operator", "cast", "transform", "default", "comment", "access_method"})


def resolve(
    hints: Sequence[Hint],
    desired: Snapshot,
    live: Snapshot,
    recorded: Snapshot | None,
    *,
    path: Sequence[str],
    earlier: frozenset[tuple[FactId, FactId]] = frozenset(),
) -> Intent:
    """What the hints come to. Unqualified names are looked for in the schemas of `path` first.

    `earlier` are the renames (old, new) that the recorded declaration asked for: of two names that were swapped it
    alone can tell that they were. Raises SourceError, with file and line, for a hint that makes no sense.
    """
    if not hints:
        return Intent()
    found = [(hint, _targets(hint, desired, live, path)) for hint in hints]
    conversions: dict[FactId, str] = {}
    backfills: dict[FactId, str] = {}
    firing: set[FactId] = set()
    for hint, targets in found:
        if hint.kind in (HintKind.USING, HintKind.BACKFILL):
            for target in targets:
                if target.kind != "column":
                    raise SourceError(
                        f"{hint.where}: `{hint.kind}` is for columns, and this is {target}",
                        hint="put it at the end of the column's line",
                    )
                (conversions if hint.kind is HintKind.USING else backfills)[target] = hint.argument[0]
                if hint.firing:
                    firing.add(target)
    wanted = _Wanted(desired=desired, live=live, recorded=recorded, earlier=earlier)
    for hint, targets in sorted(found, key=lambda each: _LEVELS.get(each[0].subject.kinds[0], 1)):
        if hint.kind is HintKind.RENAMED:
            for target in targets:
                wanted.add(hint, target)
    wanted.refuse_misspelt()
    return Intent(
        renames=tuple(wanted.applying()),
        conversions=conversions,
        backfills=backfills,
        firing=frozenset(firing),
        kept=frozenset(target for hint, targets in found if hint.kind is HintKind.KEEP for target in targets),
        ignored=frozenset(target for hint, targets in found if hint.kind is HintKind.IGNORE for target in targets),
        warnings=tuple(wanted.warnings),
    )


def pairs_of(hints: Sequence[Hint], recorded: Snapshot, path: Sequence[str]) -> frozenset[tuple[FactId, FactId]]:
    """The renames (old, new) that a recorded declaration asked for, whether or not they had to be made."""
    pairs: set[tuple[FactId, FactId]] = set()
    for hint in hints:
        if hint.kind is HintKind.RENAMED:
            pairs |= {(_beside(target, hint.argument), target) for target in _matches(hint.subject, recorded, path)}
    return frozenset(pairs)


def _targets(hint: Hint, desired: Snapshot, live: Snapshot, path: Sequence[str]) -> list[FactId]:
    """The declared facts that the hint is about: several only for routines of one name."""
    found = _matches(hint.subject, desired, path)
    if not found and hint.kind in (HintKind.KEEP, HintKind.IGNORE):
        found = _matches(hint.subject, live, path)
    if not found and hint.kind is not HintKind.IGNORE and hint.kind is not HintKind.KEEP:
        raise SourceError(
            f"{hint.where}: the hint is about {hint.subject}, which is not declared",
            hint="put it beside the new name's declaration, or name that with `on KIND NAME:`",
        )
    return found


def _matches(subject: Subject, state: Snapshot, path: Sequence[str]) -> list[FactId]:
    if subject.kinds[0] in DATABASE_WIDE_KINDS or subject.kinds == ("schema",):
        return [fact for kind in subject.kinds if (fact := FactId(kind, subject.name[-1:])) in state.facts]
    if len(subject.name) > 1:
        return list(_named(subject, subject.name[-2], state))
    for schema in (*path, *(schema for schema in state.schemas if schema not in path)):
        found = list(_named(subject, schema, state))
        if found:
            return found
    return []


def _named(subject: Subject, schema: str, state: Snapshot) -> Iterable[FactId]:
    name = (schema, subject.name[-1])
    for kind in subject.kinds:
        if subject.part is not None:
            fact = FactId(kind, (*name, subject.part))
            if has(state, fact):
                yield fact
        elif kind in ROUTINE_KINDS or kind in ("operator_class", "operator_family"):
            yield from sorted(fact for fact in state.facts if fact.kind == kind and fact.name[:2] == name)
        elif (fact := FactId(kind, name)) in state.facts:
            yield fact


def has(state: Snapshot, fact: FactId) -> bool:
    """Whether there is such a fact; labels of an enum are no facts of their own."""
    if fact.kind != "enum_label":
        return fact in state.facts
    enum = state.find(FactId("enum", fact.name[:2]))
    labels = enum.get("labels") if enum is not None else None
    return isinstance(labels, list) and fact.name[2] in labels


def _beside(new: FactId, old_name: Sequence[str]) -> FactId:
    """The old identity where nothing above it was renamed: same schema, same table, same arguments."""
    match _LEVELS.get(new.kind, 1):
        case 0:
            return FactId(new.kind, (old_name[-1],))
        case 2:
            return FactId(new.kind, (*new.name[:2], old_name[-1]))
        case _ if len(new.name) == 1:
            return FactId(new.kind, (old_name[-1],))
        case _:
            schema = old_name[-2] if len(old_name) > 1 else new.name[0]
            return FactId(new.kind, (schema, old_name[-1], *new.name[2:]))


@dataclass(kw_only=True)
class _Wanted:
    """The renames asked for, from the top down: what a table was called decides what its columns were called."""

    desired: Snapshot
    live: Snapshot
    recorded: Snapshot | None
    earlier: frozenset[tuple[FactId, FactId]]
    renames: dict[FactId, Rename] = field(default_factory=dict[FactId, Rename])
    misspelt: list[tuple[Rename, FactId]] = field(default_factory=list[tuple[Rename, FactId]])
    warnings: list[str] = field(default_factory=list[str])
    _claims: dict[FactId, Rename] = field(default_factory=dict[FactId, Rename])

    def add(self, hint: Hint, new: FactId) -> None:
        if new.kind in _NOT_RENAMABLE:
            raise SourceError(f"{hint.where}: {new} cannot be renamed", hint="remove the hint")
        now = self.in_live(new)
        old = self._old(hint, new, now)
        rename = Rename(old=old, new=new, where=hint.where)
        if old == now:
            raise SourceError(f"{hint.where}: {new} is renamed from itself", hint="remove the hint")
        claimed = self._claims.setdefault(old, rename)
        if claimed.new != new:
            raise SourceError(
                f"{hint.where}: {old} cannot become {new}, as {claimed.where} makes it {claimed.new}",
                hint="remove one of the two hints",
            )
        other = self.renames.setdefault(new, rename)
        if other.old != old:
            raise SourceError(
                f"{hint.where}: {new} is renamed from {old}, and at {other.where} from {other.old}",
                hint="remove one of the two hints",
            )

    def in_live(self, fact: FactId) -> FactId:
        """The name under which live has what the declaration calls `fact`, but for the fact's own rename."""
        if fact.kind == "schema" or len(fact.name) == 1:
            return fact
        schema = self._applied(FactId("schema", fact.name[:1]))
        if _LEVELS.get(fact.kind, 1) != 2:
            return FactId(fact.kind, (*schema.name, *fact.name[1:]))
        owner = self.owner(fact)
        return FactId(fact.kind, (*self._applied(owner).name[:2], *fact.name[2:])) if owner is not None else fact

    def owner(self, fact: FactId) -> FactId | None:
        """The declared relation or type that the fact is a part of."""
        if fact.kind == "enum_label":
            return FactId("enum", fact.name[:2])
        return self.desired.parent(fact)

    def _applied(self, fact: FactId) -> FactId:
        rename = self.renames.get(fact)
        if rename is not None and self._applies(rename):
            return rename.old
        return self.in_live(fact)

    def _applies(self, rename: Rename) -> bool:
        if not has(self.live, rename.old):
            return False
        if not has(self.live, self.in_live(rename.new)) and not has(self.live, rename.new):
            return True
        # Both are there. Two names that change places look the same before and after: only the record can tell.
        swaps = rename.old in {self.in_live(new) for new in self.renames if new.kind == rename.new.kind}
        return swaps and self.recorded is not None and (rename.old, rename.new) not in self.earlier

    def _old(self, hint: Hint, new: FactId, now: FactId) -> FactId:
        given = hint.argument
        if _LEVELS.get(new.kind, 1) != 2:
            return _beside(now, given)
        above = given[:-1]
        for name in (now.name[:2], new.name[:2]):
            if not above or above == name[-len(above) :]:
                return _beside(now, given)
        raise SourceError(
            f"{hint.where}: {new} cannot come from {'.'.join(given)}: it would have to move to another table",
            hint="write the old name alone",
        )

    def applying(self) -> Iterable[Rename]:
        """Those to be made, what holds others first."""
        return [rename for rename in self.renames.values() if self._applies(rename)]

    def refuse_misspelt(self) -> None:
        """Raises SourceError for an old name that live does not have where something of its kind would be dropped."""
        for rename in self.renames.values():
            now = self.in_live(rename.new)
            if has(self.live, rename.old):
                if not self._applies(rename) and not has(self.desired, rename.old):
                    self.warnings.append(f"{rename.where}: {rename.old} is left as it is, as there is {now} already")
                continue
            if has(self.live, now) or has(self.live, rename.new):
                continue
            lost = sorted(self._would_be_dropped(now))
            if lost:
                raise SourceError(
                    f"{rename.where}: there is neither {rename.old} nor {now} in the database",
                    hint=f"{lost[0]} would be dropped: is that the old name? if not, remove the hint",
                )

    def _would_be_dropped(self, now: FactId) -> Iterable[FactId]:
        declared = {self._applied(fact) for fact in self.desired.facts if fact.kind == now.kind}
        olds = {rename.old for rename in self.renames.values()}
        is_part = _LEVELS.get(now.kind, 1) == 2
        for fact in self.live.facts:
            if fact.kind != now.kind or fact in declared or fact in olds:
                continue
            if fact.name[: 2 if is_part else 1] != now.name[: 2 if is_part else 1]:
                continue
            if is_part or (self.recorded is not None and fact in self.recorded.facts):
                yield fact
