"""Texts that count a table's columns, where live has them in another order than declared. Pure: no I/O.

The order of a table's columns is no fact, but some of what Postgres prints counts on it: `t x(p, q)` names the columns
of a table, or of the rows of a function, by their places, `ROW(1, 2)::t` gives their values so, and the body of an SQL
function that returns rows of the table its result. Such a text means something else over live's order. Here its lists
take that order, so that the goal says in live's words what was declared.

Only brackets, names and the words that Postgres prints in capitals are looked at. What cannot be told apart so is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import PlanError
from reconciler.model.facts import canonical_json
from reconciler.sqltext.lexer import Token, lexemes
from reconciler.sqltext.subjects import unquoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.model.facts import FactId, Json
    from reconciler.model.snapshot import Snapshot

__all__ = ["has_other_order", "in_live_order", "misread"]

_TABLES = frozenset({"table", "foreign_table"})
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# What of a definition is SQL: all else is names and people's own words.
_EXPRESSIONS = frozenset(
    {"definition", "expression", "expressions", "using", "check", "where", "generated", "default", "partition_key"}
)
_SET_OPERATIONS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
# Functions of Postgres's own whose rows are of the type of what they are given.
_GIVES_ITS_ARGUMENT = frozenset(
    {"unnest", *(f"{kind}_populate_{what}" for kind in ("json", "jsonb") for what in ("record", "recordset"))}
)
_ENDS_A_LIST = frozenset({"FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"})
# Before each value of a list but the first, in the body of a function.
_LINE = "\n     "
_Name = tuple[str, str]
_Order = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    """For each table its columns' places in the declared order, in live's; for each function the table of its rows.

    A column that live has besides has its name for a place.
    """

    tables: Mapping[_Name, _Order]
    functions: Mapping[_Name, frozenset[_Name | None]]


def in_live_order(
    goal: Snapshot, declared: Snapshot, live: Snapshot, theirs: Collection[FactId] = ()
) -> Mapping[FactId, str]:
    """The definitions of `goal`, as it was `declared`, that say something else over live's order of columns.

    Each is given as it says the same there; those of `theirs` are live's already. Raises PlanError where that cannot
    be told.
    """
    tables = {(table.name[0], table.name[1]): places for table, places in _reordered(goal, declared, live)}
    if not tables:
        return {}
    results: dict[_Name, set[_Name | None]] = {}
    for fact in goal.facts:
        if fact.kind == "function":
            returned = _row_type(str(goal.definition(fact).get("result", "")).removesuffix("[]"))
            results.setdefault((fact.name[0], fact.name[1]), set()).add(returned if returned in tables else None)
    orders = _Orders(
        tables=tables,
        functions={name: frozenset(found) for name, found in results.items() if found != {None}},
    )
    changed: dict[FactId, str] = {}
    for fact, text in goal.facts.items():
        needed = {each.name[:2] for each in goal.dependencies.get(fact, ())}
        if fact in theirs or needed.isdisjoint(tables.keys() | orders.functions.keys()):
            continue
        if "(" not in text and "ATOMIC" not in text:
            continue
        definition = goal.definition(fact)
        try:
            said = {
                key: _reworded(value, orders) if key in _EXPRESSIONS else value for key, value in definition.items()
            }
            if fact.kind in ("function", "procedure"):
                said["definition"] = _with_result(str(said["definition"]), str(definition.get("result", "")), orders)
        except _CannotTellError as exc:
            table = ".".join(exc.table)
            raise PlanError(
                f"{fact} counts the columns of table {table} {exc.how}, and these have another order in the database",
                hint=f"name the columns there (SELECT ... AS), or declare those of {table} in the database's order",
            ) from exc
        if said != definition:
            changed[fact] = canonical_json(said)
    return changed


class _CannotTellError(Exception):
    def __init__(self, table: _Name | None, how: str) -> None:
        super().__init__(how)
        self.table = table or ("", "")
        self.how = how


def has_other_order(one: Snapshot, other: Snapshot) -> bool:
    """Whether a table of both has the columns of both in another order."""
    return bool(_differing(one, other))


def misread(goal: Snapshot, reached: Snapshot) -> tuple[FactId, ...]:
    """What depends on other columns of a table than in `goal`, though it says the same; both with dependencies."""
    tables = _differing(goal, reached)

    def columns(fact: FactId, state: Snapshot) -> set[FactId]:
        needed = state.dependencies.get(fact, ())
        return {each for each in needed if each.kind == "column" and each.name[:2] in tables}

    found = (fact for fact in goal.facts if fact in reached.facts and goal.facts[fact] == reached.facts[fact])
    return tuple(sorted(fact for fact in found if tables and columns(fact, goal) != columns(fact, reached)))


def _differing(one: Snapshot, other: Snapshot) -> frozenset[tuple[str, ...]]:
    first, second = _listed(one), _listed(other)
    return frozenset(
        table.name
        for table, columns in first.items()
        if [column for column in columns if column in second.get(table, ())]
        != [column for column in second.get(table, ()) if column in columns]
    )


def _listed(state: Snapshot) -> Mapping[FactId, list[str]]:
    """Each table's columns in their order."""
    found: dict[FactId, list[str]] = {}
    for fact in state.facts:
        if fact.kind == "column":
            relation = state.parent(fact)
            if relation is not None and relation.kind in _TABLES:
                found.setdefault(relation, []).append(fact.name[2])
    return found


