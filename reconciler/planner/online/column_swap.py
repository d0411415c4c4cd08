"""Columns that are made beside the one they replace: another type, or a new default that every row must get. Pure.

The new column has a temporary name. A trigger keeps it equal to the old one, or its default fills new rows; the rows
are backfilled in batches; indexes are built on it; and the plan's transaction drops the old column, renames
the new one, and gives it all that hung on the old one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.model.facts import SATELLITE_KINDS, FactId
from reconciler.model.plan import LockMode, RowAccess, RowCommand, Stage
from reconciler.model.temporary_names import is_leftover, temporary_name, trigger_name
from reconciler.planner.columns.backfill import may_name_unsettled
from reconciler.planner.columns.clauses import column_kind
from reconciler.planner.columns.given_values import changed_default, family, other_source_changes
from reconciler.planner.columns.hierarchy import inherited_from
from reconciler.planner.columns.identity_backfill import becomes_identity, counter_of, counting_text, next_of
from reconciler.planner.columns.not_null import free_required_name, is_required_online, required
from reconciler.planner.core import online, row_guards
from reconciler.planner.core.rule import StatementDraft, exclusive
from reconciler.planner.partitions import publications
from reconciler.planner.sql.casts import is_a_number, is_the_same_everywhere, rewrites
from reconciler.planner.sql.object_names import qualified, split_name
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = [
    "add_filled",
    "altered_to_keep_order",
    "beside",
    "carried_along",
    "exchanged_before",
    "follows_shadow",
    "hides",
    "is_filled_online",
    "is_on_exchanged",
    "is_triggered",
    "kept_in_order",
    "moved_behind",
    "numbers_rows",
    "obstacle",
    "swap",
    "takes_shadow",
    "triggered",
    "without_trigger",
]

_NEVER = frozenset({"generated", "virtual", "identity", "fdw_options", "inherited"})
_NEVER_FILLED = _NEVER - {"identity"}
# Functions of which Postgres computes one value for all rows, without a rewrite.
_STABLE = re.compile(
    r"(timezone\('[^']*'::text, )?(now|transaction_timestamp|statement_timestamp)\([^()]*\)\)?(::[\w\s]+)?"
)
_TYPES = frozenset({"domain", "composite_type", "range_type", "base_type", "table", "extension"})
_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def takes_shadow(column: FactId, context: Context) -> bool:
    """Whether a new column is made in the column's place: mostly for a type that would rewrite a large table."""
    if column.kind != "column" or column not in context.live or column not in context.goal:
        return False
    if context.online is not None and context.online.keep_column_order:
        return column in kept_in_order(context.live.parent(column), context)
    return _wants_shadow(column, context)


def kept_in_order(table: FactId | None, context: Context) -> Sequence[FactId]:
    """The columns that are exchanged where their order is kept: the first that changes its type, and all behind it.

    None where one of them cannot be exchanged, or a table that inherits them has other columns.
    """
    if table is None or table.kind != "table":
        return ()
    columns = [column for column in _ordered(table, context) if column in context.goal]
    first = next((place for place, column in enumerate(columns) if _wants_shadow(column, context)), None)
    if first is None or not all(_may_be_exchanged(column, context) for column in columns[first:]):
        return ()
    names = [column.name[2] for column in columns]
    for heir in _heirs(table, context):
        if [column.name[2] for column in _ordered(heir, context) if column in context.goal] != names:
            return ()
    return columns[first:]


def _may_be_exchanged(column: FactId, context: Context) -> bool:
    """Whether the column can be exchanged though its type would not ask for it."""
    if "type" not in context.changed(column) and _becomes_required(column, context):
        return False
    is_own = not context.old(column).get("inherited") and column not in context.intent.conversions
    return is_own and obstacle(column, context) is None


def altered_to_keep_order(context: Context) -> Iterable[FactId]:
    """The columns that are exchanged with one before them, changed or not, and those that inherit them."""
    if context.online is None or not context.online.keep_column_order:
        return
    tables = {context.live.parent(fact) for fact in context.alters if fact.kind == "column"}
    for table in sorted(each for each in tables if each is not None):
        for column in kept_in_order(table, context):
            yield from family(column, context)


