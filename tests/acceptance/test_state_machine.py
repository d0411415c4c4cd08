"""Every use case after every other, whatever is pending, drifted, others', unfinished or changed in the middle.

Whatever the order: a start ends at the declaration, `check`, `plan` and another start agree, the ledger says what was
done, and nothing is left over. `make long` runs 2,000 sequences, `make test` a few.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, ClassVar

import psycopg
import pytest
from each_statement import before_each
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.errors import ConfigError, ReconcilerError
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, Proof, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.events import Event
    from reconciler.model.plan import Statement

BASE = """
create table a (id int primary key, n int default 1, label text);
create index a_label on a (label);
"""
DECLARED = (
    BASE,
    BASE + "create table b (id int primary key, a int references a); create index a_n on a (n);",
    BASE.replace("n int default 1", "n bigint not null default 1")
    + "alter table a add constraint positive check (n > 0);",
    "create table a (id int primary key, n int default 1, label text, more text default 'x');",
)
# Each by somebody else, and each is to leave the others possible: what is not there is not changed.
BY_HAND = (
    "alter table if exists public.a add column if not exists extra int",
    "alter table if exists public.a alter label set default 'theirs'",
    "alter table if exists public.a drop column if exists n",
    "alter table if exists public.a add constraint theirs check (id <> 77) not valid",
    "drop index if exists public.a_label",
    "drop table if exists public.b",
    "create table if not exists public.others (id int)",
    "alter table if exists public.a rename column label to named",
    "grant select on all tables in schema public to public",
    "do $$ begin execute format('alter database %I set statement_timeout = ''99s''', current_database()); end $$",
    "do $$ begin execute format('alter database %I reset statement_timeout', current_database()); end $$",
    "insert into public.a (id) values (-1) on conflict do nothing",
)
# What was changed by somebody before, or is locked by the run in the middle of which it comes.
_NOT_NOW = (
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.DuplicateObject,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedTable,
)
RESET = """
drop schema if exists migrations cascade;
drop schema public cascade;
create schema public;
do $$ begin execute format('alter database %I reset all', current_database()); end $$;
"""


class UseCases(RuleBasedStateMachine):
    """One database, a declaration, and what people and programs do to both."""

    url: ClassVar[str]

    @initialize()
    def fresh(self) -> None:
        self.hand = psycopg.connect(self.url, autocommit=True)
        self.hand.execute(RESET)
        self.hand.execute("set lock_timeout to '200ms'")
        self.declared = DECLARED[0]
        self.reconciler = Reconciler(self.url, options=self._options(online=False))
        self.recorded = 0

    def teardown(self) -> None:
        if hasattr(self, "hand"):
            try:
                self._assert_a_start_ends_at_the_declaration()
            finally:
                self.reconciler.close()
                self.hand.close()

    @staticmethod
    def _options(*, online: bool) -> Options:
        return Options(
            online=online,
            proof=Proof.OFF,
            allow=frozenset(HazardKind),
            lock_timeout_ms=200,
            lock_retries=0,
            scratch="schema",
            when_behind=WhenBehind.APPLY,
        )

    # --- what people do ------------------------------------------------------------------------------------------------

    @rule(source=st.sampled_from(DECLARED))
    def declare(self, source: str) -> None:
        self.declared = source

    @rule(change=st.sampled_from(BY_HAND))
    def change_by_hand(self, change: str) -> None:
        self._by_hand(change)

    def _by_hand(self, change: str) -> None:
        with contextlib.suppress(*_NOT_NOW):
            self.hand.execute(change.encode())

    # --- use cases -----------------------------------------------------------------------------------------------------

    @rule(online=st.booleans())
    def start(self, online: bool) -> None:
        self._assert_a_start_ends_at_the_declaration(online=online)

    @rule(online=st.booleans())
    def plan_and_apply(self, online: bool) -> None:
        planned = self.reconciler.plan(self.declared, options=self._options(online=online))
        self._count(self.reconciler.apply(planned).idx)
        self._assert_agree()

    @rule(online=st.booleans(), position=st.integers(1, 6), dies=st.booleans())
    def start_that_is_interrupted(self, online: bool, position: int, dies: bool) -> None:
        def cut(at: int, _statement: Statement) -> None:
            if at == position:
                if dies:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise KeyboardInterrupt

        if dies:
            self._in_a_process(online, cut)
            self.recorded = len(self.reconciler.history())
            return
        with contextlib.suppress(KeyboardInterrupt):
            self._count(self._start(online=online, on_event=before_each(cut)))
            self._assert_agree()

    def _in_a_process(self, online: bool, cut: Callable[[int, Statement], None]) -> None:
        child = os.fork()
        if not child:
            try:
                with Reconciler(self.url, options=self._options(online=online)) as reconciler:
                    reconciler.migrate(self.declared, on_event=before_each(cut))
            finally:
                os._exit(1)
        os.waitpid(child, 0)

    @rule(online=st.booleans(), position=st.integers(1, 4), change=st.sampled_from(BY_HAND))
    def start_with_a_change_in_the_middle(self, online: bool, position: int, change: str) -> None:
        def cut_in(at: int, _statement: Statement) -> None:
            if at == position:
                self._by_hand(change)

        with contextlib.suppress(ReconcilerError):
            self._count(self._start(online=online, on_event=before_each(cut_in)))

    @rule(accept=st.booleans(), one=st.booleans(), online=st.booleans(), data=st.data())
    def repair(self, accept: bool, one: bool, online: bool, data: st.DataObject) -> None:
        found = self._check()
        if found is None:
            return
        drifted = [each.object.key for each in found.of(State.DRIFTED, State.CONFLICT)]
        objects = (data.draw(st.sampled_from(drifted)),) if one and drifted else ()
        pending = {each.object.key for each in found.of(State.PENDING)}
        with contextlib.suppress(ConfigError):
            done = self.reconciler.repair(
                self.declared, accept=accept, objects=objects, options=self._options(online=online)
            )
            self._count(done.idx)
        after = self._check()
        assert after is not None
        left = {each.object.key for each in after.of(State.DRIFTED, State.CONFLICT)}
        if self._is_recorded() and not accept:
            assert left.isdisjoint(objects or drifted), "reverted, and drifted still"
        assert pending <= {each.object.key for each in after.objects if each.state is not State.IN_SYNC} | left, (
            "what is pending stays pending"
        )

    @rule()
    def adopt(self) -> None:
        self._count(self.reconciler.adopt(self.declared, change=True).idx)
        self._assert_agree()

    @precondition(lambda self: self.recorded > 1)
    @rule(online=st.booleans())
    def rollback(self, online: bool) -> None:
        self._count(self.reconciler.rollback(steps=1, options=self._options(online=online)).idx)

    @rule()
    def reset(self) -> None:
        self.reconciler.reset()
        self.recorded = 0

    @rule()
    def look(self) -> None:
        self._check()
        self.reconciler.status()
        self.reconciler.plan(self.declared)

    # --- what must hold ------------------------------------------------------------------------------------------------

    def _start(self, *, online: bool, on_event: Callable[[Event], None] | None = None) -> int | None:
        options = self._options(online=online)
        return self.reconciler.migrate(self.declared, options=options, on_event=on_event).idx

    def _check(self):
        try:
            return self.reconciler.check(self.declared)
        except ConfigError:
            return None

    def _is_recorded(self) -> bool:
        return bool(self.reconciler.history())

    def _count(self, idx: int | None) -> None:
        """The ledger has one migration more where a run says that it recorded one."""
        known = [entry.idx for entry in self.reconciler.history()]
        self.recorded += idx is not None
        assert len(known) == self.recorded
        if idx is not None:
            assert known[-1] == idx

    def _assert_agree(self) -> None:
        assert self.reconciler.plan(self.declared).plan.is_empty
        found = self.reconciler.check(self.declared)
        assert not found.of(State.PENDING, State.DRIFTED, State.CONFLICT, State.UNFINISHED)
        assert found.unfinished is None
        assert self.reconciler.status().unfinished is None
        if self._is_recorded():
            without_source = self.reconciler.check()
            assert not without_source.has_drift
        left = "select relname from pg_class where relname ~ 'reconciler_tmp'"
        assert self.hand.execute(left).fetchall() == []

    def _assert_a_start_ends_at_the_declaration(self, *, online: bool = True) -> None:
        self._count(self._start(online=online))
        self._assert_agree()
        assert self._start(online=online) is None, "another start has nothing to record"


def _run(url: str, sequences: int, steps: int) -> None:
    machine = type("UseCasesOfOneDatabase", (UseCases,), {"url": url})
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.one_server
def test_use_cases_in_any_order_end_at_the_declaration(database: str) -> None:
    _run(database, 12, 6)


@pytest.mark.long
@pytest.mark.one_server
def test_two_thousand_sequences_of_use_cases_end_at_the_declaration(database: str) -> None:
    _run(database, 2000, 8)
