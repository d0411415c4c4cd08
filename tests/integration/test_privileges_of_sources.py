"""docs/privileges.md, cell by cell: what a source says of privileges is done, what it does not say stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.model.hazards import HazardKind
from reconciler.options import Options, WhenBehind
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.embedded import EmbeddedServer

ROLES = ("priv_app", "priv_admin", "priv_owner")
WAYS = ("schema", "database", "server")


@pytest.fixture(scope="module", autouse=True)
def roles(server: EmbeddedServer) -> Iterator[None]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}".encode())
        yield
        for role in ROLES:
            connection.execute(f"DROP ROLE {role}".encode())


class Live:
    """A database, and one way to build in scratch."""

    def __init__(self, url: str, way: str, server: EmbeddedServer) -> None:
        self.url = url
        scratch = server.url if way == "server" else way
        self.options = Options(scratch=scratch, allow=frozenset(HazardKind))

    def by_hand(self, text: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(text.encode())

    def migrate(self, source: str) -> tuple[str, ...]:
        """The statements; afterwards there is nothing to do and nothing has drifted."""
        with Reconciler(self.url, options=self.options) as reconciler:
            done = reconciler.migrate(source)
            assert reconciler.plan(source).plan.sql == ""
            found = reconciler.check(source)
            assert found.of(*(state for state in State if state not in (State.IN_SYNC, State.UNMANAGED))) == ()
        return tuple(statement.sql for statement in done.statements)

    def holds(self, condition: str) -> bool:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(f"SELECT {condition}".encode()).fetchone()
        assert row is not None
        return bool(row[0])

    def may(self, privilege: str, table: str, role: str = "priv_app") -> bool:
        return self.holds(f"has_table_privilege('{role}', '{table}', '{privilege}')")


@pytest.fixture(params=WAYS)
def live(request: pytest.FixtureRequest, server: EmbeddedServer, make_database: Callable[[], str]) -> Live:
    return Live(make_database(), request.param, server)


DEFAULTS = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO priv_app;"


def test_a_new_object_has_what_default_privileges_give_it(live: Live) -> None:
    live.migrate("CREATE TABLE t0 (a int);")
    live.by_hand(
        "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO priv_app;"
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;" + DEFAULTS
    )
    source = """
        CREATE TABLE t0 (a int); CREATE TABLE t (a int); GRANT UPDATE ON t TO priv_app;
        CREATE TABLE bare (a int); REVOKE INSERT ON bare FROM priv_app; CREATE VIEW v AS SELECT a FROM t;
        CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;
    """
    live.migrate(source)
    assert [live.may(each, "t0") for each in ("SELECT", "INSERT")] == [False, False]
    assert [live.may(each, "t") for each in ("SELECT", "INSERT", "UPDATE", "DELETE")] == [True, True, True, False]
    assert [live.may(each, "bare") for each in ("SELECT", "INSERT")] == [True, False]
    assert live.may("SELECT", "v")
    assert live.may("INSERT", "v")
    assert not live.holds("has_function_privilege('priv_app', 'f()', 'EXECUTE')")
    # Existing objects are as they are when the defaults change, also those that the source grants something of.
    live.by_hand("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM priv_app")
    assert live.migrate(source + "CREATE TABLE t1 (a int);") != ()
    assert live.may("SELECT", "t")
    assert not live.may("SELECT", "t1")


def test_declared_default_privileges_act_on_what_is_declared_after_them(live: Live) -> None:
    live.migrate("CREATE TABLE t0 (a int);")
    live.migrate("CREATE TABLE t0 (a int); CREATE TABLE early (a int);" + DEFAULTS + "CREATE TABLE late (a serial);")
    assert [live.may("SELECT", each) for each in ("t0", "early", "late")] == [False, False, True]
    # A second deployment under the same defaults; and what was declared is dropped when it is declared no more.
    tables = "CREATE TABLE t0 (a int); CREATE TABLE early (a int); CREATE TABLE late (a serial);"
    live.migrate(DEFAULTS + tables + "CREATE TABLE later (a int);")
    assert [live.may("SELECT", each) for each in ("t0", "early", "later")] == [False, False, True]
    live.migrate(tables + "CREATE TABLE later (a int);")
    assert live.holds("NOT EXISTS (SELECT FROM pg_default_acl)")
    assert live.may("SELECT", "later")


def test_revoke_takes_back_and_what_is_not_said_stays(live: Live) -> None:
    table = "CREATE TABLE t (a int, b int);"
    live.migrate(table + "GRANT SELECT, INSERT ON t TO priv_app; GRANT SELECT (a) ON t TO priv_admin;")
    live.by_hand("GRANT SELECT ON t TO priv_owner; GRANT CREATE ON SCHEMA public TO PUBLIC, priv_admin")
    live.migrate(table + "GRANT SELECT ON t TO priv_app; REVOKE CREATE ON SCHEMA public FROM PUBLIC;")
    assert live.may("SELECT", "t")
    assert not live.may("INSERT", "t")
    assert live.may("SELECT", "t", "priv_owner")
    assert not live.holds("has_column_privilege('priv_admin', 't', 'a', 'SELECT')")
    assert not live.holds("has_schema_privilege('priv_app', 'public', 'CREATE')")
    assert live.holds("has_schema_privilege('priv_admin', 'public', 'CREATE')")
    live.migrate(table + "REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON t FROM priv_app, priv_owner;")
    assert not live.holds("has_schema_privilege('priv_app', 'public', 'USAGE')")
    assert not live.may("SELECT", "t")
    assert not live.may("SELECT", "t", "priv_owner")


OBJECTS = {
    "sequence": ("CREATE SEQUENCE s;", "USAGE ON SEQUENCE s"),
    "function": ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;", "EXECUTE ON FUNCTION f()"),
    "procedure": ("CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC END;", "EXECUTE ON PROCEDURE p()"),
    "type": ("CREATE TYPE e AS ENUM ('a');", "USAGE ON TYPE e"),
    "domain": ("CREATE DOMAIN d AS int;", "USAGE ON DOMAIN d"),
    "view": ("CREATE VIEW v AS SELECT 1 AS a;", "SELECT ON v"),
    "column": ("CREATE TABLE c (a int);", "SELECT (a) ON c"),
    "schema": ("CREATE SCHEMA IF NOT EXISTS extra;", "USAGE ON SCHEMA extra"),
    "wrapper": ("CREATE FOREIGN DATA WRAPPER w;", "USAGE ON FOREIGN DATA WRAPPER w"),
    "server": ("CREATE FOREIGN DATA WRAPPER w2; CREATE SERVER x FOREIGN DATA WRAPPER w2;", "USAGE ON FOREIGN SERVER x"),
}


def test_the_rule_is_the_same_for_every_kind(live: Live) -> None:
    if live.options.scratch == "schema":
        live.options = Options(scratch="auto", allow=frozenset(HazardKind))
    made = "".join(text for text, _ in OBJECTS.values())
    acls = """
        (SELECT count(*) FROM (SELECT relacl AS acl FROM pg_class UNION ALL SELECT proacl FROM pg_proc
            UNION ALL SELECT typacl FROM pg_type UNION ALL SELECT attacl FROM pg_attribute
            UNION ALL SELECT nspacl FROM pg_namespace UNION ALL SELECT fdwacl FROM pg_foreign_data_wrapper
            UNION ALL SELECT srvacl FROM pg_foreign_server) s WHERE acl::text ~ 'priv_app')
    """
    granted = "".join(f"GRANT {what} TO priv_app;" for _, what in OBJECTS.values())
    live.migrate(made + granted)
    assert live.holds(f"{acls} = {len(OBJECTS)}")
    live.migrate(made)
    assert live.holds(f"{acls} = 0")
    live.by_hand(granted)
    with Reconciler(live.url, options=live.options) as reconciler:
        assert reconciler.plan(made).plan.is_empty
        assert reconciler.check(made).has_drift
    live.migrate(made + "".join(f"REVOKE {what} FROM priv_app;" for _, what in OBJECTS.values()))
    assert live.holds(f"{acls} = 0")


def test_what_is_not_managed_is_named_with_its_place(live: Live) -> None:
    source = """
        CREATE EXTENSION pg_trgm;
        CREATE TABLE t (a int);
        REVOKE ALL ON FUNCTION similarity(text, text) FROM PUBLIC;
        GRANT USAGE ON LANGUAGE plpgsql TO priv_app;
        REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
        GRANT SELECT ON pg_catalog.pg_user_mapping TO priv_app;
    """
    with Reconciler(live.url, options=live.options) as reconciler:
        done = reconciler.migrate(source)
        found = reconciler.check(source)
    assert found.warnings == done.warnings, "what is not done is said each time that somebody looks"
    for line, what in (
        (
            4,
            "function public.similarity(pg_catalog.text,pg_catalog.text) are not managed, because it belongs to extension",
        ),
        (5, "language plpgsql are not managed, because it belongs to extension plpgsql"),
        (6, "function pg_catalog.pg_sleep("),
        (7, "table pg_catalog.pg_user_mapping are not managed, because it belongs to Postgres itself"),
    ):
        assert any(what in warning and f":{line}: " in warning for warning in done.warnings), (what, done.warnings)
    assert live.holds("has_function_privilege('priv_app', 'similarity(text, text)', 'EXECUTE')")


# Of each kind, what is granted; a role that has it with the grant option grants it to another.
GRANTABLE = {
    "TABLE t": "SELECT, INSERT ON t",
    "COLUMN": "UPDATE (a) ON t",
    "VIEW v": "SELECT ON v",
    "FUNCTION f": "EXECUTE ON FUNCTION f()",
    "SCHEMA s": "USAGE ON SCHEMA s",
    "TYPE e": "USAGE ON TYPE e",
    "SEQUENCE q": "USAGE ON SEQUENCE q",
    "TABLE secrets": "SELECT ON secrets",
}
GRANTED_TO = """
    CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT 1 AS one; CREATE SCHEMA s; CREATE TYPE e AS ENUM ('x');
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE q;
    CREATE TABLE secrets (a int);
