"""Each documented command under the least of the roles that sql/roles.sql makes; none of them is a superuser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler import Options, ScratchError, reconcile_on_startup
from reconciler.cli.commands import run
from reconciler.client import Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROLES = (Path(__file__).parents[2] / "sql" / "roles.sql").read_text()
LOGINS = """
CREATE ROLE deploy LOGIN PASSWORD 'x' IN ROLE reconciler_migrator;
ALTER ROLE deploy SET role = 'reconciler_migrator';
CREATE ROLE drift LOGIN PASSWORD 'x' IN ROLE reconciler_reader;
ALTER SCHEMA public OWNER TO reconciler_migrator;
"""
# What an administrator keeps in the same database, and what no migrator may make, move or give away.
OTHERS = """
CREATE ROLE somebody;
CREATE SCHEMA extensions;
CREATE EXTENSION pg_trgm SCHEMA extensions;
CREATE TABLE public.theirs (id int);
ALTER TABLE public.theirs OWNER TO somebody;
GRANT SELECT ON public.theirs TO reconciler_migrator;
CREATE FUNCTION public.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER ddl_logger ON ddl_command_end EXECUTE FUNCTION public.log_ddl();
CREATE PUBLICATION everything FOR ALL TABLES;
"""
FIRST = "CREATE TABLE a (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
SECOND = FIRST + "CREATE VIEW v AS SELECT id FROM a;"
ROLE_NAMES = ("deploy", "drift", "somebody", "reconciler_migrator", "reconciler_reader", "reconciler_ledger")


@pytest.fixture
def admin(database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database with the roles; they are dropped after the test."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ROLES.encode())
        connection.execute(LOGINS.encode())
        connection.execute(OTHERS.encode())
        yield connection
        for name in ROLE_NAMES:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        for name in ROLE_NAMES:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def dsn_of(database: str, admin: psycopg.Connection) -> Callable[[str], str]:
    return lambda user: make_conninfo(database, user=user, password="x")


@pytest.fixture
def command(
    dsn_of: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Runs a command as a login, expecting an exit code; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    Path("first.sql").write_text(FIRST)
    Path("second.sql").write_text(SECOND)

    def call(user: str, expected: int, *arguments: str) -> tuple[str, str]:
        code = run([*arguments, "--dsn", dsn_of(user)])
        captured = capsys.readouterr()
        assert code == expected, f"{user} {arguments}: {captured.err}"
        return captured.out, captured.err

    return call


@pytest.mark.parametrize("scratch", ["schema", "database"])
def test_every_command_runs_under_the_least_role_beside_others_objects(
    command: Callable[..., tuple[str, str]], dsn_of: Callable[[str], str], admin: psycopg.Connection, scratch: str
) -> None:
    if scratch == "database":
        admin.execute("ALTER ROLE reconciler_migrator CREATEDB")
    place = ("--scratch", scratch)
    command("deploy", 2, "plan", "first.sql", "--out", "plan.json", *place)
    command("deploy", 0, "apply", "--plan", "plan.json")
    command("deploy", 0, "apply", "second.sql", *place)
    command("deploy", 0, "check", "second.sql", *place)
    for reading in (("check",), ("status",), ("history",), ("show", "1"), ("dump", "--ignore-unmodelled")):
        command("drift", 0, *reading)
    command("deploy", 0, "rollback", "--steps", "1", "--yes", *place)
    admin.execute("DROP FUNCTION public.f()")
    command("drift", 4, "check")
    command("deploy", 0, "repair", "first.sql", "--revert", *place)
    admin.execute("CREATE DOMAIN public.by_hand AS text; ALTER TABLE public.a ADD COLUMN by_hand text")
    command("deploy", 0, "repair", "first.sql", "--accept", *place)
    command("deploy", 0, "reset", "--yes")
    command("deploy", 0, "adopt", "first.sql", "--change", "--yes", "--allow", "data_loss", *place)
    done = reconcile_on_startup(dsn_of("deploy"), {"default": FIRST, "blog": FIRST}, options=Options(scratch=scratch))
    assert (done["default"].idx, done["blog"].idx) == (None, 0)
    assert admin.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'").fetchone() == ("somebody",)
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('migrations', 'blog')"
    assert admin.execute(owners.encode()).fetchall() == [("reconciler_migrator",)], "not the login's"
    left = "SELECT datname FROM pg_database WHERE starts_with(datname, 'reconciler_scratch_')"
    assert admin.execute(left.encode()).fetchall() == []


def test_a_table_is_changed_in_steps_by_the_role_that_migrates(
    command: Callable[..., tuple[str, str]], admin: psycopg.Connection
) -> None:
    """Also the exchange of a column, whose trigger and batches run as that role."""
    Path("steps.sql").write_text(
        "CREATE TABLE a (id bigint PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid());"
        "CREATE INDEX a_token ON a (token); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    )
    command("deploy", 0, "apply", "first.sql")
    admin.execute("INSERT INTO public.a SELECT generate_series(1, 500)")
    out, _ = command("deploy", 0, "apply", "steps.sql", "--online")
    assert "CONCURRENTLY" in out
    command("deploy", 0, "check", "steps.sql")
    found = admin.execute("SELECT count(*), sum(id), count(DISTINCT token) FROM public.a").fetchone()
    assert found == (500, 125250, 500)


def test_files_are_compared_by_a_role_that_may_make_databases(
    command: Callable[..., tuple[str, str]], admin: psycopg.Connection
) -> None:
    admin.execute("ALTER ROLE reconciler_migrator CREATEDB")
    command("deploy", 2, "diff", "first.sql", "second.sql")


def test_the_reader_can_change_nothing_and_is_told_what_is_missing(command: Callable[..., tuple[str, str]]) -> None:
    command("deploy", 0, "apply", "first.sql")
    _, err = command("drift", 1, "plan", "second.sql")
    assert "role drift may not create schemas" in err
    assert "hint: GRANT CREATE ON DATABASE" in err
    assert "permission denied" in command("drift", 1, "reset", "--yes")[1]


@pytest.mark.parametrize(
    ("state", "what", "hint"),
    [
        ("CREATE SCHEMA app", "schema app belongs to postgres", 'ALTER SCHEMA "app" OWNER TO "reconciler_migrator"'),
        (
            "CREATE SCHEMA app; ALTER SCHEMA app OWNER TO reconciler_migrator; CREATE EXTENSION citext SCHEMA app",
            "extension citext in schema app belongs to postgres",
            'ALTER EXTENSION "citext" SET SCHEMA',
        ),
    ],
)
def test_a_missing_right_is_named_with_the_statement_that_gives_it(
    admin: psycopg.Connection, dsn_of: Callable[[str], str], state: str, what: str, hint: str
) -> None:
    admin.execute(state.encode())
    with Reconciler(dsn_of("deploy")) as reconciler, pytest.raises(ScratchError) as caught:
        reconciler.plan(FIRST, plugin="app")
    assert what in caught.value.message
    assert hint in (caught.value.hint or "")


def test_scratch_in_a_database_stands_in_where_the_schema_cannot_step_aside(
    admin: psycopg.Connection, dsn_of: Callable[[str], str]
) -> None:
    admin.execute("ALTER ROLE reconciler_migrator CREATEDB")
    admin.execute("CREATE SCHEMA app; GRANT CREATE, USAGE ON SCHEMA app TO reconciler_migrator")
    with Reconciler(dsn_of("deploy")) as reconciler:
        planned = reconciler.plan(FIRST, plugin="app")
        assert planned.scratch.startswith("database: schema app belongs to postgres")
        assert reconciler.apply(planned).idx == 0