def exchanged_before(column: FactId, context: Context) -> Sequence[FactId]:
    """The columns of the table that are exchanged and stand before this one, or before which a new one may not come."""
    table = context.live.parent(column) or context.goal.parent(column)
    if table is None or table not in context.live:
        return ()
    columns = _ordered(table, context)
    if column not in context.live and not (context.online is not None and context.online.keep_column_order):
        return ()
    if column in context.live:
        columns = columns[: columns.index(column)] if takes_shadow(column, context) else []
    return [each for each in columns if each in context.alters and takes_shadow(each, context)]


def moved_behind(column: FactId, context: Context) -> Sequence[FactId] | None:
    """The columns that stand behind an exchanged one and then before it; None where it is not exchanged."""
    table = context.live.parent(column)
    if table is None or not _is_exchanged(column, context):
        return None
    columns = _ordered(table, context)
    behind = columns[columns.index(column) + 1 :]
    return [each for each in behind if context.persists(each) and not _is_exchanged(each, context)]


def _is_exchanged(column: FactId, context: Context) -> bool:
    return column in context.alters and (takes_shadow(column, context) or follows_shadow(column, context))


def _ordered(table: FactId, context: Context) -> list[FactId]:
    """The live table's columns in their order."""
    return [FactId("column", (*table.name, found)) for found, _ in context.columns(table, context.live)]


def _wants_shadow(column: FactId, context: Context) -> bool:
    """Whether a change of type would rewrite a large table, and can be made by a new column instead."""
    old, new = context.old(column), context.new(column)
    return (
        "type" in context.changed(column)
        and column not in context.intent.conversions  # the trigger that keeps it equal knows the usual casts alone
        and _is_large(context.live.parent(column), context)
        and not old.get("inherited")
        and obstacle(column, context) is None
        and rewrites(str(old["type"]), str(new["type"]))
    )


def follows_shadow(column: FactId, context: Context) -> bool:
    """Whether the column is exchanged together with the one of a parent that it comes from."""
    if not context.live.definition(column).get("inherited") or column not in context.alters:
        return False
    return any(
        takes_shadow(above, context) or follows_shadow(above, context)
        for above in inherited_from(column, context)
        if above in context.alters
    )


def _is_large(table: FactId | None, context: Context) -> bool:
    """Whether the table, or one that belongs to it, is too large to be rewritten while others wait."""
    if context.online is None or table is None or table.kind != "table" or not context.persists(table):
        return False
    if context.old(table).get("partition_key") != context.new(table).get("partition_key"):
        return False
    return any(context.online.covers(context.sizes.get(each)) for each in (table, *_heirs(table, context)))


def obstacle(column: FactId, context: Context) -> str | None:
    """Why the column of a large table cannot be exchanged for one of another type; None where it can."""
    table = context.live.parent(column)
    assert table is not None
    if _becomes_required(column, context) and not _is_missing_known(column, context):
        return "it becomes required, and what rows without a value get comes with the plan"
    heirs = [*_heirs(table, context)]
    everywhere = [column, *(FactId("column", (*heir.name, column.name[2])) for heir in heirs)]
    old = context.old(column)
    if context.changed(column) & _NEVER or "generated" in old or "of_type" in context.old(table):
        return "more than its type changes, or it is computed"
    if any(
        dependent.kind == "column" and "generated" in context.old(dependent)
        for each in everywhere
        for dependent in context.dependents.get(each, ())
    ):
        return "a generated column depends on it"
    if (reason := publications.why_not_hidden((table, *heirs), context)) is not None:
        return reason
    if (guarded := _filling_of_changed(column, context).why_not) is not None:
        return guarded
    if not heirs and "partition_key" not in context.old(table):
        return None
    if "identity" in old:
        return "it is the identity of a table with partitions or children"
    keys = (str(context.old(each).get("partition_key", "")) for each in (table, *heirs))
    if any(column.name[2] in _names_in(key) for key in keys):
        return "it is in a partition key"
    if any(
        dependent.kind in ("index", "constraint", "statistics") and not is_leftover(dependent)
        for each in everywhere
        for state in (context.dependents, context.goal_dependents)
        for dependent in state.get(each, ())
    ):
        return "an index or constraint of a table with partitions or children is on it"
    if not all(_comes_along(each, heir, column, context) for each, heir in zip(everywhere[1:], heirs, strict=True)):
        return "a child table overrides it"
    return None


