"""Enums, domains and composite types. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.plan import Stage
from reconciler.planner.checks import value_checks
from reconciler.planner.columns.clauses import settings_lost_with_type
from reconciler.planner.columns.not_null import explicit_name
from reconciler.planner.core import online
from reconciler.planner.core.rule import Rule, StatementDraft, exclusive
from reconciler.planner.rules.column_types import disturbed_by_type_change
from reconciler.planner.rules.domain_holders import altered_holders, dropped_holders
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Check
    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.planner.core.context import Context

__all__ = ["CompositeTypeRule", "DomainRule", "EnumRule", "RecreatedUnderColumns", "held_within"]


class _Type(Rule):
    """A type that columns hold."""

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("type", *fact.name)


class RecreatedUnderColumns(_Type):
    """What cannot be altered nor swapped: columns are detached from it, and attached to the new one."""

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def recreate_around_alter(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return self.disturbed_by_swap(fact, context)

    def disturbed_by_swap(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """All that knows the old type by its OID, but for the columns of tables, which are converted."""
        columns = set(self._columns(fact, context))
        for dependent in context.dependents.get(fact, ()):
            if dependent not in columns:
                yield dependent
        for column in columns:
            yield from disturbed_by_type_change(column, context, same_family=False)
            if (default := FactId("default", column.name)) in context.live:
                yield default

    def _columns(self, fact: FactId, context: Context) -> Iterable[FactId]:
        for dependent in context.dependents.get(fact, ()):
            if dependent.kind == "column":
                owner = context.live.parent(dependent)
                if owner is not None and owner.kind == "table" and "generated" not in context.old(dependent):
                    yield dependent

    def without(self, column: FactId, context: Context) -> tuple[str, str]:
        """A type that holds the values meanwhile, and the USING."""
        return "text", compose(" USING {}::text", name(column.name[2]))

    def with_it(self, column: FactId, context: Context) -> tuple[str, str]:
        """The type that the goal has, and the USING."""
        kind = str(context.new(column)["type"])
        return kind, compose(" USING {}::{}", name(column.name[2]), raw(kind))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        # A column that moves off the type has done so by now.
        columns = [
            column
            for column in sorted(self._columns(fact, context))
            if column not in context.drops
            and not context.old(column).get("inherited")
            and fact in context.goal.dependencies.get(column, ())
        ]
        for column in columns:
            yield self._to(column, self.without(column, context), fact, context)
        yield from self.drop(fact, context)
        yield from self.create(fact, (), context)
        for column in columns:
            yield self._to(column, self.with_it(column, context), fact, context)
            yield from settings_lost_with_type(column, context.new(column))

    def _to(self, column: FactId, into: tuple[str, str], fact: FactId, context: Context) -> StatementDraft:
        table = context.live.parent(column)
        assert table is not None
        kind, using = into
        text = compose(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {}{}",
            qualified(column),
            name(column.name[2]),
            raw(kind),
            raw(using),
        )
        hazard = hazards.rewrites(table, f"{fact} is recreated under {column}", context.sizes.get(table))
        return exclusive(text, table, hazard)


class EnumRule(_Type):
    """Enums: labels are added in place; to remove or reorder them takes a new type."""

    kinds = ("enum",)
    rank = 20

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        labels: list[Part] = [literal(label) for label in self._labels(context.new(fact))]
        found: tuple[Hazard, ...] = ()
        if fact in context.live:
            kept = set(self._labels(context.new(fact)))
            if gone := [label for label in self._labels(context.old(fact)) if label not in kept]:
                found = (hazards.loses_enum_value(fact, gone),)
        yield StatementDraft(sql=compose("CREATE TYPE {} AS ENUM ({})", qualified(fact), joined(labels)), hazards=found)

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        if fact in context.creates and fact in context.live:
            kept = set(self._labels(context.new(fact)))
            gone = [label for label in self._labels(context.old(fact)) if label not in kept]
            yield from value_checks.label_checks(fact, gone, context) if gone else ()

    def in_place(self, fact: FactId, context: Context) -> bool:
        return self._can_add(fact, context)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = self._labels(context.old(fact)), self._labels(context.new(fact))
        present = list(old)
        used = self._is_used(fact, context)
        joined = False
        for position, label in enumerate(new):
            if label in present:
                continue
            text = compose("ALTER TYPE {} ADD VALUE {}", qualified(fact), literal(label))
            if position == 0 and present:
                text = compose("{} BEFORE {}", raw(text), literal(present[0]))
            elif present and present[-1] != new[position - 1]:
                text = compose("{} AFTER {}", raw(text), literal(new[position - 1]))
            # In one transaction, as the rehearsal is, the value could not be used: its copy has it from the beginning.
            rehearsal = "" if used else None
            yield StatementDraft(
                sql=text, stage=Stage.BEFORE if used else Stage.TOGETHER, joined=joined, rehearsal=rehearsal
            )
            joined = used
            present.insert(position, label)

    def _labels(self, definition: Definition) -> list[str]:
        return cast("list[str]", definition["labels"])

    def _can_add(self, fact: FactId, context: Context) -> bool:
        """Only additions, and nothing uses a new label in the transaction that adds it, which Postgres forbids."""
        old, new = self._labels(context.old(fact)), self._labels(context.new(fact))
        if [label for label in new if label in old] != old:
            return False
        return self._is_committed_first(fact, context) or not self._is_used(fact, context)

    def _is_committed_first(self, fact: FactId, context: Context) -> bool:
        """Whether new labels get a transaction of their own, as a new type would rewrite a large table."""
        renamed = [each.new for each in context.intent.renames]
        if any(each.kind in ("schema", "enum") or each.name[:2] == fact.name for each in renamed):
            return False  # the copy that the plan is rehearsed on has the new labels from the beginning
        columns = [each for each in context.dependents.get(fact, ()) if each.kind == "column"]
        return any(online.changes_online(context.live.parent(column), context) for column in columns)

    def _is_used(self, fact: FactId, context: Context) -> bool:
        """Whether something that is made or changed in this plan names a new label."""
        old, new = self._labels(context.old(fact)), self._labels(context.new(fact))
        added = [compose("{}", literal(label)) for label in new if label not in old]
        said = {**context.intent.conversions, **context.intent.backfills}
        texts = [text for column, text in said.items() if column in context.creates or column in context.alters]
        if any(quoted in text for text in texts for quoted in added):
            return True
        return any(
            quoted in context.goal.facts[other].replace('\\"', '"')
            for other in context.creates | context.alters
            if other != fact
            and other.kind not in ("comment", "function", "procedure", "enum")
            and other in context.goal
            for quoted in added
        )


class DomainRule(_Type):
    """Domains: default, NOT NULL and checks change in place; another base type takes a new domain."""

    kinds = ("domain",)
    rank = 21

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield self._create(fact, folded, context)

    def _create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> StatementDraft:
        new = context.new(fact)
        parts: list[Part] = [raw(str(new["type"]))]
        if "collation" in new:
            parts.append(raw(compose("COLLATE {}", raw(str(new["collation"])))))
        if "default" in new:
            parts.append(raw(compose("DEFAULT {}", raw(str(new["default"])))))
        if new.get("not_null"):
            parts.append(raw(compose("{}NOT NULL", raw(explicit_name(fact, context)))))
        for member in folded:
            definition = raw(str(context.new(member)["definition"]))
            parts.append(raw(compose("CONSTRAINT {} {}", name(member.name[2]), definition)))
        return StatementDraft(sql=compose("CREATE DOMAIN {} AS {}", qualified(fact), joined(parts, " ")))

    def after_drop_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return dropped_holders(fact, context) if self._becomes_required(fact, context) else ()

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return altered_holders(fact, context) if self._becomes_required(fact, context) else ()

    def _becomes_required(self, fact: FactId, context: Context) -> bool:
        """Whether the domain that stays gets NOT NULL, which Postgres asks of all of its values."""
        return (
            fact in context.alters and bool(context.new(fact).get("not_null")) and "not_null" in context.changed(fact)
        )

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & {"type", "collation"}

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        if fact in context.alters and context.new(fact).get("not_null") and not context.old(fact).get("not_null"):
            yield from value_checks.domain_checks(fact, fact, "NOT NULL", context)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new, changed = context.new(fact), context.changed(fact)
        alter = raw(compose("ALTER DOMAIN {}", qualified(fact)))
        if "default" in changed:
            value = raw(compose("SET DEFAULT {}", raw(str(new["default"]))) if "default" in new else "DROP DEFAULT")
            yield StatementDraft(sql=compose("{} {}", alter, value))
        if "not_null" in changed:
            if new.get("not_null"):
                hazard = hazards.may_fail(fact, "NOT NULL fails if a row has no value", None)
                named = explicit_name(fact, context)
                action = raw(compose("ADD {}NOT NULL", raw(named)) if named else "SET NOT NULL")
                yield StatementDraft(sql=compose("{} {}", alter, action), hazards=(hazard,))
            else:
                yield StatementDraft(sql=compose("{} DROP NOT NULL", alter))
        elif "not_null_name" in changed:
            names = [name(state.not_null_name(fact)) for state in (context.live, context.goal)]
            yield StatementDraft(sql=compose("{} RENAME CONSTRAINT {} TO {}", alter, *names))


def held_within(context: Context) -> Iterable[FactId]:
    """Domains that get a check or NOT NULL while values of theirs are within arrays or records of a table.

    Postgres looks only at columns of the domain itself, and refuses where there are others.
    """
    stricter = {FactId("domain", fact.name[:2]) for fact in context.creates if fact.kind == "domain_constraint"}
    stricter |= {
        fact for fact in context.alters if fact.kind == "domain_constraint" and "definition" in context.changed(fact)
    }
    stricter = {FactId("domain", fact.name[:2]) for fact in stricter}
    stricter |= {
        fact
        for fact in context.alters
        if fact.kind == "domain" and "not_null" in context.changed(fact) and context.new(fact).get("not_null")
    }
    for domain in stricter:
        if context.persists(domain) and _is_within(domain, context):
            yield domain


def _is_within(domain: FactId, context: Context) -> bool:
    seen: set[FactId] = set()
    waiting: list[tuple[FactId, bool]] = [(domain, False)]
    while waiting:
        kind, inside = waiting.pop()
        for dependent in context.dependents.get(kind, ()):
            owner = context.live.parent(dependent)
            if dependent in seen or _leaves(dependent, owner, context):
                continue
            seen.add(dependent)
            if dependent.kind == "column" and owner is not None and owner.kind == "composite_type":
                waiting.append((owner, True))
            elif dependent.kind == "column":
                is_array = str(context.old(dependent)["type"]).endswith("[]")
                if (inside or is_array) and owner is not None and owner.kind in ("table", "materialized_view"):
                    return True
            elif dependent.kind in ("composite_type", "range_type"):
                waiting.append((dependent, True))
            elif dependent.kind == "domain":
                array = str(context.old(dependent)["type"]).endswith("[]")
                waiting.append((dependent, inside or array))
    return False


def _leaves(dependent: FactId, owner: FactId | None, context: Context) -> bool:
    """Whether it is dropped, and none of its values are kept under another name until it is there again."""
    if dependent not in context.drops:
        return False
    return dependent not in context.creates or (owner is not None and owner.kind == "materialized_view")


class CompositeTypeRule(Rule):
    """Composite types: attributes are added, dropped and altered in place where their order allows."""

    kinds = ("composite_type",)
    rank = 23

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        attributes = joined([self._clause(attribute) for attribute in self._attributes(context.new(fact))], ",\n    ")
        found: list[Hazard] = []
        if fact in context.live:
            kept = {str(attribute["name"]) for attribute in self._attributes(context.new(fact))}
            gone = [str(each["name"]) for each in self._attributes(context.old(fact)) if str(each["name"]) not in kept]
            found = [hazards.loses_column(FactId("column", (*fact.name, each)), None) for each in gone]
        text = compose("CREATE TYPE {} AS (\n    {}\n)", qualified(fact), attributes)
        yield StatementDraft(sql=text, hazards=tuple(found))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(sql=compose("DROP TYPE {}", qualified(fact)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        """Attributes come, go and change in place, but not their order, nor a type of one that values are stored of."""
        before = {str(each["name"]): each for each in self._attributes(context.old(fact))}
        after = {str(each["name"]): each for each in self._attributes(context.new(fact))}
        kept = [attribute for attribute in before if attribute in after]
        if kept + [attribute for attribute in after if attribute not in before] != list(after):
            return False
        return all(before[each] == after[each] for each in kept) or not self._is_stored(fact, context)

    def _is_stored(self, fact: FactId, context: Context) -> bool:
        """Whether a column, or a type that may be a column's, is made of it; a typed table is not."""
        found = context.dependents.get(fact, ())
        return any(
            each.kind in ("domain", "range_type", "composite_type")
            or (each.kind == "column" and (owner := context.live.parent(each)) is not None and owner.kind == "table")
            for each in found
        )

    def recreate_around_alter(self, fact: FactId, context: Context) -> Iterable[FactId]:
        for dependent in context.dependents.get(fact, ()):
            if dependent.kind in ("view", "materialized_view", "index", "constraint", "function", "procedure"):
                yield dependent

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old = {attribute["name"]: attribute for attribute in self._attributes(context.old(fact))}
        new = {attribute["name"]: attribute for attribute in self._attributes(context.new(fact))}
        alter = raw(compose("ALTER TYPE {}", qualified(fact)))
        for key in old.keys() - new.keys():
            hazard = hazards.loses_column(FactId("column", (*fact.name, str(key))), None)
            yield StatementDraft(sql=compose("{} DROP ATTRIBUTE {} CASCADE", alter, name(str(key))), hazards=(hazard,))
        for key, attribute in new.items():
            if key not in old:
                yield StatementDraft(sql=compose("{} ADD ATTRIBUTE {} CASCADE", alter, self._clause(attribute)))
            elif old[key] != attribute:
                kind = raw(str(attribute["type"]))
                collate = raw(
                    compose(" COLLATE {}", raw(str(attribute["collation"]))) if "collation" in attribute else ""
                )
                text = compose("{} ALTER ATTRIBUTE {} TYPE {}{} CASCADE", alter, name(str(key)), kind, collate)
                yield StatementDraft(sql=text)

    def _attributes(self, definition: Definition) -> list[Definition]:
        return cast("list[Definition]", definition["attributes"])

    def _clause(self, attribute: Definition) -> Part:
        collate = raw(compose(" COLLATE {}", raw(str(attribute["collation"]))) if "collation" in attribute else "")
        return raw(compose("{} {}{}", name(str(attribute["name"])), raw(str(attribute["type"])), collate))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("type", *fact.name)
        yield ("relation", *fact.name)
