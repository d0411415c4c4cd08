"""Indexes that no constraint owns. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler import hazards
from reconciler.ddl import online, shadow
from reconciler.ddl.constraints import index_marks
from reconciler.ddl.names import qualified
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.tables import changed_options
from reconciler.ddl.text import Part, compose, name, raw
from reconciler.plan import Hazard, LockMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.snapshot import Definition, FactId

__all__ = ["IndexRule"]


# As pg_get_indexdef prints them: WITH (fillfactor='70', deduplicate_items=off).
_OPTIONS = re.compile(r" WITH \(\w+=(?:\w+|'[^']*')(?:, \w+=(?:\w+|'[^']*'))*\)")


def _without_options(definition: Definition) -> str:
    using = str(definition["using"])
    return _OPTIONS.sub("", using, count=1) if "options" in definition else using


class IndexRule(Rule):
    """Plain, unique, partial, expression and partitioned indexes."""

    kinds = ("index",)
    rank = 48
    unfold = 2

    def before(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """An index of a partitioned table adopts those of its partitions, so they are made first."""
        return context.adopted(fact)

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        table, definition = context.goal.parent(fact), context.new(fact)
        assert table is not None
        unique = bool(definition.get("unique"))
        found: list[Hazard] = []
        size = context.sizes.get(table)
        if context.persists(table) and unique:
            found.append(hazards.may_fail(fact, "fails if a value is twice there", size))
        build = self._text(fact, unique=unique, using=raw(shadow.on_shadows(str(definition["using"]), fact, context)))
        if online.builds_online(fact, context):
            yield from online.build_index(fact, build, tuple(found), context)
        else:
            if context.persists(table):
                found.insert(0, hazards.blocks_writes(table, f"{fact} is built", size))
            text = build(fact.name[2], concurrently=False)
            yield Draft(sql=text, hazards=tuple(found), lock=LockMode.SHARE, locks=table)
        yield from self._settings(fact, {}, definition, context)

    def _text(self, fact: FactId, *, unique: bool, using: Part) -> online.IndexText:
        def build(index: str, *, concurrently: bool) -> str:
            words = raw("UNIQUE " if unique else ""), raw("CONCURRENTLY " if concurrently else "")
            return compose("CREATE {}INDEX {}{} ON {} {}", *words, name(index), qualified(fact), using)

        return build

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        if context.goes_with_parent(fact) or online.is_replaced_online(fact, context):
            return
        if online.goes_with_its_column(fact, context):
            return
        if fact in context.creates and context.old(fact).get("invalid") and online.builds_online(fact, context):
            return  # what a build left that failed goes where the next one begins
        if (concurrently := online.drop_index(fact, context)) is not None:
            yield concurrently
            return
        yield Draft(
            sql=compose("DROP INDEX {}", name(fact.name[0], fact.name[2])),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=context.live.parent(fact),
        )

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        if "parent" in changed and "parent" not in context.new(fact):
            return False
        if "using" in changed and _without_options(context.old(fact)) != _without_options(context.new(fact)):
            return False
        return changed <= {
            "clustered", "options", "parent", "replica_identity", "statistics", "tablespace", "using"
        }  # fmt: skip

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        table, old, new = context.goal.parent(fact), context.old(fact), context.new(fact)
        assert table is not None
        owners = context.goal.automatic.get(fact, frozenset())
        if "parent" in context.changed(fact) and not owners & context.creates:
            text = compose(
                "ALTER INDEX {} ATTACH PARTITION {}", raw(str(new["parent"])), name(fact.name[0], fact.name[2])
            )
            yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
        yield from self._settings(fact, old, new, context)

    def _settings(self, fact: FactId, old: Definition, new: Definition, context: Context) -> Iterable[Draft]:
        table = context.goal.parent(fact)
        index = name(fact.name[0], fact.name[2])
        texts: list[str] = []
        if old:
            before, after = (cast("list[str]", definition.get("options") or []) for definition in (old, new))
            texts += changed_options(raw(compose("ALTER INDEX {}", index)), before, after)
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
        for text in (*texts, *index_marks(fact, old, new, context)):
            yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)

    def claims(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", fact.name[0], fact.name[2])
        for mark in ("clustered", "replica_identity"):
            if definition.get(mark):
                yield (mark, *fact.name[:2])
