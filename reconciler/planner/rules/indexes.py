"""Indexes that no constraint owns. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode
from reconciler.planner.checks import constraint_checks
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.online import concurrent_indexes, exchanged_columns
from reconciler.planner.partitions import index_attachment, tree
from reconciler.planner.partitions.index_pairing import without_options
from reconciler.planner.rules.constraints import attachments, index_marks
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.options import changed_options
from reconciler.planner.sql.quoting import Part, compose, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Check
    from reconciler.model.facts import Definition, FactId
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["IndexRule"]


class IndexRule(Rule):
    """Plain, unique, partial, expression and partitioned indexes."""

    kinds = ("index",)
    rank = 48
    unfold_priority = 2

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """An index of a partitioned table adopts those of its partitions, so they are made first."""
        return context.adopted(fact)

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        table, definition = context.goal.parent(fact), context.new(fact)
        assert table is not None
        unique = bool(definition.get("unique"))
        found: list[Hazard] = []
        size = context.sizes.get(table)
        joined = index_attachment.is_joined(fact, context)
        if context.persists(table) and unique and not joined:
            found.append(hazards.may_fail(fact, "fails if a value is duplicated", size))
        using = raw(exchanged_columns.on_replacements(str(definition["using"]), fact, context))
        build = self._text(fact, unique=unique, using=using, alone=index_attachment.is_made_alone(fact, context))
        if concurrent_indexes.builds_online(fact, context):
            yield from concurrent_indexes.build_index(fact, build, tuple(found), context)
        else:
            if context.persists(table) and not joined:
                found.insert(0, hazards.blocks_writes(table, f"{fact} is built", size))
            text = build(fact.name[2], concurrently=False)
            brief = joined and context.online is not None
            yield StatementDraft(sql=text, hazards=tuple(found), lock=LockMode.SHARE, locks=table, brief=brief)
        yield from attachments(fact, context)
        yield from self._settings(fact, {}, definition, context)

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        return constraint_checks.index_checks(fact, context) if fact in context.creates else ()

    def _text(self, fact: FactId, *, unique: bool, using: Part, alone: bool) -> concurrent_indexes.IndexText:
        def build(index: str, *, concurrently: bool) -> str:
            words = raw("UNIQUE " if unique else ""), raw("CONCURRENTLY " if concurrently else "")
            only = raw("ONLY " if alone else "")
            return compose("CREATE {}INDEX {}{} ON {}{} {}", *words, name(index), only, qualified(fact), using)

        return build

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        if context.goes_with_parent(fact) or concurrent_indexes.is_replaced_online(fact, context):
            return
        if concurrent_indexes.goes_with_its_column(fact, context):
            return
        if (
            fact in context.creates
            and context.old(fact).get("invalid")
            and concurrent_indexes.builds_online(fact, context)
        ):
            return  # what a build left that failed goes where the next one begins
        if (concurrently := concurrent_indexes.drop_index(fact, context)) is not None:
            yield concurrently
            return
        # A key that is attached to a plain index goes with it, but only if that is said.
        parts = context.adopted_in_live.get(fact, ())
        keys = any(part.kind == "constraint" and context.goes_with_parent(part) for part in parts)
        yield exclusive(
            compose("DROP INDEX {}{}", name(fact.name[0], fact.name[2]), raw(" CASCADE" if keys else "")),
            context.live.parent(fact),
        )

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        if "parent" in context.old(fact) and "parent" in changed and not index_attachment.leaves_parent(fact, context):
            return False
        if "invalid" in changed:
            whole = tree.is_partitioned(context.goal.parent(fact), context.goal)
            if not whole or "invalid" in context.new(fact) or not index_attachment.attaches(fact, context):
                return False
        if "using" in changed and without_options(context.old(fact)) != without_options(context.new(fact)):
            return False
        return changed <= {
            "clustered", "invalid", "options", "parent", "replica_identity", "statistics", "tablespace", "using"
        }  # fmt: skip

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        table, old, new = context.goal.parent(fact), context.old(fact), context.new(fact)
        assert table is not None
        yield from attachments(fact, context)
        yield from self._settings(fact, old, new, context)

    def _settings(self, fact: FactId, old: Definition, new: Definition, context: Context) -> Iterable[StatementDraft]:
        table = context.goal.parent(fact)
        index = name(fact.name[0], fact.name[2])
        texts: list[str] = []
        if old:
            before, after = (cast("list[str]", definition.get("options") or []) for definition in (old, new))
            texts += changed_options(raw(compose("ALTER INDEX {}", index)), before, after, in_order=True)
        if old.get("tablespace") != new.get("tablespace"):
            space = name(str(new.get("tablespace", "pg_default")))
            texts.append(compose("ALTER INDEX {} SET TABLESPACE {}", index, space))
        if old.get("statistics") != new.get("statistics"):
            had, has = (
                dict(pair.split("=") for pair in cast("list[str]", definition.get("statistics") or []))
                for definition in (old, new)
            )
            for column in sorted(had.keys() | has.keys(), key=int):
                if had.get(column) != has.get(column):
                    target = raw(has.get(column, "-1"))
                    text = compose("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}", index, raw(column), target)
                    texts.append(text)
        for text in (*texts, *index_marks(fact, old, new)):
            yield exclusive(text, table)

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", fact.name[0], fact.name[2])
        for mark in ("clustered", "replica_identity"):
            if definition.get(mark):
                yield (mark, *fact.name[:2])
