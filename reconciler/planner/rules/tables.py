"""Tables, also partitioned and foreign ones. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.hazards import hazards
from reconciler.model.plan import LockMode
from reconciler.planner.columns.clauses import column_clause, column_settings
from reconciler.planner.columns.local_overrides import set_apart
from reconciler.planner.columns.not_null import added_later
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.partitions import tree
from reconciler.planner.rules.constraints import inline_constraint
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.options import (
    changed_foreign_options,
    changed_options,
    foreign_options,
    options_clause,
    strings_at,
)
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw
from reconciler.planner.strategies import reroute_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["TableRule", "loses_identity"]

# As people write them: what identifies a row first, what refers to others last.
_CONSTRAINT_ORDER = ("primary_key", "unique", "exclude", "check", "foreign_key")


class TableRule(Rule):
    """Ordinary, partitioned, typed and foreign tables."""

    kinds = ("table", "foreign_table")
    rank = 30

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """A logged table cannot refer to an unlogged one, so one end of a foreign key changes before the other."""
        for part in self._referring(fact, context):
            if (table := context.live.parent(part)) is not None:
                yield table

    def after_drop_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        yield from (part for part in self._referring(fact, context) if part.kind == "constraint")
        yield from _identifying(fact, context.live)

    def _referring(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """Foreign keys to a table that becomes unlogged, or of one that becomes logged, and columns they refer to."""
        if fact not in context.alters or "unlogged" not in context.changed(fact):
            return
        for part in context.live.children.get(fact, ()):
            if context.new(fact).get("unlogged"):
                yield from (each for each in context.dependents.get(part, ()) if each.kind == "constraint")
            elif part.kind == "constraint":
                yield part
                needed = context.live.dependencies.get(part, ())
                yield from (each for each in needed if each.kind in ("column", "constraint"))

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        definition = context.new(fact)
        columns = [member for member in folded if member.kind == "column"]
        defaults = {member.name: context.new(member) for member in folded if member.kind == "default"}
        parents = [member for member in folded if member.kind == "inheritance"]
        clauses = {
            column: column_clause(column, defaults.get(column.name), context, typed="of_type" in definition)
            for column in columns
        }
        elements = [clause for clause in clauses.values() if clause is not None]
        constraints = [member for member in folded if member.kind == "constraint"]
        constraints.sort(key=lambda member: _CONSTRAINT_ORDER.index(str(context.new(member)["type"])))
        elements += [inline_constraint(member, context) for member in constraints]
        body = raw(" (\n    " + joined(elements, ",\n    ").as_string(None) + "\n)" if elements else " ()")
        if "of_type" in definition:
            body = raw(compose(" OF {}{}", raw(str(definition["of_type"])), body if elements else raw("")))
        parts: list[Part] = [body]
        if parents:
            names = joined([name(*member.name[2:]) for member in sorted(parents, key=context.position)])
            parts.append(raw(compose(" INHERITS ({})", names)))
        if "partition_key" in definition:
            parts.append(raw(compose(" PARTITION BY {}", raw(str(definition["partition_key"])))))
        if fact.kind == "foreign_table":
            parts.append(raw(compose(" SERVER {}", name(str(definition["server"])))))
            hidden = (context.goal.secrets.get(fact, {}), context)
            if "server_options" in definition:
                parts.append(
                    raw(compose(" OPTIONS ({})", foreign_options(strings_at(definition, "server_options"), *hidden)))
                )
        else:
            if "access_method" in definition:
                parts.append(raw(compose(" USING {}", name(str(definition["access_method"])))))
            parts.append(options_clause(definition))
            if "tablespace" in definition:
                parts.append(raw(compose(" TABLESPACE {}", name(str(definition["tablespace"])))))
        start: LiteralString = "CREATE TABLE {}{}"
        if fact.kind == "foreign_table":
            start = "CREATE FOREIGN TABLE {}{}"
        elif definition.get("unlogged"):
            start = "CREATE UNLOGGED TABLE {}{}"
        yield StatementDraft(sql=compose(start, qualified(fact), joined(parts, "")))
        for column, clause in clauses.items():
            if clause is None and context.new(column).get("inherited"):
                yield from set_apart(column, context, with_table=True)
                continue
            yield from column_settings(column, {}, context.new(column))
            yield from added_later(column, context)
        yield from _security(fact, {}, definition)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        template: LiteralString = "DROP FOREIGN TABLE {}" if fact.kind == "foreign_table" else "DROP TABLE {}"
        empty = fact.kind == "foreign_table" or tree.is_left_by_all(fact, context)
        empty = empty or reroute_rows.leaves_all_rows(fact, context)
        yield StatementDraft(
            sql=compose(template, qualified(fact)),
            hazards=() if empty else (hazards.loses_table(fact, context.sizes.get(fact)),),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=fact,
        )

    def in_place(self, fact: FactId, context: Context) -> bool:
        changed = context.changed(fact)
        if "access_method" in changed and context.version < 150000:
            return False
        return not changed & {"partition_key", "server"}

    def must_recreate_with(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """A typed table is detached from its type while that is recreated."""
        return dropped.kind != "composite_type" or "of_type" not in context.old(fact)

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        size = context.sizes.get(fact)
        alter = raw(compose("ALTER TABLE {}", qualified(fact)))

        def draft(text: str, *found: Hazard, lock: LockMode = LockMode.ACCESS_EXCLUSIVE) -> StatementDraft:
            return StatementDraft(sql=text, hazards=found, lock=lock, locks=fact)

        if "unlogged" in changed:
            text = compose("{} SET UNLOGGED", alter) if new.get("unlogged") else compose("{} SET LOGGED", alter)
            yield draft(text, hazards.rewrites(fact, "LOGGED or UNLOGGED changes", size))
        if "access_method" in changed:
            method = name(str(new.get("access_method", "heap")))
            yield draft(
                compose("{} SET ACCESS METHOD {}", alter, method), hazards.rewrites(fact, "another access method", size)
            )
        if "tablespace" in changed:
            space = name(str(new.get("tablespace", "pg_default")))
            yield draft(
                compose("{} SET TABLESPACE {}", alter, space), hazards.rewrites(fact, "moves to a tablespace", size)
            )
        for key, prefix in (("options", ""), ("toast_options", "toast.")):
            for text in changed_options(alter, strings_at(old, key), strings_at(new, key), prefix):
                yield draft(text, lock=LockMode.SHARE_UPDATE_EXCLUSIVE)
        secrets = (context.live.secrets.get(fact, {}), context.goal.secrets.get(fact, {}))
        if "server_options" in changed or context.has_new_secrets(fact):
            before, after = strings_at(old, "server_options"), strings_at(new, "server_options")
            options = changed_foreign_options(before, after, *secrets, context)
            yield draft(compose("ALTER FOREIGN TABLE {} OPTIONS ({})", qualified(fact), options))
        yield from _security(fact, old, new)
        if "replica_identity" not in changed and loses_identity(fact, context):
            identity = raw(str(new.get("replica_identity", "default")).upper())
            yield draft(compose("ALTER TABLE {} REPLICA IDENTITY {}", qualified(fact), identity))

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", *fact.name)
        yield ("type", *fact.name)


def _identifying(table: FactId, state: Snapshot) -> Iterable[FactId]:
    """The index or key by which subscribers are told which row of the table is updated or deleted; none or one."""
    for part in state.children.get(table, ()):
        if part.kind in ("index", "constraint") and state.definition(part).get("replica_identity"):
            yield part


def loses_identity(table: FactId, context: Context) -> bool:
    """Whether the index that is the table's replica identity is so no longer, and no other is.

    Postgres would not fall back to the primary key by itself.
    """
    return (
        table in context.goal and any(_identifying(table, context.live)) and not any(_identifying(table, context.goal))
    )


def _security(fact: FactId, old: Definition, new: Definition) -> Iterable[StatementDraft]:
    table = qualified(fact)
    texts: list[tuple[str, tuple[Hazard, ...]]] = []
    if old.get("row_security") != new.get("row_security"):
        if new.get("row_security"):
            texts.append((compose("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", table), ()))
        else:
            warning = hazards.opens_access(fact, "without row security every row is visible")
            texts.append((compose("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", table), (warning,)))
    if old.get("force_row_security") != new.get("force_row_security"):
        force = new.get("force_row_security")
        texts.append(
            (
                compose("ALTER TABLE {} FORCE ROW LEVEL SECURITY", table)
                if force
                else compose("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", table),
                () if force else (hazards.opens_access(fact, "its owner sees every row"),),
            )
        )
    if old.get("replica_identity") != new.get("replica_identity"):
        identity = raw(str(new.get("replica_identity", "default")).upper())
        texts.append((compose("ALTER TABLE {} REPLICA IDENTITY {}", table, identity), ()))
    for text, found in texts:
        yield StatementDraft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=fact)
