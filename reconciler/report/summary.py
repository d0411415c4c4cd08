"""A plan as people read it: what it amounts to, what stands out, and each object with its changes. Pure: no I/O.

One structure, which is laid out as text, Markdown and HTML.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from reconciler.diff.diff import Change
from reconciler.hazards.weight import Weight, weigh
from reconciler.model.facts import CHILD_KINDS, SATELLITE_KINDS, FactId
from reconciler.model.hazards import HazardKind
from reconciler.model.plan import LockMode
from reconciler.model.visible import visible_line
from reconciler.redaction.masking import redact_message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.diff.diff import Difference
    from reconciler.model.checks import Finding
    from reconciler.model.hazards import Hazard, TableSize
    from reconciler.model.outlook import Outlook
    from reconciler.model.plan import Plan, Statement, Step
    from reconciler.model.snapshot import Snapshot
    from reconciler.results import PlanResult

__all__ = [
    "Held",
    "ObjectChange",
    "Part",
    "Summary",
    "Tally",
    "changes_of",
    "one_line",
    "parts_of",
    "summarise",
    "value_text",
]

_VALUE_WIDTH = 100
# Where one of these is all that changes of a fact, its name says nothing more.
_PLAIN = frozenset({"type", "expression", "definition", "using", "role", "text", "labels"})
_FLAGS = {"not_null": "NOT NULL"}
_LONG_WORK = (HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK)
_STRENGTH = tuple(LockMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many things of one kind change, and how many of them are new or go; `noun` fits the number."""

    noun: str
    number: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One change of an object: `what` names the part, `detail` its value or both; `lines` are a text's diff."""

    change: Change
    what: str
    detail: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChange:
    """An object with all that changes of it, and the hazards that are about it, the heaviest first.

    `note` stands beside its name: what a new one consists of, what an old one was called. `quiet` counts the hazards
    that weigh little here.
    """

    change: Change
    object: FactId
    parts: tuple[Part, ...] = ()
    note: str = ""
    size: TableSize | None = None
    hazards: tuple[Hazard, ...] = ()
    quiet: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A step that works while it holds locks which block clients: on what, the strongest of them, and how long.

    `seconds` is an estimate; None where no size is known.
    """

    step: int
    relations: tuple[FactId, ...]
    mode: LockMode
    work: Hazard
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a plan amounts to.

    `brief` are the relations that are locked, but not while a step works long. `recreated` has what stays as it is and
    must be dropped and created again, by the reason.
    """

    tallies: tuple[Tally, ...]
    statements: int
    steps: int
    blocked: tuple[Finding, ...]
    losses: tuple[Hazard, ...]
    held: tuple[Held, ...]
    brief: tuple[FactId, ...]
    others: Mapping[HazardKind, tuple[Hazard, ...]]
    refused: tuple[Hazard, ...]
    objects: tuple[ObjectChange, ...]
    recreated: Mapping[str, tuple[FactId, ...]]
    is_measured: bool


def summarise(planned: PlanResult) -> Summary:
    """The summary of a plan; what live says of sizes and speeds is in its `outlook`."""
    plan, outlook = planned.plan, planned.outlook
    live = planned.renamed.live if planned.renamed is not None else planned.live
    goal = planned.goal.snapshot
    objects = tuple(_with_hazards(changes_of(plan, live, goal), plan, outlook, live, goal))
    unique = _unique(plan.hazards)
    loud = [hazard for hazard in unique if weigh(hazard, outlook) > Weight.LOW]
    others = {
        kind: tuple(hazard for hazard in loud if hazard.kind is kind)
        for kind in HazardKind
        if kind not in (HazardKind.DATA_LOSS, *_LONG_WORK)
    }
    held = tuple(found for number, step in enumerate(plan.steps, 1) if (found := _held(number, step, outlook)))
    named = {relation for each in held for relation in each.relations}
    locked = {relation for statement in plan.statements for relation in _blocked_by(statement)}
    return Summary(
        tallies=_tallies(objects),
        statements=len(plan.statements),
        steps=len(plan.steps),
        blocked=tuple(finding for finding in planned.findings if finding.blocks),
        losses=tuple(hazard for hazard in unique if hazard.kind is HazardKind.DATA_LOSS),
        held=held,
        brief=tuple(sorted(locked - named)),
        others={kind: found for kind, found in others.items() if found},
        refused=_unique(planned.refused),
        objects=objects,
        recreated=_recreated(plan, live, {each.object for each in objects}),
        is_measured=outlook.speeds.is_measured,
    )


