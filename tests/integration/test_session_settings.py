"""Our sessions say themselves what a transaction is and how long anything may take, whatever a role or a database says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.client import Reconciler
from reconciler.errors import ReconcilerError
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = "create table users (id bigint primary key, name text);"
CHANGED = "create table users (id bigint primary key, name text not null);"
# A millisecond is over before anything is done.
HURRIED = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "lock_timeout": "1ms",
    "statement_timeout": "1ms",
}


@pytest.fixture
def hurried(database: str) -> Iterator[str]:
    """The URL for a superuser whose sessions last a millisecond unless they say otherwise."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role hurried superuser login password 'x'")
        settings = dict(HURRIED)
        if admin.info.server_version >= 170000:
            settings["transaction_timeout"] = "1ms"
        for name, value in settings.items():
            admin.execute(sql.SQL("alter role hurried set {} = {}").format(sql.Identifier(name), value))
        yield make_conninfo(database, user="hurried", password="x")
        admin.execute("alter role hurried reset all")
        admin.execute("reassign owned by hurried to current_user")
        admin.execute("drop owned by hurried; drop role hurried")


def test_no_timeout_and_no_isolation_level_of_others_ends_a_run(hurried: str, make_database: Callable[[], str]) -> None:
    for scratch in ("schema", "database", make_database()):
        with Reconciler(hurried, options=Options(scratch=scratch)) as reconciler:
            reconciler.migrate(SOURCE)
            assert reconciler.plan(CHANGED).plan.statements
            assert reconciler.check(SOURCE).plan.is_empty
    with Reconciler(hurried, options=Options(online=True)) as reconciler:
        reconciler.migrate(CHANGED)
        assert reconciler.check(CHANGED).plan.is_empty


def test_what_the_connection_string_asks_for_is_kept(hurried: str) -> None:
    asked = make_conninfo(hurried, options="-c statement_timeout=77s -c idle_session_timeout=66s")
    with Reconciler(asked) as reconciler:
        row = reconciler.connection.execute(
            "select current_setting('statement_timeout'), current_setting('idle_session_timeout'),"
            " current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
        ).fetchone()
    assert row == ("77s", "66s", "0", "0")


@pytest.mark.parametrize("of", ["database", "role"])
def test_a_database_that_is_set_to_read_only_is_said_to_be(
    database: str, make_database: Callable[[], str], of: str
) -> None:
    elsewhere = make_database()
    with psycopg.connect(database, autocommit=True) as admin:
        name = sql.Identifier(str(admin.info.dbname if of == "database" else admin.info.user))
        target = sql.SQL("{} {}").format(sql.SQL("database" if of == "database" else "role"), name)
        with Reconciler(database) as reconciler:
            reconciler.migrate(SOURCE)
        admin.execute(sql.SQL("alter {} set default_transaction_read_only = on").format(target))
        try:
            with Reconciler(database) as reconciler:
                assert reconciler.check().plan.is_empty
                assert reconciler.status().has_run
                for look in (reconciler.plan, reconciler.check, reconciler.migrate):
                    with pytest.raises(ReconcilerError, match="read-only") as caught:
                        look(CHANGED)
                    assert "default_transaction_read_only" in caught.value.describe()
                    assert f"ALTER {of.upper()} {name.as_string(None)} RESET" in str(caught.value.hint)
                with pytest.raises(ReconcilerError, match="read-only") as caught:
                    reconciler.reset()
                assert "default_transaction_read_only" in str(caught.value.hint)
            lifted = "-c default_transaction_read_only=off"
            with Reconciler(make_conninfo(database, options=lifted)) as reconciler:
                assert reconciler.plan(CHANGED).plan.statements
            scratch = make_conninfo(elsewhere, options=lifted)
            with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
                assert reconciler.plan(CHANGED).plan.statements
        finally:
            with psycopg.connect(database, autocommit=True, options="-c default_transaction_read_only=off") as again:
                again.execute(sql.SQL("alter {} reset default_transaction_read_only").format(target))