def _reordered(goal: Snapshot, declared: Snapshot, live: Snapshot) -> Iterable[tuple[FactId, _Order]]:
    """The tables that keep another order than the declared one, and where each of their columns is in that.

    Columns that stay keep their order, those that come stand at the end.
    """
    there, known, wanted = _listed(live), _listed(declared), _listed(goal)
    for table, columns in wanted.items():
        if table not in there or table not in known or _is_recreated(table, goal, live):
            continue
        staying = [column for column in there[table] if column in columns]
        final = [*staying, *sorted(set(columns).difference(staying))]
        if final != known[table]:
            places = {column: place for place, column in enumerate(known[table])}
            yield table, tuple(places.get(column, column) for column in final)


def _is_recreated(table: FactId, goal: Snapshot, live: Snapshot) -> bool:
    """Whether the table gets the declared order, as it becomes another one."""
    old, new = live.find(table), goal.find(table)
    if old is None or new is None:
        return False
    return any(old.get(key) != new.get(key) for key in ("partition_key", "of_type"))


def _row_type(result: str) -> _Name | None:
    """The table whose rows a function gives, as `SETOF app.t` says it."""
    tokens = list(lexemes(result.removeprefix("SETOF ")))
    return _qualified(tokens, 0) if len(tokens) == 3 else None


# --- lists ------------------------------------------------------------------------------------------------------------


def _reworded(value: Json, orders: _Orders) -> Json:
    if isinstance(value, dict):
        return {key: _reworded(each, orders) for key, each in value.items()}
    if isinstance(value, list):
        return [_reworded(each, orders) for each in value]
    if not isinstance(value, str) or "(" not in value:
        return value
    text = value
    # From the end on: what stands before a list keeps its place.
    for start, table in sorted(_counted_lists(value, orders), reverse=True):
        text = _with_order(text, start, orders.tables[table])
    return text


def _counted_lists(text: str, orders: _Orders) -> Iterable[tuple[int, _Name]]:
    """Where a list in brackets begins that counts the columns of a table, and which table that is."""
    tokens = list(lexemes(text))
    pairs = _pairs(tokens)
    for place, token in enumerate(tokens):
        if token.kind == "string" and (of_type := _cast_to(tokens, place + 1)) in orders.tables:
            raise _CannotTellError(of_type, "in a literal")
        if token.text != "(" or place not in pairs:
            continue
        before = tokens[place - 1] if place else None
        table: _Name | None = None
        if before is not None and before.text == "ROW":
            table = _cast_to(tokens, pairs[place] + 1)
            if table is None and (taken := _taken(tokens, place, pairs, orders)) is not None:
                raise _CannotTellError(taken, "in a row without a cast to its type")
        elif before is not None and place > 1 and _is_name(before):
            table = _aliased(tokens, place - 2, pairs, orders)
        if table is not None and table in orders.tables:
            yield token.start, table


