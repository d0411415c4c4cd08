"""A plan file holds the whole plan, and nobody can change it unnoticed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import pytest

from reconciler.diff.diff import Difference
from reconciler.diff.goal import Goal, Scope
from reconciler.errors import ConfigError, StalePlanError
from reconciler.ledger.migrations import Head, Recorded
from reconciler.model.checks import Arrival, Check, Finding, FindingKind
from reconciler.model.facts import FactId
from reconciler.model.hazards import Hazard, HazardKind, TableSize
from reconciler.model.intent import Suggestion
from reconciler.model.plan import LockMode, Plan, Reach, RelationLock, RowAccess, RowCommand, Statement
from reconciler.model.snapshot import Snapshot
from reconciler.options import Options
from reconciler.redaction.masking import SecretText
from reconciler.results import PlanResult
from reconciler.workflows.plan_file import dump_plan, load_plan

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text())
TABLE = FactId("table", ("public", 'odd."name'))
LIVE = Snapshot(facts={TABLE: '{"persistence":"p"}'}, schemas=("public",), server_version=180000)
GOAL = replace(LIVE, facts={**LIVE.facts, FactId("comment", ("table", *TABLE.name)): '{"text":"ü"}'})
STATEMENT = Statement(
    sql="COMMENT ON TABLE x IS 'ü'",
    creates=(FactId("comment", ("table", *TABLE.name)),),
    drops=(TABLE,),
    alters=(TABLE,),
    hazards=(
        Hazard(kind=HazardKind.DATA_LOSS, message="lost", fact=TABLE, size=TableSize(rows=3, bytes=8192)),
        Hazard(kind=HazardKind.MAY_FAIL, message="fails", fact=TABLE),
    ),
    lock=LockMode.ACCESS_EXCLUSIVE,
    locks=TABLE,
    transactional=False,
    step=2,
    rehearsal="",
    batched=TABLE,
    as_replica=True,
    because="column public.t.c changes (type)",
    brief=True,
    relation_locks=(
        RelationLock(relation=TABLE, mode=LockMode.SHARE, reach=frozenset({Reach.CHILDREN}), former=TABLE),
    ),
    rows=(RowAccess(table=TABLE, command=RowCommand.UPDATE, aside=TABLE, only=True),),
    checks=(Check(fact=TABLE, table=TABLE, problem="no", sql="SELECT 1", hint="do", unit="pair", attempt="SELECT 2"),),
    arrival=Arrival(table=TABLE, what="rows", missing="SELECT 0", guards=(TABLE,)),
)
PLANNED = PlanResult(
    plugin="shop",
    plan=Plan(
        statements=(STATEMENT,),
        differences=(Difference(fact=TABLE, before=None, after="{}"),),
        unmodelled=(Difference(fact=TABLE, before="{}", after=None),),
        live_fingerprint=LIVE.fingerprint,
        goal_fingerprint=GOAL.fingerprint,
    ),
    live=LIVE,
    goal=Goal(snapshot=GOAL, record=GOAL, following=frozenset({TABLE})),
    desired_fingerprint="d" * 64,
    source_text="-- source: x\nCREATE TABLE x ();\n",
    source_description="x",
    source_digest="e" * 64,
    recorded=Recorded(hash="h", idx=2, snapshot=LIVE),
    scope=Scope(schemas=("public", "app"), exact=True),
    options=Options(allow=frozenset({HazardKind.DATA_LOSS, HazardKind.PRIVILEGES}), lock_timeout_ms=5),
    scratch="schema: as asked",
    head=Head(idx=2, hash="h"),
    notes=("careful",),
    findings=(
        Finding(kind=FindingKind.ROWS, message="no", hint="do", fact=TABLE, blocks=True, count=3, examples=("id = 1",)),
    ),
    suggestions=(Suggestion(old=TABLE, new=TABLE, why="alike"),),
)


def test_every_field_comes_back() -> None:
    assert load_plan(dump_plan(PLANNED)) == PLANNED
    assert dump_plan(load_plan(dump_plan(PLANNED))) == dump_plan(PLANNED)


def test_the_statement_of_this_test_sets_every_field_that_a_file_may_hold() -> None:
    unset = {each.name for each in fields(Statement) if getattr(STATEMENT, each.name) == each.default}
    assert unset <= {"masked", "secret"}, "give it a value in STATEMENT, so that its way through a file is tested"


def test_the_file_is_as_documented_and_has_a_line_for_each_statement_and_fact() -> None:
    text = dump_plan(PLANNED)
    jsonschema.validate(json.loads(text), SCHEMA)
    assert sum("COMMENT ON TABLE" in line for line in text.splitlines()) == 1
    assert sum(line.startswith('    ["table",') for line in text.splitlines()) == 1, "a fact of four snapshots, once"


@pytest.mark.parametrize(
    ("old", "new"), [("COMMENT ON TABLE", "COMMENT ON  TABLE"), ('"idx":2', '"idx":3'), ('"p\\"', '"u\\"')]
)
def test_a_changed_file_is_refused(old: str, new: str) -> None:
    text = dump_plan(PLANNED)
    assert old in text
    with pytest.raises(StalePlanError, match="changed since it was written"):
        load_plan(text.replace(old, new))


def test_laying_it_out_anew_is_no_change() -> None:
    assert load_plan(json.dumps(json.loads(dump_plan(PLANNED)), indent=8, sort_keys=True)) == PLANNED


@pytest.mark.parametrize("key", ["program_version", "format_version"])
def test_another_version_s_file_is_refused(key: str) -> None:
    with pytest.raises(StalePlanError, match="this is"):
        load_plan(json.dumps({**json.loads(dump_plan(PLANNED)), key: "0.0.0"}))


@pytest.mark.parametrize("text", ["", "SELECT 1", "[]", "{}", '{"format": "reconciler/plan"}'])
def test_what_is_no_plan_file_is_named_so(text: str) -> None:
    with pytest.raises(ConfigError, match="not a plan file"):
        load_plan(text)


def test_the_url_of_scratch_stays_out() -> None:
    options = replace(PLANNED.options, scratch="postgresql://me:s3cret@host/db")
    assert "s3cret" not in dump_plan(replace(PLANNED, options=options))


def test_a_plan_with_a_secret_is_not_written() -> None:
    mapping = FactId("user_mapping", ("s", "me"))
    secret = Statement(
        sql="CREATE USER MAPPING ...", creates=(mapping,), masked=True, secret=SecretText("... 'hush'", ["hush"])
    )
    with pytest.raises(ConfigError, match=r"the statement for user mapping s\.me holds a secret") as caught:
        dump_plan(replace(PLANNED, plan=replace(PLANNED.plan, statements=(STATEMENT, secret))))
    assert "hush" not in caught.value.describe()
