"""Applying on a live database: staleness, verification, statements that run in no transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.errors import ApplyError, LockTimeoutError, StalePlanError, VerificationError
from reconciler.options import Options

if TYPE_CHECKING:
    from reconciler.results import PlanResult

pytestmark = pytest.mark.one_server

TABLE = "create table t (a int, b int);"
INDEXED = TABLE + "create index t_a on t (a);"


def _concurrently(planned: PlanResult) -> PlanResult:
    """The same plan with the index built outside of the transaction."""
    (statement,) = planned.plan.statements
    outside = replace(
        statement, sql=statement.sql.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"), transactional=False
    )
    return replace(planned, plan=replace(planned.plan, statements=(outside,)))


@pytest.mark.smoke
def test_a_plan_made_for_another_state_is_refused(database: str) -> None:
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(TABLE)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("create table public.meanwhile (a int)")
        with pytest.raises(StalePlanError, match="changed since"):
            reconciler.apply(planned)
        assert reconciler.history() == ()


def test_a_statement_that_runs_in_no_transaction_is_a_step_of_its_own(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(TABLE)
        assert reconciler.apply(_concurrently(reconciler.plan(INDEXED))).idx == 1
        assert reconciler.check(INDEXED).plan.is_empty
        assert [statement.transactional for statement in reconciler.show(1).statements] == [False]


def test_a_failure_outside_of_the_transaction_says_what_is_left_and_the_next_run_goes_on(database: str) -> None:
    unique = TABLE + "create unique index t_a on t (a);"
    blind = Options(preflight=False)
    with Reconciler(database, options=blind) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        reconciler.migrate(TABLE)
        connection.execute("insert into public.t values (1, 1), (1, 2)")
        planned = reconciler.plan(unique)
        (statement,) = planned.plan.statements
        outside = replace(statement, sql=statement.sql.replace("INDEX", "INDEX CONCURRENTLY"), transactional=False)
        with pytest.raises(ApplyError, match="could not create unique index") as caught:
            reconciler.apply(replace(planned, plan=replace(planned.plan, statements=(outside,))))
        assert "which the next run ends" in str(caught.value.left)
        connection.execute("delete from public.t where b = 2")
        assert reconciler.migrate(unique).statements
        assert reconciler.check(unique).plan.is_empty


@pytest.mark.smoke
def test_live_that_does_not_end_at_the_goal_is_rolled_back(database: str) -> None:
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(INDEXED)
        short = replace(planned, plan=replace(planned.plan, statements=planned.plan.statements[:-1]))
        with pytest.raises(VerificationError, match="t_a"):
            reconciler.apply(short)
        assert reconciler.history() == ()


@pytest.mark.smoke
def test_a_lock_that_is_not_granted_in_time_is_told_apart(database: str) -> None:
    options = Options(lock_timeout_ms=100, lock_retries=1)
    with Reconciler(database, options=options) as reconciler, psycopg.connect(database) as other:
        reconciler.migrate(TABLE)
        planned = reconciler.plan(INDEXED)
        other.execute("lock table public.t in row exclusive mode")
        with pytest.raises(LockTimeoutError, match="no lock for statement 1"):
            reconciler.apply(planned)


@pytest.mark.smoke
def test_a_connection_in_a_transaction_is_not_committed_behind_its_owner(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("select 1")
        Reconciler(connection).migrate(TABLE)
        connection.rollback()
        row = connection.execute("select to_regclass('public.t'), to_regnamespace('migrations')").fetchone()
    assert row == (None, None)