def _taken(tokens: Sequence[Token], place: int, pairs: Mapping[int, int], orders: _Orders) -> _Name | None:
    """The table whose row the ROW before `place` may be, as a function that is no system's takes it."""
    around = [start for start, end in pairs.items() if start < place - 1 and end > pairs[place]]
    called = _qualified(tokens, max(around) - 3) if around else None
    if called is None or tokens[place - 2].text not in ("(", ","):
        return None
    count = 1 + sum(token.text == "," for token in _outside(tokens[place + 1 : pairs[place]]))
    return next((table for table, order in orders.tables.items() if len(order) == count), None)


def _cast_to(tokens: Sequence[Token], place: int) -> _Name | None:
    """The type that what ends before `place` is cast to."""
    is_cast = [each.text for each in tokens[place : place + 2]] == [":", ":"]
    return _qualified(tokens, place + 2) if is_cast else None


def _aliased(tokens: Sequence[Token], last: int, pairs: Mapping[int, int], orders: _Orders) -> _Name | None:
    """The table whose columns an alias and its list name, where that stands after the token `last`."""
    if (table := _qualified(tokens, last - 2)) is not None:
        return table
    if [each.text for each in tokens[max(last - 1, 0) : last + 1]] == ["WITH", "ORDINALITY"]:
        last -= 2
    opened = next((start for start, end in pairs.items() if end == last), None)
    if opened is None:
        return None
    if (called := _qualified(tokens, opened - 3)) is not None:
        results = orders.functions.get(called, frozenset())
        tables = [table for table in results if table is not None]
        if len(results) > 1:
            raise _CannotTellError(tables[0], "by their places in a function that has several results")
        return tables[0] if tables else None
    inside = tokens[opened + 1 : last]
    before = [token.text for token in tokens[max(opened - 2, 0) : opened]]
    if before[-1:] and before[-1] in _GIVES_ITS_ARGUMENT:
        found = _named(inside, orders)
        return found.pop() if len(found) == 1 else None
    if any(token.text == "JOIN" for token in _outside(inside)) and (found := _named(inside, orders)):
        raise _CannotTellError(min(found), "by their places in a join")
    if before == ["ROWS", "FROM"] and (found := _named(inside, orders)):
        raise _CannotTellError(min(found), "by their places in several functions")
    return None


def _named(tokens: Sequence[Token], orders: _Orders) -> set[_Name]:
    """The tables that are named, or whose rows functions give that are."""
    names = [name for place in range(len(tokens)) if (name := _qualified(tokens, place)) is not None]
    tables = {table for name in names for table in (name, *orders.functions.get(name, ()))}
    return {table for table in tables if table in orders.tables and table is not None}


def _with_result(text: str, result: str, orders: _Orders) -> str:
    """The definition of a routine whose body, that Postgres understands, gives rows of a table."""
    table = _row_type(result)
    if table is None or table not in orders.tables:
        return text
    tokens = list(lexemes(text))
    begun = next(
        (
            place + 2
            for place, token in enumerate(tokens)
            if token.text == "BEGIN" and place + 1 < len(tokens) and tokens[place + 1].text == "ATOMIC"
        ),
        None,
    )
    if begun is None:
        return text
    statements: list[list[Token]] = [[]]
    for token in tokens[begun:-1]:
        if token.text == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    last = [statement for statement in statements if statement][-1]
    words = [token for token in _outside(last) if token.kind == "word"]
    if any(token.text in _SET_OPERATIONS for token in words):
        raise _CannotTellError(table, "in what it returns")
    heads = [token for token in words if token.text in ("SELECT", "RETURNING")]
    if not heads:
        return text
    head = heads[-1]
    following = [token for token in words if token.start > head.start]
    ends = [token.start for token in following if head.text == "SELECT" and token.text in _ENDS_A_LIST]
    if following and following[0].text == "DISTINCT":
        raise _CannotTellError(table, "in what it returns")
    start = head.start + len(head.text)
    end = min(ends, default=last[-1].start + len(last[-1].text))
    parts = _parts(text[start:end])
    order = orders.tables[table]
    if len(parts) == 1 and len(order) > 1:
        return text
    if {*order} != {*range(len(parts))}:
        raise _CannotTellError(table, "in what it returns")
    return f"{text[:start]}{_joined(text[start:end], parts, order, (' ', _LINE))}{text[end:]}"


