"""What belongs to the whole database goes from one state to another and back, on a real server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.diff.diff import diff
from reconciler.errors import PlanError
from reconciler.planner.planner import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import LiteralString

    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.every_server

BASE = """
CREATE SCHEMA app;
CREATE TABLE app.people (id bigint PRIMARY KEY, name text, born date);
CREATE TABLE app.orders (id bigint PRIMARY KEY, state text);
CREATE TABLE app.late (LIKE app.orders INCLUDING ALL);
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql
    AS $$BEGIN RAISE EXCEPTION 'sees %', tg_tag; END$$;
"""
LANGUAGE = """
CREATE FUNCTION app.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION app.inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION app.validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE FUNCTION app.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_lextype';
CREATE TYPE app.pair AS (a integer, b integer);
"""
SUBSCRIPTION = "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere password=hunter2' PUBLICATION "

# Each is a state of BASE and more; the first and the second are turned into each other.
ROUND_TRIPS: dict[str, tuple[LiteralString, LiteralString]] = {
    "event triggers come and go around everything else": (
        "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION app.on_ddl()",
        """CREATE TABLE app.more (id integer);
        CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE', 'CREATE TABLE')
            EXECUTE FUNCTION app.on_ddl();
        COMMENT ON EVENT TRIGGER watch IS 'it''s watching';
        ALTER EVENT TRIGGER watch ENABLE ALWAYS""",
    ),
    "an event trigger is switched": (
        "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION app.on_ddl()",
        """CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION app.on_ddl();
        ALTER EVENT TRIGGER watch DISABLE""",
    ),
    "a publication's tables and options": (
        "CREATE PUBLICATION p FOR TABLE app.people, app.orders WITH (publish = 'insert')",
        """CREATE PUBLICATION p FOR TABLE app.late, app.orders WITH (publish_via_partition_root = true);
        CREATE PUBLICATION nothing WITH (publish = '')""",
    ),
    "a publication of everything": (
        "CREATE PUBLICATION p FOR TABLE app.people",
        "CREATE PUBLICATION p FOR ALL TABLES",
    ),
    "a published table goes": (
        "CREATE TABLE app.gone (id integer); CREATE PUBLICATION p FOR TABLE app.people, app.gone",
        "CREATE PUBLICATION p FOR TABLE app.people",
    ),
    "a published parent without its children": (
        "CREATE TABLE app.child () INHERITS (app.people); CREATE PUBLICATION p FOR TABLE ONLY app.people",
        "CREATE TABLE app.child () INHERITS (app.people); CREATE PUBLICATION p FOR TABLE app.people",
    ),
    "settings of the database": (
        """DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO app, "$user", "a,""b"', current_database());
        EXECUTE format('ALTER DATABASE %I SET app.tenant TO ''it''''s $do$ {}''', current_database()); END$$""",
        """DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO ''''', current_database());
        EXECUTE format('ALTER DATABASE %I SET "TimeZone" TO ''UTC''', current_database());
        EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem TO ''8MB''', current_database()); END$$""",
    ),
    "languages and transforms": (
        LANGUAGE + "CREATE TRUSTED LANGUAGE pl HANDLER app.handler INLINE app.inline VALIDATOR app.validator",
        LANGUAGE
        + """CREATE LANGUAGE pl HANDLER app.handler VALIDATOR app.validator;
        CREATE TRANSFORM FOR app.pair LANGUAGE pl (FROM SQL WITH FUNCTION app.from_sql(internal));
        COMMENT ON TRANSFORM FOR app.pair LANGUAGE pl IS 'a pair'""",
    ),
    "access methods": (
        "CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler",
        "CREATE ACCESS METHOD mine TYPE INDEX HANDLER bthandler; COMMENT ON ACCESS METHOD mine IS 'mine'",
    ),
    "casts": (
        """CREATE TYPE app.mood AS ENUM ('fine'); CREATE CAST (app.mood AS date) WITH INOUT;
        CREATE FUNCTION app.number(app.mood) RETURNS integer LANGUAGE sql AS 'SELECT 1'""",
        """CREATE TYPE app.mood AS ENUM ('fine'); CREATE CAST (app.mood AS date) WITH INOUT AS IMPLICIT;
        CREATE FUNCTION app.number(app.mood) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE CAST (app.mood AS integer) WITH FUNCTION app.number(app.mood) AS ASSIGNMENT;
        COMMENT ON CAST (app.mood AS date) IS 'a day'""",
    ),
    "foreign data changes in place": (
        """CREATE FOREIGN DATA WRAPPER w OPTIONS (a '1', b '2');
        CREATE SERVER far VERSION '1' FOREIGN DATA WRAPPER w OPTIONS ("Host" 'here');
        CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (x 'it''s');
        CREATE FOREIGN TABLE app.remote (id integer) SERVER far""",
        """CREATE FOREIGN DATA WRAPPER w VALIDATOR postgresql_fdw_validator;
        ALTER FOREIGN DATA WRAPPER w NO VALIDATOR OPTIONS (b '3', c '4');
        CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS ("Host" 'there', port '1');
        CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (y '2');
        CREATE USER MAPPING FOR PUBLIC SERVER far;
        CREATE FOREIGN TABLE app.remote (id integer) SERVER far""",
    ),
    "a server moves to another wrapper": (
        """CREATE FOREIGN DATA WRAPPER w; CREATE FOREIGN DATA WRAPPER v; CREATE SERVER far FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR PUBLIC SERVER far; CREATE FOREIGN TABLE app.remote (id integer) SERVER far""",
        """CREATE FOREIGN DATA WRAPPER w; CREATE FOREIGN DATA WRAPPER v; CREATE SERVER far FOREIGN DATA WRAPPER v;
        CREATE USER MAPPING FOR PUBLIC SERVER far; CREATE FOREIGN TABLE app.remote (id integer) SERVER far""",
    ),
    "options beside a secret": (
        """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (a '1', password 'hunter2')""",
        """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (a '2', password 'hunter2')""",
    ),
    "a subscription that does not stream comes and goes": (
        "",
        SUBSCRIPTION + "a WITH (connect = false, slot_name = NONE, streaming = off)",
    ),
    "a subscription changes in place": (
        SUBSCRIPTION + "a WITH (connect = false, slot_name = NONE, streaming = off)",
        SUBSCRIPTION
        + """b, a WITH (connect = false, slot_name = other, binary = true, streaming = on,
            synchronous_commit = 'local'); COMMENT ON SUBSCRIPTION s IS 'of b'""",
    ),
}
SINCE_15: dict[str, tuple[LiteralString, LiteralString]] = {
    "published columns and rows": (
        "CREATE PUBLICATION p FOR TABLE app.people (id, name), app.orders WHERE (id > 10)",
        """ALTER TABLE app.people DROP COLUMN name;
        CREATE PUBLICATION p FOR TABLE app.people (id), app.orders WHERE (state IS NULL AND id > 1)""",
    ),
    "a published column's type": (
        "CREATE PUBLICATION p FOR TABLE app.people WHERE (name = 'x')",
        """ALTER TABLE app.people ALTER COLUMN name TYPE varchar(10);
        CREATE PUBLICATION p FOR TABLE app.people WHERE (name = 'x')""",
    ),
    "published schemas": (
        "CREATE PUBLICATION p FOR TABLES IN SCHEMA app",
        'CREATE SCHEMA "select"; CREATE PUBLICATION p FOR TABLES IN SCHEMA "select", TABLE app.people',
    ),
}


@pytest.fixture(autouse=True)
def without_subscriptions(two_databases: tuple[str, str]) -> Iterator[None]:
    """A database with a subscription cannot be dropped."""
    yield
    for url in two_databases:
        with psycopg.connect(url, autocommit=True) as connection:
            # An event trigger of a test would refuse.
            connection.execute("DROP EVENT TRIGGER IF EXISTS watch")
            mine = "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid"
            for _ in connection.execute(f"{mine} WHERE datname = current_database()").fetchall():
                connection.execute("ALTER SUBSCRIPTION s DISABLE")
                connection.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
                connection.execute("DROP SUBSCRIPTION s")


@pytest.mark.parametrize("case", [*ROUND_TRIPS, *SINCE_15])
def test_there_and_back(two_databases: tuple[str, str], case: str) -> None:
    old, new = {**ROUND_TRIPS, **SINCE_15}[case]
    if case in SINCE_15 and _version(two_databases[0]) < 150000:
        pytest.skip("not before Postgres 15")
    first, second = two_databases
    _run(first, BASE + old)
    _run(second, BASE + new)
    before, after = _read(first), _read(second)
    plan = make_plan(before, after, current_user=_user(first))
    assert plan.differences
    assert not plan.unmodelled
    _apply(first, plan)
    assert diff(_read(first), after) == ()
    back = make_plan(_read(first), before, current_user=_user(first))
    _apply(first, back)
    assert diff(_read(first), before) == ()


def test_what_has_secrets_is_made_with_them_and_shown_without(two_databases: tuple[str, str]) -> None:
    live, goal = two_databases
    _run(live, BASE + "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER near FOREIGN DATA WRAPPER w")
    _run(
        goal,
        BASE
        + """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER near FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR PUBLIC SERVER near OPTIONS ("user" 'joe', password 'hun''ter\\2');
        CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'there', password 'hunter2');
        COMMENT ON SERVER far IS 'far away';
        CREATE FOREIGN TABLE app.remote (id integer OPTIONS (api_key 'hunter2')) SERVER far
            OPTIONS (schema_name 's', secret 'hunter2');"""
        + SUBSCRIPTION
        + "a WITH (connect = false)",
    )
    start, wanted = _read(live), _read(goal)
    plan = make_plan(start, wanted, current_user=_user(live))
    assert not plan.unmodelled
    assert "hunter2" not in plan.sql + repr(plan) + wanted.to_json()
    assert "hun'" not in plan.sql + repr(plan) + wanted.to_json()
    assert "\"user\" 'joe'" in plan.sql
    assert "CREATE SUBSCRIPTION \"s\" CONNECTION 'host=nowhere password=********'" in plan.sql
    _apply(live, plan)
    assert diff(_read(live), wanted) == ()
    assert _secrets(live) == _secrets(goal)
    back = make_plan(_read(live), start, current_user=_user(live))
    assert not back.unmodelled
    _apply(live, back)
    assert diff(_read(live), start) == ()


def test_another_password_behind_the_same_mask_is_a_difference(two_databases: tuple[str, str]) -> None:
    text: LiteralString = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'h');"
    mapping: LiteralString = "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (a '1', password "
    _run(two_databases[0], BASE + text + mapping + "'old one');" + SUBSCRIPTION + "a WITH (connect = false)")
    new: LiteralString = (
        "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere password=new' PUBLICATION a WITH (connect = false)"
    )
    _run(two_databases[1], BASE + text + mapping + "'new one');" + new)
    live, goal = map(_read, two_databases)
    assert live.fingerprint == goal.fingerprint
    plan = make_plan(live, goal, current_user=_user(two_databases[0]))
    assert [(str(each.fact), each.secret) for each in plan.differences] == [
        ("subscription s", True),
        ("user mapping far.", True),
    ]
    assert len(plan.statements) == 2
    assert not any(word in repr(plan) for word in ("old one", "new one", "password=new"))
    _apply(two_databases[0], plan)
    assert diff(_read(two_databases[0]), goal) == ()


def test_a_secret_is_not_lost_to_a_replacement(two_databases: tuple[str, str]) -> None:
    start: LiteralString = BASE + "CREATE FOREIGN DATA WRAPPER w; CREATE FOREIGN DATA WRAPPER v;"
    mapping: LiteralString = "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hunter2')"
    _run(two_databases[0], start + "CREATE SERVER far FOREIGN DATA WRAPPER w;" + mapping)
    _run(two_databases[1], start + "CREATE SERVER far FOREIGN DATA WRAPPER v;" + mapping)
    live, goal = map(_read, two_databases)
    forgotten = goal.with_secrets({})
    with pytest.raises(PlanError, match=r"user mapping far\. must be recreated"):
        make_plan(live, forgotten, current_user=_user(two_databases[0]))
    _apply(two_databases[0], make_plan(live, goal, current_user=_user(two_databases[0])))
    assert _secrets(two_databases[0]) == _secrets(two_databases[1])


def test_a_plan_without_its_secrets_is_not_run(two_databases: tuple[str, str]) -> None:
    server: LiteralString = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w"
    _run(two_databases[0], server)
    _run(two_databases[1], server + " OPTIONS (password 'hunter2')")
    (statement,) = make_plan(*map(_read, two_databases), current_user=_user(two_databases[0])).statements
    assert "hunter2" in statement.text
    assert statement.concealed("it's hunter2!") == "it's ********!"
    with pytest.raises(PlanError, match="no longer known"):
        _ = replace(statement, secret=None).text


def _secrets(url: str) -> list[object]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT o FROM pg_user_mapping, unnest(umoptions) o UNION ALL SELECT o FROM pg_foreign_server,"
            " unnest(srvoptions) o UNION ALL SELECT o FROM pg_foreign_table, unnest(ftoptions) o"
            " UNION ALL SELECT o FROM pg_attribute, unnest(attfdwoptions) o UNION ALL SELECT subconninfo"
            " FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database() ORDER BY 1"
        ).fetchall()


def _run(url: str, statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements)


def _read(url: str) -> Snapshot:
    with psycopg.connect(url) as connection:
        return read_snapshot(connection, managed_schemas(connection), dependencies=True)


def _apply(url: str, plan: Plan) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = pg_catalog; SET check_function_bodies = off")
        for statement in plan.statements:
            assert statement.transactional
            connection.execute(statement.text.encode())


def _version(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.info.server_version


def _user(url: str) -> str:
    with psycopg.connect(url) as connection:
        return connection.info.user
