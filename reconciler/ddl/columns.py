"""Columns and their defaults. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, Protocol, cast

from reconciler.ddl import checks, online, partitions, shadow, value_checks
from reconciler.ddl.casts import base_type, can_lose, conversion, rewrites, same_family
from reconciler.ddl.column_text import (
    column_clause,
    column_kind,
    column_settings,
    identity_clause,
    settings_lost_with_type,
    view_column_settings,
)
from reconciler.ddl.inherited_columns import brought_by, inherited_from, inheriting, is_declared_otherwise
from reconciler.ddl.names import qualified, split_name
from reconciler.ddl.not_null import (
    added_later,
    change_not_null,
    is_lifted,
    is_required,
    lifted,
    not_null_claims,
    put_back,
    required,
)
from reconciler.ddl.numbering import becomes_identity, counter_of, counting_text, is_numbered_first, next_of
from reconciler.ddl.options import changed_foreign_options
from reconciler.ddl.own_columns import set_apart
from reconciler.ddl.parking import parked, taken_back
from reconciler.ddl.remade_columns import becomes_plain, remade
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.sequences import continue_after, explicit_bounds, first_value, is_narrower, made_room, new_bounds
from reconciler.ddl.text import Part, compose, joined, name, raw
from reconciler.ddl.widening import takes_all
from reconciler.hazards import hazards
from reconciler.leftovers import is_leftover
from reconciler.plan import LockMode, Stage
from reconciler.snapshot import TABLE_KINDS, FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.checks import Check
    from reconciler.hazards.kinds import Hazard
    from reconciler.snapshot import Definition

__all__ = ["ColumnRule", "DefaultRule", "disturbed_by_type_change"]

_TYPES = ("enum", "domain", "composite_type", "range_type", "base_type")
# Postgres computes a stored expression for all rows at once, and lets no UPDATE write the column.
_NO_OTHER_WAY = "Postgres has no way to do that while the table is used"


def _cuts_partitions(column: FactId, context: Context) -> bool:
    """Whether the column is a part of its table's partition key, so that Postgres refuses another type."""
    return context.live.parent(column) in context.live.automatic.get(column, ())


def _follows_alteration(column: FactId, context: Context) -> bool:
    """Whether the column is altered with its parents', whose statement reaches it."""
    return any(parent in context.alters for parent in inherited_from(column, context))


def _is_stored_as_type(column: FactId, context: Context) -> bool:
    """Whether the type's own alteration gives the column its storage."""
    needed = context.live.dependencies.get(column, frozenset())
    return any(
        each.kind == "base_type" and each in context.alters and "storage" in context.changed(each) for each in needed
    )


def _why_not_in_steps(column: FactId, context: Context) -> str:
    """What is added to the hazard of a rewrite where steps were asked for."""
    if context.online is None:
        return ""
    said = column in context.intent.conversions
    reason = "a hint says how values are converted" if said else shadow.obstacle(column, context)
    return f" (not in steps: {reason})" if reason is not None else ""


def _backfilled(column: FactId, context: Context, *, only_missing: bool) -> Iterable[Draft]:
    """The statement that fills the column in as a hint says; none without a hint."""
    said = context.intent.backfills.get(column)
    table = context.goal.parent(column)
    if said is None or table is None:
        return
    target = name(column.name[2])
    text = compose("UPDATE {} SET {} = ({})", qualified(column), target, raw(said))
    if only_missing:
        text = compose("{} WHERE {} IS NULL", raw(text), target)
    if only_missing and online.fills_before(column, context):
        yield Draft(sql=text, stage=Stage.BEFORE, batched=table, rehearsal="")
        return
    size = context.sizes.get(table)
    yield Draft(
        sql=text,
        hazards=(hazards.writes_rows(table, f"fills in {column}", size),),
        lock=LockMode.ROW_EXCLUSIVE,
        locks=table,
    )


