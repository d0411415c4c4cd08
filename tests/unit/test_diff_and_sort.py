"""The pure core: facts, fingerprints, differences, the sort, drift."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff.diff import Change, diff
from reconciler.diff.drift import State, compare
from reconciler.diff.goal import Goal
from reconciler.errors import PlanError
from reconciler.model.facts import FactId, canonical_json
from reconciler.model.snapshot import Snapshot
from reconciler.planner.ordering.graph import SoftEdge, sorted_groups

names = st.text(min_size=1, max_size=8)
facts = st.dictionaries(
    st.builds(FactId, st.sampled_from(["table", "view", "enum"]), st.tuples(names, names)),
    st.dictionaries(names, st.one_of(st.integers(), st.text(), st.booleans()), max_size=3).map(canonical_json),
    max_size=8,
)
snapshots = facts.map(lambda found: Snapshot(facts=found, schemas=("public",), server_version=180000))


@given(snapshots)
def test_a_snapshot_does_not_differ_from_itself(snapshot: Snapshot) -> None:
    assert diff(snapshot, snapshot) == ()


@given(snapshots, snapshots)
def test_the_differences_lead_from_one_to_the_other(before: Snapshot, after: Snapshot) -> None:
    reached = dict(before.facts)
    for difference in diff(before, after):
        if difference.change is Change.REMOVED:
            del reached[difference.fact]
        else:
            assert difference.after is not None
            reached[difference.fact] = difference.after
    assert reached == after.facts


@given(snapshots)
def test_json_goes_round_trip(snapshot: Snapshot) -> None:
    again = Snapshot.from_json(snapshot.to_json())
    assert again.facts == snapshot.facts
    assert again.fingerprint == snapshot.fingerprint


@given(snapshots, st.randoms())
def test_the_fingerprint_ignores_order(snapshot: Snapshot, random: object) -> None:
    shuffled = list(snapshot.facts.items())
    random.shuffle(shuffled)
    assert Snapshot(facts=dict(shuffled)).fingerprint == snapshot.fingerprint


@given(st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda pair: pair[0] < pair[1])))
def test_the_sort_respects_every_edge(edges: set[tuple[int, int]]) -> None:
    order = sorted_groups(
        {node: node for node in range(16)}, edges, rank=lambda node: (-node,), unfold_priority=lambda _: 0
    )
    place = {node: position for position, (node, _) in enumerate(order)}
    assert len(place) == 16
    assert all(place[before] < place[after] for before, after in edges)


def test_a_cycle_without_folds_is_an_error_that_names_it() -> None:
    with pytest.raises(PlanError, match="1, 2"):
        sorted_groups({1: 1, 2: 2}, [(1, 2), (2, 1)], rank=lambda node: (node,), unfold_priority=lambda _: 0)


def test_two_tables_that_refer_to_each_other_give_up_one_fold() -> None:
    members = {"a": "a", "b": "b", "a.fk": "a", "b.fk": "b"}
    order = sorted_groups(
        members,
        [("a", "b.fk"), ("b", "a.fk"), ("a", "a.fk"), ("b", "b.fk")],
        rank=lambda node: (node,),
        unfold_priority=lambda _: 0,
    )
    heads = [head for head, _ in order]
    assert heads.index("a.fk") > heads.index("b")
    assert heads.index("b.fk") > heads.index("a")


TABLE = FactId("table", ("public", "t"))


def state(recorded: str | None, live: str | None, goal: str | None, *, known: bool = True) -> State:
    def snapshot(text: str | None) -> Snapshot:
        return Snapshot(facts={TABLE: text} if text is not None else {})

    target = snapshot(goal)
    found = compare(snapshot(recorded) if known else None, snapshot(live), Goal(snapshot=target, record=target))
    assert len(found) == 1
    return found[0].state


@pytest.mark.parametrize(
    ("recorded", "live", "goal", "expected"),
    [
        ("1", "1", "1", State.IN_SYNC),
        ("1", "1", "2", State.PENDING),
        ("1", "2", "1", State.DRIFTED),
        ("1", None, "1", State.DRIFTED),
        ("1", "2", "3", State.CONFLICT),
        ("1", "2", "2", State.CAUGHT_UP),
        (None, "1", None, State.UNMANAGED),
        (None, None, "1", State.PENDING),
        ("1", "1", None, State.PENDING),
    ],
)
def test_each_state_is_told_from_the_others(
    recorded: str | None, live: str | None, goal: str | None, expected: State
) -> None:
    assert state(recorded, live, goal) is expected


def test_without_a_record_what_is_as_declared_is_in_sync() -> None:
    assert state(None, "1", "1", known=False) is State.IN_SYNC
    assert state(None, None, "1", known=False) is State.PENDING
    assert state(None, "1", None, known=False) is State.UNMANAGED


def _order(edges: list[tuple[str, str]], wishes: list[SoftEdge[str]]) -> list[str]:
    nodes = sorted({node for edge in edges for node in edge} | {n for w in wishes for n in (*w.earlier, *w.later)})
    groups = sorted_groups(
        {node: node for node in nodes}, edges, rank=lambda node: (node,), unfold_priority=lambda _: 0, soft_edges=wishes
    )
    return [head for head, _ in groups]


def test_a_soft_edge_is_kept_where_nothing_speaks_against_it() -> None:
    assert _order([("a", "b")], [SoftEdge(earlier=["y", "z"], later=["a"])]) == ["y", "z", "a", "b"]


def test_a_soft_edge_that_closes_a_cycle_is_given_up_only_for_what_is_in_the_cycle() -> None:
    order = _order([("a", "b")], [SoftEdge(earlier=["b", "z"], later=["a"])])
    assert order == ["z", "a", "b"]


def test_of_wishes_against_each_other_the_stronger_is_kept() -> None:
    weak, strong = SoftEdge(earlier=["a"], later=["b"]), SoftEdge(earlier=["b"], later=["a"], strength=1)
    assert _order([], [weak, strong]) == ["b", "a"]
    assert _order([], [strong, weak]) == ["b", "a"]


def test_a_definition_that_its_reader_changes_stays_as_it_was() -> None:
    fact = FactId("column", ("app", "users", "id"))
    snapshot = Snapshot(facts={fact: '{"type":"bigint"}'})
    snapshot.definition(fact)["type"] = "text"
    assert snapshot.definition(fact) == {"type": "bigint"}
