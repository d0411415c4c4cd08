"""Constraints of tables and domains. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, Stage
from reconciler.planner.checks import constraint_checks, value_checks
from reconciler.planner.columns.given_values import stays_filled
from reconciler.planner.core import online
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.online import concurrent_indexes
from reconciler.planner.partitions import index_attachment
from reconciler.planner.partitions.index_pairing import cloning, is_cloned
from reconciler.planner.rules.domain_holders import altered_holders, dropped_holders
from reconciler.planner.sql.migra import constraint_statements
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.options import changed_options
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw
from reconciler.planner.strategies import reparent_tables
from reconciler.sqltext.constraint_definitions import alter_actions, can_alter, marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Check
    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["ConstraintRule", "DomainConstraintRule", "attachments", "index_marks", "inline_constraint"]

_INDEXED = frozenset({"primary_key", "unique", "exclude"})
_FAILS = {
    "primary_key": "fails if a value is missing or duplicated",
    "unique": "fails if a value is duplicated",
    "foreign_key": "fails if a row has no matching row",
    "check": "fails if a row violates it",
    "exclude": "fails if two conflicting key values",
}


def inline_constraint(fact: FactId, context: Context) -> Part:
    """The constraint as an element of CREATE TABLE."""
    definition = raw(str(context.new(fact)["definition"]))
    return raw(compose("CONSTRAINT {} {}", name(fact.name[2]), definition))


def attachments(fact: FactId, context: Context) -> Iterable[StatementDraft]:
    """ALTER INDEX ... ATTACH PARTITION: of those of its partitions to a new one, and of this one to its parent's."""
    if fact in context.creates and index_attachment.is_made_alone(fact, context):
        for part in context.adopted(fact):
            yield _attachment(fact, part, context)
    if index_attachment.gets_attached(fact, context):
        text = compose("ALTER INDEX {} ATTACH PARTITION {}", raw(str(context.new(fact)["parent"])), _index(fact))
        yield exclusive(text, context.goal.parent(fact))


def _attachment(whole: FactId, part: FactId, context: Context) -> StatementDraft:
    text = compose("ALTER INDEX {} ATTACH PARTITION {}", _index(whole), _index(part))
    return exclusive(text, context.goal.parent(part))


def _index(fact: FactId) -> Part:
    return name(fact.name[0], fact.name[2])


def index_marks(fact: FactId, old: Definition, new: Definition) -> Iterable[str]:
    """CLUSTER ON and REPLICA IDENTITY USING INDEX, for an index or the constraint that owns it."""
    table, index = qualified(fact), name(fact.name[2])
    if old.get("clustered") != new.get("clustered"):
        if new.get("clustered"):
            yield compose("ALTER TABLE {} CLUSTER ON {}", table, index)
        else:
            yield compose("ALTER TABLE {} SET WITHOUT CLUSTER", table)
    if new.get("replica_identity") and not old.get("replica_identity"):  # what else it becomes, the table says
        yield compose("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", table, index)


def _index_settings(fact: FactId, old: Definition, new: Definition) -> Iterable[str]:
    alter = raw(compose("ALTER INDEX {}", name(fact.name[0], fact.name[2])))
    before, after = (cast("list[str]", d.get("index_options") or []) for d in (old, new))
    yield from changed_options(alter, before, after)
    if old.get("tablespace") != new.get("tablespace"):
        yield compose("{} SET TABLESPACE {}", alter, name(str(new.get("tablespace", "pg_default"))))
    if old.get("index_comment") != new.get("index_comment"):
        text = literal(str(new["index_comment"])) if "index_comment" in new else raw("NULL")
        yield compose("COMMENT ON INDEX {} IS {}", name(fact.name[0], fact.name[2]), text)
    yield from index_marks(fact, old, new)


def _would_merge(fact: FactId, table: FactId, context: Context) -> bool:
    """Whether Postgres would make one of this constraint and a twin if they stood in one CREATE TABLE."""
    mine = _without_kind(context.new(fact))
    return mine is not None and any(
        _without_kind(context.new(other)) == mine and _goes_first(other, fact, context)
        for other in context.goal.children.get(table, ())
        if other.kind == "constraint"
    )