def changes_of(plan: Plan, live: Snapshot, goal: Snapshot) -> tuple[ObjectChange, ...]:
    """The plan's differences and renames by object: tables first, each with its columns, keys and all that is on it."""
    found: dict[FactId, list[Difference]] = {}
    for difference in plan.differences:
        known = goal if difference.fact in goal.facts else live
        found.setdefault(known.object_of(difference.fact), []).append(difference)
    former: dict[FactId, str] = {}
    for rename in plan.renames:
        parent = goal.object_of(rename.new) if rename.new in goal.facts else rename.new
        found.setdefault(parent, [])
        if parent == rename.new:
            former[parent] = visible_line(f"was {'.'.join(rename.old.name)}")
    moved = {
        parent: tuple(
            Part(
                change=Change.CHANGED,
                what=_part_name(each.new, parent),
                detail=visible_line(f"was {each.old.name[-1]}"),
            )
            for each in plan.renames
            if each.new != parent and each.new in goal.facts and goal.object_of(each.new) == parent
        )
        for parent in found
    }
    return tuple(
        _object_change(each, found[each], moved[each], former.get(each, ""))
        for each in sorted(found, key=lambda each: (each.kind not in ("table", "foreign_table"), each.kind, each.name))
    )


def _object_change(
    each: FactId, differences: Sequence[Difference], renamed: Sequence[Part], former: str
) -> ObjectChange:
    whole = next((difference.change for difference in differences if difference.fact == each), Change.CHANGED)
    if whole is Change.CHANGED:
        return ObjectChange(change=whole, object=each, parts=(*renamed, *parts_of(each, differences)), note=former)
    kinds = Counter(_noun(difference.fact.kind) for difference in differences if difference.fact.kind in _COUNTED)
    note = ", ".join(_count(number, noun) for noun, number in kinds.items())
    parts = parts_of(each, [difference for difference in differences if difference.fact.kind in ("column", "default")])
    return ObjectChange(change=whole, object=each, note=note, parts=parts if whole is Change.ADDED else ())


_COUNTED = (CHILD_KINDS | {"column"}) - {"default", "owned_by", "inheritance", "partition_trigger"}


def parts_of(each: FactId, differences: Sequence[Difference]) -> tuple[Part, ...]:
    """What changes of one object, in the order of its facts; a column's default stands with it."""
    by_fact = {difference.fact: difference for difference in differences}
    # The columns of a view follow from its query.
    follows = each.kind in ("view", "materialized_view") and each in by_fact
    found: list[Part] = []
    for difference in sorted(differences, key=lambda difference: _ORDER.get(difference.fact.kind, len(_ORDER))):
        fact = difference.fact
        if follows and fact.kind == "column":
            continue
        column = by_fact.get(FactId("column", fact.name)) if fact.kind == "default" else None
        if column is not None and column.change is difference.change is not Change.CHANGED:
            continue
        default = by_fact.get(FactId("default", fact.name)) if fact.kind == "column" else None
        with_default = default is not None and default.change is difference.change is not Change.CHANGED
        found.append(_part(each, difference, default if with_default else None))
    return tuple(found)


_ORDER = {kind: place for place, kind in enumerate(("column", "default", "constraint", "index"))}