def _is_missing_known(column: FactId, context: Context) -> bool:
    """Whether what a row without a value gets can be computed before the plan's transaction."""
    said = _said(column, context)
    if other_source_changes(column, context) or (said is not None and may_name_unsettled(said, column, context)):
        return False
    default = changed_default(column, context)
    return default is None or default not in context.goal or online.is_ready(default, context, among=(column,))


def _family(table: FactId, context: Context) -> list[FactId]:
    """The table and all that get its columns."""
    return [table, *_heirs(table, context)]


def beside(table: FactId, context: Context) -> set[FactId]:
    """The columns of the table that have a temporary one beside them in this plan."""
    columns = [*context.live.children.get(table, ()), *context.goal.children.get(table, ())]
    found = {each for each in columns if each in context.alters and takes_shadow(each, context)}
    for each in columns:
        if each.kind == "column" and each in context.creates and each not in context.drops:
            default = context.goal.find(FactId("default", each.name))
            if is_filled_online(each, str(default["expression"]) if default else None, context):
                found.add(each)
    return found


def hides(table: FactId, context: Context) -> list[FactId]:
    """The members of publications that get a column list meanwhile."""
    return publications.to_hide(_family(table, context), context)


def _heirs(table: FactId, context: Context) -> Iterable[FactId]:
    """The tables that inherit from the table or are partitions of it, on all levels."""
    for link in context.live.heirs.get(table.name, ()):
        heir = context.live.parent(link)
        if heir is not None:
            yield heir
            yield from _heirs(heir, context)


def _is_parent(table: FactId, context: Context) -> bool:
    return table.name in context.live.heirs


def _comes_along(column: FactId, heir: FactId, above: FactId, context: Context) -> bool:
    """Whether the column has all from the one of its one parent, and will."""
    links = [each for each in context.live.children.get(heir, ()) if each.kind == "inheritance"]
    if heir.kind != "table" or len(links) != 1 or not context.persists(links[0]) or not context.persists(heir):
        return False
    if column not in context.live or column not in context.goal or column in context.intent.conversions:
        return False
    return all(
        bool(state(column).get("inherited")) and state(column).get(key) == state(above).get(key)
        for state in (context.old, context.new)
        for key in ("type", "not_null", "collation", "compression")
    )


def _names_in(text: str) -> set[str]:
    """All words of an expression that could be a column's name."""
    found = (token[0] for token in _TOKEN.finditer(text) if not token[0].startswith("'"))
    return {token[1:-1].replace('""', '"') if token.startswith('"') else token for token in found}


def _holders(table: FactId, context: Context) -> list[FactId]:
    """The tables that hold rows of the table: itself and what inherits from it, or the partitions at the end."""
    return [each for each in (table, *_heirs(table, context)) if "partition_key" not in context.old(each)]


def _filling(table: FactId, context: Context, expression: str = "", *, firing: bool = False) -> row_guards.Batching:
    """How the new column is filled in all tables that hold rows, while a trigger of ours sets it in new ones."""
    holders = _holders(table, context)
    return row_guards.batching(holders, context, synced=(table,), expression=expression, firing=firing)


def _filling_of_changed(column: FactId, context: Context) -> row_guards.Batching:
    table = context.live.parent(column)
    assert table is not None
    said = _said(column, context) if _becomes_required(column, context) else None
    return _filling(table, context, said or "", firing=said is not None and column in context.intent.firing)


def _triggered_tables(table: FactId, context: Context) -> list[FactId]:
    """The tables that need a trigger of their own; partitions get that of their parent."""
    return [table] if "partition_key" in context.old(table) else _holders(table, context)


def carried_along(column: FactId, context: Context) -> Iterable[FactId]:
    """What goes with the old column and must be made again on the new one."""
    for dependent in context.dependents.get(column, ()):
        if dependent.kind in ("index", "constraint", "statistics", "owned_by"):
            yield dependent
    for child in context.live.children.get(column, ()):
        if child.kind in SATELLITE_KINDS or child.kind == "default":
            yield child


def shadow_name(column: FactId, kind: str) -> str:
    """The new column's name while both are there."""
    return temporary_name(*column.name, kind)


