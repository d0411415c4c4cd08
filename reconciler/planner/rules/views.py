"""Views and materialized views. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId
from reconciler.planner.columns.clauses import view_column_settings
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.options import changed_options, options_clause
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["MaterializedViewRule", "ViewRule", "reading_each_other", "reads_one_of"]


def _query(definition: Definition) -> str:
    return str(definition["definition"]).strip().removesuffix(";")


class ViewRule(Rule):
    """Views: replaced in place where Postgres allows it, that is where columns are only added at the end."""

    kinds = ("view",)
    rank = 60

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts = (qualified(fact), options_clause(new))
        text = compose("CREATE VIEW {}{} AS\n{}", *parts, raw(_query(new)))
        if _reads_itself(fact, context.goal):
            yield StatementDraft(sql=compose("CREATE VIEW {}{} AS\nSELECT {}", *parts, _no_values(fact, context)))
            text = compose("CREATE OR REPLACE VIEW {}{} AS\n{}", *parts, raw(_query(new)))
        yield StatementDraft(sql=text)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield exclusive(compose("DROP VIEW {}", qualified(fact)), fact)

    def in_place(self, fact: FactId, context: Context) -> bool:
        if not context.changed(fact) - {"options"}:
            return True
        before, after = context.columns(fact, context.live), context.columns(fact, context.goal)
        return after[: len(before)] == before

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = context.old(fact), context.new(fact)
        if "definition" in context.changed(fact):
            options = options_clause(new)
            text = compose("CREATE OR REPLACE VIEW {}{} AS\n{}", qualified(fact), options, raw(_query(new)))
            yield exclusive(text, fact)
            return
        alter = raw(compose("ALTER VIEW {}", qualified(fact)))
        before, after = (cast("list[str]", definition.get("options") or []) for definition in (old, new))
        for text in changed_options(alter, before, after):
            yield exclusive(text, fact)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", *fact.name)
        yield ("type", *fact.name)


def _reads_itself(view: FactId, state: Snapshot) -> bool:
    """Whether the view was replaced by one over itself: no query can read it, but it is there."""
    return any(state.object_of(needed) == view for needed in state.dependencies.get(view, ()))


def _no_values(view: FactId, context: Context) -> Part:
    """NULLs of the types of the view's columns, for as long as it cannot be what it reads from."""
    found: list[Part] = []
    for column in (FactId("column", (*view.name, each)) for each, _ in context.columns(view, context.goal)):
        definition = context.new(column)
        collation = compose(" COLLATE {}", raw(str(definition["collation"]))) if "collation" in definition else ""
        value = compose("NULL::{}{} AS {}", raw(str(definition["type"])), raw(collation), name(column.name[2]))
        found.append(raw(value))
    return joined(found)


def reading_each_other(context: Context) -> Sequence[FactId]:
    """Views that would be created or dropped and that read from each other: no order of statements can do that."""
    for facts, state in ((context.creates, context.goal), (context.drops, context.live)):
        views = sorted(fact for fact in facts if fact.kind == "view")
        reads: dict[FactId, set[FactId]] = {
            view: {state.object_of(each) for each in state.dependencies.get(view, ())}.intersection(views) - {view}
            for view in views
        }
        # What reads from nothing of these can be created first, or dropped last; the rest reads in a cycle.
        while first := [view for view, others in reads.items() if not others]:
            for view in first:
                del reads[view]
            reads = {view: others.difference(first) for view, others in reads.items()}
        read = {each for others in reads.values() for each in others}
        while above := reads.keys() - read:
            for view in above:
                del reads[view]
            read = {each for others in reads.values() for each in others}
        if reads:
            return sorted(reads)
    return ()


def _stays_empty(fact: FactId, context: Context) -> bool:
    """Whether the view is made WITH NO DATA: it held none, or reads from one that holds none and so cannot be read."""
    return reads_one_of(
        fact,
        lambda view: view in (context.live if view in context.live else context.goal).unpopulated,
        context.goal,
    )


def reads_one_of(fact: FactId, unfilled: Callable[[FactId], bool], state: Snapshot) -> bool:
    """Whether the view is one of those that are `unfilled`, or reads from one, through other views too."""
    seen = {fact}
    waiting = [fact]
    while waiting:
        view = waiting.pop()
        if unfilled(view):
            return True
        needed = {state.object_of(each) for each in state.dependencies.get(view, ())} - seen
        seen |= needed
        waiting += [each for each in needed if each.kind in ("view", "materialized_view")]
    return False


class MaterializedViewRule(Rule):
    """Materialized views: another query means another view, filled again where it was filled."""

    kinds = ("materialized_view",)
    rank = 61

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        method = raw(compose(" USING {}", name(str(new["access_method"]))) if "access_method" in new else "")
        space = raw(compose(" TABLESPACE {}", name(str(new["tablespace"]))) if "tablespace" in new else "")
        yield StatementDraft(
            sql=compose(
                "CREATE MATERIALIZED VIEW {}{}{}{} AS\n{}{}",
                qualified(fact),
                method,
                options_clause(new),
                space,
                raw(_query(new)),
                raw("\nWITH NO DATA" if _stays_empty(fact, context) else ""),
            )
        )
        for column in context.goal.children.get(fact, ()):
            if column.kind == "column":
                yield from view_column_settings(column, {}, context.new(column))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield exclusive(compose("DROP {}", object_phrase(fact)), fact)

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        return "definition" not in changed and ("access_method" not in changed or context.version >= 150000)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = context.old(fact), context.new(fact)
        alter = raw(compose("ALTER MATERIALIZED VIEW {}", qualified(fact)))
        before, after = (cast("list[str]", definition.get("options") or []) for definition in (old, new))
        for text in changed_options(alter, before, after):
            yield exclusive(text, fact)
        if "access_method" in context.changed(fact):
            method = name(str(new.get("access_method", "heap")))
            yield exclusive(compose("{} SET ACCESS METHOD {}", alter, method), fact)
        if "tablespace" in context.changed(fact):
            space = name(str(new.get("tablespace", "pg_default")))
            yield exclusive(compose("{} SET TABLESPACE {}", alter, space), fact)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", *fact.name)
        yield ("type", *fact.name)
