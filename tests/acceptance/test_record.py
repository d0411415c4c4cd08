"""What is recorded is so: a mark, a migration, a state, whatever came between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from each_statement import before_each
from psycopg import sql

from reconciler.cli.console import DIFFERENCES, DONE, DRIFT, UNFINISHED
from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.ledger.marks import load_mark
from reconciler.options import Options, Proof

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.model.plan import Statement

pytestmark = pytest.mark.one_server

A = "create table a (id int primary key, label text); create view labels as select label from a;"
B = A + "create table b (id int primary key);"
DRIFTS = "alter table public.a add extra int"
ONLINE = Options(online=True, proof=Proof.OFF)


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler.cli.commands", *arguments, "--dsn", url],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _assert_agree(reconciler: Reconciler, source: str) -> None:
    """A start ends at the declaration; then plan and check have nothing left, and another start is a look."""
    reconciler.migrate(source, allow_data_loss=True)
    assert reconciler.plan(source).plan.is_empty
    found = reconciler.check(source)
    assert not found.of(State.PENDING, State.DRIFTED, State.CONFLICT)
    assert found.unfinished is None
    assert not reconciler.check().has_drift
    reconciler.migrate(source)
    assert reconciler.migrate(source).skipped


@pytest.mark.parametrize("scratch", ["schema", "database"])
@pytest.mark.parametrize("drift", [DRIFTS, "select"], ids=["drifted", "nothing drifted"])
@pytest.mark.parametrize(("accept", "objects"), [(False, ()), (False, ("table:public.a",)), (True, ())])
def test_what_is_pending_is_done_by_the_start_after_a_repair(
    database: str, scratch: str, drift: str, accept: bool, objects: tuple[str, ...]
) -> None:
    if objects and drift != DRIFTS:
        pytest.skip("an object that did not drift cannot be named")
    options = Options(scratch=scratch, allow=frozenset({"data_loss"}))
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(A)
        _run(database, drift)
        reconciler.repair(B, accept=accept, objects=objects)
        assert [each.object.key for each in reconciler.check(B).of(State.PENDING)][-1] == "table:public.b"
        assert reconciler.migrate(B).idx is not None
        _assert_agree(reconciler, B)


def test_a_repair_that_reaches_the_whole_declaration_lets_the_next_start_skip(database: str) -> None:
    with Reconciler(database) as reconciler:
        reconciler.migrate(A)
        _run(database, "alter table public.a alter label set default 'x'")
        reconciler.repair(A)
        assert reconciler.migrate(A).skipped


def test_a_run_that_leaves_out_what_it_cannot_make_does_not_let_the_next_one_skip(database: str) -> None:
    with Reconciler(database) as reconciler, psycopg.connect(database) as connection:
        reconciler.migrate(A)
        mark = load_mark(connection, "default")
        assert mark is not None
        assert mark.mark
        _run(database, DRIFTS)
        reconciler.repair(A, accept=True)
        mark = load_mark(connection, "default")
        assert mark is not None
        assert mark.mark is None


@pytest.mark.parametrize("online", [True, False], ids=["in steps", "in one transaction"])
def test_a_change_by_hand_during_a_run_is_told_and_no_mark_is_kept(database: str, online: bool) -> None:
    after = A + "create table c (id int primary key); create index a_label on a (label);"
    with Reconciler(database, options=Options(online=online, proof=Proof.OFF)) as reconciler:
        reconciler.migrate(A + "create table c (id int primary key);")

        def by_hand(position: int, _statement: Statement) -> None:
            if position == 1:
                _run(database, "alter table public.c add extra int", "create table public.others (id int)")

        result = reconciler.migrate(after, on_event=before_each(by_hand))
        assert result.idx == 1
        assert any("column:public.c.extra" in warning for warning in result.warnings)
        assert not any("others" in warning for warning in result.warnings)
        assert not reconciler.migrate(after, allow_data_loss=True).skipped
        _assert_agree(reconciler, after)


def _extension(url: str) -> str:
    return "create extension citext"


def _setting(url: str) -> str:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    return sql.SQL("alter database {} set statement_timeout = '77s'").format(sql.Identifier(str(name))).as_string(None)


@pytest.mark.parametrize("scratch", ["schema", "database"])
@pytest.mark.parametrize(
    ("theirs", "back"),
    [
        (_setting, lambda url: _setting(url).replace("set statement_timeout = '77s'", "reset statement_timeout")),
        (_extension, lambda _: "drop extension citext"),
        (lambda _: "create publication p", lambda _: "drop publication p"),
        (
            lambda _: "alter default privileges in schema public grant select on tables to public",
            lambda _: "alter default privileges in schema public revoke select on tables from public",
        ),
        (
            lambda _: "create foreign data wrapper w; comment on foreign data wrapper w is 'w'",
            lambda _: "drop foreign data wrapper w",
        ),
    ],
    ids=["setting", "extension", "publication", "default privileges", "foreign data wrapper"],
)
def test_what_is_database_wide_and_others_is_never_recorded(
    database: str, scratch: str, theirs: Callable[[str], str], back: Callable[[str], str]
) -> None:
    with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
        reconciler.migrate(A)
        recorded = reconciler.show(0).snapshot
        for text in (theirs(database), back(database), theirs(database)):
            _run(database, text)
            assert not reconciler.check(A).of(State.PENDING, State.DRIFTED, State.CONFLICT, State.CAUGHT_UP)
            assert not reconciler.check().of(State.PENDING, State.DRIFTED, State.CONFLICT, State.CAUGHT_UP)
            assert reconciler.migrate(A).idx is None
        assert reconciler.migrate(B).idx == 1
        after = reconciler.show(1).snapshot
        assert recorded is not None
        assert after is not None
        assert {fact for fact in after.facts if after.object_of(fact).name[-1] != "b"} == set(recorded.facts)


BEFORE = "create table t (id int primary key, a int, b int); create table u (id int primary key);"
AFTER = (
    BEFORE.replace("a int", "a int not null")
    + "create index t_b on t (b); alter table t add constraint positive check (b > 0); create table v (id int);"
)


def _interrupt(url: str, before: str, after: str, position: int) -> None:
    """A process of its own that dies by SIGKILL before the statement."""
    child = os.fork()
    if not child:

        def die(at: int, _statement: Statement) -> None:
            if at == position:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with Reconciler(url, options=ONLINE) as reconciler:
                reconciler.migrate(after, on_event=before_each(die))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("last", [True, False], ids=["before its last statement", "before its first"])
def test_check_and_status_say_that_a_run_was_interrupted(database: str, tmp_path: Path, last: bool) -> None:
    old, new = tmp_path / "old.sql", tmp_path / "new.sql"
    old.write_text(BEFORE)
    new.write_text(AFTER)
    with Reconciler(database, options=ONLINE) as reconciler:
        reconciler.migrate(BEFORE)
        plan = reconciler.plan(AFTER).plan
    steps, position = len(plan.steps), len(plan.statements) if last else 1
    assert steps > 3
    _interrupt(database, BEFORE, AFTER, position)
    done = steps - 1 if last else 0

    for arguments in ((), (str(new),), (str(old),)):
        found = _command(database, "check", *arguments)
        assert found.returncode == UNFINISHED, found.stdout
        assert "drifted" not in found.stdout
        assert f"unfinished: {done} of {steps} steps" in found.stdout
        assert "interrupted" in found.stdout
        assert "apply" in found.stdout
    status = _command(database, "status")
    assert "interrupted" in status.stdout
    assert "running" not in status.stdout

    # What somebody changes meanwhile is drift all the same.
    _run(database, "alter table public.u add extra int")
    assert _command(database, "check", str(new)).returncode == DRIFT
    _run(database, "alter table public.u drop extra")

    resumed = _command(database, "apply", str(new), "--online", "--proof", "off")
    assert resumed.returncode == DONE, resumed.stderr
    assert _command(database, "check", str(new)).returncode == DONE
    assert "interrupted" not in _command(database, "status").stdout


def test_check_and_status_say_that_a_run_is_at_work(database: str) -> None:
    seen: list[tuple[str, bool | None, int]] = []
    with Reconciler(database, options=ONLINE) as reconciler, Reconciler(database) as other:
        reconciler.migrate(BEFORE)

        def look(_position: int, statement: Statement) -> None:
            if statement.lock is not None and statement.lock.blocks_clients:
                return  # looking would wait for the lock, and the lock for this
            for found in (other.check().unfinished, other.status().unfinished):
                assert found is not None
                assert found.database_user
                seen.append((found.kind, found.is_running, found.step_count))
            assert not other.check().has_drift

        reconciler.migrate(AFTER, on_event=before_each(look))
        steps = len(set(seen))
        assert set(seen) == {("apply", True, seen[0][2])}
        assert steps == 1
        assert other.check().unfinished is None


RECREATABLE = (
    "alter table public.t drop constraint fk; "
    "alter table public.t add constraint fk foreign key (b) references public.u not valid"
)


@pytest.mark.parametrize(
    ("by_hand", "key"),
    [
        ("alter table public.t add constraint theirs check (b <> 3) not valid", "constraint:public.t.theirs"),
        (RECREATABLE, "constraint:public.t.fk"),
        (
            "insert into public.t (id, b) values (1, 1), (2, 1); create unique index concurrently theirs on public.t (b)",
            "index:public.t.theirs",
        ),
    ],
    ids=["a check", "a declared foreign key", "an invalid index"],
)
def test_what_somebody_left_half_made_is_drift_that_a_repair_ends(database: str, by_hand: str, key: str) -> None:
    declared = BEFORE + "alter table t add constraint fk foreign key (b) references u;"
    with Reconciler(database) as reconciler:
        reconciler.migrate(declared)
        _run(database, "insert into public.u values (1)")
        with psycopg.connect(database, autocommit=True) as connection:
            for statement in by_hand.split("; "):
                if "concurrently" in statement:
                    with pytest.raises(psycopg.errors.UniqueViolation):
                        connection.execute(statement.encode())
                else:
                    connection.execute(statement.encode())
        found = reconciler.check(declared)
        assert [each.fact.key for state in found.of(State.DRIFTED) for each in state.differences] == [key]
        assert not found.of(State.PENDING)
        assert reconciler.check().has_drift
        reconciler.repair(declared)
        _assert_agree(reconciler, declared)


def test_the_exit_code_of_an_unfinished_run_is_its_own() -> None:
    assert UNFINISHED not in (DONE, DIFFERENCES, DRIFT, 1, 3, 5, 130)