def _exchanged_name(column: FactId, context: Context) -> str:
    """The name of the column that takes this one's place.

    Where the order is kept it stands for all that are exchanged, so that a run goes on only with columns in this order.
    """
    kind = str(context.new(column)["type"])
    if context.online is None or not context.online.keep_column_order:
        return shadow_name(column, kind)
    among = kept_in_order(context.live.parent(column), context)
    return shadow_name(column, "\0".join((kind, *(f"{each.name[2]} {context.new(each)['type']}" for each in among))))


def swap(column: FactId, expression: str, found: Sequence[Hazard], context: Context) -> Iterable[StatementDraft]:
    """The new column with everything that leads to it, and the exchange in the plan's transaction."""
    old, new = context.old(column), context.new(column)
    table = context.live.parent(column)
    assert table is not None
    shadow = _exchanged_name(column, context)
    yield from _keep_equal(column, shadow, expression, table, context)
    arrived = _arrived(column, shadow, expression, context)
    change = compose("SET {} = {} WHERE ({}) IS NOT TRUE", name(shadow), raw(expression), arrived)
    said = _said(column, context) if _becomes_required(column, context) else None
    if said is not None:
        template: LiteralString = "SET {} = COALESCE({}, {}) WHERE (({}) AND {} IS NOT NULL) IS NOT TRUE"
        change = compose(template, name(shadow), raw(expression), raw(said), arrived, name(shadow))
    firing = said is not None and column in context.intent.firing
    yield from _fill(change, table, tuple(found), _filling_of_changed(column, context), context, firing=firing)
    what = f"values of {column} did not arrive in the new column"
    proof, dropped = online.checked_rows(table, (shadow, "arrived"), arrived, (), what, context)
    first, last = _not_null(column, shadow, table, context)
    # Both hold for new rows before either is validated.
    yield from sorted((*proof, *first), key=lambda draft: not draft.brief)
    yield _analyze(table, shadow)
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    final = name(column.name[2])

    yield from dropped
    yield from without_trigger(shadow, table, context)
    yield from publications.unlisted(_family(table, context), context)
    identity = "identity" in old
    aside = name(temporary_name(*column.name, "old"))
    if identity:
        for text in free_required_name(column, temporary_name(*column.name, "not null"), context):
            yield exclusive(text, table, brief=True)
        yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, final, aside), table, brief=True)
    else:
        yield exclusive(compose("{} DROP COLUMN {}", alter, final), table, brief=True)
    yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, name(shadow), final), table, brief=True)
    if _is_indexed(column, context):
        yield exclusive(_index_columns_renamed(column, shadow), table, brief=True)
    if new.get("not_null"):
        yield exclusive(required(column, context), table, brief=True)
    yield from last
    if identity:
        yield from (exclusive(text, table, brief=True) for text in _identity(column, alter, context))
        yield exclusive(compose("{} DROP COLUMN {}", alter, aside), table, brief=True)
    yield from publications.shows_again(column, _family(table, context), context)


def _is_indexed(column: FactId, context: Context) -> bool:
    return any(each.kind in ("index", "constraint") for each in context.goal_dependents.get(column, ()))


def _index_columns_renamed(column: FactId, shadow: str) -> str:
    """The columns of indexes that were built on the new one: Postgres names them then, and renames none with it.

    Which of an index's expressions has been given the name is known to the catalogs alone.
    """
    of_table = literal(compose("{}", qualified(column)))
    final = literal(column.name[2])
    body = compose(
        "DECLARE part record; BEGIN"
        " FOR part IN SELECT a.attrelid, a.attname FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid"
        " WHERE i.indrelid = {}::pg_catalog.regclass AND pg_catalog.starts_with(a.attname::text, {})"
        " ORDER BY a.attrelid, a.attnum LOOP"
        " EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I',"
        " part.attrelid::pg_catalog.regclass, part.attname,"
        " (SELECT x.free FROM pg_catalog.generate_series(0, 99) AS n, LATERAL (SELECT CASE n WHEN 0 THEN {}"
        " ELSE pg_catalog.concat(pg_catalog.left({}, 15), n) END) AS x(free) WHERE NOT EXISTS (SELECT"
        " FROM pg_catalog.pg_attribute b WHERE b.attrelid = part.attrelid AND b.attname = x.free)"
        " ORDER BY n LIMIT 1)); END LOOP; END",
        of_table,
        literal(shadow),
        final,
        final,
    )
    return compose("DO {}", literal(body))


