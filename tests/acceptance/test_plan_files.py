"""A plan that is made, reviewed and run later: it runs as it is, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Reconciler
from reconciler.cli.commands import run
from reconciler.model.facts import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

BEFORE = "CREATE TABLE users (id int PRIMARY KEY, note text);"
AFTER = "CREATE TABLE users (id int PRIMARY KEY, email text); CREATE VIEW ids AS SELECT id FROM users;"


@pytest.fixture
def reconcile(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command on the test's database, in a folder where `before.sql` was applied and plan.json made of after.sql."""
    monkeypatch.chdir(tmp_path)
    Path("before.sql").write_text(BEFORE)
    Path("after.sql").write_text(AFTER)

    def call(*arguments: object) -> int:
        return run([*map(str, arguments), "--dsn", database])

    assert call("apply", "before.sql") == 0
    assert call("plan", "after.sql", "--out", "plan.json") == 2
    return call


def execute(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.smoke
def test_the_plan_runs_as_it_is_without_its_source(reconcile: Callable[..., int], database: str) -> None:
    after = Path("after.sql")
    text = after.read_text()
    after.unlink()
    assert reconcile("apply", "--plan", "plan.json") == 3, "what it loses was not allowed"
    assert reconcile("apply", "--plan", "plan.json", "--dry-run", "--allow", "data_loss") == 0
    assert reconcile("apply", "--plan", "plan.json", "--allow", "data_loss") == 0
    after.write_text(text)
    assert reconcile("check", after) == 0
    with Reconciler(database) as reconciler:
        assert reconciler.migrate(after).skipped, "the mark was kept as by any apply"
        assert "CREATE VIEW ids" in (reconciler.show(1).source_text or "")


def test_a_file_that_was_changed_runs_nothing_and_consents_to_nothing(
    reconcile: Callable[..., int], database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile("plan", "after.sql", "--allow", "data_loss", "--out", "plan.json") == 2
    assert reconcile("apply", "--plan", "plan.json") == 3, "consent comes from the command that applies it"
    document = json.loads(Path("plan.json").read_text())
    (part,) = document["source"]["parts"]
    smuggled = [[part[0], part[1] + "CREATE TABLE smuggled (id int);"]]
    dropped = [[part[0], part[1].replace("CREATE VIEW ids AS SELECT id FROM users;", "")]]
    for change in (
        {"statements": [*document["statements"], {**document["statements"][0], "sql": "DROP TABLE users"}]},
        {
            "statements": [
                {**document["statements"][0], "sql": "SELECT 1; DROP TABLE users"},
                *document["statements"][1:],
            ]
        },
        {"statements": document["statements"][::-1]},
        {"source": {**document["source"], "parts": smuggled}},
        {"source": {**document["source"], "parts": dropped}},
        {"options": {**document["options"], "exact": True, "schemas": ["app"]}},
        {"plugin": "other"},
        {"database": {**document["database"], "oid": 1}},
        {"head": {"idx": 5, "hash": "x"}},
        {"allow": ["all"]},
    ):
        changed = {**document, **change}
        bare = {name: value for name, value in changed.items() if name != "sha256"}
        changed["sha256"] = hashlib.sha256(canonical_json(bare).encode()).hexdigest()
        Path("changed.json").write_text(json.dumps(changed))
        assert reconcile("apply", "--plan", "changed.json", "--allow", "all") == 1, change
        assert (
            "statement" in (said := capsys.readouterr().err)
            or "changed" in said
            or "made for" in said
            or "unknown" in said
        )
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
        )
        assert found.fetchall() == [("users",)]


def test_another_database_with_the_same_schema_takes_the_plan_where_that_is_said(
    reconcile: Callable[..., int], make_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_database()
    for arguments, code in (
        (["apply", "before.sql"], 0),
        (["apply", "--plan", "plan.json", "--allow", "all"], 1),
        (["apply", "--plan", "plan.json", "--allow", "all", "--any-database"], 0),
    ):
        assert run([*arguments, "--dsn", other]) == code
    assert "the plan was made for database" in capsys.readouterr().err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_consent_that_the_plan_has_no_use_for_is_pointed_out(
    reconcile: Callable[..., int], capsys: pytest.CaptureFixture[str], dry: list[str]
) -> None:
    needed, misspelt = "data-loss:column:public.users.note", "data-loss:column:public.user.note"
    assert reconcile("apply", "--plan", "plan.json", "--allow", needed, "--allow", misspelt, *dry) == 0
    said = capsys.readouterr().err
    assert "warning: data-loss is allowed for column:public.user.note, but no statement of the plan has" in said
    assert "column:public.users.note" not in said


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.smoke
def test_it_is_refused_where_live_changed(
    reconcile: Callable[..., int], database: str, capsys: pytest.CaptureFixture[str], dry: list[str]
) -> None:
    execute(database, "ALTER TABLE users ADD COLUMN extra int")
    assert reconcile("apply", "--plan", "plan.json", "--allow", "all", *dry) == 1
    assert "the live database changed since the plan was made" in capsys.readouterr().err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_it_is_refused_where_the_history_changed_though_live_is_the_same(
    reconcile: Callable[..., int], capsys: pytest.CaptureFixture[str], dry: list[str]
) -> None:
    Path("other.sql").write_text(BEFORE + "CREATE TABLE other (id int);")
    assert reconcile("apply", "other.sql") == 0
    assert reconcile("apply", "before.sql", "--allow-older", "--allow", "data_loss") == 0
    assert reconcile("apply", "--plan", "plan.json", "--allow", "all", *dry) == 1
    assert "from migration 0 to migration 2" in capsys.readouterr().err


def test_a_plan_runs_once(reconcile: Callable[..., int]) -> None:
    assert reconcile("apply", "--plan", "plan.json", "--allow", "all") == 0
    assert reconcile("apply", "--plan", "plan.json", "--allow", "all") == 1


def test_what_the_plan_decided_cannot_be_said_otherwise(reconcile: Callable[..., int]) -> None:
    for more in (["after.sql"], ["--plugin", "other"], ["--schema", "other"], ["--exact"], ["--all-schemas"]):
        assert reconcile("apply", "--plan", "plan.json", *more) == 1
    assert reconcile("apply", "--plan", "missing.json") == 1


def test_what_decides_the_statements_is_in_the_file(reconcile: Callable[..., int], database: str) -> None:
    Path("logs.sql").write_text("CREATE TABLE logs (id int) PARTITION BY LIST (id);")
    of_shop = ("--plugin", "shop", "--schema", "shop")
    execute(database, "CREATE SCHEMA shop")
    assert reconcile("apply", "logs.sql", *of_shop) == 0
    execute(database, "CREATE TABLE shop.logs_1 PARTITION OF shop.logs FOR VALUES IN (1)")
    assert reconcile("plan", "logs.sql", *of_shop, "--partitions", "declared", "--out", "plan.json") == 2
    assert reconcile("apply", "--plan", "plan.json", "--partitions", "foreign", "--allow", "all") == 1, "it has its own"
    assert reconcile("apply", "--plan", "plan.json", "--allow", "data_loss") == 0

    Path("tags.sql").write_text("CREATE TABLE shop.tags (id int);")
    others = ("--plugin", "tags", "--schema", "shop")
    assert reconcile("plan", "tags.sql", *others, "--share", "--out", "plan.json") == 2
    assert reconcile("apply", "--plan", "plan.json") == 0
