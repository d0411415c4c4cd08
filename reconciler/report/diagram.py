"""Tables and their foreign keys as a Mermaid entity-relationship diagram. Pure: no I/O.

GitHub, GitLab and many editors draw the text. Partitions are folded into their table. A snapshot without dependencies
has no links: they are what says where a foreign key leads.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.diff.diff import Change
from reconciler.model.facts import TABLE_KINDS, FactId
from reconciler.model.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.model.snapshot import Snapshot
    from reconciler.results import PlanResult

__all__ = ["MOST_TABLES", "Diagram", "diagram_of", "diagram_of_plan", "mermaid"]

# Of more tables a picture shows the keys only, and of more than that nobody finds anything in it.
_MOST_WHOLE = 40
MOST_TABLES = 400
_CLASSES = {
    Change.ADDED: ("added", "fill:#dafbe1,stroke:#116329,color:#116329"),
    Change.REMOVED: ("removed", "fill:#ffebe9,stroke:#a40e26,color:#a40e26,stroke-dasharray:5 5"),
    Change.CHANGED: ("changed", "fill:#fff8c5,stroke:#7d4e00,color:#7d4e00,stroke-width:3px"),
}
_SIGNS = {Change.ADDED: "+ ", Change.REMOVED: "- ", Change.CHANGED: "~ "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A foreign key of `child` to `parent`; `is_optional` where a column of it may be NULL."""

    child: FactId
    parent: FactId
    name: str
    is_optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """The tables of a picture, how many partitions each stands for, their links, and what changes of them."""

    snapshot: Snapshot
    tables: tuple[FactId, ...]
    links: tuple[Link, ...]
    folded: Mapping[FactId, int] = field(default_factory=dict[FactId, int])
    changes: Mapping[FactId, Change] = field(default_factory=dict[FactId, Change])


def diagram_of(
    snapshot: Snapshot,
    *,
    patterns: Sequence[str] = (),
    distance: int = 1,
    changes: Mapping[FactId, Change] | None = None,
) -> Diagram:
    """The tables that fit a pattern or change, or all where there is neither, and those within `distance` keys of them.

    A pattern is a table's name with its schema, with `*`: `shop.order*`.
    """
    whole = _wholes(snapshot)
    links = tuple(dict.fromkeys(_links(snapshot, whole)))
    tables = sorted({whole[table] for table in whole})
    said = changes or {}
    changed = {whole.get(fact, fact): change for fact, change in said.items() if fact.kind in (*TABLE_KINDS, "column")}
    chosen = {table for table in tables if table in changed or _is_named(table, patterns)}
    if not patterns and changes is None:
        chosen = set(tables)
    for _ in range(distance):
        chosen |= {end for link in links for end in (link.child, link.parent) if {link.child, link.parent} & chosen}
    return Diagram(
        snapshot=snapshot,
        tables=tuple(table for table in tables if table in chosen),
        links=tuple(link for link in links if link.child in chosen and link.parent in chosen),
        folded={table: count - 1 for table, count in Counter(whole.values()).items() if count > 1},
        changes=changed,
    )


def diagram_of_plan(planned: PlanResult) -> Diagram:
    """The tables that a plan changes, those that it drops too, and what they refer to or is referred from."""
    live = planned.renamed.live if planned.renamed is not None else planned.live
    goal = planned.goal.snapshot
    both = replace(goal, facts={**live.facts, **goal.facts}, dependencies={**live.dependencies, **goal.dependencies})
    changes: dict[FactId, Change] = {}
    for difference in planned.plan.differences:
        table = both.object_of(difference.fact)
        changes[table] = difference.change if difference.fact == table else changes.get(table, Change.CHANGED)
        if difference.fact.kind == "column":
            changes[difference.fact] = difference.change
    return diagram_of(both, changes=changes)


def _is_named(table: FactId, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(".".join(table.name), pattern) for pattern in patterns)


