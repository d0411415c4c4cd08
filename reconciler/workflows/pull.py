"""What live has and the files that declare it have not, as changes of these files. Does I/O, only reads.

The rule: a column or a constraint that a CREATE TABLE lists is changed in that list; where something else of what such
a statement makes changed, an ALTER follows it. Any other statement that made what changed is written again in its
place, from what live has, and a new object gets a file of its own. Which statement made what is known by asking
Postgres (`history.py`). What comes of it is built before it is given: where it does not build what live has, the whole
statement is written again, and where that does not either, nothing is given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import fetch_all, transaction
from reconciler.diff.diff import Difference, diff
from reconciler.diff.drift import compare
from reconciler.errors import ConfigError, PlanError, SourceError
from reconciler.model.facts import FactId
from reconciler.model.hazards import HazardKind
from reconciler.options import Proof, WhenBehind
from reconciler.source.files import FileChange, changed_files
from reconciler.source.reading import source_from_parts
from reconciler.workflows.file_edits import IMPLIED, CannotWriteError, Change, Way, whole_of
from reconciler.workflows.history import read_history
from reconciler.workflows.make_plan import plan_source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.db.session import Session
    from reconciler.model.facts import Definition
    from reconciler.options import Options
    from reconciler.results import PlanResult
    from reconciler.source.files import DeclaredFiles
    from reconciler.source.source import Source

__all__ = ["Pull", "plan_pull"]

# What live has although no source says it, and a source can say.
_SAYABLE = frozenset({"owner", "privileges", "security_label"})
_ATTEMPTS = 8
# Only these need quotes wherever a name may stand.
_KEYWORDS = "select word from pg_catalog.pg_get_keywords() where catcode operator(pg_catalog.<>) 'U'::\"char\""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """The files' changes after which they declare what live has of `objects`, and the source that they are then.

    `pending` are the objects that differ and were not asked for.
    """

    changes: tuple[FileChange, ...]
    objects: tuple[FactId, ...] = ()
    pending: tuple[FactId, ...] = ()
    source: Source | None = None


def plan_pull(
    session: Session,
    plugin: str,
    files: DeclaredFiles,
    options: Options,
    *,
    objects: Sequence[str] = (),
    only: Collection[str] | None = None,
    recorded: bool = False,
) -> Pull:
    """The changes of the files that make them declare what live has, of all that differs or of `objects` alone.

    Of the objects in `only` those that do not differ are left out. With `recorded` only what live has as it is
    recorded is pulled, which is no drift. What is in a shared schema and neither declared nor recorded is pulled where
    `objects` names it. Raises SourceError where a file that would have to change cannot be written, or no change of the
    files builds what live has; ConfigError where an object does not differ.
    """
    options = replace(
        options,
        proof=Proof.OFF,
        when_behind=WhenBehind.APPLY,
        allow=frozenset({*options.allow, HazardKind.EMPTY_SOURCE}),
    )
    puller = _Puller(session, plugin, files, options, recorded=recorded)
    found = puller.look(files.source)
    differing = puller.differing(found)
    chosen = _chosen(found, differing, objects)
    if only is not None:
        chosen = frozenset(owner for owner in chosen if owner.key in only)
    if not chosen:
        return Pull(changes=(), pending=tuple(sorted(differing)), source=files.source)
    source = puller.pulled(found, differing, chosen)
    return Pull(
        changes=changed_files(files, source.parts),
        objects=tuple(sorted(chosen)),
        pending=tuple(sorted(differing.keys() - chosen)),
        source=source,
    )


def _differing(found: PlanResult, *, recorded: bool) -> dict[FactId, dict[FactId, Difference]]:
    """Each object that live has otherwise than it is declared: its facts, `before` as live has them."""
    differences = {each.fact: each for each in diff(found.live, found.goal.snapshot)}
    assert found.renamed is not None  # only a plan that was read from a file has none
    record = found.recorded.snapshot if found.recorded else None
    states = compare(record, found.live, found.goal)
    if recorded:
        drifted = {fact for state in states for fact in state.moved}
        differences = {fact: each for fact, each in differences.items() if fact not in drifted}
    else:
        # What was granted or given away by hand follows live, unless the source says something of it.
        for state in states:
            for fact in state.moved & found.goal.following:
                if fact.kind in _SAYABLE and fact in found.live and fact not in differences:
                    before = None if record is None else record.facts.get(fact)
                    differences[fact] = Difference(fact=fact, before=found.live.facts[fact], after=before)
    owners: dict[FactId, dict[FactId, Difference]] = {}
    for fact, difference in differences.items():
        owners.setdefault(whole_of(fact, found.live, found.goal.snapshot), {})[fact] = difference
    return owners


def _chosen(
    found: PlanResult, differing: dict[FactId, dict[FactId, Difference]], objects: Sequence[str]
) -> frozenset[FactId]:
    """The objects that are pulled. What belongs to nobody and is named becomes a difference. Raises ConfigError."""
    if not objects:
        return frozenset(differing)
    known = {owner.key: owner for owner in differing}
    foreign = {
        found.live.object_of(fact).key: found.live.object_of(fact) for fact in found.goal.foreign & set(found.live)
    }
    for key in objects:
        if key in known:
            continue
        owner = foreign.get(key)
        if owner is None:
            is_there = any(fact.key == key for fact in found.live.facts)
            raise ConfigError(
                f"{key} is in live as it is declared" if is_there else f"{key} is neither in live nor declared",
                hint=f"what differs: {', '.join(sorted(known)) or 'nothing'}",
            )
        facts = [owner, *found.live.descendants(owner)]
        differing[owner] = {
            fact: Difference(fact=fact, before=found.live.facts[fact], after=None)
            for fact in facts
            if fact.kind not in IMPLIED
        }
        known[key] = owner
    return frozenset(known[key] for key in objects)


class _Puller:
    """Changes a source until it builds what live has of some objects."""

    def __init__(
        self, session: Session, plugin: str, files: DeclaredFiles, options: Options, *, recorded: bool
    ) -> None:
        self._session = session
        self._plugin = plugin
        self._files = files
        self._options = options
        self._recorded = recorded
        self._user = session.user
        with transaction(session.connection):
            self._keywords = frozenset(str(word) for (word,) in fetch_all(session.connection, _KEYWORDS))

    def look(self, source: Source) -> PlanResult:
        """How live and the source differ."""
        with transaction(self._session.connection, force_rollback=True):
            return plan_source(self._session, self._plugin, source, self._options, to_look=True)

    def differing(self, found: PlanResult) -> dict[FactId, dict[FactId, Difference]]:
        """What is to be pulled, by object."""
        return _differing(found, recorded=self._recorded)

    def pulled(
        self,
        found: PlanResult,
        differing: Mapping[FactId, Mapping[FactId, Difference]],
        chosen: frozenset[FactId],
    ) -> Source:
        """The source after the changes. Raises SourceError where none of them do."""
        left, others = _facts_of(differing, chosen), _facts_of(differing, differing.keys() - chosen)
        source, way = self._files.source, Way.LISTS
        why = "each change of them asks for another"
        for _ in range(_ATTEMPTS):
            try:
                changed = self._changed(source, found, left, way)
                seen = self.look(changed)
            except CannotWriteError:
                raise
            except (SourceError, PlanError) as error:
                why = f"the changed files cannot be built: {error.message}"
            else:
                now = self.differing(seen)
                still, beside = _facts_of(now, chosen), _facts_of(now, now.keys() - chosen)
                if not still and _texts(beside) == _texts(others):
                    return changed
                if _texts(still) != _texts(left) and beside.keys() <= others.keys():
                    source, found, left = changed, seen, still
                    continue
                names = ", ".join(map(str, sorted([*still, *(beside.keys() - others.keys())])))
                why = f"the changed files would not build these as live has them: {names}"
            if way is Way.WHOLE:
                break
            way = Way(way + 1)
        raise SourceError(
            f"no change of the files was found that builds what live has: {why}",
            hint="change the files by hand (`reconciler plan` shows what differs), or pull the other objects alone"
            " with --object",
            left="no file was changed",
        )

    def _changed(self, source: Source, found: PlanResult, left: Mapping[FactId, Difference], way: Way) -> Source:
        following = frozenset(fact for fact, difference in left.items() if _follows(difference))
        if len(following) == len(left):
            following = frozenset[FactId]()
        first = {fact: difference for fact, difference in left.items() if fact not in following}
        effects = read_history(self._session, found, source, first.keys())
        change = Change(source, self._files, found, first, following, effects, way, self._user, self._keywords)
        parts = change.parts()
        return source_from_parts(parts, source.description)


def _facts_of(
    differing: Mapping[FactId, Mapping[FactId, Difference]], chosen: Collection[FactId]
) -> dict[FactId, Difference]:
    return {fact: each for owner, facts in differing.items() if owner in chosen for fact, each in facts.items()}


def _follows(difference: Difference) -> bool:
    """Whether a child table has it, or had it, because its parent has."""
    text = difference.before or difference.after
    definition = {} if text is None else cast("Definition", json.loads(text))
    return bool(definition.get("inherited")) or "parent" in definition


def _texts(differences: Mapping[FactId, Difference]) -> dict[FactId, tuple[str | None, str | None]]:
    return {fact: (each.before, each.after) for fact, each in differences.items()}
