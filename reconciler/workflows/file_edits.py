"""The edits of a declaration's files that make them declare what live has. Pure: no I/O.

One attempt: which statement is written again, which list of columns is changed, what stands behind a table's last
statement, and which files are new. Whether the result builds what live has is for `pull` to find out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.planner.planner import make_plan
from reconciler.source.model_lines import model_lines
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

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.diff.diff import Difference
    from reconciler.model.plan import Statement
    from reconciler.model.snapshot import Snapshot
    from reconciler.results import PlanResult
    from reconciler.source.files import DeclaredFiles
    from reconciler.source.source import Source
    from reconciler.sqltext.edits import ListedElement
    from reconciler.sqltext.lexer import Piece
    from reconciler.workflows.history import Effect

__all__ = ["IMPLIED", "CannotWriteError", "Change", "Way", "whole_of"]

_LISTED = frozenset({"column", "default", "constraint"})
# What a CREATE statement gives its object without a word of it.
IMPLIED = frozenset({"owner", "privileges"})
_REWRITABLE = frozenset({"ALTER", "COMMENT", "CREATE", "DROP", "GRANT", "REVOKE", "SECURITY"})


class Way(IntEnum):
    """How much is written again; the next one is tried where one does not build what live has."""

    LISTS = 0  # columns and constraints within the list of their table
    LINKS_BEHIND = 1  # the same, but new foreign keys in statements of their own: tables may refer to each other
    WHOLE = 2  # each statement that made something of what changed


def whole_of(fact: FactId, *states: Snapshot) -> FactId:
    """The object that the fact is a part of, in the first of the states that has it."""
    return next((state.object_of(fact) for state in states if fact in state), fact)


class CannotWriteError(SourceError):
    """What would have to be changed is not ours to write."""


@dataclass
class Change:
    """One attempt: the edits that the differences of a source from live ask for."""

    source: Source
    files: DeclaredFiles
    found: PlanResult
    left: Mapping[FactId, Difference]
    following: Collection[FactId]  # what a partition or a child table has because its parent has it
    effects: Sequence[Effect]
    way: Way
    user: str
    keywords: frozenset[str]
    edits: dict[str, list[Edit]] = field(default_factory=dict[str, "list[Edit]"])
    made: dict[str, str] = field(default_factory=dict[str, str])  # new files
    ends: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])  # what is added at the end of files
    done: set[FactId] = field(default_factory=set["FactId"])  # what the lists of tables have by now

    def __post_init__(self) -> None:
        self.pieces = _pieces_of(self.source)
        self.live, self.declared = self.found.live.without(self.following), self.found.goal.snapshot
        owners = {whole_of(fact, self.live, self.declared) for fact in self.left}
        self.gone = {owner for owner in owners if owner not in self.live}
        self.heads = self._heads()
        self.again: set[FactId] = set()  # what the statements that are written again made

    def parts(self) -> tuple[SourcePart, ...]:
        """The texts of the source after the edits."""
        rewritten = [effect for effect in self.effects if self._is_rewritten(effect)]
        for effect in rewritten:
            verb = leading_keywords(effect.statement.sql)[:1]
            if not _REWRITABLE.issuperset(verb):
                raise CannotWriteError(
                    f"{effect.statement.where}: a statement that runs something makes"
                    f" {min(effect.facts.keys() & self.left.keys())}, and is not written again",
                    hint="change it by hand, or pull the other objects alone with --object",
                    left="no file was changed",
                )
            for fact in effect.facts:
                if fact in self.left or not (fact.kind in IMPLIED and verb == ("CREATE",)):
                    self.again.add(fact)
        for table, effect in self.heads.items():
            self._edit_list(table, effect, self.again)
        self._write_again(rewritten, (self.again | self.left.keys()) - self.done)
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
        for effect in self.effects if self.way is not Way.WHOLE else ():
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
                if listed or self.way is Way.LISTS or not self._is_link(fact):
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
        listed = {each.name: each for each in listed_elements(sql) or () if each.kind == "column"}
        found: ListedElement | None = None
        for fact in self.live:
            if fact.kind == "column" and fact.name[:2] == table.name:
                if fact.name[2] == name:
                    break
                found = listed.get(fact.name[2]) or found
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
            owner = self._with_its_table(whole_of(min(touched), self.live, self.declared))
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
            elif fact.kind in IMPLIED and fact not in self.again and (difference := self.left[fact]).after is not None:
                base[fact] = difference.after
        plan = make_plan(self.live.with_facts(base), self.live.with_facts(goal), current_user=self.user)
        if plan.unmodelled:
            raise CannotWriteError(
                f"{plan.unmodelled[0].fact} is of a kind that cannot be written",
                hint="change the files by hand, or pull the other objects alone with --object",
                left="no file was changed",
            )
        return plan.statements

    def _text(self, statement: Statement) -> str:
        if statement.masked or with_placeholders(statement.sql)[1]:
            raise CannotWriteError(
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
            if any(whole_of(fact, self.live, self.declared) == owner for fact in effect.facts)
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
                raise CannotWriteError(
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
            raise CannotWriteError(
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
