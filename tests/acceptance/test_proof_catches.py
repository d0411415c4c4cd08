"""A rule that writes too little or something else is caught by the proof: each rule is broken here on purpose.

Beside each case stands what its plan cannot reach, so that the rehearsal leaves that out.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from test_cases import ALL, OPTIONS, ROLES, Case, _built, _run

from reconciler.client import Reconciler
from reconciler.errors import PlanError, ProofError
from reconciler.model.facts import FactId
from reconciler.options import Proof
from reconciler.planner.rules.registry import RULES
from reconciler.proof import rehearsal
from reconciler.scratch.choice import choose_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.embedded import EmbeddedServer
    from reconciler.planner.core.rule import Rule, StatementDraft

pytestmark = [pytest.mark.one_server, pytest.mark.long]

METHODS = ("create", "alter", "drop")
CASES = {case.folder.name: case for case in ALL}
# A label has no provider in any Postgres; an entry of default privileges is nothing but its privileges; an owner goes
# with its object, and a comment, a constraint or a column may go with its table's statement.
NO_STATEMENT = {"security_label", "default_privileges"}
# Its plan renames, so that all of live is copied.
ON_THE_WHOLE = {"extension"}
# (case, what its plan says, what a broken rule would say)
SWAPS = [
    ("column-added-and-dropped", "INCREMENT BY 5", "INCREMENT BY 6"),
    ("column-added-and-dropped", "DEFAULT 1.50", "DEFAULT 1.51"),
    ("column-added-and-dropped", "price * ", "price + "),
    ("column-added-and-dropped", ' COLLATE pg_catalog."C"', ""),
    ("column-attributes", "STORAGE MAIN", "STORAGE EXTERNAL"),
    ("column-attributes", "STATISTICS 10", "STATISTICS 11"),
    ("column-type-under-views", "numeric(12,2)", "numeric(12,3)"),
    ("column-type-under-views", "> (100)", "> (101)"),
    ("column-type-under-views", "'not cheap'", "'not cheap '"),
    ("constraint-kinds", "ON DELETE CASCADE", "ON DELETE RESTRICT"),
    ("constraint-kinds", " DEFERRABLE", ""),
    ("domain-altered-in-place", "DEFAULT 2", "DEFAULT 3"),
    ("enum-values-added", "'c''s'", "'c'"),
    ("function-replaced-in-place", " IMMUTABLE", " STABLE"),
    ("index-definition", " DESC", ""),
    ("index-settings", "'80'", "'81'"),
    ("inheritance-and-partitions", "'2021-01-01'", "'2022-01-01'"),
    ("policy-altered-in-place", '"case_reader", ', ""),
    ("privileges-of-columns", 'UPDATE ("b")', 'UPDATE ("a")'),
    ("sequence-options", "CACHE 5", "CACHE 6"),
    ("settings-of-database-and-roles", "9s", "8s"),
    ("table-options-and-persistence", "IDENTITY FULL", "IDENTITY NOTHING"),
    ("text-search-altered", "german", "english"),
    ("trigger-replaced-in-place", "AFTER", "BEFORE"),
    ("view-replaced-in-place", "'true'", "'false'"),
]

BESIDE = """
CREATE SCHEMA beside;
CREATE TYPE beside.mood AS ENUM ('calm', 'angry');
CREATE TABLE beside.author (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood beside.mood NOT NULL DEFAULT 'calm');
CREATE TABLE beside.book (id int PRIMARY KEY, author int REFERENCES beside.author, CHECK (id > 0));
CREATE INDEX book_author ON beside.book (author);
CREATE VIEW beside.calm AS SELECT id FROM beside.author WHERE mood = 'calm';
CREATE FUNCTION beside.next(value int) RETURNS int LANGUAGE sql AS 'SELECT value + 1';
"""


@pytest.fixture
def roles(server: EmbeddedServer) -> Iterator[None]:
    """The roles that cases may name."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    yield
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


class Breaker:
    """Makes one method of a rule write nothing, and knows whether that left anything out."""

    def __init__(self, rule: Rule, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left_out = False
        self._active = True
        whole = getattr(rule, method)

        def broken(*args: object) -> Iterable[StatementDraft]:
            drafts = tuple(whole(*args))
            if not self._active:
                return drafts
            self.left_out = self.left_out or bool(drafts)
            return ()

        monkeypatch.setattr(rule, method, broken, raising=False)
        planner = rehearsal.make_plan
        monkeypatch.setattr(rehearsal, "make_plan", lambda *args, **options: self._whole(planner, *args, **options))

    def _whole(self, planner: Callable[..., object], *args: object, **options: object) -> object:
        """The copy of live is made by rules that are whole."""
        with self._paused():
            return planner(*args, **options)

    @contextmanager
    def _paused(self) -> Iterator[None]:
        self._active = False
        yield
        self._active = True


def _is_caught(case: Case, live: str) -> bool:
    with Reconciler(live, options=OPTIONS) as reconciler:
        try:
            reconciler.plan(BESIDE + case.sql("after.sql"))
        except (ProofError, PlanError, ValueError):  # the last where the rule itself wants what it left out
            return True
    return False


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("kind", sorted(RULES.keys() - NO_STATEMENT))
def test_a_rule_that_leaves_a_statement_out_is_caught(
    kind: str,
    make_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    server: EmbeddedServer,
    request: pytest.FixtureRequest,
) -> None:
    broken = 0
    left_out: set[FactId] = set()
    found = rehearsal.beyond_reach
    monkeypatch.setattr(rehearsal, "beyond_reach", lambda *args: _noted(left_out, found(*args)))
    for case in (case for case in ALL if kind in case.kinds and case.min_version <= server.server_version // 10000):
        live = _built(make_database, BESIDE + case.sql("before.sql"))
        if kind == "subscription":  # a database with one cannot be dropped
            request.addfinalizer(functools.partial(_run, live, "DROP SUBSCRIPTION IF EXISTS s"))
        for method in METHODS:
            with monkeypatch.context() as patch:
                breaker = Breaker(RULES[kind], method, patch)
                caught = _is_caught(case, live)
            assert caught or not breaker.left_out, f"{case.folder.name}: {method} of {kind}"
            broken += breaker.left_out
        if broken:
            break
    assert broken
    assert (FactId("table", ("beside", "book")) in left_out) is (kind not in ON_THE_WHOLE)


def _noted(noted: set[FactId], found: frozenset[FactId]) -> frozenset[FactId]:
    noted.update(found)
    return found


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(("name", "right", "wrong"), SWAPS)
def test_a_statement_that_says_something_else_is_caught(
    name: str, right: str, wrong: str, make_database: Callable[[], str], server: EmbeddedServer
) -> None:
    case = CASES[name]
    live = _built(make_database, BESIDE + case.sql("before.sql"))
    with Reconciler(live, options=replace(OPTIONS, proof=Proof.OFF)) as reconciler:
        planned = reconciler.plan(BESIDE + case.sql("after.sql"))
        statements = tuple(replace(each, sql=each.sql.replace(right, wrong)) for each in planned.plan.statements)
        assert statements != planned.plan.statements
        scratch = choose_scratch(reconciler.connection, planned.options.scratch, planned.scope, dsn=live)
        with pytest.raises(ProofError):
            rehearsal.prove(
                replace(planned.plan, statements=statements), planned.live, planned.goal.snapshot, scratch,
                planned.scope, current_user=str(reconciler.connection.info.user),
            )  # fmt: skip
