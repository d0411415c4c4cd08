"""Which values a sequence can have and which it has, of one alone or of an identity column's. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.facts import FactId
from reconciler.model.plan import LockMode, RowAccess, RowCommand
from reconciler.planner.core.rule import StatementDraft
from reconciler.planner.sql.object_names import qualified
from reconciler.planner.sql.quoting import Part, compose, literal, name, raw

if TYPE_CHECKING:
    from reconciler.model.facts import Definition

__all__ = ["continue_after", "explicit_bounds", "first_value", "is_narrower", "new_bounds", "widened_bounds"]

_BITS = {"smallint": 15, "integer": 31, "bigint": 63}


def first_value(definition: Definition) -> str:
    """Where a sequence of this definition starts if it does not say."""
    if not str(definition.get("increment", "1")).startswith("-"):
        return str(definition.get("min", "1"))
    return str(definition.get("max", "-1"))


def continue_after(column: FactId, sequence: str, definition: Definition) -> StatementDraft:
    """A statement that moves a new sequence past the values that the column has; `sequence` is its quoted name."""
    backwards = str(definition.get("increment", "1")).startswith("-")
    last = raw(compose("min({})" if backwards else "max({})", name(column.name[2])))
    bound = raw(first_value(definition))
    having = raw(compose("{} <= {}" if backwards else "{} >= {}", last, bound))
    text = compose(
        "SELECT pg_catalog.setval({}, {}::bigint) FROM {} HAVING {}", literal(sequence), last, qualified(column), having
    )
    read = RowAccess(table=FactId("table", column.name[:2]), command=RowCommand.SELECT)
    return StatementDraft(sql=text, lock=LockMode.ACCESS_SHARE, rows=(read,))


def new_bounds(old: Definition, new: Definition, usual_types: tuple[str, str] = ("bigint", "bigint")) -> list[str]:
    """Both bounds as options, where type or direction change: the usual ones follow from these, but not always."""
    types = [str(definition.get("type", usual)) for definition, usual in zip((old, new), usual_types, strict=True)]
    turns = _is_falling(old) != _is_falling(new)
    if not turns and (types[0] == types[1] or not (old.keys() | new.keys()) & {"min", "max"}):
        return []
    if _bounds(old, usual_types[0]) == _bounds(new, usual_types[1]):
        return []
    return explicit_bounds(new, usual_types[1])


def explicit_bounds(definition: Definition, usual_type: str = "bigint") -> list[str]:
    """Both bounds as options, also where they are the usual ones."""
    least, greatest = _bounds(definition, usual_type)
    return [compose("MINVALUE {}", raw(str(least))), compose("MAXVALUE {}", raw(str(greatest)))]


def _is_falling(definition: Definition) -> bool:
    return str(definition.get("increment", "1")).startswith("-")


def is_narrower(old: str, new: str) -> bool:
    """Whether a column of type `new` holds a smaller range of whole numbers than one of type `old`."""
    return _BITS.get(new, 0) < _BITS.get(old, 0) and new in _BITS


def _bounds(definition: Definition, usual_type: str) -> tuple[int, int]:
    limit = 1 << _BITS[str(definition.get("type", usual_type))]
    low, high = (-limit, -1) if _is_falling(definition) else (1, limit - 1)
    return int(str(definition.get("min", low))), int(str(definition.get("max", high)))


def widened_bounds(
    sequence: Part, old: Definition, new: Definition, usual_types: tuple[str, str] | None = None
) -> list[str]:
    """Statements that move a sequence into narrower bounds: Postgres refuses to leave one outside of them.

    If its position is beyond the new end it stays there, exhausted; if it is before the beginning it starts again.
    `usual_types` are those of an identity's column, old and new.
    """
    before, after = usual_types or ("bigint", "bigint")
    (low, high), (least, greatest) = _bounds(old, before), _bounds(new, after)
    if least <= low and high <= greatest:
        return []
    wide = raw("")
    if usual_types is not None:
        # The sequence of an identity column has changed its type with the column, and its bounds as far as they had to.
        limit = 1 << _BITS[after]
        low, high = max(low, -limit), min(high, limit - 1)
        if least <= low and high <= greatest:
            return []
    elif old.get("type") != new.get("type"):
        wide = raw(" AS bigint")
    bounds = [raw(str(number)) for number in (min(low, least), max(high, greatest))]
    start = raw(str(new.get("start") or first_value(new)))
    end, beyond = (least, "<") if _is_falling(new) else (greatest, ">")
    is_beyond = raw(compose("is_called AND last_value {} {}", raw(beyond), raw(str(end))))
    return [
        # It gives the sequence a file of its own, so that setval is rolled back too.
        compose("ALTER SEQUENCE {}{} MINVALUE {} MAXVALUE {}", sequence, wide, *bounds),
        compose(
            "SELECT pg_catalog.setval({}::regclass, CASE WHEN {} THEN {} ELSE {} END, {})"
            " FROM {} WHERE last_value NOT BETWEEN {} AND {}",
            literal(sequence.as_string(None)),
            is_beyond,
            raw(str(end)),
            start,
            is_beyond,
            sequence,
            raw(str(least)),
            raw(str(greatest)),
        ),
    ]
