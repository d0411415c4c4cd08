"""Several plugins at one start, and the commands about plugins."""

from __future__ import annotations

import json
import logging

import psycopg
import pytest
from psycopg import sql

from reconciler import ConfigError, Options, PluginFailuresError, Reconciler, State, WhenBehind, reconcile_all
from reconciler.cli.commands import run

pytestmark = pytest.mark.one_server
USERS = "CREATE TABLE people (id int PRIMARY KEY, mail text)"
BILLING = "CREATE TABLE bills (id int PRIMARY KEY, person int REFERENCES users.people); CREATE VIEW mails AS SELECT mail FROM users.people"


def test_a_plugin_runs_after_those_that_it_needs_whatever_the_order_of_their_names(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    sources = {"reports": "CREATE VIEW r AS SELECT id FROM billing.bills", "billing": BILLING, "users": USERS}
    done = reconcile_all(database, sources)
    assert {plugin: result.idx for plugin, result in done.items()} == {"reports": 0, "billing": 0, "users": 0}
    # What one gives up that another used: the user goes first.
    with_both = {"users": "CREATE TABLE people (id int PRIMARY KEY)", "billing": BILLING.partition(";")[0]}
    with caplog.at_level(logging.WARNING, "reconciler"):
        done = reconcile_all(database, with_both, options=Options(allow=frozenset({"data_loss"})))
    assert list(done) == ["billing", "users"]
    assert "plugin reports is recorded and no longer declared" in caplog.text
    # One that cannot be helped does not stop the others, and is reported once.
    with pytest.raises(PluginFailuresError) as caught:
        reconcile_all(database, {"broken": "CREATE VIEW v AS SELECT * FROM nowhere", "users": USERS})
    assert set(caught.value.failures) == {"broken"}
    assert caught.value.succeeded == ("users",)


def test_dependencies_can_be_named(database: str) -> None:
    order: list[str] = []

    def note(reconciler: Reconciler, plugin: str, source: object) -> object:
        order.append(plugin)
        return reconciler.migrate(str(source), plugin=plugin)

    sources = {"a": "CREATE TABLE t (id int)", "b": "CREATE TABLE t (id int)", "c": "CREATE TABLE t (id int)"}
    options = Options(depends_on={"a": ("c", "elsewhere"), "b": ("a",)})
    reconcile_all(database, sources, options=options, migrate=note)  # type: ignore[arg-type]
    assert order == ["c", "a", "b"]
    with pytest.raises(ConfigError, match="plugins depend on each other: a -> b -> a"):
        reconcile_all(database, sources, options=Options(depends_on={"a": ("b",), "b": ("a",)}))


def test_what_changed_with_another_plugins_migration_is_no_drift(database: str) -> None:
    with Reconciler(database, options=Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)) as reconciler:
        reconciler.migrate(USERS, plugin="users")
        reconciler.migrate(BILLING, plugin="billing")
        reconciler.migrate(
            USERS.replace("mail text", "email varchar(9) -- reconciler: renamed from mail\n"), plugin="users"
        )
        found = reconciler.check(plugin="billing")
        assert not found.has_drift
        (followed,) = found.of(State.FOLLOWED)
        assert followed.object.key == "view:billing.mails"
        assert "migration 1 of plugin users" in followed.meaning
        # What somebody did manually beside it still is drift.
        with psycopg.connect(database, autocommit=True) as somebody:
            somebody.execute("COMMENT ON VIEW billing.mails IS 'by hand'")
        assert reconciler.check(plugin="billing").has_drift


def test_the_commands_about_plugins(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run([*arguments, "--dsn", database]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 or captured.out else captured.err

    assert said("plugin", "list") == "No plugin is recorded.\n"
    with Reconciler(database) as reconciler:
        reconciler.migrate(USERS, plugin="users")
        reconciler.migrate(BILLING, plugin="billing")
    listed = said("plugin", "list").splitlines()
    assert [line.partition("  (")[0] for line in listed] == ["billing", "users"]
    assert "2 objects" in listed[0]
    document = json.loads(said("plugin", "list", "--format", "json"))
    assert [(each["name"], each["schemas"], each["idx"]) for each in document["plugins"]] == [
        ("billing", ["billing"], 0), ("users", ["users"], 0),
    ]  # fmt: skip
    assert "plugin billing" in said("status", "--all-plugins")
    assert [each["plugin"] for each in json.loads(said("status", "--all-plugins", "--format", "json"))["plugins"]] == [
        "billing", "users",
    ]  # fmt: skip

    with psycopg.connect(database, autocommit=True) as somebody:
        somebody.execute("ALTER TABLE users.people ADD COLUMN more int")
        told = said("check", "--all-plugins", code=4)
        assert "drifted: table users.people" in told
        assert "plugin billing (recorded: migration 0): 2 in sync" in told.replace("3 in sync", "2 in sync")
        assert len(json.loads(said("check", "--all-plugins", "--format", "json", code=4))["plugins"]) == 2
        somebody.execute("ALTER TABLE users.people DROP COLUMN more; INSERT INTO users.people VALUES (1, 'a')")

        assert "Renamed plugin users to members" in said("plugin", "rename", "users", "members")
        assert "nothing is recorded of plugin users" in said("plugin", "rename", "users", "x", code=1)
        assert "is recorded already" in said("plugin", "rename", "billing", "members", code=1)
        with Reconciler(database) as reconciler:
            assert reconciler.plan(USERS, plugin="members", options=Options(schemas=("users",))).plan.is_empty
        said("check", "--all-plugins")

        # Others use it; then rows would be lost; then it is done.
        assert "view billing.mails (plugin billing) uses" in said("plugin", "uninstall", "members", "--yes", code=1)
        assert "--yes" in said("plugin", "uninstall", "billing", code=1)
        somebody.execute("INSERT INTO billing.bills VALUES (1, 1)")
        assert "data-loss" in said("plugin", "uninstall", "billing", "--yes", code=3)
        assert "plugin billing is forgotten" in said("plugin", "uninstall", "billing", "--yes", "--allow", "data-loss")
        assert somebody.execute("SELECT to_regnamespace('billing')").fetchone() == (None,)
        assert "users is now users_archived_" in said("plugin", "uninstall", "members", "--yes", "--archive")
        row = somebody.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'users_archived%'").fetchone()
        assert row is not None
        found = somebody.execute(sql.SQL("SELECT mail FROM {}.people").format(sql.Identifier(row[0])))
        assert found.fetchall() == [("a",)]
    assert said("plugin", "list") == "No plugin is recorded.\n"


def test_a_schema_with_a_long_name_of_many_bytes_is_archived(database: str) -> None:
    schema = "ü" * 31
    with Reconciler(database, options=Options(schemas=(schema,))) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)", plugin="long")
        line, *_ = reconciler.uninstall_plugin("long", archive=True)
        reconciler.migrate("CREATE TABLE t (id int)", plugin="long")
        again, *_ = reconciler.uninstall_plugin("long", archive=True)
        rows = reconciler.connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE '%archived%'"
        ).fetchall()
    assert {name for (name,) in rows} == {
        each.removeprefix(f"schema {schema} is now ").removesuffix(", with all rows") for each in (line, again)
    }