def _with_order(text: str, start: int, order: _Order) -> str:
    """The text with the list in brackets from `start` on in that order; what it has more than columns stays behind."""
    tokens = list(lexemes(text[start:]))
    end = tokens[_pairs(tokens)[0]].start + start
    inside = text[start + 1 : end]
    parts = _parts(inside)
    declared = sum(isinstance(place, int) for place in order)
    if len(parts) < declared:
        return text
    is_row = text[:start].endswith("ROW")
    more = range(declared, len(parts))
    filled = [place if isinstance(place, int) else "NULL" if is_row else _printed(place) for place in order]
    return f"{text[: start + 1]}{_joined(inside, parts, (*filled, *more), ('', ' '))}{text[end:]}"


def _printed(column: str) -> str:
    """The name as Postgres prints it, unless it is one of its words."""
    return column if _PLAIN.fullmatch(column) else '"{}"'.format(column.replace('"', '""'))


def _parts(text: str) -> list[tuple[int, int]]:
    """Where the parts between the commas outside of brackets begin and end, without white space around them."""
    commas = [token.start for token in _outside(list(lexemes(text))) if token.text == ","]
    found: list[tuple[int, int]] = []
    for begin, end in zip([0, *(comma + 1 for comma in commas)], [*commas, len(text)], strict=True):
        part = text[begin:end]
        found.append((begin + len(part) - len(part.lstrip()), begin + len(part.rstrip())))
    return found


def _joined(text: str, parts: Sequence[tuple[int, int]], order: _Order, between: tuple[str, str]) -> str:
    """The text with its parts in that order; `between` is what stands before the first, and before another.

    Postgres begins a line with a CASE, wherever it stands.
    """
    said: list[str] = []
    for place in order:
        lead, word = between[bool(said)], place
        if isinstance(place, int):
            begin, end = parts[place]
            word = text[begin:end]
            if word.startswith("CASE"):
                lead = text[parts[place - 1][1] + 1 if place else 0 : begin]
        said.append(f"{lead}{word}")
    return ",".join(said) + text[parts[-1][1] :]


# --- tokens -----------------------------------------------------------------------------------------------------------


def _is_name(token: Token) -> bool:
    """Whether Postgres printed a name: it quotes those with capitals, and prints its own words in capitals."""
    return token.kind == "identifier" or (token.kind == "word" and token.text == token.text.lower())


def _qualified(tokens: Sequence[Token], place: int) -> _Name | None:
    """The name of two parts that begins at `place`."""
    if place < 0 or place + 2 >= len(tokens):
        return None
    schema, dot, name = tokens[place : place + 3]
    if dot.text != "." or not (_is_name(schema) and _is_name(name)):
        return None
    return unquoted(schema), unquoted(name)


def _pairs(tokens: Sequence[Token]) -> Mapping[int, int]:
    """The place of each opening bracket and of the one that closes it."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token.text == "(":
            opened.append(place)
        elif token.text == ")" and opened:
            found[opened.pop()] = place
    return found


def _outside(tokens: Sequence[Token]) -> Iterable[Token]:
    """Those that stand in no brackets."""
    depth = 0
    for token in tokens:
        depth -= token.text in (")", "]")
        if depth == 0:
            yield token
        depth += token.text in ("(", "[")
