"""Differences between live and the goal -> an ordered Plan. Pure: no I/O.

Three steps. What happens to each fact: created, dropped, altered in place; whatever depends on a dropped fact and stays
is dropped and created again. Which order: the edges of pg_depend on both sides, one sort. Which text: the rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.ddl import RULES, displaced, inheriting, moving, partitions, row_types, typed_tables
from reconciler.ddl.bodies import wishes
from reconciler.ddl.consequences import with_consequences
from reconciler.ddl.lock_windows import with_lock_windows
from reconciler.ddl.nodes import Act, Node
from reconciler.ddl.not_null import swapped_names
from reconciler.ddl.parking import drop_renamed, rename_away, set_aside
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.stages import in_steps
from reconciler.ddl.types import held_within
from reconciler.diff import Change, Difference, diff
from reconciler.errors import PlanError
from reconciler.hazards.kinds import HazardKind, IndexUse, TableSize
from reconciler.intent.intent import Intent
from reconciler.plan import CircleError, Online, Plan, Statement, Wish, sorted_groups
from reconciler.snapshot import SATELLITE_KINDS
from reconciler.spelling import faithful

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.snapshot import FactId, Snapshot

__all__ = ["make_plan"]


_LISTED = frozenset({"column", "inheritance"})
_ROUTINES = frozenset({"function", "procedure"})
_REMADE = _ROUTINES | {"policy", "trigger", "rule", "aggregate"}


def make_plan(
    live: Snapshot,
    goal: Snapshot,
    *,
    current_user: str,
    sizes: Mapping[FactId, TableSize] | None = None,
    index_use: Mapping[FactId, IndexUse] | None = None,
    fixed: frozenset[FactId] = frozenset(),
    online: Online | None = None,
    intent: Intent | None = None,
    former: Mapping[FactId, FactId] | None = None,
    kept: Collection[FactId] = frozenset(),
    answers: Mapping[FactId, bool] | None = None,
) -> Plan:
    """The statements that turn `live` into `goal`; both with their dependencies. `current_user` runs them.
    `fixed` are the extensions that cannot be altered into what the goal says.

    With `online`, tables that it covers are changed in steps, and the statements may need more than one transaction.
    `intent` says how values are converted and filled in; its renames have been made in `live` already, and
    `former` says what is called otherwise in the database until they are made there. `kept` is what the goal has only
    because live has it. `answers` are those to the questions of a plan that was made without: the facts they were about
    that have such rows, and whether no others.
    Raises PlanError where no order of statements does it.
    """
    differences = diff(live, goal)
    dependents = _reversed(live.dependencies)
    forced: frozenset[FactId] = frozenset()
    while True:
        context = Context(
            live=live,
            goal=goal,
            current_user=current_user,
            sizes=sizes or {},
            index_use=index_use or {},
            fixed=fixed,
            online=online,
            intent=intent or Intent(),
            former=former or {},
            dependents=dependents,
        )
        unmodelled = _unmodelled(differences, context)
        planned = [difference for difference in differences if difference.fact not in unmodelled]
        _decide(planned, context, forced | displaced.detached(answers or {}, live, goal))
        context.displaced = displaced.displaced(answers or {}, context)
        _require_ground(context, kept)
        context.moved, context.renamed = moving.moved(context)
        context.unpacked = row_types.held_rows(context).keys()
        context.aside.update(set_aside(context))
        context.released = typed_tables.letting_go(context)
        context.followers = typed_tables.following(context)
        context.stand_ins = inheriting.stand_ins(context)
        context.swaps = swapped_names(context)
        try:
            statements = tuple(_statements(context))
            break
        except CircleError as circle:
            # What is altered must have what it moves to, which may wait until what it lets go of has gone.
            if not (more := _remade_instead(circle) - forced):
                raise
            forced |= more
    return Plan(
        statements=statements,
        differences=differences,
        live_fingerprint=live.fingerprint,
        goal_fingerprint=goal.fingerprint,
        unmodelled=tuple(difference for difference in differences if difference.fact in unmodelled),
        questions=tuple(displaced.questions(context)) if answers is None else (),
    )


def _unmodelled(differences: Sequence[Difference], context: Context) -> set[FactId]:
    """What no rule can plan, and what would be added to it or needs it."""
    found = {
        difference.fact
        for difference in differences
        if difference.fact.kind not in RULES or _rule(difference.fact).is_unmodelled(difference.fact, context)
    }
    added = {difference.fact for difference in differences if difference.change is Change.ADDED}
    missing = list(found & added)
    dependents = _reversed(context.goal.dependencies if missing else {})
    while missing:
        for fact in dependents.get(missing.pop(), ()):
            if fact in added and fact not in found:
                found.add(fact)
                missing.append(fact)
    return found


def _reversed(dependencies: Mapping[FactId, Iterable[FactId]]) -> Mapping[FactId, Sequence[FactId]]:
    found: dict[FactId, list[FactId]] = {}
    for fact, needed in dependencies.items():
        for other in needed:
            found.setdefault(other, []).append(fact)
    return found


def _rule(fact: FactId) -> Rule:
    return RULES[fact.kind]


def _remade_instead(circle: CircleError) -> frozenset[FactId]:
    """What of a circle can be made anew instead of being altered, without a loss: views first."""
    altered = {node.fact for node in circle.nodes if isinstance(node, Node) and node.act is Act.ALTER}
    views = frozenset(fact for fact in altered if fact.kind == "view")
    return views or frozenset(fact for fact in altered if fact.kind in _REMADE)


def _decide(differences: Sequence[Difference], context: Context, forced: frozenset[FactId]) -> None:
    """Fills the context's creates, drops and alters, until nothing that stays depends on what goes.

    `forced` are made anew though they could be altered, or stay as they are.
    """
    dropped: list[FactId] = []
    for difference in differences:
        match difference.change:
            case Change.ADDED:
                context.creates.add(difference.fact)
            case Change.REMOVED:
                context.drops.add(difference.fact)
                dropped.append(difference.fact)
            case Change.CHANGED:
                context.alters.add(difference.fact)

    def replace(fact: FactId) -> None:
        context.alters.discard(fact)
        context.parked.discard(fact)
        if fact in context.goal:
            context.creates.add(fact)
        if fact in context.live and fact not in context.drops:
            context.drops.add(fact)
            dropped.append(fact)

    for fact in sorted(context.alters | forced):
        if fact in forced or (fact in context.alters and not _rule(fact).in_place(fact, context)):
            replace(_rule(fact).replaced(fact, context))
    asked: set[FactId] = set()
    while True:
        if not dropped:
            waiting = sorted(context.alters - asked)
            for fact in waiting:
                asked.add(fact)
                if fact in context.alters:
                    for other in _rule(fact).disturbed(fact, context):
                        moves_off = other in context.alters and _moves_off(other, fact, context)
                        if other.kind in RULES and not moves_off:
                            replace(other)
            if not waiting:
                found = (
                    partitions.in_the_way(context),
                    held_within(context),
                    typed_tables.out_of_order(context),
                    inheriting.joined_anew(context),
                )
                for fact in sorted({fact for facts in found for fact in facts} - context.drops):
                    replace(fact)
                for fact, table in row_types.held_rows(context).items():
                    if fact not in context.drops and _rule(fact).parks(fact, table, context):
                        replace(fact)
                        context.parked.add(fact)
                    elif fact not in context.drops:
                        replace(_rule(fact).replaced(fact, context))
                if not dropped:
                    return
            continue
        gone = dropped.pop()
        children = context.live.children.get(gone, ())
        for child in (*children, *_rule(gone).takes_along(gone, context), *moving.comes_along(gone, context)):
            if child.kind in RULES:
                replace(child)
        if gone in context.goal:
            for child in context.goal.children.get(gone, ()):
                if child.kind in RULES and child not in context.live:
                    context.creates.add(child)
        for dependent in context.dependents.get(gone, ()):
            if dependent.kind not in RULES or dependent in context.drops:
                continue
            moves_off = dependent in context.alters and _moves_off(dependent, gone, context)
            if not moves_off and _rule(dependent).parks(dependent, gone, context):
                replace(dependent)
                context.parked.add(dependent)
            elif not moves_off and _rule(dependent).follows(dependent, gone, context):
                replace(_rule(dependent).replaced(dependent, context))


def _require_ground(context: Context, kept: Collection[FactId]) -> None:
    """Raises PlanError where something that is left alone needs what goes for good.

    What the declaration holds was built with all that it needs, also where its text is the same and only what it stands
    on is another (an index, as its column takes another type). What is `kept` was not: others' things, or some of the
    database as a whole.
    """
    live, goal = context.live, context.goal
    taken: set[tuple[str, ...]] | None = None
    for fact in sorted(context.creates & context.drops & set(kept)):
        if fact.kind in SATELLITE_KINDS or live.facts[fact] != goal.facts[fact]:
            continue
        before, after = live.dependencies.get(fact, frozenset()), goal.dependencies.get(fact, frozenset())
        # A function depends on the transforms that its types had when it was made, whether or not it uses them.
        lost = (needed for needed in before if needed.kind != "transform" and needed in context.drops)
        gone = sorted(needed for needed in lost if needed not in goal.facts)
        if not gone or not after < before:
            continue
        if taken is None:
            taken = {claim for each in context.creates for claim in _rule(each).claims(each, context.new(each))}
        for needed in gone:
            if partitions.is_of_partition(needed, after, live):
                continue
            if not any(claim in taken for claim in _rule(needed).claims(needed, context.old(needed))):
                raise PlanError(
                    f"{fact} needs {needed}, which the declaration drops",
                    hint=f"this run leaves {fact} alone: drop it by hand, keep {needed} in the declaration, or let the"
                    " declaration speak for the whole database (--exact --all-schemas)",
                )


def _moves_off(fact: FactId, gone: FactId, context: Context) -> bool:
    """Whether an alteration lets go of what is dropped: not where it moves to what takes the place of that."""
    needed = context.goal.dependencies.get(fact, frozenset())
    if gone in needed or not _rule(fact).lets_go(fact, context):
        return False
    given = set(_rule(gone).claims(gone, context.old(gone)))
    taken = (each for each in needed if given and each in context.creates)
    return not any(claim in given for each in taken for claim in _rule(each).claims(each, context.new(each)))


def _edges(context: Context) -> Iterable[tuple[Node, Node]]:
    """(earlier, later) for all that the two states, the rules and the names ask for."""
    live, goal = context.live, context.goal
    takes: dict[tuple[str, ...], Node] = {}
    gives: dict[tuple[str, ...], list[Node]] = {}

    def makes(fact: FactId) -> Node | None:
        if fact in context.creates:
            return Node(Act.CREATE, fact)
        return Node(Act.ALTER, fact) if fact in context.alters else None

    for fact in context.creates | context.alters:
        node = makes(fact)
        assert node is not None
        for needed in goal.dependencies.get(fact, ()):
            # What is there and stays can be needed before it is altered, above all by what it will need itself.
            if (first := makes(needed)) is not None and not _is_mutual(needed, fact, context.alters, goal):
                yield first, node
        for needed in _rule(fact).before(fact, context):
            if (first := makes(needed)) is not None:
                yield first, node
        for gone in _rule(fact).once_gone(fact, context):
            if gone in context.drops:
                yield Node(Act.DROP, gone), node
        if fact in context.drops:
            yield Node(Act.DROP, fact), node
        for claim in _rule(fact).claims(fact, context.new(fact)):
            takes[claim] = node
    for fact in context.drops | context.alters:
        node = Node(Act.DROP, fact) if fact in context.drops else Node(Act.ALTER, fact)
        for needed in live.dependencies.get(fact, ()):
            # What no longer needs it lets go of it before it is dropped, or altered by being made anew.
            if node.act is Act.DROP or needed not in goal.dependencies.get(fact, ()):
                if needed in context.drops:
                    yield node, Node(Act.DROP, needed)
                elif (
                    needed in context.alters
                    and not _is_mutual(needed, fact, context.alters, live)
                    and not _bothers_nobody(needed, fact, context)
                ):
                    yield node, Node(Act.ALTER, needed)
        for claim in _rule(fact).claims(fact, context.old(fact)):
            gives.setdefault(claim, []).append(node)
    for fact in context.aside:
        for dependent in context.dependents.get(fact, ()):
            if dependent in context.parked:
                yield Node(Act.CREATE, dependent), Node(Act.FINISH, fact)
            elif (owner := live.object_of(dependent)) in context.aside:
                yield Node(Act.FINISH, owner), Node(Act.FINISH, fact)
        yield Node(Act.CREATE, fact), Node(Act.FINISH, fact)
    yield from partitions.ordered(context)
    yield from moving.ordered(context)
    yield from displaced.ordered(context)
    yield from typed_tables.ordered(context)
    yield from inheriting.ordered(context)
    yield from row_types.ordered(context)
    for claim, node in takes.items():
        for giver in gives.get(claim, ()):
            if giver != node and context.swaps.get(node.fact) != giver.fact:
                yield giver, node


def _bothers_nobody(altered: FactId, dropped: FactId, context: Context) -> bool:
    """Whether the alteration in place can come before the drop: of a routine, or of a table that loses a column."""
    return altered.kind in _ROUTINES or (dropped.kind == "column" and altered == context.live.parent(dropped))


def _is_mutual(altered: FactId, fact: FactId, alters: Collection[FactId], state: Snapshot) -> bool:
    """Whether something that is altered needs, in turn, what is made or dropped (a base type and its functions)."""
    return altered in alters and fact not in alters and fact in state.dependencies.get(altered, ())


def _wishes(context: Context) -> Iterable[Wish[Node]]:
    after_partitions = ((links, keys, -1) for links, keys in partitions.keys_after_partitions(context))
    for earlier, later, strength in (*wishes(context), *after_partitions):
        yield Wish(
            earlier=[_made(fact, context) for fact in earlier],
            later=[_made(fact, context) for fact in later],
            strength=strength,
        )


def _made(fact: FactId, context: Context) -> Node:
    return Node(Act.CREATE if fact in context.creates else Act.ALTER, fact)


def _heads(context: Context) -> dict[Node, Node]:
    """Each node, and the node that it would like to be folded into."""
    heads: dict[Node, Node] = {}
    begun = context.released | context.stand_ins.keys() | context.displaced.keys()
    finished = context.aside | context.moved | context.followers | context.stand_ins.keys()
    finished |= displaced.come_back_to(context)
    for act, facts in ((Act.BEGIN, begun), (Act.ALTER, context.alters), (Act.FINISH, finished)):
        heads.update({Node(act, fact): Node(act, fact) for fact in facts})
    for fact in context.creates:
        node = Node(Act.CREATE, fact)
        target = _rule(fact).fold_into(fact, context)
        heads[node] = Node(Act.CREATE, target) if target is not None and target in context.creates else node
    for fact in context.drops:
        node = Node(Act.DROP, fact)
        parent = context.live.parent(fact)
        found = (parent, _rule(fact).fold_drop_into(fact, context), *context.taken_along(fact))
        owners = moving.goes_alone(fact, [each for each in found if each is not None], context)
        alone = context.parked if fact.kind not in SATELLITE_KINDS else ()
        target = next((each for each in owners if each in context.drops and each not in alone), None)
        heads[node] = Node(Act.DROP, target) if target is not None else node
    return {node: _last(node, heads) for node in heads}


def _last(node: Node, heads: Mapping[Node, Node]) -> Node:
    seen = {node}
    while heads[node] != node and heads[node] not in seen:
        node = heads[node]
        seen.add(node)
    return node


def _rank(node: Node) -> tuple[object, ...]:
    rank = _rule(node.fact).rank
    return (
        node.act is not Act.DROP,
        -rank if node.act is Act.DROP else rank,
        node.act,
        node.fact.name,
        node.fact.kind,
    )


def _statements(context: Context) -> Iterable[Statement]:
    drafted: list[tuple[Draft, Statement]] = []
    groups = sorted_groups(
        _heads(context),
        _edges(context),
        rank=_rank,
        unfold=lambda node: _rule(node.fact).unfold_order(node.fact, context),
        wishes=_wishes(context),
    )
    for node, folded in groups:
        members = (node, *folded)
        drafts: Iterable[Draft] = ()
        rule = _rule(node.fact)
        if not rule.is_silent(node.fact, context):
            match node.act:
                case Act.BEGIN:
                    drafts = _begin(node.fact, context)
                case Act.CREATE:
                    drafts = rule.create(node.fact, _in_order([member.fact for member in folded], context), context)
                case Act.DROP:
                    drafts = _drop(node.fact, context)
                case Act.FINISH:
                    drafts = _finish(node.fact, context)
                case Act.ALTER:
                    drafts = rule.alter(node.fact, context)
        facts = tuple(sorted(member.fact for member in members))
        drafts = with_consequences(tuple(drafts), node.act, node.fact, [member.fact for member in folded], context)
        made = [(draft, _statement(draft, node.act, facts, context)) for draft in drafts]
        drafted += _with_checks(made, node, context) if node.act in (Act.CREATE, Act.ALTER) else made
    found = [each for each in drafted if not _is_adopted(each[1], context)]
    return with_lock_windows(in_steps(found, context), context)


def _begin(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.displaced:
        yield from displaced.stand_aside(fact, context)
    if fact in context.released:
        yield from typed_tables.let_go(fact)
    if fact in context.stand_ins:
        yield from inheriting.take_stand_in(fact, context)


def _finish(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.moved:
        yield from moving.finish(fact, context, displaced.that_stay(fact, context))
    elif fact in context.aside:
        yield from drop_renamed(fact)
    if fact in displaced.come_back_to(context):
        yield from displaced.come_back(fact, context)
    if fact in context.stand_ins:
        yield from inheriting.leave_stand_in(fact, context)
    if fact in context.followers:
        yield from typed_tables.follow(fact, context)


def _drop(fact: FactId, context: Context) -> Iterable[Draft]:
    if fact in context.renamed:
        return moving.step_aside(fact, context)
    return rename_away(fact) if fact in context.aside else _rule(fact).drop(fact, context)


def _statement(draft: Draft, act: Act, facts: tuple[FactId, ...], context: Context) -> Statement:
    text, secret = context.masked(faithful(draft.sql))
    # Nobody waits for a table that the plan itself makes.
    is_waited_for = draft.locks is None or draft.locks in context.live
    return Statement(
        sql=text,
        creates=facts if act is Act.CREATE else (),
        drops=facts if act is Act.DROP else (),
        alters=facts if act in (Act.BEGIN, Act.ALTER, Act.FINISH) else (),
        hazards=draft.hazards,
        lock=draft.lock if is_waited_for else None,
        locks=draft.locks if is_waited_for else None,
        transactional=draft.transactional,
        rehearsal=faithful(draft.rehearsal) if draft.rehearsal else draft.rehearsal,
        batched=draft.batched,
        brief=draft.brief,
        masked=secret is not None,
        secret=secret,
    )


def _with_checks(made: list[tuple[Draft, Statement]], node: Node, context: Context) -> list[tuple[Draft, Statement]]:
    """The statements, the first of those that may fail with what is to be asked of the rows before."""
    checks = tuple(_rule(node.fact).checks(node.fact, context)) if made else ()
    if not checks:
        return made
    kinds = [{hazard.kind for hazard in draft.hazards} for draft, _ in made]
    place = next((place for place, found in enumerate(kinds) if HazardKind.MAY_FAIL in found), 0)
    draft, statement = made[place]
    return [*made[:place], (draft, replace(statement, checks=checks)), *made[place + 1 :]]


def _is_adopted(statement: Statement, context: Context) -> bool:
    """Whether the statement would drop a half-made thing that this plan goes on with."""
    return bool(statement.drops) and any(
        fact in context.adopted_leftovers or (fact.kind in SATELLITE_KINDS and fact.target in context.adopted_leftovers)
        for fact in statement.drops
    )


def _in_order(facts: Sequence[FactId], context: Context) -> Sequence[FactId]:
    """By kind and name, but columns and parents as the goal lists them: there the order means something."""
    return sorted(facts, key=lambda fact: (fact.kind, context.position(fact) if fact.kind in _LISTED else 0, fact))
