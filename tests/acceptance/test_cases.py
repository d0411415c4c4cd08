"""Our own cases: a folder in cases/ each, planned and applied in both directions.

    before.sql      the schema that the database holds
    after.sql       the schema that is declared
    expected.sql    the plan's statements, exactly; expected.15.sql holds instead on Postgres 15
    case.toml       about        what the case is there for
                    kinds        the rows of docs/kinds.md that it stands for
                    budget       how many statements the plan may have at most
                    hazards      the kinds of hazards that the plan names, sorted
                    older        those on the Postgres of expected.15.sql, where they are others
                    min_version  the first Postgres that can do it (14)
                    noop         true where the plan must be empty (false)
                    both         false where the rollback is not tried (true)
                    rows         SQL that fills before.sql's tables
                    check, back  what must be read after it, and after its rollback: [[check]] query = "", rows = [[]]

After each way pg_dump must say the same of the database as of one that was built from the target's SQL, and a second plan
must find no difference between the snapshots. No statement may be the first of its transaction to lock what clients use.
Roles case_owner, case_reader and case_writer are there.
`pytest tests/acceptance/test_cases.py --write-expectations` writes expected.sql and hazards: read what it wrote.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from judge import differences
from lock_watch import LockWatch

from reconciler.client import Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, Partitions
from reconciler.source.source import DatabaseSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.embedded import EmbeddedServer

CASES = Path(__file__).parent / "cases"
ROLES = ("case_owner", "case_reader", "case_writer")
OPTIONS = Options(
    all_schemas=True, exact=True, scratch="database", allow=frozenset(HazardKind), partitions=Partitions.DECLARED
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One folder."""

    folder: Path
    about: str
    kinds: tuple[str, ...]
    budget: int
    hazards: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    min_version: int = 14
    noop: bool = False
    both: bool = True
    rows: str = ""
    check: Sequence[dict[str, Any]] = field(default=())
    back: Sequence[dict[str, Any]] = field(default=())

    @classmethod
    def read(cls, folder: Path) -> Case:
        """What case.toml says; a key that it cannot have is a TypeError."""
        facts = tomllib.loads((folder / "case.toml").read_text())
        lists = {key: tuple(facts.get(key, ())) for key in ("kinds", "hazards", "older", "check", "back")}
        return cls(folder=folder, **{**facts, **lists})

    def sql(self, name: str) -> str:
        """The text of before.sql or after.sql."""
        return (self.folder / name).read_text()

    def expected(self, major: int) -> str:
        """The plan for this Postgres."""
        own = self.folder / f"expected.{major}.sql"
        return (own if own.exists() else self.folder / "expected.sql").read_text()

    def named(self, major: int) -> tuple[str, ...]:
        """The kinds of hazards for this Postgres."""
        return self.older if self.older and major < 18 else self.hazards

    def write(self, major: int, sql: str, hazards: Sequence[str]) -> None:
        """Writes the plan where it is not what is expected: of the newest Postgres, which runs first, into expected.sql."""
        general, own = self.folder / "expected.sql", self.folder / f"expected.{major}.sql"
        if major == 18 or not general.exists():
            general.write_text(sql)
        own.unlink(missing_ok=True)
        if general.read_text() != sql:
            own.write_text(sql)
        settings = self.folder / "case.toml"
        key = "hazards" if major == 18 else "older"
        text = re.sub(rf"^{key} = .*\n", "", settings.read_text(), flags=re.MULTILINE)
        if hazards and (major == 18 or tuple(hazards) != self.hazards):
            text = re.sub(r"^(budget = .*\n)", rf"\1{key} = {json.dumps([*hazards])}\n", text, flags=re.MULTILINE)
        settings.write_text(text)


ALL = [Case.read(folder) for folder in sorted(CASES.iterdir()) if folder.is_dir()]
# One of each common kind, for `make quick`.
SMOKE = frozenset({
    "column-attributes", "constraint-kinds", "default-changes", "domain-altered-in-place", "enum-values-added",
    "foreign-key-deferred", "function-replaced-in-place", "index-definition", "partition-detached",
    "policy-altered-in-place", "sequence-options", "trigger-replaced-in-place", "view-replaced-in-place",
})  # fmt: skip


@pytest.fixture(scope="session")
def roles(server: EmbeddedServer) -> Iterator[None]:
    """The roles that cases may name."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}".encode())
        yield
        for role in ROLES:
            connection.execute(f"DROP ROLE {role}".encode())


def _run(url: str, text: str) -> None:
    if text:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(text.encode())


def _built(make_database: Callable[[], str], text: str) -> str:
    url = make_database()
    _run(url, text)
    return url


def _assert_same(reconciler: Reconciler, wanted: str) -> None:
    assert differences(reconciler.dsn, wanted) == ""
    plan = reconciler.plan(DatabaseSource(url=wanted)).plan
    assert (plan.differences, plan.sql) == ((), "")


def _assert_rows(url: str, checks: Sequence[dict[str, Any]]) -> None:
    with psycopg.connect(url) as connection:
        for check in checks:
            found = connection.execute(check["query"].encode()).fetchall()
            assert json.loads(json.dumps(found, default=str)) == check["rows"], check["query"]


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.folder.name, marks=[pytest.mark.smoke] if case.folder.name in SMOKE else [])
        for case in ALL
    ],
)
def test_case(
    case: Case,
    server: EmbeddedServer,
    make_database: Callable[[], str],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = LockWatch().patched(monkeypatch)
    major = server.server_version // 10000
    if major < case.min_version:
        pytest.skip(f"needs Postgres {case.min_version}")
    if "subscription" in case.kinds:
        made: list[str] = []
        request.addfinalizer(lambda: [_run(url, "DROP SUBSCRIPTION IF EXISTS s") for url in made])
        plain, make_database = make_database, lambda: made.append(plain()) or made[-1]
    live = _built(make_database, case.sql("before.sql"))
    _run(live, case.rows)
    with Reconciler(live, options=OPTIONS) as reconciler:
        planned = reconciler.plan(case.sql("after.sql"))
        hazards = tuple(sorted({hazard.kind.value for hazard in planned.plan.hazards}))
        assert planned.plan.unmodelled == ()
        if request.config.getoption("--write-expectations"):
            case.write(major, planned.plan.sql, hazards)
            case = Case.read(case.folder)
        assert planned.plan.sql == case.expected(major)
        assert hazards == case.named(major)
        count = len(planned.plan.statements)
        assert count <= case.budget
        assert (count == 0) == case.noop
        reconciler.apply(planned)
        # One connection for all: the server plans the catalog queries once in it.
        after = _built(make_database, case.sql("after.sql"))
        _assert_same(reconciler, after)
        _assert_rows(live, case.check)
        if case.both:
            before = _built(make_database, case.sql("before.sql"))
            reconciler.apply(reconciler.plan(DatabaseSource(url=before)))
            _assert_same(reconciler, before)
            _assert_rows(live, case.back)
    assert watch.late == []