def _part(each: FactId, difference: Difference, default: Difference | None) -> Part:
    what = _part_name(difference.fact, each)
    if difference.change is not Change.CHANGED:
        added = difference.change is Change.ADDED
        values = {name: pair[1] if added else pair[0] for name, pair in difference.attributes.items()}
        if "definition" in values:
            values.pop("type", None)  # a constraint's definition says it
        said = [_attribute(name, value) for name, value in _type_first(values) if value not in (None, False)]
        if default is not None:
            pair = default.attributes.get("expression", (None, None))
            said.append(f"DEFAULT {value_text(pair[1] if added else pair[0])}")
        text = "" if len(values) > 1 and _is_long(values) else " ".join(said)
        return Part(change=difference.change, what=what, detail=text)
    lines: list[str] = []
    words: list[str] = []
    for name, (before, after) in difference.attributes.items():
        if _is_text(before) or _is_text(after):
            lines += _unified(before, after)
        elif isinstance(after or before or False, bool):
            words.append(f"{'+' if after else '-'} {_label(name)}")
        else:
            label = "" if name in _PLAIN else f"{_label(name)} "
            words.append(f"{label}{value_text(before)} -> {value_text(after)}")
    return Part(change=Change.CHANGED, what=what, detail=", ".join(words), lines=tuple(lines))


def _type_first(values: Mapping[str, object]) -> list[tuple[str, object]]:
    return sorted(values.items(), key=lambda item: item[0] != "type")


def _is_long(values: Mapping[str, object]) -> bool:
    return any(_is_text(value) for value in values.values())


def _attribute(name: str, value: object) -> str:
    if value is True:
        return _label(name)
    return value_text(value) if name in _PLAIN else f"{_label(name)} {value_text(value)}"


def _label(name: str) -> str:
    return _FLAGS.get(name, name.replace("_", " "))


def _part_name(fact: FactId, each: FactId) -> str:
    """What a part is called beside its object: `column note`, `comment on column note`, `owner`."""
    if fact == each:
        return ""
    if fact.kind in SATELLITE_KINDS:
        target = fact.target
        role = f" of {fact.name[-1] or 'public'}" if fact.kind == "privileges" else ""
        beside = "" if target == each else f" on {_part_name(target, each)}"
        return visible_line(f"{fact.kind.replace('_', ' ')}{role}{beside}")
    own = fact.name[len(each.name) :] if fact.name[: len(each.name)] == each.name else fact.name
    return visible_line(f"{fact.kind.replace('_', ' ')} {'.'.join(own)}".rstrip())


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\n" in value.strip()


def _unified(before: object, after: object) -> list[str]:
    """The lines that differ, each place with one line around it, `...` between two places."""
    old, new = (_lines(text) for text in (before, after))
    found = [line for line in difflib.unified_diff(old, new, lineterm="", n=1) if not line.startswith(("---", "+++"))]
    return ["..." if line.startswith("@@") else line for line in found][1:]


def _lines(text: object) -> list[str]:
    return redact_message(text).strip("\n").splitlines() if isinstance(text, str) else []


def value_text(value: object) -> str:
    """A value on one line, cut where it is long, without secrets."""
    if value is None:
        return "-"
    return one_line(redact_message(_in_words(value))) or "''"


def one_line(text: str) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _VALUE_WIDTH else f"{line[: _VALUE_WIDTH - 3]}..."


def _in_words(value: object) -> str:
    """As a sentence has it: `always, sequence app.orders_id_seq` for an identity."""
    match value:
        case str():
            return value
        case dict():
            named = cast("Mapping[str, object]", value)
            return ", ".join(_attribute(name, each) for name, each in named.items() if each not in (None, False)) or "-"
        case list() | tuple():
            return ", ".join(_in_words(each) for each in cast("Sequence[object]", value)) or "-"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _with_hazards(
    changes: Iterable[ObjectChange], plan: Plan, outlook: Outlook, live: Snapshot, goal: Snapshot
) -> Iterable[ObjectChange]:
    by_object: dict[FactId, list[Hazard]] = {}
    for hazard in _unique(plan.hazards):
        known = live if hazard.fact in live.facts else goal
        by_object.setdefault(known.object_of(hazard.fact), []).append(hazard)
    for each in changes:
        found = sorted(by_object.get(each.object, ()), key=lambda hazard: -weigh(hazard, outlook))
        loud = tuple(hazard for hazard in found if weigh(hazard, outlook) > Weight.LOW)
        yield ObjectChange(
            change=each.change,
            object=each.object,
            parts=each.parts,
            note=each.note,
            size=outlook.sizes.get(each.object),
            hazards=loud,
            quiet=len(found) - len(loud),
        )


