"""What a start does about what somebody changed by hand: brings it back with or without a word, refuses, or keeps it."""

from __future__ import annotations

import logging

import psycopg
import pytest

from reconciler import ConfigError, OnDrift, Options, PluginFailuresError, Reconciler, reconcile_on_startup

pytestmark = pytest.mark.one_server

V1 = "create table users (id bigint primary key, mail text default 'x');"
V2 = "create table users (id bigint primary key, mail text default 'x', name text);"


@pytest.fixture
def drifted(database: str) -> str:
    reconcile_on_startup(database, {"app": V1})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create index users_hot on app.users (id)")
        connection.execute("alter table app.users alter mail set default 'y'")
    return database


def live(database: str) -> tuple[set[str], str | None, set[str]]:
    """The columns, the default of `mail`, the indexes."""
    with psycopg.connect(database) as connection:
        columns = dict(
            connection.execute(
                "select column_name, column_default from information_schema.columns where table_schema = 'app'"
            )
        )
        indexes = {row[0] for row in connection.execute("select indexname from pg_indexes where schemaname = 'app'")}
    return set(columns), columns["mail"], indexes


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_start_brings_drift_back_and_says_so_for_each_object(drifted: str, caplog: pytest.LogCaptureFixture) -> None:
    reconcile_on_startup(drifted, {"app": V2})
    (line,) = lines(caplog)
    assert line == (
        "plugin app: table app.users drifted (default:app.users.mail, index:app.users.users_hot)"
        " and is brought back to the declaration"
    )
    assert live(drifted) == ({"id", "mail", "name"}, "'x'::text", {"users_pkey"})
    caplog.clear()
    reconcile_on_startup(drifted, {"app": V2})
    assert lines(caplog) == []


def test_silently_only_where_that_is_asked_for(drifted: str, caplog: pytest.LogCaptureFixture) -> None:
    reconcile_on_startup(drifted, {"app": V2}, on_drift="heal")
    assert lines(caplog) == []
    assert live(drifted) == ({"id", "mail", "name"}, "'x'::text", {"users_pkey"})
    with pytest.raises(ConfigError, match="on_drift often does not exist"):
        reconcile_on_startup(drifted, {"app": V2}, on_drift="often")


def test_a_start_that_refuses_drift_changes_nothing(drifted: str) -> None:
    for _ in range(2):
        with pytest.raises(PluginFailuresError, match=r"plugin app drifted since it was recorded: table app\.users"):
            reconcile_on_startup(drifted, {"app": V2}, options=Options(on_drift=OnDrift.REFUSE))
    assert live(drifted) == ({"id", "mail"}, "'y'::text", {"users_pkey", "users_hot"})


def test_what_is_kept_stays_drift_and_what_is_pending_is_applied(
    drifted: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert reconcile_on_startup(drifted, {"app": V2}, on_drift="keep")["app"].idx == 1
    kept = ({"id", "mail", "name"}, "'y'::text", {"users_pkey", "users_hot"})
    assert live(drifted) == kept
    assert lines(caplog)[0].endswith("and is kept as it is")
    # An older one is known as older, and one more start does nothing.
    assert reconcile_on_startup(drifted, {"app": V1}, on_drift="keep")["app"].behind is not None
    assert reconcile_on_startup(drifted, {"app": V2}, on_drift="keep")["app"].idx is None
    assert live(drifted) == kept
    with Reconciler(drifted) as reconciler:
        found = {each.fact.key for each in reconciler.check_recorded("app").drift}
    assert found == {"default:app.users.mail", "index:app.users.users_hot"}
    reconcile_on_startup(drifted, {"app": V2})
    assert live(drifted) == ({"id", "mail", "name"}, "'x'::text", {"users_pkey"})


def test_kept_is_also_what_the_declaration_changes_and_what_is_renamed(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    reconcile_on_startup(database, {"app": V1})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter table app.users alter mail set default 'y'")
        connection.execute("alter table app.users rename id to number")
    newer = V2.replace("'x'", "'z'")
    reconcile_on_startup(database, {"app": newer}, on_drift="keep")
    assert live(database) == ({"number", "mail", "name"}, "'y'::text", {"users_pkey"})
    reconcile_on_startup(database, {"app": newer})
    assert live(database) == ({"id", "mail", "name"}, "'z'::text", {"users_pkey"})
