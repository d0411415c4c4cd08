"""What live has and the files that declare it have not, as changes of these files. Does I/O, only reads.

The rule: a column or a constraint that a CREATE TABLE lists is changed in that list; where something else of what such
a statement makes changed, an ALTER follows it. Any other statement that made what changed is written again in its
place, from what live has, and a new object gets a file of its own. Which statement made what is known by asking
Postgres (`history.py`). What comes of it is built before it is given: where it does not build what live has, the whole
statement is written again, and where that does not either, nothing is given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reconciler.db.connections import fetch_all, transaction
from reconciler.diff.diff import Difference, diff
from reconciler.diff.drift import compare
from reconciler.errors import ConfigError, PlanError, SourceError
from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.model.hazards import HazardKind
from reconciler.options import Proof, WhenBehind
from reconciler.planner.planner import make_plan
from reconciler.source.files import FileChange, changed_files
from reconciler.source.model_lines import model_lines
from reconciler.source.reading import source_from_parts
from reconciler.source.screening import leading_keywords, runnable
from reconciler.source.source import SourcePart, SourceStatement
from reconciler.sqltext.edits import (
    Edit,
    edited,
    insert_element,
    insertion,
    listed_elements,
    removal,
    remove_element,
    replace_element,
    replacement,
    with_plain_names,
)
from reconciler.sqltext.lexer import split
from reconciler.sqltext.redacted_sql import with_placeholders
from reconciler.workflows.compare import path_of
from reconciler.workflows.history import read_history
from reconciler.workflows.make_plan import plan_source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.db.session import Session
    from reconciler.model.facts import Definition
    from reconciler.model.plan import Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.results import PlanResult
    from reconciler.source.files import DeclaredFiles
    from reconciler.source.source import Source
    from reconciler.sqltext.edits import ListedElement
    from reconciler.sqltext.lexer import Piece
    from reconciler.workflows.history import Effect

__all__ = ["Pull", "plan_pull"]

_LISTED = frozenset({"column", "default", "constraint"})
# What a CREATE statement gives its object without a word of it.
_IMPLIED = frozenset({"owner", "privileges"})
# What live has although no source says it, and a source can say.
_SAYABLE = frozenset({"owner", "privileges", "security_label"})
_REWRITABLE = frozenset({"ALTER", "COMMENT", "CREATE", "DROP", "GRANT", "REVOKE", "SECURITY"})
_ATTEMPTS = 8
# Only these need quotes wherever a name may stand.
_KEYWORDS = "select word from pg_catalog.pg_get_keywords() where catcode operator(pg_catalog.<>) 'U'::\"char\""


class _Way(IntEnum):
    """How much is written again; the next one is tried where one does not build what live has."""

    LISTS = 0  # columns and constraints within the list of their table
    LINKS_BEHIND = 1  # the same, but new foreign keys in statements of their own: tables may refer to each other
    WHOLE = 2  # each statement that made something of what changed


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
        owners.setdefault(_owner(fact, found.live, found.goal.snapshot), {})[fact] = difference
    return owners


def _owner(fact: FactId, *states: Snapshot) -> FactId:
    return next((state.object_of(fact) for state in states if fact in state), fact)


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
            raise ConfigError(
                f"{key} is in live as it is declared", hint=f"what differs: {', '.join(sorted(known)) or 'nothing'}"
            )
        facts = [owner, *found.live.descendants(owner)]
        differing[owner] = {
            fact: Difference(fact=fact, before=found.live.facts[fact], after=None)
            for fact in facts
            if fact.kind not in _IMPLIED
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
        source, way = self._files.source, _Way.LISTS
        why = "each change of them asks for another"
        for _ in range(_ATTEMPTS):
            try:
                changed = self._changed(source, found, left, way)
                seen = self.look(changed)
            except _CannotWriteError:
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
            if way is _Way.WHOLE:
                break
            way = _Way(way + 1)
        raise SourceError(
            f"no change of the files was found that builds what live has: {why}",
            hint="change the files by hand (`reconciler plan` shows what differs), or pull the other objects alone"
            " with --object",
            left="no file was changed",
        )

    def _changed(self, source: Source, found: PlanResult, left: Mapping[FactId, Difference], way: _Way) -> Source:
        following = frozenset(fact for fact, difference in left.items() if _follows(difference))
        if len(following) == len(left):
            following = frozenset[FactId]()
        first = {fact: difference for fact, difference in left.items() if fact not in following}
        effects = read_history(self._session, found, source, first.keys())
        change = _Change(source, self._files, found, first, following, effects, way, self._user, self._keywords)
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


class _CannotWriteError(SourceError):
    """What would have to be changed is not ours to write."""


@dataclass
class _Change:
    """One attempt: the edits that the differences of a source from live ask for."""

    source: Source
    files: DeclaredFiles
    found: PlanResult
    left: Mapping[FactId, Difference]
    following: Collection[FactId]  # what a partition or a child table has because its parent has it
    effects: Sequence[Effect]
    way: _Way
    user: str
    keywords: frozenset[str]
    edits: dict[str, list[Edit]] = field(default_factory=dict[str, "list[Edit]"])
    made: dict[str, str] = field(default_factory=dict[str, str])  # new files
    ends: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])  # what is added at the end of files
    done: set[FactId] = field(default_factory=set["FactId"])  # what the lists of tables have by now

    def parts(self) -> tuple[SourcePart, ...]:
        """The texts of the source after the edits."""
        self.pieces = _pieces_of(self.source)
        self.live, self.declared = self.found.live.without(self.following), self.found.goal.snapshot
        owners = {_owner(fact, self.live, self.declared) for fact in self.left}
        self.gone = {owner for owner in owners if owner not in self.live}
        self.heads = self._heads()
        rewritten = [effect for effect in self.effects if self._is_rewritten(effect)]
        for effect in rewritten:
            if leading_keywords(effect.statement.sql)[:1] and (
                leading_keywords(effect.statement.sql)[0] not in _REWRITABLE
            ):
                raise _CannotWriteError(
                    f"{effect.statement.where}: a statement that runs something makes"
                    f" {min(effect.facts.keys() & self.left.keys())}, and is not written again",
                    hint="change it by hand, or pull the other objects alone with --object",
                    left="no file was changed",
                )
        self.again = again = {
            fact
            for effect in rewritten
            for fact in effect.facts
            if fact in self.left
            or not (fact.kind in _IMPLIED and leading_keywords(effect.statement.sql)[:1] == ("CREATE",))
        }
        for table, effect in self.heads.items():
            self._edit_list(table, effect, again)
        self._write_again(rewritten, (again | self.left.keys()) - self.done)
        for origin, texts in self.ends.items():
            pieces = [*split(self._text_of(origin), origin)]
            last = pieces[-1] if pieces and not pieces[-1].terminated else None
            self.edits.setdefault(origin, []).append(insertion(self._text_of(origin), last, texts))
        kept = [
            SourcePart(
                origin=part.origin, text=edited(part.text, self.edits.get(part.origin, ())), warnings=part.warnings
            )
            for part in self.source.parts
        ]
        new = [SourcePart(origin=origin, text=text) for origin, text in self.made.items()]
        return (*kept, *new)

    def _heads(self) -> dict[FactId, Effect]:
        """Each table whose CREATE TABLE lists its columns, and stays, with that statement."""
        found: dict[FactId, Effect] = {}
        for effect in self.effects if self.way is not _Way.WHOLE else ():
            for fact, (before, _) in effect.facts.items():
                if (
                    fact.kind in TABLE_KINDS
                    and before is None
                    and fact in self.live
                    and fact in self.declared
                    and self._elements(effect.statement) is not None
                ):
                    found[fact] = effect
        return found

    def _elements(self, statement: SourceStatement) -> list[ListedElement] | None:
        piece = self.pieces.get(statement)
        return None if piece is None else listed_elements(piece.sql)

    def _is_rewritten(self, effect: Effect) -> bool:
        if effect in self.heads.values():
            return False
        return any(fact in self.left or self.declared.object_of(fact) in self.gone for fact in effect.facts)

    # --- lists ---------------------------------------------------------------------------------------------------

    def _edit_list(self, table: FactId, head: Effect, again: Collection[FactId]) -> None:
        """Changes the columns and constraints that the table's own statement lists."""
        piece = self.pieces[head.statement]
        inside = {
            fact
            for fact in (*self.left, *again)
            if fact.kind in _LISTED
            and fact.name[:2] == table.name
            and (fact in head.facts or fact not in self.declared)
        }
        if not inside:
            return
        wanted = self._list_of(table)
        sql = piece.sql
        columns, removed, constraints = self._changed_columns(table, sql, inside)
        for kind, name in removed:
            if (element := _element(sql, kind, name)) is not None:
                sql = remove_element(sql, element)
        for name in columns:
            text = wanted.get(("column", name))
            if text is None:
                continue
            if (element := _element(sql, "column", name)) is not None:
                sql = replace_element(sql, element, text)
            else:
                sql = insert_element(sql, text, after=self._column_before(table, name, sql))
        for name in constraints:
            text = wanted.get(("constraint", name))
            if text is None:
                continue
            if (element := _element(sql, "constraint", name)) is not None:
                sql = replace_element(sql, element, text)
            else:
                listed = listed_elements(sql)
                sql = insert_element(sql, text, after=listed[-1] if listed else None)
            self.done.add(FactId("constraint", (*table.name, name)))
        self.done |= {fact for fact in inside if fact not in self.live or fact.kind != "constraint"}
        if sql != piece.sql:
            self._edit(head.statement, Edit(piece.start, piece.start + len(piece.sql), sql))

    def _changed_columns(
        self, table: FactId, sql: str, inside: Collection[FactId]
    ) -> tuple[list[str], list[tuple[str, str]], list[str]]:
        """The columns to list as live has them, what to list no more, and the constraints to list."""
        columns: set[str] = set()
        removed: list[tuple[str, str]] = []
        constraints: list[str] = []
        for fact in sorted(inside):
            name = fact.name[2]
            if fact.kind in ("column", "default"):
                column = FactId("column", fact.name)
                if column in self.live:
                    columns.add(name)
                elif fact.kind == "column":
                    removed.append(("column", name))
                continue
            listed = _element(sql, "constraint", name) is not None
            if fact in self.live and (listed or fact not in self.declared):
                if listed or self.way is _Way.LISTS or not self._is_link(fact):
                    constraints.append(name)
            elif listed:
                removed.append(("constraint", name))
            else:  # it has no name there, or stands beside a column
                needed = self.declared.dependencies.get(fact, frozenset())
                own = {each.name[2] for each in needed if each.kind == "column" and each.name[:2] == table.name}
                columns |= {each for each in own if FactId("column", (*table.name, each)) in self.live}
        order = [fact.name[2] for fact in self.live if fact.kind == "column" and fact.name[:2] == table.name]
        return [name for name in order if name in columns], removed, constraints

    def _is_link(self, constraint: FactId) -> bool:
        return self.live.definition(constraint)["type"] == "foreign_key"

    def _column_before(self, table: FactId, name: str, sql: str) -> ListedElement | None:
        """The listed column behind which live has this one."""
        found: ListedElement | None = None
        for fact in self.live:
            if fact.kind == "column" and fact.name[:2] == table.name:
                if fact.name[2] == name:
                    break
                found = _element(sql, "column", fact.name[2]) or found
        return found

    def _list_of(self, table: FactId) -> dict[tuple[str, str], str]:
        """What CREATE TABLE would list for the table as live has it: kind and name -> its text."""
        own = {table, *self.live.descendants(table)}
        inner = {fact for fact in own if fact == table or fact.kind in _LISTED}
        links = set(self.live.inheritances.get(table.name, ()))  # of its children, which follow it
        without = (own - inner) | links
        base = {fact: text for fact, text in self.live.facts.items() if fact not in own and fact not in links}
        goal = {fact: text for fact, text in self.live.facts.items() if fact not in without}
        plan = make_plan(self.live.with_facts(base), self.live.with_facts(goal), current_user=self.user)
        for statement in plan.statements:
            text = self._text(statement)
            elements = listed_elements(text) if table in statement.creates else None
            if elements:
                return {
                    (each.kind, each.name): text[each.start : each.end]
                    for each in elements
                    if each.kind is not None and each.name is not None
                }
        return {}

    # --- statements ----------------------------------------------------------------------------------------------

    def _write_again(self, rewritten: Sequence[Effect], facts: Collection[FactId]) -> None:
        """Puts what live has of the facts in the place of the statements that made them."""
        texts: dict[SourceStatement, list[str]] = {effect.statement: [] for effect in rewritten}
        behind: dict[SourceStatement, list[str]] = {}
        for statement in self._plan(facts):
            touched = {*statement.creates, *statement.alters, *statement.drops}
            if leading_keywords(statement.sql)[:1] == ("SELECT",):
                continue  # it is about rows, as the value that a sequence is at
            text = self._text(statement)
            place = next((effect.statement for effect in rewritten if touched & effect.facts.keys()), None)
            owner = self._with_its_table(_owner(min(touched), self.live, self.declared))
            place = place or self._last_about(owner)
            if place is None:
                self._add_new(owner, text)
            elif place in texts:
                texts[place].append(text)
            else:
                behind.setdefault(place, []).append(text)
        for place, written in texts.items():
            piece = self.pieces[place]
            edit = replacement(piece, written) if written else removal(self._text_of(place.origin), piece)
            self._edit(place, edit)
        for place, added in behind.items():
            self._edit(place, insertion(self._text_of(place.origin), self.pieces[place], added))

    def _plan(self, facts: Collection[FactId]) -> Sequence[Statement]:
        """The statements that make these facts as live has them."""
        if not facts:
            return ()
        made = {effect.statement: effect for effect in self.heads.values()}
        heads = {fact: texts for effect in made.values() for fact, texts in effect.facts.items()}
        own: set[FactId] = set()
        for fact in facts:
            if fact in self.live and fact not in heads and self.live.object_of(fact) == fact:
                own |= {fact, *self.live.descendants(fact)}
        base = {fact: text for fact, text in self.live.facts.items() if fact not in facts and fact not in own}
        goal = {fact: text for fact, text in self.live.facts.items() if fact not in own or fact in facts}
        for fact in facts:
            # What the statement of a table made, and its list does not tell, is altered behind it.
            if (texts := heads.get(fact)) is not None and texts[1] is not None:
                base[fact] = texts[1]
            elif fact.kind in _IMPLIED and fact not in self.again and (difference := self.left[fact]).after is not None:
                base[fact] = difference.after
        plan = make_plan(self.live.with_facts(base), self.live.with_facts(goal), current_user=self.user)
        if plan.unmodelled:
            raise _CannotWriteError(
                f"{plan.unmodelled[0].fact} is of a kind that cannot be written",
                hint="change the files by hand, or pull the other objects alone with --object",
                left="no file was changed",
            )
        return plan.statements

    def _text(self, statement: Statement) -> str:
        if statement.masked or with_placeholders(statement.sql)[1]:
            raise _CannotWriteError(
                f"{min((*statement.creates, *statement.alters))} has a secret, which no file is given",
                hint="change the files by hand, or pull the other objects alone with --object",
                left="no file was changed",
            )
        return with_plain_names(statement.sql.strip().rstrip(";"), self.keywords)

    def _with_its_table(self, owner: FactId) -> FactId:
        """For a new sequence of a column the column's table."""
        owned = self.live.find(FactId("owned_by", owner.name)) if owner not in self.declared else None
        if owned is None:
            return owner
        return FactId("table", (str(owned["schema"]), str(owned["table"])))

    def _last_about(self, owner: FactId) -> SourceStatement | None:
        """The last statement that made something of the object, in the file of the first."""
        about = [
            effect.statement
            for effect in self.effects
            if any(_owner(fact, self.live, self.declared) == owner for fact in effect.facts)
            and (self.found.goal.snapshot.facts.keys() & effect.facts.keys())
            and effect.statement in self.pieces
        ]
        if owner not in self.declared or not about:
            return None
        beside = [statement for statement in about if statement.origin == about[0].origin]
        return max(beside, key=lambda statement: self.pieces[statement].start)

    def _add_new(self, owner: FactId, text: str) -> None:
        """A file of its own for what no file declares, or the end of the last one."""
        if self.files.folder is None:
            writable = [part.origin for part in self.source.parts if part.origin in self.files.paths]
            if not writable:
                reasons = "; ".join(f"{origin}: {why}" for origin, why in self.files.fixed.items())
                raise _CannotWriteError(
                    f"there is no file to write {owner} to: {reasons}",
                    hint=self._paste() or "change what makes the source by hand",
                    left="no file was changed",
                )
            self._append(writable[-1], text)
            return
        origin = str(Path(self.files.folder[0]) / path_of(owner))
        if any(part.origin == origin for part in self.source.parts):
            self._append(origin, text)
        else:
            self.made[origin] = f"{self.made.get(origin, '')}{text};\n"

    def _append(self, origin: str, text: str) -> None:
        """The statement at the end of a file, behind those that were put there before."""
        self.ends.setdefault(origin, []).append(text)

    def _text_of(self, origin: str) -> str:
        return next(part.text for part in self.source.parts if part.origin == origin)

    def _paste(self) -> str:
        """Where Python makes the source the lines that its models lack; else empty."""
        if not any(origin.startswith("python:") for origin in self.files.fixed):
            return ""
        lines = "\n".join(f"  {line}" for line in model_lines(self.left, self.live.facts))
        return f"change the models; what live has is, in the words of SQLAlchemy:\n{lines}"

    def _edit(self, statement: SourceStatement, edit: Edit) -> None:
        if (why := self.files.fixed.get(statement.origin)) is not None:
            raise _CannotWriteError(
                f"{statement.where} would have to change, and {statement.origin} is not written: {why}",
                hint=self._paste() or "change it by hand, or pull the other objects alone with --object",
                left="no file was changed",
            )
        self.edits.setdefault(statement.origin, []).append(edit)


def _element(sql: str, kind: str, name: str) -> ListedElement | None:
    return next((each for each in listed_elements(sql) or () if (each.kind, each.name) == (kind, name)), None)


def _pieces_of(source: Source) -> dict[SourceStatement, Piece]:
    """Where each statement stands in the text of its part."""
    return {
        SourceStatement(sql=runnable(piece.sql), origin=part.origin, line=piece.line): piece
        for part in source.parts
        for piece in split(part.text, part.origin)
    }
