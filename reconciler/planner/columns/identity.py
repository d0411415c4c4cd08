"""Identity of columns: how it is written, and the way from one to another. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.planner.columns.sequence_values import (
    continue_after,
    explicit_bounds,
    first_value,
    is_narrower,
    new_bounds,
    widened_bounds,
)
from reconciler.planner.core.rule import exclusive
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["change_identity", "identity_clause", "identity_options", "narrows_identity", "short_identity_clause"]


def identity_options(identity: Definition) -> list[Part]:
    """The options of the identity's sequence that are not the default."""
    words: tuple[tuple[str, LiteralString], ...] = (
        ("start", "START WITH {}"),
        ("increment", "INCREMENT BY {}"),
        ("min", "MINVALUE {}"),
        ("max", "MAXVALUE {}"),
        ("cache", "CACHE {}"),
    )
    options: list[Part] = [
        raw(compose(template, raw(str(identity[key])))) for key, template in words if key in identity
    ]
    if identity.get("cycle"):
        options.append(raw("CYCLE"))
    return options


def identity_clause(identity: Definition) -> Part:
    """`GENERATED ... AS IDENTITY` with all that is not the default."""
    options = [raw(compose("SEQUENCE NAME {}", raw(str(identity["sequence"])))), *identity_options(identity)]
    return raw(compose("GENERATED {} AS IDENTITY ({})", _how(identity), joined(options, " ")))


def short_identity_clause(column: FactId, identity: Definition) -> Part:
    """The same for a new column, without what Postgres would choose by itself."""
    if _is_conventional(column, identity):
        return raw(compose("GENERATED {} AS IDENTITY", _how(identity)))
    return identity_clause(identity)


def _how(identity: Definition) -> Part:
    return raw("ALWAYS" if identity.get("always") else "BY DEFAULT")


def _is_conventional(column: FactId, identity: Definition) -> bool:
    """The sequence has the name that Postgres would choose, and all options are the default."""
    usual = compose("{}", name(column.name[0], f"{column.name[1]}_{column.name[2]}_seq"))
    return set(identity) <= {"always", "sequence"} and _unquoted(str(identity["sequence"])) == _unquoted(usual)


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def narrows_identity(column: FactId, context: Context) -> bool:
    """Whether the sequence must change before the column's type, which it follows if its bounds fit by then."""
    old, new = context.old(column), context.new(column)
    return "identity" in old and "identity" in new and is_narrower(str(old["type"]), str(new["type"]))


def change_identity(column: FactId, alter: Part, context: Context) -> Iterable[StatementDraft]:
    """From the live column's identity, or none, to the goal's; `alter` is ALTER TABLE ... ALTER COLUMN."""
    table = context.goal.parent(column)
    new = cast("Definition", context.new(column)["identity"])
    old = cast("Definition | None", context.old(column).get("identity"))
    if old is None:
        yield exclusive(compose("{} ADD {}", alter, identity_clause(new)), table)
        yield continue_after(column, str(new["sequence"]), new)
        return
    if old["sequence"] != new["sequence"]:
        renamed = str(new["sequence"]).partition(".")[2]
        yield exclusive(compose("ALTER SEQUENCE {} RENAME TO {}", raw(str(old["sequence"])), raw(renamed)), table)
    types = str(context.old(column)["type"]), str(context.new(column)["type"])
    room = widened_bounds(raw(str(new["sequence"])), old, new, types)
    bounds = explicit_bounds(new, types[1]) if room else new_bounds(old, new, types)
    if actions := _changed_options(old, new, bounds):
        yield from (exclusive(text, table) for text in room)
        yield exclusive(compose("{} {}", alter, joined(actions, " ")), table)


def _changed_options(old: Definition, new: Definition, bounds: list[str]) -> list[Part]:
    """SET ... for each option that differs; `bounds` are both bounds where they are set whether or not they do."""
    actions: list[Part] = []
    if old.get("always") != new.get("always"):
        actions.append(raw(compose("SET GENERATED {}", _how(new))))
    words: tuple[tuple[str, LiteralString, LiteralString], ...] = (
        ("increment", "SET INCREMENT BY {}", "SET INCREMENT BY 1"),
        ("min", "SET MINVALUE {}", "SET NO MINVALUE"),
        ("max", "SET MAXVALUE {}", "SET NO MAXVALUE"),
        ("cache", "SET CACHE {}", "SET CACHE 1"),
    )
    for key, template, absent in words:
        if old.get(key) != new.get(key) and not (bounds and key in ("min", "max")):
            actions.append(raw(compose(template, raw(str(new[key]))) if key in new else absent))
    # A start that is left out follows from the bounds when a sequence is made, but not when it is altered.
    starts = [str(definition.get("start") or first_value(definition)) for definition in (old, new)]
    if starts[0] != starts[1]:
        actions.append(raw(compose("SET START WITH {}", raw(starts[1]))))
    if old.get("cycle") != new.get("cycle"):
        actions.append(raw("SET CYCLE" if new.get("cycle") else "SET NO CYCLE"))
    return [*actions, *(raw(f"SET {text}") for text in bounds)]