def mermaid(diagram: Diagram) -> str:
    """The picture as text; a table that changes has a sign beside its name and a style."""
    names = {table: f"t{number}" for number, table in enumerate(diagram.tables, 1)}
    whole = len(diagram.tables) <= _MOST_WHOLE
    keys = _keys(diagram.snapshot, diagram.links)
    lines = ["erDiagram"]
    for table, name in names.items():
        lines.append(f'    {name}["{_title(table, diagram)}"] {{')
        lines += [
            f"        {_word(kind)} {_word(column.name[2])}{f' {key}' if key else ''}{_said(column, diagram)}"
            for column, kind in _columns(diagram.snapshot, table)
            if (key := ",".join(sorted(keys.get(column, ()), reverse=True))) or whole
        ]
        lines.append("    }")
    for link in diagram.links:
        end = "o|" if link.is_optional else "||"
        lines.append(f'    {names[link.child]} }}o--{end} {names[link.parent]} : "{_quoted(link.name)}"')
    for change, (style, text) in _CLASSES.items():
        marked = [names[table] for table in diagram.tables if diagram.changes.get(table) is change]
        if marked:
            lines += [f"    classDef {style} {text}", f"    class {','.join(marked)} {style}"]
    return "\n".join(lines) + "\n"


def _wholes(snapshot: Snapshot) -> dict[FactId, FactId]:
    """Each table, and the one whose partition it is, or itself."""
    tables = {fact.name: fact for fact in snapshot.facts if fact.kind in TABLE_KINDS}
    parents = {
        fact.name[:2]: fact.name[2:]
        for fact in snapshot.facts
        if fact.kind == "inheritance" and snapshot.definition(fact).get("bound") is not None
    }
    found: dict[FactId, FactId] = {}
    for name, table in tables.items():
        top = name
        while (parent := parents.get(top)) is not None and parent in tables:
            top = parent
        found[table] = tables[top]
    return found


def _links(snapshot: Snapshot, whole: Mapping[FactId, FactId]) -> list[Link]:
    found: list[Link] = []
    for fact in snapshot.facts:
        if fact.kind != "constraint" or snapshot.definition(fact).get("type") != "foreign_key":
            continue
        child = snapshot.parent(fact)
        needed = snapshot.dependencies.get(fact, frozenset())
        own = [column for column in needed if column.kind == "column" and snapshot.parent(column) == child]
        others = sorted({snapshot.object_of(each) for each in needed}.intersection(whole).difference({child}))
        if child is None or whole.get(child) != child:
            continue  # a partition has its parent's
        optional = any(not snapshot.definition(column).get("not_null") for column in own)
        parent = whole[others[0]] if others else child
        found.append(Link(child=child, parent=parent, name=fact.name[2], is_optional=optional))
    return found


def _keys(snapshot: Snapshot, links: Collection[Link]) -> dict[FactId, set[str]]:
    """The columns of primary and foreign keys."""
    named = {(*link.child.name, link.name) for link in links}
    found: dict[FactId, set[str]] = {}
    for fact in snapshot.facts:
        if fact.kind != "constraint":
            continue
        word = {"primary_key": "PK"}.get(str(snapshot.definition(fact).get("type")))
        word = "FK" if fact.name in named else word
        for column in snapshot.dependencies.get(fact, ()) if word is not None else ():
            if column.kind == "column" and column.name[:2] == fact.name[:2]:
                found.setdefault(column, set()).add(str(word))
    return found


def _columns(snapshot: Snapshot, table: FactId) -> list[tuple[FactId, str]]:
    return [
        (fact, str(snapshot.definition(fact).get("type")))
        for fact in snapshot.facts
        if fact.kind == "column" and fact.name[:2] == table.name
    ]


def _said(column: FactId, diagram: Diagram) -> str:
    """What becomes of a column of a table that stays."""
    change = diagram.changes.get(column)
    whole = diagram.changes.get(FactId("table", column.name[:2]))
    return f' "{change.value}"' if change is not None and whole is Change.CHANGED else ""


def _title(table: FactId, diagram: Diagram) -> str:
    change = diagram.changes.get(table)
    partitions = diagram.folded.get(table)
    aside = f" ({partitions} partition{'' if partitions == 1 else 's'})" if partitions else ""
    return f"{_SIGNS[change] if change is not None else ''}{_quoted('.'.join(table.name))}{aside}"


def _quoted(text: str) -> str:
    """Text within quotation marks: what Mermaid would take for its own is replaced by its look-alike."""
    return re.sub(r"[<>{}\[\]%\\]", "_", visible_line(text).replace('"', "''"))


def _word(text: str) -> str:
    """A type or a column as Mermaid takes it: one word that begins with a letter."""
    word = re.sub(r"[^\w()\[\]-]+", "_", visible_line(text)).strip("_") or "_"
    return word if word[0].isalpha() else f"_{word}"
