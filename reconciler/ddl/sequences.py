"""Sequences and which column they belong to. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from reconciler.ddl import shadow
from reconciler.ddl.names import qualified
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.text import Part, compose, joined, literal, name, raw
from reconciler.hazards import hazards
from reconciler.leftovers import is_leftover
from reconciler.plan import LockMode, Stage
from reconciler.snapshot import FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.snapshot import Definition

__all__ = [
    "OwnedByRule",
    "SequenceRule",
    "continue_after",
    "explicit_bounds",
    "first_value",
    "is_narrower",
    "made_room",
    "new_bounds",
]

_BITS = {"smallint": 15, "integer": 31, "bigint": 63}

_OPTIONS: tuple[tuple[str, LiteralString, LiteralString], ...] = (
    ("type", "AS {}", "AS bigint"),
    ("increment", "INCREMENT BY {}", "INCREMENT BY 1"),
    ("min", "MINVALUE {}", "NO MINVALUE"),
    ("max", "MAXVALUE {}", "NO MAXVALUE"),
    ("cache", "CACHE {}", "CACHE 1"),
)


class SequenceRule(Rule):
    """Sequences that are no identity column's."""

    kinds = ("sequence",)
    rank = 25
    unfold = 3

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new = context.new(fact)
        parts: list[Part] = [raw(compose(template, raw(str(new[key])))) for key, template, _ in _OPTIONS if key in new]
        if "start" in new:
            parts.append(raw(compose("START WITH {}", raw(str(new["start"])))))
        if new.get("cycle"):
            parts.append(raw("CYCLE"))
        template: LiteralString = "CREATE UNLOGGED SEQUENCE {}{}" if new.get("unlogged") else "CREATE SEQUENCE {}{}"
        options = raw(" " + joined(parts, " ").as_string(None) if parts else "")
        stage = Stage.BEFORE if shadow.numbers_rows(fact, context) else Stage.TOGETHER
        yield Draft(sql=compose(template, qualified(fact), options), stage=stage)

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield Draft(
            sql=compose("DROP SEQUENCE {}", qualified(fact)),
            hazards=() if self._is_followed(fact, context) or is_leftover(fact) else (hazards.loses_sequence(fact),),
            lock=LockMode.ACCESS_EXCLUSIVE,
            locks=fact,
        )

    def _is_followed(self, fact: FactId, context: Context) -> bool:
        """Whether its column becomes an identity, which goes on from the values that are there."""
        owned = context.live.find(FactId("owned_by", fact.name))
        if owned is None:
            return False
        column = FactId("column", (str(owned["schema"]), str(owned["table"]), str(owned["column"])))
        return context.persists(column) and "identity" in context.new(column)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        old, new, changed = context.old(fact), context.new(fact), context.changed(fact)
        room = made_room(qualified(fact), old, new)
        moved = explicit_bounds(new) if room else new_bounds(old, new)
        parts = [
            raw(compose(template, raw(str(new[key])))) if key in new else raw(absent)
            for key, template, absent in _OPTIONS
            if key in changed and not (moved and key in ("min", "max"))
        ]
        parts += [raw(text) for text in moved]
        # A start that is left out follows from the bounds when a sequence is made, but not when it is altered.
        starts = [str(definition.get("start") or first_value(definition)) for definition in (old, new)]
        if starts[0] != starts[1]:
            parts.append(raw(compose("START WITH {}", raw(starts[1]))))
        if "cycle" in changed:
            parts.append(raw("CYCLE" if new.get("cycle") else "NO CYCLE"))
        if parts:
            for text in room:
                yield Draft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=fact)
            text = compose("ALTER SEQUENCE {} {}", qualified(fact), joined(parts, " "))
            yield Draft(sql=text, lock=LockMode.SHARE_ROW_EXCLUSIVE, locks=fact)
        if "unlogged" in changed:
            logged = raw("UNLOGGED" if new.get("unlogged") else "LOGGED")
            text = compose("ALTER SEQUENCE {} SET {}", qualified(fact), logged)
            yield Draft(sql=text, lock=LockMode.ACCESS_EXCLUSIVE, locks=fact)

    def claims(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield ("relation", *fact.name)


def first_value(definition: Definition) -> str:
    """Where a sequence of this definition starts if it does not say."""
    if not str(definition.get("increment", "1")).startswith("-"):
        return str(definition.get("min", "1"))
    return str(definition.get("max", "-1"))


def continue_after(column: FactId, sequence: str, definition: Definition) -> Draft:
    """A statement that moves a new sequence past the values that the column has; `sequence` is its quoted name."""
    backwards = str(definition.get("increment", "1")).startswith("-")
    last = raw(compose("min({})" if backwards else "max({})", name(column.name[2])))
    bound = raw(first_value(definition))
    having = raw(compose("{} <= {}" if backwards else "{} >= {}", last, bound))
    text = compose(
        "SELECT pg_catalog.setval({}, {}::bigint) FROM {} HAVING {}", literal(sequence), last, qualified(column), having
    )
    return Draft(sql=text, lock=LockMode.ACCESS_SHARE)


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


def made_room(
    sequence: Part, old: Definition, new: Definition, usual_types: tuple[str, str] | None = None
) -> list[str]:
    """Statements that move a sequence into narrower bounds: Postgres refuses to leave one outside of them.

    Where it stands beyond the new end it stays there, used up; where it stands before the beginning it starts anew.
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


class OwnedByRule(Rule):
    """OWNED BY: the sequence of a serial column goes with it."""

    kinds = ("owned_by",)
    rank = 53

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        new = context.new(fact)
        column = name(str(new["schema"]), str(new["table"]), str(new["column"]))
        yield self._draft(fact, column)
        owner = FactId("column", (str(new["schema"]), str(new["table"]), str(new["column"])))
        sequence = FactId("sequence", fact.name)
        if sequence in context.creates and sequence not in context.live and context.persists(owner):
            yield continue_after(owner, compose("{}", qualified(sequence)), context.new(sequence))

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        yield self._draft(fact, raw("NONE"))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        return self.create(fact, (), context)

    def _draft(self, fact: FactId, column: Part) -> Draft:
        return Draft(sql=compose("ALTER SEQUENCE {} OWNED BY {}", qualified(fact), column))