def _has_values(column: FactId, context: Context) -> bool:
    """Whether a new column has values in the rows that are there."""
    if column in context.intent.backfills and context.new(column).get("not_null"):
        return True
    given = context.new(column).keys() & {"generated", "identity"}
    return bool(given) or FactId("default", column.name) in context.goal


class _DraftMaker(Protocol):
    def __call__(self, text: str, /, *found: Hazard) -> Draft: ...


class ColumnRule(Rule):
    """Columns of tables; those of views and composite types follow from them."""

    kinds = ("column",)
    rank = 35
    unfold = 4

    def is_silent(self, fact: FactId, context: Context) -> bool:
        if not self._is_table_column(fact, context):
            owner = context.goal.parent(fact)
            return owner is None or owner.kind != "materialized_view" or fact not in context.alters
        state = context.goal if fact in context.goal else context.live
        definition = state.definition(fact)
        if fact in context.parked:
            return any(parent in context.parked for parent in inherited_from(fact, context))
        if fact not in context.alters and _follows_type(fact, context):
            return True
        if brought_by(fact, context):
            return False
        return bool(definition.get("inherited")) and any(
            parent in context.creates or parent in context.drops for parent in inherited_from(fact, context)
        )

    def before(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """A parent brings its columns, but for those that the table declares, too (`inheriting.ordered`)."""
        if fact in context.alters or context.new(fact).get("inherited"):
            yield from inherited_from(fact, context)

    def _is_table_column(self, fact: FactId, context: Context) -> bool:
        owner = context.goal.parent(fact) or context.live.parent(fact)
        return owner is not None and owner.kind in TABLE_KINDS

    def fold_into(self, fact: FactId, context: Context) -> FactId | None:
        return context.goal.parent(fact)

    def parks(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """Values wait as text or JSON while their type is made anew, unless they are computed or their table goes."""
        table = context.live.parent(fact)
        is_type = dropped.kind in _TYPES or (dropped.kind == "table" and dropped != table)
        return (
            (is_type or dropped.kind == "extension")
            and (dropped in context.goal or (is_type and _is_another_kind(dropped, context)))
            and fact in context.goal
            and table is not None
            and table.kind in TABLE_KINDS
            and table not in context.drops
            and not _cuts_partitions(fact, context)
            and "generated" not in context.old(fact)
            and "generated" not in context.new(fact)
        )

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        table = context.goal.parent(fact)
        assert table is not None
        if fact in context.parked:
            yield from taken_back(fact, table, context)
            yield from self.alter(fact, context)
            return
        if brought := brought_by(fact, context):
            if is_required(context.new(fact)) and not any(is_required(context.new(parent)) for parent in brought):
                yield from _backfilled(fact, context, only_missing=True)
            yield from set_apart(fact, context, with_table=False)
            return
        size = context.sizes.get(table)
        default = next((context.new(member) for member in folded if member.kind == "default"), None)
        clause = column_clause(fact, default, context)
        if clause is None:
            return
        definition = context.new(fact)
        expression = str(default["expression"]) if default is not None else None
        if shadow.is_filled_online(fact, expression, context):
            yield from shadow.add_filled(fact, column_kind(definition), expression, context)
            yield from column_settings(fact, {}, definition)
            yield from added_later(fact, context)
            return
        if definition.get("not_null") and fact in context.intent.backfills:
            yield from self._add_filled(fact, default, context, table)
            return
        if is_numbered_first(fact, context):
            yield from self._add_numbered(fact, context, table)
            return
        found: list[Hazard] = []
        fills = default is not None or "generated" in definition or "identity" in definition
        if definition.get("not_null") and not fills:
            found.append(hazards.may_fail(fact, "NOT NULL without a default fails if the table has rows", size))
        if "generated" in definition and not definition.get("virtual"):
            found.append(hazards.rewrites(table, f"computes {fact}; {_NO_OTHER_WAY}", size))
        elif "identity" in definition:
            found.append(hazards.rewrites(table, f"numbers every row for {fact}", size))
        elif expression is not None and not shadow.is_one_for_all(expression):
            found.append(hazards.rewrites(table, f"computes the default of {fact} where it is volatile", size))
        yield Draft(
            sql=compose("ALTER TABLE {} ADD COLUMN {}", context.via(fact), clause),
            hazards=tuple(found),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=table,
        )
        yield from column_settings(fact, {}, definition)
        yield from added_later(fact, context)

    def _add_filled(self, fact: FactId, default: Definition | None, context: Context, table: FactId) -> Iterable[Draft]:
        """A new NOT NULL column for a table with rows: added without values, filled in as the hint says, then closed.

        Its default is set last, as it is for the rows to come.
        """
        size = context.sizes.get(table)
        definition = context.new(fact)
        clause = column_clause(fact, None, context, nullable=True)
        if clause is None:
            return
        alter = raw(compose("ALTER TABLE {} ALTER COLUMN {}", qualified(fact), name(fact.name[2])))
        texts = [compose("{} SET NOT NULL", alter)]
        if default is not None:
            texts.insert(0, compose("{} SET DEFAULT {}", alter, raw(str(default["expression"]))))
        add = compose("ALTER TABLE {} ADD COLUMN {}", qualified(fact), clause)
        yield Draft(sql=add, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
        yield from _backfilled(fact, context, only_missing=False)
        for text in texts:
            last = text is texts[-1]
            found = (hazards.blocks_reads_and_writes(table, f"every row is checked for {fact}", size),) if last else ()
            yield Draft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
        yield from column_settings(fact, {}, definition)

    def _add_numbered(self, fact: FactId, context: Context, table: FactId) -> Iterable[Draft]:
        """A new identity in a table and all that get it from there, which are numbered by a sequence of that while."""
        counter = counter_of(fact, context)
        clause = column_clause(fact, {"expression": next_of(counter)}, context, identity_later=True)
        if clause is None:
            return
        via, column = context.via(fact), name(fact.name[2])
        found = (hazards.rewrites(table, f"numbers every row for {fact}", context.sizes.get(table)),)
        yield Draft(sql=counting_text(fact, context))
        add = compose("ALTER TABLE {} ADD COLUMN {}", via, clause)
        yield Draft(sql=add, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)
        identity = cast("Definition", context.new(fact)["identity"])
        alter = raw(compose("ALTER TABLE {}", qualified(fact)))
        texts = [
            compose("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", via, column),
            *becomes_identity(fact, identity, qualified(counter), alter),
            compose("DROP SEQUENCE {}", qualified(counter)),
        ]
        yield from (Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=table) for text in texts)
        yield from column_settings(fact, {}, context.new(fact))
        yield from added_later(fact, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        table = context.live.parent(fact)
        size = context.sizes.get(table) if table is not None else None
        if fact in context.parked and table is not None:
            yield from parked(fact, table, context)
            return
        if context.old(fact).get("inherited") and any(each in context.drops for each in inherited_from(fact, context)):
            return
        computed = "generated" in context.old(fact)
        template: LiteralString = "ALTER TABLE {} DROP COLUMN {}"
        if any(context.persists(child) for child in inheriting(fact, context)):
            template = "ALTER TABLE ONLY {} DROP COLUMN {}"  # the child keeps it, as its own
        yield Draft(
            sql=compose(template, qualified(fact), name(fact.name[2])),
            hazards=() if computed or is_leftover(fact) else (hazards.loses_column(fact, size),),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=table,
        )

    def in_place(self, fact: FactId, context: Context) -> bool:
        if not self._is_table_column(fact, context):
            return not self._view_must_go(fact, context)
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        if is_declared_otherwise(fact, context):
            return False
        if changed & {"type", "collation"} and _cuts_partitions(fact, context):
            return False
        if "virtual" in changed and "generated" in new and "generated" in old:
            return False
        if "generated" in changed:
            if "generated" not in old:
                return False
            if "generated" in new:
                return context.version >= 170000 and not (new.get("virtual") and _is_guarded(fact, context))
        return True

    def _view_must_go(self, fact: FactId, context: Context) -> bool:
        view = context.live.parent(fact)
        return (
            view is not None and view.kind != "composite_type" and bool(context.changed(fact) & {"type", "collation"})
        )

    def replaced(self, fact: FactId, context: Context) -> FactId:
        relation = context.live.parent(fact)
        is_whole = not self._is_table_column(fact, context) or is_declared_otherwise(fact, context)
        is_whole = is_whole or _cuts_partitions(fact, context)
        return relation if relation is not None and is_whole else fact

    def follows(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """A column of a dropped type is converted by the type's own statement, not dropped."""
        if dropped != context.live.parent(fact) and _cuts_partitions(fact, context):
            return True
        return not self._is_table_column(fact, context) or "generated" in context.old(fact)

    def disturbed(self, fact: FactId, context: Context) -> Iterable[FactId]:
        changed = context.changed(fact)
        if not changed & {"type", "collation", "generated"} or not self._is_table_column(fact, context):
            return
        old, new = str(context.old(fact)["type"]), str(context.new(fact)["type"])
        default = FactId("default", fact.name)
        if becomes_plain(fact, context):
            yield from shadow.carried_along(fact, context)
            yield from disturbed_by_type_change(fact, context, same_family=False)
            return
        if shadow.takes_shadow(fact, context) or shadow.follows_shadow(fact, context):
            yield from shadow.carried_along(fact, context)
        said = fact in context.intent.conversions
        if default in context.live and (said or not same_family(old, new)):
            yield default
        yield from disturbed_by_type_change(fact, context, same_family=same_family(old, new))

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        table = context.goal.parent(fact)
        assert table is not None
        if table.kind == "materialized_view":
            yield from view_column_settings(fact, old, new)
            return
        size = context.sizes.get(table)
        column = name(fact.name[2])
        alter = raw(compose("ALTER TABLE {} ALTER COLUMN {}", context.via(fact), column))

        def draft(text: str, /, *found: Hazard) -> Draft:
            return Draft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=table)

        if becomes_plain(fact, context):
            yield from self._made_plain(fact, context, alter, draft)
            return
        if shadow.takes_shadow(fact, context):
            yield from self._exchange(fact, context)
            return
        if shadow.follows_shadow(fact, context):
            yield from column_settings(fact, {}, new)
            return
        if "identity" in old and "identity" not in new:
            yield draft(compose("{} DROP IDENTITY", alter))
        if "generated" in old and "generated" not in new and not _follows_alteration(fact, context):
            # One that has it from two parents has let go of it by the second time.
            exists = raw(" IF EXISTS" if inheriting(fact, context) else "")
            yield draft(compose("{} DROP EXPRESSION{}", alter, exists))
        # The sequence of an identity follows the column's type, if its bounds fit by then.
        narrows = "identity" in old and "identity" in new and is_narrower(str(old["type"]), str(new["type"]))
        if narrows and "identity" in changed:
            yield from self._change_identity(fact, context, alter, draft)
        comes_along = _follows_alteration(fact, context) or fact in context.parked or _follows_type(fact, context)
        if changed & {"type", "collation"}:
            if not comes_along:
                yield from lifted(fact, context)
                yield self._change_type(fact, context, alter, draft)
                yield from put_back(fact, context)
            # A new type brings its own storage and compression.
            old = {key: value for key, value in old.items() if key not in ("storage", "compression")}
            changed = (changed - {"storage", "compression"}) | ({"compression"} & new.keys())
        if "generated" in changed and "generated" in new:
            why = f"computes {fact}; {_NO_OTHER_WAY}"
            found = () if new.get("virtual") else (hazards.rewrites(table, why, size),)
            yield draft(compose("{} SET EXPRESSION AS ({})", alter, raw(str(new["generated"]))), *found)
        if changed & {"not_null", "not_null_constraint"} and not is_lifted(fact, context):
            fills: list[Draft] = []
            if new.get("not_null") and not old.get("not_null"):
                fills = list(_backfilled(fact, context, only_missing=True))
            yield from fills
            for each in change_not_null(fact, context):
                yield each
                if each.stage is Stage.BEFORE and each.brief:  # what was written before the CHECK was there
                    yield from fills
        if "identity" in new and "identity" in changed and not narrows:
            yield from self._change_identity(fact, context, alter, draft)
        if "compression" in changed:
            yield draft(compose("{} SET COMPRESSION {}", alter, raw(str(new.get("compression", "default")))))
        if "fdw_options" in changed or context.has_new_secrets(fact):
            before, after = (cast("list[str]", d.get("fdw_options") or []) for d in (old, new))
            foreign = raw(compose("ALTER FOREIGN TABLE {} ALTER COLUMN {}", qualified(fact), column))
            hidden = (context.live.secrets.get(fact, {}), context.goal.secrets.get(fact, {}))
            options = changed_foreign_options(before, after, *hidden, context)
            yield draft(compose("{} OPTIONS ({})", foreign, options))
        if "storage" not in new and _is_stored_as_type(fact, context):
            old = {key: value for key, value in old.items() if key != "storage"}
        yield from column_settings(fact, old, new)

    def _made_plain(self, fact: FactId, context: Context, alter: Part, draft: _DraftMaker) -> Iterable[Draft]:
        """A virtual column's values become those of a plain one; a child's column with its parent's."""
        old, new = context.old(fact), context.new(fact)
        if _follows_alteration(fact, context):
            return
        yield from remade(fact, raw(str(old["generated"])), context)
        if context.changed(fact) & {"type", "collation"}:
            yield self._change_type(fact, context, alter, draft)
        yield from self._dressed(fact, context, draft)
        if "identity" in new:
            yield from self._change_identity(fact, context, alter, draft)

    def _dressed(self, fact: FactId, context: Context, draft: _DraftMaker) -> Iterable[Draft]:
        """What a column that was made anew is still to get."""
        new = context.new(fact)
        if new.get("not_null") and not cast("Definition", new.get("not_null_constraint") or {}).get("not_valid"):
            yield draft(required(fact, context), hazards.may_fail(fact, "NOT NULL fails if a row has no value", None))
        if "compression" in new:
            yield from settings_lost_with_type(fact, {"compression": new["compression"]})
        yield from column_settings(fact, {}, new)
        yield from added_later(fact, context)

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        table, new = context.goal.parent(fact), context.new(fact)
        if table is None or table.kind != "table" or fact in context.parked:
            return
        filled = fact in context.intent.backfills
        if fact in context.creates:
            given = any(_has_values(each, context) for each in (fact, *brought_by(fact, context)))
            if is_required(new) and not given and not filled:
                yield from checks.without_rows(fact, context)
            return
        old = context.old(fact)
        if old["type"] != new["type"] and not _follows_alteration(fact, context) and not _follows_type(fact, context):
            said = context.intent.conversions.get(fact)
            using = said or conversion(name(fact.name[2]), str(old["type"]), str(new["type"])).as_string(None)
            yield from value_checks.conversion_checks(fact, using.removeprefix(" USING "), context)
        if is_required(new) and not is_required(old) and not filled:
            yield from checks.missing_values(fact, context)

    def _change_type(self, fact: FactId, context: Context, alter: Part, draft: _DraftMaker) -> Draft:
        old, new = context.old(fact), context.new(fact)
        before, after = str(old["type"]), str(new["type"])
        table = context.goal.parent(fact)
        assert table is not None
        size = context.sizes.get(table)
        collate = raw(compose(" COLLATE {}", raw(str(new["collation"]))) if "collation" in new else "")
        using = conversion(name(fact.name[2]), before, after)
        said = context.intent.conversions.get(fact)
        if said is not None:
            using = raw(compose(" USING ({})", raw(said)))
        if "generated" in new:
            using = raw("")
        if table.kind == "foreign_table":  # has no rows of its own, and takes no USING
            return draft(compose("{} TYPE {}{}", alter, raw(after), collate))
        found: list[Hazard] = []
        if before != after and said is None and can_lose(before, after):
            found.append(hazards.loses_precision(fact, before, after, size))
        if base_type(after) != "text" and (said is not None or not takes_all(before, after)):
            found.append(hazards.may_fail(fact, f"fails if a value is no {after}", size))
        if said is not None or rewrites(before, after):
            why_not = _why_not_in_steps(fact, context)
            found.append(hazards.rewrites(table, f"{fact} becomes {after}{why_not}", size))
        else:
            why = (f"every row is checked for {check}" for check in _checks_of(fact, context))
            found += [hazards.blocks_reads_and_writes(table, each, size) for each in why]
        return draft(compose("{} TYPE {}{}{}", alter, raw(after), collate, using), *found)

    def _exchange(self, fact: FactId, context: Context) -> Iterable[Draft]:
        """The other type comes by a new column, filled beside the work of others."""
        new = context.new(fact)
        before, after = str(context.old(fact)["type"]), str(new["type"])
        table = context.goal.parent(fact)
        size = context.sizes.get(table) if table is not None else None
        found: list[Hazard] = []
        if can_lose(before, after):
            found.append(hazards.loses_precision(fact, before, after, size))
        if base_type(after) != "text" and not takes_all(before, after):
            found.append(hazards.may_fail(fact, f"fails if a value is no {after}", size))
        column = name(fact.name[2])
        using = conversion(column, before, after).as_string(None).removeprefix(" USING ")
        yield from shadow.swap(fact, using or column.as_string(None), found, context)
        yield from column_settings(fact, {}, new)
        yield from added_later(fact, context)

    def _change_identity(self, fact: FactId, context: Context, alter: Part, draft: _DraftMaker) -> Iterable[Draft]:
        new = cast("Definition", context.new(fact)["identity"])
        old = cast("Definition | None", context.old(fact).get("identity"))
        if old is None:
            yield draft(compose("{} ADD {}", alter, identity_clause(new)))
            yield continue_after(fact, str(new["sequence"]), new)
            return
        if old["sequence"] != new["sequence"]:
            renamed = str(new["sequence"]).partition(".")[2]
            yield draft(compose("ALTER SEQUENCE {} RENAME TO {}", raw(str(old["sequence"])), raw(renamed)))
        actions: list[Part] = []
        if old.get("always") != new.get("always"):
            actions.append(raw("SET GENERATED ALWAYS" if new.get("always") else "SET GENERATED BY DEFAULT"))
        words: tuple[tuple[str, LiteralString, LiteralString], ...] = (
            ("increment", "SET INCREMENT BY {}", "SET INCREMENT BY 1"),
            ("min", "SET MINVALUE {}", "SET NO MINVALUE"),
            ("max", "SET MAXVALUE {}", "SET NO MAXVALUE"),
            ("cache", "SET CACHE {}", "SET CACHE 1"),
        )
        types = tuple(str(state(fact)["type"]) for state in (context.old, context.new))
        room = made_room(raw(str(new["sequence"])), old, new, (types[0], types[1]))
        moved = explicit_bounds(new, types[1]) if room else new_bounds(old, new, (types[0], types[1]))
        for key, template, absent in words:
            if old.get(key) != new.get(key) and not (moved and key in ("min", "max")):
                actions.append(raw(compose(template, raw(str(new[key]))) if key in new else absent))
        # A start that is left out follows from the bounds when a sequence is made, but not when it is altered.
        starts = [str(definition.get("start") or first_value(definition)) for definition in (old, new)]
        if starts[0] != starts[1]:
            actions.append(raw(compose("SET START WITH {}", raw(starts[1]))))
        if old.get("cycle") != new.get("cycle"):
            actions.append(raw("SET CYCLE" if new.get("cycle") else "SET NO CYCLE"))
        actions += [raw(f"SET {text}") for text in moved]
        if actions:
            for text in room:
                yield draft(text)
            yield draft(compose("{} {}", alter, joined(actions, " ")))

    def claims(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        identity = cast("Definition | None", definition.get("identity"))
        if identity is not None:
            yield ("relation", *split_name(str(identity["sequence"])))
        yield from not_null_claims(fact, definition)


def _checks_of(column: FactId, context: Context) -> Iterable[FactId]:
    """The CHECK constraints that Postgres checks again after a change of the column's type, rewritten or not."""
    for other in context.dependents.get(column, ()):
        if other.kind == "constraint" and context.old(other)["type"] == "check" and context.persists(other):
            yield other


def _follows_type(fact: FactId, context: Context) -> bool:
    """A column of a typed table whose type changes: ALTER TYPE ... CASCADE changes the table too."""
    table = context.goal.parent(fact) or context.live.parent(fact)
    if table is None or not context.alters or not context.persists(table) or table in context.released:
        return False
    if "of_type" not in context.old(table):
        return False
    needed = context.live.dependencies.get(table, frozenset())
    return any(each.kind == "composite_type" and each in context.alters for each in needed)


def _is_another_kind(kind: FactId, context: Context) -> bool:
    """Whether a type of another kind takes the name of the one that goes: a domain an enum's."""
    return any(FactId(other, kind.name) in context.goal for other in (*_TYPES, "table"))


def disturbed_by_type_change(fact: FactId, context: Context, *, same_family: bool) -> Iterable[FactId]:
    """What ALTER TYPE refuses to carry along: everything but constraints, indexes and statistics, which it rebuilds.

    Of a partition it makes those anew that its parent's bring, with the names that it chooses. Foreign keys are rebuilt
    as well, but compare with the other side's type as it is at that moment.
    """
    for dependent in context.dependents.get(fact, ()):
        match dependent.kind:
            case "index" | "constraint" if partitions.is_remade_otherwise(dependent, context):
                yield dependent
            case "index" | "statistics" | "sequence" | "owned_by" | "comment" | "privileges" | "inheritance" | "table":
                continue
            case "default" if dependent.name == fact.name:
                continue
            case "constraint":
                if not same_family and context.old(dependent)["type"] == "foreign_key":
                    yield dependent
            case "column" if _follows_parent(dependent, fact, context):
                continue
            case _:
                yield dependent


def _follows_parent(dependent: FactId, fact: FactId, context: Context) -> bool:
    """A plain column of the same table: it does not mind."""
    return "generated" not in context.old(dependent) and context.live.parent(dependent) == context.live.parent(fact)


def _is_guarded(column: FactId, context: Context) -> bool:
    """Whether Postgres refuses another expression for a virtual column: its table has a check or is published."""
    table = context.live.parent(column)
    if table is None:
        return False
    checked = any(
        child.kind == "constraint" and context.old(child)["type"] == "check"
        for child in context.live.children.get(table, ())
    )
    return checked or any(other.kind == "publication_table" for other in context.dependents.get(table, ()))


class DefaultRule(Rule):
    """The default of a column, of a table or a view."""

    kinds = ("default",)
    rank = 52
    unfold = 1

    def fold_into(self, fact: FactId, context: Context) -> FactId | None:
        column = FactId("column", fact.name)
        owner = context.goal.parent(column)
        if (
            owner is None
            or owner.kind not in TABLE_KINDS
            or (context.new(column).get("inherited") and owner not in context.stand_ins)
            or column in context.parked
        ):
            return None
        return column

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        yield self._draft(fact, context, raw(compose("SET DEFAULT {}", raw(str(context.new(fact)["expression"])))))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        column = context.live.parent(fact)
        if column in context.drops and column not in context.parked:
            return
        yield self._draft(fact, context, raw("DROP DEFAULT"))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        return self.create(fact, (), context)

    def _draft(self, fact: FactId, context: Context, action: Part) -> Draft:
        owner = (context.goal if fact in context.goal else context.live).object_of(fact)
        template: LiteralString = "ALTER TABLE ONLY {} ALTER COLUMN {} {}"
        if owner.kind == "view":
            template = "ALTER VIEW {} ALTER COLUMN {} {}"
        text = compose(template, qualified(fact), name(fact.name[2]), action)
        return Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=owner)