def _arrived(column: FactId, shadow: str, expression: str, context: Context) -> Part:
    """The condition for the value of a row to have arrived in the new column.

    A value that depends on what a session has set is another one where a client of other settings wrote the row: then
    only what is NULL is compared. Where NOT NULL comes with the type, a row without a value may get one.
    """
    arrived = _same_value(column, shadow, expression, context)
    if _becomes_required(column, context):
        return raw(compose("({}) IS NULL OR {}", raw(expression), arrived))
    return arrived


def _same_value(column: FactId, shadow: str, expression: str, context: Context) -> Part:
    old, new = str(context.old(column)["type"]), str(context.new(column)["type"])
    enums = all(_is_enum_or_known(column, state) for state in (context.live, context.goal))
    value = raw(compose("({})::{}", raw(expression), raw(new)))
    if not is_the_same_everywhere(old, new, enums=enums):
        return raw(compose("({} IS NULL) = ({} IS NULL)", name(shadow), value))
    if is_a_number(new):
        return raw(compose("{} IS NOT DISTINCT FROM {}", name(shadow), value))
    texts = (raw(compose('{}::text COLLATE "C"', part)) for part in (name(shadow), value))
    return raw(compose("{} IS NOT DISTINCT FROM {}", *texts))


def _is_enum_or_known(column: FactId, state: Snapshot) -> bool:
    """Whether the column's type, where it is none of Postgres's own, is an enum."""
    return all(each.kind not in _TYPES for each in state.dependencies.get(column, ()) if each != state.parent(column))


def _identity(column: FactId, alter: Part, context: Context) -> Iterable[str]:
    """The new column gets a sequence of the same name that continues at the position of the old one."""
    identity = cast("Definition", context.new(column)["identity"])
    sequence = str(identity["sequence"])
    aside = temporary_name(*column.name, "sequence")
    yield compose("ALTER SEQUENCE {} RENAME TO {}", raw(sequence), name(aside))
    yield from becomes_identity(column, identity, name(split_name(sequence)[0], aside), alter)


def _keep_equal(
    column: FactId, shadow: str, expression: str, table: FactId, context: Context
) -> Iterable[StatementDraft]:
    """The new column, and the trigger that fills it in every row that is written from now on."""
    new = context.new(column)
    hidden = [*publications.hide(column, _family(table, context), beside(table, context), context)]
    yield from hidden
    joined = bool(hidden)
    if not online.adopt(FactId("column", (*table.name, shadow)), context):
        text = compose("ALTER TABLE {} ADD COLUMN {} {}", qualified(column), name(shadow), column_kind(new))
        yield StatementDraft(sql=text, lock=_EXCLUSIVE, locks=table, stage=Stage.BEFORE, joined=joined, brief=True)
        joined = True
    # The expression names columns as ALTER TYPE's USING does; so they must be in its scope.
    value = raw(
        compose(
            "(SELECT {} FROM (SELECT NEW.*) AS {})", raw(_or_missing(column, expression, context)), name(column.name[1])
        )
    )
    body = compose("BEGIN NEW.{} := {}; RETURN NEW; END", name(shadow), value)
    yield from triggered(shadow, body, table, context, joined=joined)


def _or_missing(column: FactId, expression: str, context: Context) -> str:
    """The converted value, or what a row without one gets where NOT NULL comes with the type.

    In a new row that is the default, in one that is there what a hint says. A trigger cannot tell a column that is left
    out from one that is written as NULL.
    """
    if not _becomes_required(column, context):
        return expression
    default = context.goal.find(FactId("default", column.name))
    said = _said(column, context)
    given = str(default["expression"]) if default is not None else said
    if given is None:
        return expression
    meanwhile = raw(compose("CASE TG_OP WHEN 'INSERT' THEN {} ELSE {} END", raw(given), raw(said or "NULL")))
    return compose("COALESCE({}, {})", raw(expression), meanwhile)


