"""Publications and subscriptions. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.errors import PlanError
from reconciler.hazards import hazards
from reconciler.model.hazards import Hazard, HazardKind
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.partitions.publications import member
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.options import boolean, strings
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw
from reconciler.redaction.masking import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context

__all__ = ["PublicationMemberRule", "PublicationRule", "SubscriptionRule"]


class PublicationRule(Rule):
    """Publications; what is published is a fact of its own, folded into CREATE where it can be."""

    kinds = ("publication",)
    rank = 80

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new, parts = context.new(fact), [raw("")]
        listed = [other for other in folded if other.kind in PublicationMemberRule.kinds]
        # Before 15 the word TABLE is taken once.
        again = context.version >= 150000
        members = [member(each, context.new(each), with_word=again or place == 0) for place, each in enumerate(listed)]
        if new.get("all_tables"):
            parts.append(raw(" FOR ALL TABLES"))
        elif members:
            parts.append(raw(compose(" FOR {}", joined(members))))
        options = [self._option(key, new) for key in _PUBLICATION_OPTIONS if key in new]
        if options:
            parts.append(raw(compose(" WITH ({})", joined(options))))
        yield StatementDraft(sql=compose("CREATE {}{}", object_phrase(fact), joined(parts, "")))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        found = () if fact in context.creates else (_starves(fact),)
        yield StatementDraft(sql=compose("DROP {}", object_phrase(fact)), hazards=found)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return "all_tables" not in context.changed(fact)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        new, changed = context.new(fact), context.changed(fact)
        options = [self._option(key, new) for key in _PUBLICATION_OPTIONS if key in changed]
        yield StatementDraft(sql=compose("ALTER {} SET ({})", object_phrase(fact), joined(options)))

    def _option(self, key: str, definition: Definition) -> Part:
        match key:
            case "publish":
                operations = definition.get(key, ["insert", "update", "delete", "truncate"])
                value = literal(", ".join(strings(operations)))
            case "publish_generated_columns":
                value = raw(str(definition.get(key, "none")))
            case _:
                value = boolean(definition.get(key))
        return raw(compose("{} = {}", raw(key), value))


_PUBLICATION_OPTIONS = ("publish", "publish_generated_columns", "publish_via_partition_root")


class PublicationMemberRule(Rule):
    """The tables and schemas of publications."""

    kinds = ("publication_table", "publication_schema")
    rank = 81

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        yield StatementDraft(
            sql=compose("ALTER PUBLICATION {} ADD {}", name(fact.name[0]), member(fact, context.new(fact)))
        )

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        found = () if fact in context.creates else (_starves(fact),)
        text = compose("ALTER PUBLICATION {} DROP {}", name(fact.name[0]), member(fact, {}))
        yield StatementDraft(sql=text, hazards=found)

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        return context.goal.parent(fact)


def _starves(fact: FactId) -> Hazard:
    return hazards.stops_subscribers(fact, f"drops {fact}: its subscribers receive no more changes of it")


class SubscriptionRule(Rule):
    """Subscriptions: no statement here connects to the publisher; a slot there is neither made nor dropped."""

    kinds = ("subscription",)
    rank = 85

    def is_unmodelled(self, fact: FactId, context: Context) -> bool:
        """Where the connection cannot be read, a secret in it is not known, or the slot would have to change."""
        if fact not in context.goal:
            return False
        new = context.new(fact)
        if fact in context.live:
            old = context.old(fact)
            if context.changed(fact) & _WITH_SLOT and not (old.get("no_slot") and new.get("disabled")):
                return True
            if new.get("connection") == old.get("connection") and self.in_place(fact, context):
                return False
        return bool(new.get("hidden")) or (MASK in str(new["connection"]) and fact not in context.goal.secrets)

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        if self.is_unmodelled(fact, context):
            raise PlanError(f"{fact} must be created, but its connection is not known", hint="create it by hand")
        publications = joined([name(publication) for publication in strings(new["publications"])])
        options = [raw("connect = false")]
        # From 18 on it is not off where it is not said.
        said = {*new, "streaming"} if context.version >= 180000 else {*new}
        options += [self._option(key, new) for key in (*_SUBSCRIPTION_OPTIONS, *sorted(_WITH_SLOT)) if key in said]
        if new.get("no_slot") or "slot_name" in new:
            options.append(self._slot(fact, new))
        hazard = Hazard(
            kind=HazardKind.CORRECTNESS,
            message=f"creates {fact} disabled:  "
            + (
                "it has no slot"
                if new.get("no_slot")
                else "create its slot on the publisher, then enable and refresh it"
            ),
            fact=fact,
        )
        yield StatementDraft(
            sql=compose(
                "CREATE {} CONNECTION {} PUBLICATION {} WITH ({})",
                object_phrase(fact),
                self._connection(fact, context),
                publications,
                joined(options),
            ),
            hazards=(hazard,),
        )

    def _connection(self, fact: FactId, context: Context) -> Part:
        secret = context.goal.secrets.get(fact, {}).get("connection")
        shown = str(context.new(fact)["connection"])
        return context.conceal(secret, shown) if secret else literal(shown)

    def _slot(self, fact: FactId, definition: Definition) -> Part:
        slot = raw("NONE") if definition.get("no_slot") else literal(str(definition.get("slot_name", fact.name[0])))
        return raw(compose("slot_name = {}", slot))

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old = context.old(fact)
        phrase = object_phrase(fact)
        left = ""
        if not old.get("no_slot"):
            # Postgres would drop the slot over the network, and refuses to do so in a transaction.
            left = f"; its slot {old.get('slot_name', fact.name[0])!r} stays on the publisher: drop it there"
            if not old.get("disabled"):
                yield StatementDraft(sql=compose("ALTER {} DISABLE", phrase))
            yield StatementDraft(sql=compose("ALTER {} SET (slot_name = NONE)", phrase))
        hazard = Hazard(
            kind=HazardKind.DATA_LOSS, message=f"drops {fact}: its replication position is lost{left}", fact=fact
        )
        yield StatementDraft(sql=compose("DROP {}", phrase), hazards=(hazard,))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return not context.changed(fact) & _WITH_SLOT

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        phrase = object_phrase(fact)
        renames_slot = bool(changed & {"no_slot", "slot_name"})
        runs = not old.get("disabled")
        if runs and (renames_slot or new.get("disabled")):
            yield StatementDraft(sql=compose("ALTER {} DISABLE", phrase))
            runs = False
        options = [self._option(key, new) for key in _SUBSCRIPTION_OPTIONS if key in changed]
        if renames_slot:
            options.append(self._slot(fact, new))
        if "connection" in changed or context.has_new_secrets(fact):
            yield StatementDraft(sql=compose("ALTER {} CONNECTION {}", phrase, self._connection(fact, context)))
        if options:
            yield StatementDraft(sql=compose("ALTER {} SET ({})", phrase, joined(options)))
        if "publications" in changed:
            publications = joined([name(publication) for publication in strings(new["publications"])])
            hazard = hazards.may_fail(
                fact, "receives the tables of other publications only after ALTER SUBSCRIPTION ... REFRESH", None
            )
            text = compose("ALTER {} SET PUBLICATION {} WITH (refresh = false)", phrase, publications)
            yield StatementDraft(sql=text, hazards=(hazard,))
        if not runs and not new.get("disabled"):
            yield StatementDraft(sql=compose("ALTER {} ENABLE", phrase))

    def _option(self, key: str, definition: Definition) -> Part:
        option, value = key, boolean(definition.get(key))
        match key:
            case "streaming" | "synchronous_commit":
                value = literal(str(definition.get(key, "off")))
            case "origin":
                value = literal(str(definition.get(key, "any")))
            case "password_not_required":
                option, value = "password_required", boolean(not definition.get(key))
            case _:
                pass
        return raw(compose("{} = {}", raw(option), value))


_SUBSCRIPTION_OPTIONS = (
    "binary",
    "disable_on_error",
    "origin",
    "password_not_required",
    "run_as_owner",
    "streaming",
    "synchronous_commit",
)
# Postgres alters these only together with the slot on the publisher.
_WITH_SLOT = frozenset({"failover", "two_phase"})