def _unique(hazards: Iterable[Hazard]) -> tuple[Hazard, ...]:
    return tuple(dict.fromkeys(hazards))


def _held(number: int, step: Step, outlook: Outlook) -> Held | None:
    """What a step holds while it works; None where nothing in it takes long, or it blocks nobody."""
    modes: dict[FactId, LockMode] = {}
    work: list[tuple[float | None, Hazard]] = []
    for statement in step.statements:
        for relation, mode in _blocked_by(statement).items():
            modes[relation] = max(mode, modes.get(relation, mode), key=_STRENGTH.index)
        long = [each for each in statement.hazards if each.kind in _LONG_WORK and weigh(each, outlook) > Weight.LOW]
        if long:
            # What a statement's transaction blocks beside it is a hazard of its own, about the same work.
            found = max(long, key=lambda hazard: outlook.seconds(hazard) or 0)
            work.append((outlook.seconds(found), found))
    if not work or not modes:
        return None
    known = [seconds for seconds, _ in work if seconds is not None]
    longest = max(work, key=lambda pair: pair[0] or 0)[1]
    strongest = max(modes.values(), key=_STRENGTH.index)
    first = longest.fact
    relations = sorted(modes, key=lambda relation: (relation != first, relation))
    return Held(
        step=number,
        relations=tuple(relations),
        mode=strongest,
        work=longest,
        seconds=sum(known) if known else None,
    )


def _blocked_by(statement: Statement) -> dict[FactId, LockMode]:
    """The relations that are there already on which the statement takes a lock that blocks clients."""
    found = {lock.former or lock.relation: lock.mode for lock in statement.relation_locks if lock.mode.blocks}
    if statement.lock is not None and statement.lock.blocks and statement.locks is not None:
        found.setdefault(statement.locks, statement.lock)
    return found


def _recreated(plan: Plan, live: Snapshot, changed: Collection[FactId]) -> dict[str, tuple[FactId, ...]]:
    """What is created again although nothing of it changes, by what makes it so."""
    found: dict[str, dict[FactId, None]] = {}
    for statement in plan.statements:
        for fact in statement.creates if statement.because is not None else ():
            is_whole = fact.kind not in SATELLITE_KINDS and live.parent(fact) not in statement.creates
            if is_whole and live.object_of(fact) not in changed:
                found.setdefault(str(statement.because), {})[fact] = None
    return {because: tuple(facts) for because, facts in found.items()}


def _tallies(objects: Sequence[ObjectChange]) -> tuple[Tally, ...]:
    """Objects by kind, and the parts of those that stay."""
    counted: dict[str, Counter[Change]] = {}
    for each in objects:
        counted.setdefault(each.object.kind, Counter())[each.change] += 1
    for each in objects:
        if each.change is not Change.CHANGED:
            continue
        for part in each.parts:
            kind = part.what.split(" ")[0]
            if kind in ("column", "constraint", "index", "trigger", "policy", "comment", "privileges", "owner"):
                counted.setdefault(kind, Counter())[part.change] += 1
    return tuple(
        Tally(
            noun=_plural(_noun(kind), changes.total()),
            number=changes.total(),
            added=changes[Change.ADDED],
            removed=changes[Change.REMOVED],
        )
        for kind, changes in counted.items()
    )


def _noun(kind: str) -> str:
    return kind.replace("_", " ")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {_plural(noun, number)}"


_IRREGULAR = {"index": "indexes", "policy": "policies", "statistics": "statistics", "privileges": "privileges"}


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else _IRREGULAR.get(noun, f"{noun}s")