def _becomes_required(column: FactId, context: Context) -> bool:
    return bool(context.new(column).get("not_null")) and not context.old(column).get("not_null")


def triggered(
    shadow: str, body: str, table: FactId, context: Context, *, joined: bool, as_owner: bool = False
) -> Iterable[StatementDraft]:
    """The trigger that sets the new column in each row as it is written, with the rights of who writes it or ours."""
    schema = table.name[0]
    if not online.adopt(FactId("function", (schema, shadow, "")), context):
        rights = raw("SECURITY DEFINER SET search_path TO pg_catalog, pg_temp " if as_owner else "")
        template: LiteralString = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql {}AS {}"
        text = compose(template, name(schema, shadow), rights, literal(body))
        yield StatementDraft(sql=text, locks=table, stage=Stage.BEFORE, joined=joined)
        joined = True
    lock = LockMode.SHARE_ROW_EXCLUSIVE
    for each in _triggered_tables(table, context):
        trigger = _trigger(shadow, each, context)
        if not online.adopt(FactId("trigger", (*each.name, trigger)), context):
            text = compose(
                "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                name(trigger),
                qualified(each),
                name(schema, shadow),
            )
            yield StatementDraft(sql=text, lock=lock, locks=each, stage=Stage.BEFORE, joined=joined, brief=True)
            joined = True
            # Also for what a subscription or a session brings that other triggers do not fire for.
            text = compose("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", qualified(each), name(trigger))
            yield StatementDraft(sql=text, lock=lock, locks=each, stage=Stage.BEFORE, joined=True, brief=True)


def is_triggered(shadow: str, table: FactId, context: Context) -> bool:
    """Whether an earlier run has left the triggers that set the column."""
    return all(
        FactId("trigger", (*each.name, _trigger(shadow, each, context))) in context.live
        for each in _triggered_tables(table, context)
    )


def without_trigger(shadow: str, table: FactId, context: Context) -> Iterable[StatementDraft]:
    """The triggers go, and their function."""
    for each in _triggered_tables(table, context):
        text = compose("DROP TRIGGER {} ON {}", name(_trigger(shadow, each, context)), qualified(each))
        yield exclusive(text, each, brief=True)
    text = compose("DROP FUNCTION {}()", name(table.name[0], shadow))
    yield exclusive(text, table, brief=True)


def _trigger(shadow: str, table: FactId, context: Context) -> str:
    """The trigger's name on the table: the one that it has there already, or one that lets it fire last."""
    suffix = shadow.rpartition("_")[2]
    family = (table, *_heirs(table, context))
    triggers = [each for member in family for each in context.live.children.get(member, ()) if each.kind == "trigger"]
    for each in triggers:
        if each.name[:2] == table.name and is_leftover(each) and each.name[2].endswith(suffix):
            return each.name[2]
    return trigger_name(suffix, (each.name[2] for each in triggers if not is_leftover(each)))


def _fill(
    change: str,
    table: FactId,
    found: tuple[Hazard, ...],
    filling: row_guards.Batching,
    context: Context,
    *,
    firing: bool = False,
) -> Iterable[StatementDraft]:
    """The UPDATE of all rows, a table at a time; no lock is named, as it lets clients read and write all other rows."""
    template: LiteralString = "UPDATE ONLY {} {}" if _is_parent(table, context) else "UPDATE {} {}"
    for holder in _holders(table, context):
        text = compose(template, qualified(holder), raw(change))
        written = RowAccess(table=holder, command=RowCommand.UPDATE, only=True, fires_triggers=firing)
        yield StatementDraft(
            sql=text,
            hazards=found,
            stage=Stage.BEFORE,
            batched=holder,
            as_replica=filling.as_replica,
            rows=(written,),
            rehearsal="",
        )