def _without_kind(definition: Definition) -> str | None:
    """What a key or an exclusion constraint is over, whether or not it is the primary key."""
    if definition["type"] not in _INDEXED:
        return None
    return str(definition["definition"]).removeprefix("PRIMARY KEY").removeprefix("UNIQUE")


def _goes_first(fact: FactId, other: FactId, context: Context) -> bool:
    return (context.new(fact)["type"] != "primary_key", fact) < (context.new(other)["type"] != "primary_key", other)


class ConstraintRule(Rule):
    """Primary keys, unique, check, exclusion constraints and foreign keys."""

    kinds = ("constraint",)
    rank = 45
    unfold_priority = 2

    def unfold_priority_of(self, fact: FactId, context: Context) -> int:
        """Foreign keys are what dependency cycles consist of."""
        state = context.goal if fact in context.goal else context.live
        return 0 if state.definition(fact)["type"] == "foreign_key" else self.unfold_priority

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        table, definition = context.goal.parent(fact), context.new(fact)
        plain = not definition.keys() & {
            "clustered", "index_comment", "index_options", "inherited", "invalid", "not_valid", "parent",
            "replica_identity", "tablespace",
        }  # fmt: skip
        if not plain or table is None or table.kind != "table" or _would_merge(fact, table, context):
            return None
        if index_attachment.is_made_alone(fact, context):
            return None
        return table

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        if fact in context.alters or self._is_validated_alone(fact, context):
            return False
        if fact in context.drops and not context.old(fact).get("inherited"):
            return False  # what is the table's own is dropped by a statement, though it may come again with a parent's
        return bool(self._from_parents(fact, context))

    def after_drop_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        yield from self._taking_away(fact, context)
        # What a child table has as its own would stay its own where the parent's is merged with it.
        for link in context.goal.inheritances.get(fact.name[:2], ()) if context.new(fact)["type"] == "check" else ():
            if context.persists(link):
                yield FactId("constraint", (*link.name[:2], fact.name[2]))

    def _taking_away(self, fact: FactId, context: Context) -> list[FactId]:
        """The constraints of parents with which this one is dropped, though the table keeps it as its own."""
        return self._from_parents(fact, context, context.live) if fact in context.live else []

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        yield from self._from_parents(fact, context)
        yield from (each for each in context.adopted(fact) if not is_cloned(each, context))
        if is_cloned(fact, context):
            yield from cloning(fact, context)

    def _from_parents(self, fact: FactId, context: Context, state: Snapshot | None = None) -> list[FactId]:
        """The constraints of parents that bring this one along, or take it away."""
        state = state or (context.goal if fact in context.goal else context.live)
        definition = state.definition(fact)
        if definition["type"] != "check" or not definition.get("inherited"):
            return []
        table = state.parent(fact)
        if table in context.decided.temporary_parents:
            return []
        found: list[FactId] = []
        for link in state.children.get(table, ()) if table is not None else ():
            if link.kind == "inheritance":
                whole = "bound" not in state.definition(link) and link in context.creates
                for parent in state.dependencies.get(link, ()):
                    same = FactId("constraint", (*parent.name, fact.name[2]))
                    if (
                        same in state
                        and (whole or same in context.creates or same in context.drops)
                        and (whole or context.persists(link))
                    ):
                        found.append(same)
        return found

    def _is_validated_alone(self, fact: FactId, context: Context) -> bool:
        """A check that comes from a parent NOT VALID, and is valid in this table."""
        if fact not in context.creates or "not_valid" in context.new(fact):
            return False
        above = self._from_parents(fact, context)
        return any(each in context.creates and "not_valid" in context.new(each) for each in above)

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        table, definition = context.goal.parent(fact), context.new(fact)
        assert table is not None
        kind = str(definition["type"])
        found: list[Hazard] = []
        size = context.sizes.get(table)
        lock = LockMode.SHARE_ROW_EXCLUSIVE if kind == "foreign_key" else LockMode.ACCESS_EXCLUSIVE
        may_fail = (hazards.may_fail(fact, _FAILS[kind], size),)
        if is_cloned(fact, context):
            for text in _index_settings(fact, {}, definition):
                yield StatementDraft(sql=text, lock=lock, locks=table)
            return
        if index_attachment.is_left_behind(fact, context):
            return
        if self._is_validated_alone(fact, context):
            text = compose("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(fact), name(fact.name[2]))
            yield StatementDraft(sql=text, hazards=may_fail, lock=LockMode.SHARE_UPDATE_EXCLUSIVE, locks=table)
            return
        if self._from_parents(fact, context):
            return
        if kind in ("check", "foreign_key") and self._is_validated_apart(fact, context):
            yield from online.validated(fact, lock, may_fail, context, filled=stays_filled(fact, context))
            return
        if kind in ("primary_key", "unique") and concurrent_indexes.adds_key_online(fact, context):
            build = concurrent_indexes.index_of_key(fact, context)
            assert build is not None
            yield from concurrent_indexes.key_constraint(fact, build, may_fail, context)
            for text in _index_settings(fact, {}, definition):
                yield StatementDraft(sql=text, lock=lock, locks=table)
            return
        if context.persists(table) and not definition.get("not_valid"):
            found.append(hazards.may_fail(fact, _FAILS[kind], size))
            if kind == "foreign_key":
                why = f"every row is checked for {fact}"
                found.append(hazards.blocks_writes(table, why, size))
                found += [hazards.blocks_writes(other, why, size) for other in _referenced(fact, table, context)]
            else:
                why = f"{fact} is built" if kind in _INDEXED else f"every row is checked for {fact}"
                found.append(hazards.blocks_reads_and_writes(table, why, size))
        texts = constraint_statements(fact, None, definition)
        if table in context.decided.temporary_parents and definition.get("inherited"):
            texts = [*reparent_tables.with_columns(fact, context)]
            texts.append(compose("ALTER TABLE {} ADD {}", context.via(fact), inline_constraint(fact, context)))
        elif index_attachment.is_made_alone(fact, context):
            element = inline_constraint(fact, context)
            texts = [compose("ALTER TABLE ONLY {} ADD {}", qualified(fact), element)]
        for text in texts:
            yield StatementDraft(sql=text, hazards=tuple(found), lock=lock, locks=table)
        yield from attachments(fact, context)
        for text in _index_settings(fact, {}, definition):
            yield StatementDraft(sql=text, lock=lock, locks=table)

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        before = marked(str(context.old(fact)["definition"])) if fact in context.alters else None
        return () if before is not None and before.valid else constraint_checks.constraint_checks(fact, context)

    def _is_validated_apart(self, fact: FactId, context: Context) -> bool:
        definition = context.new(fact)
        plain = not definition.keys() & {"not_valid", "inherited", "parent"}
        return plain and online.changes_online(context.goal.parent(fact), context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        if context.goes_with_parent(fact):
            return
        if any(above in context.drops for above in self._from_parents(fact, context, context.live)):
            return
        for text in constraint_statements(fact, context.old(fact), None):
            yield exclusive(text, context.live.parent(fact))

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        if "inherited" in changed and "inherited" in context.new(fact):
            return False  # what a table declares is its own for good
        if "inherited" in changed and any(above in context.drops for above in self._taking_away(fact, context)):
            return False
        if "parent" in changed and not self._can_change_parent(fact, context):
            return False
        if "invalid" in changed and ("invalid" in context.new(fact) or not index_attachment.attaches(fact, context)):
            return False
        if changed <= {
            "clustered", "index_comment", "index_options", "inherited", "invalid", "parent", "replica_identity",
            "tablespace",
        }:  # fmt: skip
            return True
        if not changed <= {"not_valid", "definition"}:
            return False
        old, new = (marked(str(definition["definition"])) for definition in (context.old(fact), context.new(fact)))
        if context.new(fact)["type"] == "foreign_key":
            return "parent" not in context.new(fact) and can_alter(old, new)
        return old._replace(valid=True) == new

    def releases(self, fact: FactId, context: Context) -> bool:
        """A foreign key stays with the index that it was made with."""
        return context.new(fact)["type"] != "foreign_key"

    def _can_change_parent(self, fact: FactId, context: Context) -> bool:
        """Whether the key can be attached, or left alone, as it is: not where it is to be created with its parent's."""
        if "parent" in context.old(fact) and not index_attachment.leaves_parent(fact, context):
            return False
        # A key that Postgres creates with its parent's has a mark that no other key gets, and that has no meaning. So
        # it is recreated only where that costs nothing.
        alike = (fact in context.goal.cloned) == (fact in context.live.cloned)
        return alike or not index_attachment.is_small(context.goal.parent(fact), context)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        table = context.goal.parent(fact)
        assert table is not None
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        yield from attachments(fact, context)
        if "definition" in changed:
            yield from self._change_marks(fact, table, context)
        for text in _index_settings(fact, old, new):
            yield exclusive(text, table)

    def _change_marks(self, fact: FactId, table: FactId, context: Context) -> Iterable[StatementDraft]:
        """When and whether the constraint holds; where it becomes ENFORCED or valid, every row is checked."""
        new = context.new(fact)
        before, after = marked(str(context.old(fact)["definition"])), marked(str(new["definition"]))
        may_fail = (hazards.may_fail(fact, _FAILS[str(new["type"])], context.sizes.get(table)),)
        constraint = name(fact.name[2])
        if actions := alter_actions(before, after):
            yield StatementDraft(
                sql=compose("ALTER TABLE {} ALTER CONSTRAINT {} {}", qualified(fact), constraint, raw(actions)),
                hazards=may_fail if after.enforced and not before.enforced else (),
                lock=LockMode.ACCESS_EXCLUSIVE,
                locks=table,
            )
        if before.enforced and after.valid and not before.valid:
            yield StatementDraft(
                sql=compose("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(fact), constraint),
                hazards=may_fail,
                lock=LockMode.SHARE_UPDATE_EXCLUSIVE,
                locks=table,
                stage=Stage.AFTER if online.changes_online(table, context) else Stage.TOGETHER,
            )

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("constraint", *fact.name)
        if definition["type"] in _INDEXED:
            yield ("relation", fact.name[0], fact.name[2])
        if definition["type"] == "primary_key":
            yield ("primary_key", *fact.name[:2])
        for mark in ("clustered", "replica_identity"):
            if definition.get(mark):
                yield (mark, *fact.name[:2])


def _referenced(fact: FactId, table: FactId, context: Context) -> Iterable[FactId]:
    """The other table of a foreign key, where it is there already: it is locked like the key's own."""
    found = {context.goal.object_of(needed) for needed in context.goal.dependencies.get(fact, ())}
    return sorted(each for each in found if each.kind == "table" and each != table and context.persists(each))


class DomainConstraintRule(Rule):
    """CHECK constraints of domains."""

    kinds = ("domain_constraint",)
    rank = 22

    def after_drop_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """Postgres looks for columns of the domain, and refuses where there are some within other types."""
        return dropped_holders(FactId("domain", fact.name[:2]), context)

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return altered_holders(FactId("domain", fact.name[:2]), context)

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        return FactId("domain", fact.name[:2]) if "NOT VALID" not in str(context.new(fact)["definition"]) else None

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        definition = raw(str(context.new(fact)["definition"]))
        yield StatementDraft(
            sql=compose("ALTER DOMAIN {} ADD CONSTRAINT {} {}", qualified(fact), name(fact.name[2]), definition),
            hazards=(hazards.may_fail(fact, "fails if a value in any table violates it", None),),
        )

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        definition = str(context.new(fact)["definition"])
        if definition.endswith(" NOT VALID"):
            return ()
        return value_checks.domain_checks(FactId("domain", fact.name[:2]), fact, definition, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("ALTER DOMAIN {} DROP CONSTRAINT {}", qualified(fact), name(fact.name[2])))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return str(context.old(fact)["definition"]) == f"{context.new(fact)['definition']} NOT VALID"

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(
            sql=compose("ALTER DOMAIN {} VALIDATE CONSTRAINT {}", qualified(fact), name(fact.name[2])),
            hazards=(hazards.may_fail(fact, "fails if a value in any table violates it", None),),
        )