"""
BY_ADMIN = """(SELECT count(*) FROM (
    SELECT relacl AS acl FROM pg_class UNION ALL SELECT attacl FROM pg_attribute UNION ALL SELECT proacl FROM pg_proc
    UNION ALL SELECT nspacl FROM pg_namespace UNION ALL SELECT typacl FROM pg_type) s, unnest(acl) item
    WHERE item::text ~ '^priv_app=.*/priv_admin$')"""


def test_a_grant_is_made_by_the_role_that_the_source_grants_as(live: Live) -> None:
    options = "".join(f"GRANT {what} TO priv_admin WITH GRANT OPTION;" for what in GRANTABLE.values())
    granted = "".join(f"GRANT {what} TO priv_app;" for what in GRANTABLE.values())
    as_admin = f"SET ROLE priv_admin; {granted} RESET ROLE;"
    live.options = replace(live.options, when_behind=WhenBehind.APPLY)
    live.migrate(GRANTED_TO)
    # In one plan with what it needs, on new and on existing objects.
    made = live.migrate(GRANTED_TO + options + as_admin)
    assert all(redact_sql(each) == each for each in made), "a name that looks like a secret's hides no statement"
    assert live.holds(f"{BY_ADMIN} = {len(GRANTABLE)}")
    # By hand: gone, and by the owner instead.
    live.by_hand("SET ROLE priv_admin; REVOKE SELECT ON t FROM priv_app; RESET ROLE; GRANT SELECT ON t TO priv_app")
    with Reconciler(live.url, options=live.options) as reconciler:
        assert reconciler.check(GRANTED_TO + options + as_admin).has_drift
    live.migrate(GRANTED_TO + options + as_admin)
    assert live.holds("(SELECT relacl::text ~ 'priv_app=ar/priv_admin' FROM pg_class WHERE relname = 't')")
    # Who granted it is not said any more: it stays as it is.
    assert live.migrate(GRANTED_TO + options + granted) == ()
    # The object is made again.
    other = GRANTED_TO.replace("a int, b int", "a int, b int, c int").replace("RETURNS int", "RETURNS bigint")
    live.migrate(other + options + as_admin)
    assert live.holds(f"{BY_ADMIN} = {len(GRANTABLE)}")
    # The grantor's own right goes, and with it what it granted.
    live.migrate(other)
    assert live.holds(f"{BY_ADMIN} = 0")
    live.migrate(other + options + as_admin)
    live.migrate(other + options.replace(" WITH GRANT OPTION", ""))
    assert live.holds(f"{BY_ADMIN} = 0")
    live.migrate(other + options + as_admin)
    live.migrate(other + options + "".join(f"REVOKE {what} FROM priv_app;" for what in GRANTABLE.values()))
    assert live.holds(f"{BY_ADMIN} = 0")


def test_what_somebody_granted_as_whom_we_may_not_act_stays(server: EmbeddedServer, live: Live) -> None:
    """The copy has it from its owner; what is to be granted as that role is the owner's, and named."""
    source = "CREATE TABLE app.t (a int); GRANT USAGE ON SCHEMA app TO priv_admin;"
    source += "GRANT SELECT ON app.t TO priv_admin WITH GRANT OPTION; GRANT SELECT ON app.t TO priv_app;"
    live.by_hand("CREATE ROLE priv_maker LOGIN CREATEDB PASSWORD 'maker'")
    try:
        live.by_hand(f"""
            DO $$BEGIN EXECUTE format('GRANT ALL ON DATABASE %I TO priv_maker', current_database()); END$$;
            CREATE SCHEMA app AUTHORIZATION priv_maker;
            SET ROLE priv_maker;
            {source.replace("priv_app", "priv_owner")}
            SET ROLE priv_admin; GRANT SELECT ON app.t TO priv_app; RESET ROLE;
        """)
        url = make_conninfo(live.url, user="priv_maker", password="maker")
        is_held = "(SELECT relacl::text LIKE '%priv_app=r/priv_admin%' FROM pg_class WHERE oid = 'app.t'::regclass)"
        options = replace(live.options, schemas=("app",))
        with Reconciler(url, options=options) as reconciler:
            done = reconciler.migrate(source.replace("a int", "a bigint"))
            assert [statement.sql for statement in done.statements if "GRANT" in statement.sql] == []
            assert live.holds(is_held)
            assert reconciler.plan(source.replace("a int", "a bigint")).plan.is_empty
            if live.options.scratch == server.url:
                by_admin = "CREATE TABLE app.u (a int); GRANT SELECT ON app.u TO priv_admin WITH GRANT OPTION;\n"
                by_admin += "SET ROLE priv_admin; GRANT SELECT ON app.u TO priv_app; RESET ROLE"
                done = reconciler.migrate(source.replace("a int", "a bigint") + by_admin)
                assert any(":2: that priv_admin is the grantor is not managed" in each for each in done.warnings)
                assert live.may("SELECT", "app.u")
    finally:
        live.by_hand("REASSIGN OWNED BY priv_maker TO CURRENT_USER; DROP OWNED BY priv_maker; DROP ROLE priv_maker")