def _not_null(
    column: FactId, shadow: str, table: FactId, context: Context
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    if not context.new(column).get("not_null"):
        return [], []
    return online.checked_not_null(column, shadow, table, context, is_filled=True)


def _filled(
    column: FactId, shadow: str, value: str, table: FactId, context: Context
) -> tuple[list[StatementDraft], list[StatementDraft]]:
    """What proves that each row has a value, where that is not NULL itself."""
    if context.new(column).get("not_null"):
        return _not_null(column, shadow, table, context)
    condition = raw(compose("{} IS NOT NULL OR ({}) IS NULL", name(shadow), raw(value)))
    what = f"rows of {table} got no value for {column}"
    return online.checked_rows(table, (shadow, "filled"), condition, (), what, context)


def _analyze(table: FactId, shadow: str) -> StatementDraft:
    """Without statistics of the new column the plans of queries would change when it takes over."""
    text = compose("ANALYZE {} ({})", qualified(table), name(shadow))
    return StatementDraft(sql=text, lock=LockMode.SHARE_UPDATE_EXCLUSIVE, locks=table, stage=Stage.BEFORE)


# --- a new column whose default is another for each row ---------------------------------------------------------------


def is_one_for_all(default: str) -> bool:
    """Whether Postgres computes the default once for all rows that are there, and so writes none of them."""
    return "(" not in default or _STABLE.fullmatch(default) is not None


def is_filled_online(column: FactId, default: str | None, context: Context) -> bool:
    """Whether a new column is backfilled in batches, because its value must be computed for each row."""
    table = context.goal.parent(column)
    new = context.new(column)
    if column in context.drops or new.keys() & _NEVER_FILLED or table is None or not _is_large(table, context):
        return False
    if publications.why_not_hidden(_family(table, context), context) is not None:
        return False
    if not all(
        heir.kind == "table"
        and context.persists(heir)
        and (same := FactId("column", (*heir.name, column.name[2]))) in context.creates
        and context.new(same).get("inherited")
        and "identity" not in context.new(same)
        for heir in _heirs(table, context)
    ):
        return False
    if filling_of_new(column, context).why_not is not None:
        return False
    if "identity" in new:
        return online.is_ready(column, context, among=(column,))
    if (said := _said(column, context)) is not None:
        # What the hint says may name any column that is there, but none that is not, or not as it will be.
        return not may_name_unsettled(said, column, context) and online.is_ready(column, context, among=(column,))
    if default is None or is_one_for_all(default):
        return False
    fact = FactId("default", column.name)
    among = (column, fact, *_new_sequences(fact, context))
    return all(online.is_ready(each, context, among=among) for each in among)


def filling_of_new(column: FactId, context: Context) -> row_guards.Batching:
    """How the rows of a large table get the value of a new column in batches, if that is what is to be done."""
    table = context.goal.parent(column)
    assert table is not None
    return _filling(table, context, _said(column, context) or "", firing=column in context.intent.firing)


def _said(column: FactId, context: Context) -> str | None:
    """What a new NOT NULL column holds in the rows that are there, where a hint says so."""
    return context.intent.backfills.get(column) if context.new(column).get("not_null") else None


def _new_sequences(default: FactId, context: Context) -> Sequence[FactId]:
    """The sequences that the default needs, that are new, and that nothing in live keeps from being made at once."""
    return [
        each
        for each in sorted(context.goal.dependencies.get(default, ()))
        if each.kind == "sequence"
        and each in context.creates
        and online.name_is_free(each.name[0], each.name[1], context)
    ]


def numbers_rows(sequence: FactId, context: Context) -> bool:
    """Whether a new sequence is needed before the plan's transaction, to number rows that are there or come."""
    return any(
        fact.kind == "default"
        and sequence in _new_sequences(fact, context)
        and _numbers_early(FactId("column", fact.name), str(context.new(fact)["expression"]), context)
        for fact in context.goal_dependents.get(sequence, ())
    )


def _numbers_early(column: FactId, default: str, context: Context) -> bool:
    if column in context.creates:
        return is_filled_online(column, default, context)
    return is_required_online(column, context)


def add_filled(column: FactId, kind: Part, default: str | None, context: Context) -> Iterable[StatementDraft]:
    """The new column under a temporary name until every row has a value.

    The value is what a hint says, else the default; else it is an identity: a sequence of its own numbers the rows, and
    the identity continues after it.
    """
    table = context.goal.parent(column)
    assert table is not None
    identity = cast("Definition | None", context.new(column).get("identity"))
    counter = counter_of(column, context)
    if identity is not None and not online.adopt(counter, context):
        yield StatementDraft(sql=counting_text(column, context), stage=Stage.BEFORE)
    said = _said(column, context)
    value = said or default or next_of(counter)
    shadow = shadow_name(column, f"{context.goal.facts[column]} default {value}")
    # Clients may have no right to use the sequence, or not yet, nor to what the hint names: the trigger has.
    needs_rights = (identity or said) is not None or any(
        each.kind == "sequence" for each in context.goal.dependencies.get(FactId("default", column.name), ())
    )
    alter = raw(compose("ALTER TABLE {}", qualified(column)))
    hidden = [*publications.hide(column, _family(table, context), beside(table, context), context)]
    yield from hidden
    added = not online.adopt(FactId("column", (*table.name, shadow)), context)
    if added:
        texts = [compose("{} ADD COLUMN {} {}", alter, name(shadow), kind)]
        if not needs_rights:
            texts.append(compose("{} ALTER COLUMN {} SET DEFAULT {}", alter, name(shadow), raw(value)))
        for place, text in enumerate(texts):
            joined = place > 0 or bool(hidden)
            yield StatementDraft(sql=text, lock=_EXCLUSIVE, locks=table, stage=Stage.BEFORE, joined=joined, brief=True)
    # An UPDATE may move a row that has no value yet to a page that was filled already.
    template: LiteralString = "BEGIN IF NEW.{} IS NULL THEN NEW.{} := {}; END IF; RETURN NEW; END"
    of_row = raw(compose("(SELECT {} FROM (SELECT NEW.*) AS {})", raw(value), name(table.name[1])) if said else value)
    body = compose(template, name(shadow), name(shadow), of_row)
    yield from triggered(shadow, body, table, context, joined=added or bool(hidden), as_owner=needs_rights)
    text = compose("SET {} = ({}) WHERE {} IS NULL", name(shadow), raw(value), name(shadow))
    firing = column in context.intent.firing
    yield from _fill(text, table, (), filling_of_new(column, context), context, firing=firing)
    first, last = _filled(column, shadow, value, table, context)
    yield from first
    yield _analyze(table, shadow)
    yield from without_trigger(shadow, table, context)
    yield from publications.unlisted(_family(table, context), context)

    final = name(column.name[2])
    yield exclusive(compose("{} RENAME COLUMN {} TO {}", alter, name(shadow), final), table, brief=True)
    if needs_rights and default is not None:
        yield exclusive(compose("{} ALTER COLUMN {} SET DEFAULT {}", alter, final, raw(default)), table, brief=True)
    if context.new(column).get("not_null"):
        yield exclusive(required(column, context), table, brief=True)
    yield from last
    if identity is not None:
        yield from (
            exclusive(text, table, brief=True) for text in becomes_identity(column, identity, qualified(counter), alter)
        )
        yield exclusive(compose("DROP SEQUENCE {}", qualified(counter)), table, brief=True)
    yield from publications.shows_again(column, _family(table, context), context)


# --- indexes on it ----------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*""")


def on_shadows(text: str, fact: FactId, context: Context) -> str:
    """The text of an index with the new columns in place of the old ones.

    A name that only looks like the column's (a function's, a type's) stays; were one taken for another, the proof would
    not end at the goal.
    """
    renamed = {column.name[2]: _exchanged_name(column, context) for column in shadowed_columns(fact, context)}

    def replaced(match: re.Match[str]) -> str:
        token = match[0]
        plain = token[1:-1].replace('""', '"') if token.startswith('"') else token
        before, after = text[: match.start()], text[match.end() :]
        if token.startswith("'") or plain not in renamed or before.endswith((".", "::")) or after.startswith("("):
            return token
        return compose("{}", name(renamed[plain]))

    return _TOKEN.sub(replaced, text) if renamed else text


def is_on_exchanged(index: FactId, context: Context) -> bool:
    """Whether the live index is on a column that is exchanged, and so goes with the old one."""
    return any(
        takes_shadow(needed, context) or follows_shadow(needed, context)
        for needed in context.live.dependencies.get(index, ())
        if needed in context.alters
    )


def shadowed_columns(fact: FactId, context: Context) -> list[FactId]:
    """The columns that the fact needs and that are exchanged."""
    return [
        needed
        for needed in sorted(context.goal.dependencies.get(fact, ()))
        if needed in context.alters and takes_shadow(needed, context)
    ]
