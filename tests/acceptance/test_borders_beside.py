"""What a source declares in a schema that is not managed: it is made and recorded, object by object, or refused.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler import Options, Reconciler, ReconcilerError, SourceError, State, WhenBehind
from reconciler.embedded.binaries import wheel_bindir

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.every_server

# A platform's schema, as hosted databases have them.
PLATFORM = """
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, mail text);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
CREATE TABLE auth.sessions (id int PRIMARY KEY, user_id uuid REFERENCES auth.users);
ALTER TABLE auth.sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON auth.sessions USING (user_id = auth.uid());
CREATE TRIGGER theirs BEFORE UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
INSERT INTO auth.users VALUES ('00000000-0000-0000-0000-000000000001', 'a@b');
"""
OURS = """
CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE);
CREATE FUNCTION on_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
"""
BESIDE = """
CREATE TRIGGER on_new AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.on_new();
COMMENT ON TRIGGER on_new ON auth.users IS 'ours';
CREATE POLICY ours ON auth.sessions FOR SELECT USING (id > 0);
CREATE INDEX users_mail ON auth.users (mail);
ALTER TABLE auth.users ADD COLUMN plan text NOT NULL DEFAULT 'free';
ALTER TABLE auth.users ADD CONSTRAINT mail_is_one CHECK (mail LIKE '%@%');
COMMENT ON TABLE auth.users IS 'commented by us';
COMMENT ON COLUMN auth.users.mail IS 'a column, too';
GRANT SELECT ON auth.users TO pg_monitor;
GRANT USAGE ON SCHEMA auth TO pg_monitor;
CREATE TABLE auth.extra (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id uuid REFERENCES auth.users);
CREATE INDEX ON auth.extra (user_id);
CREATE VIEW auth.seen AS SELECT u.id, p.id AS profile FROM auth.users u LEFT JOIN public.profiles p USING (id);
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
CREATE TYPE auth.kind AS ENUM ('a', 'b');
"""
# Whose schema no statement tells by its first words.
HIDDEN = """
SET search_path = auth;
CREATE SEQUENCE numbers;
RESET search_path;
DO $do$BEGIN EXECUTE 'CREATE TABLE auth.in_a_do_block (id int)'; END$do$;
"""


def _dump(server: EmbeddedServer, database: str) -> str:
    done = subprocess.run(
        [str(wheel_bindir() / "pg_dump"), "--schema=auth", "--inserts", database],
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if "restrict" not in line)


def test_everything_that_is_declared_in_a_schema_of_others_is_made_and_recorded(
    server: EmbeddedServer, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(PLATFORM)
        before = _dump(server, database)
        with Reconciler(
            database, options=Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)
        ) as reconciler:
            reconciler.migrate(OURS)
            assert _dump(server, database) == before
            reconciler.migrate(OURS + BESIDE + HIDDEN)
            assert reconciler.migrate(OURS + BESIDE + HIDDEN).skipped
            assert reconciler.plan(OURS + BESIDE + HIDDEN).plan.is_empty
            assert {each.state for each in reconciler.check(OURS + BESIDE + HIDDEN).objects} == {State.IN_SYNC}
            made = "SELECT to_regclass('auth.extra'), to_regclass('auth.numbers'), to_regclass('auth.in_a_do_block')"
            assert None not in (platform.execute(made.encode()).fetchone() or (None,))

            # Drift in it is seen, without a source too, and reverted; what the platform does beside it is its own.
            platform.execute("DROP TRIGGER on_new ON auth.users; ALTER TABLE auth.extra ADD COLUMN more int")
            platform.execute("CREATE TABLE auth.another (id int); ALTER TABLE auth.sessions ADD COLUMN theirs int")
            for found in (reconciler.check(OURS + BESIDE + HIDDEN), reconciler.check()):
                drifted = {each.object.key for each in found.of(State.DRIFTED)}
                assert drifted == {"trigger:auth.users.on_new", "table:auth.extra"}
            reconciler.repair(OURS + BESIDE + HIDDEN)
            assert not reconciler.check(OURS + BESIDE + HIDDEN).has_drift
            platform.execute("DROP TABLE auth.another; ALTER TABLE auth.sessions DROP COLUMN theirs")

            # What is changed, and what is no longer declared.
            changed = (
                BESIDE.replace("(id > 0)", "(id > 1)").replace("commented", "changed").replace("int);", "bigint);")
            )
            reconciler.migrate(OURS + changed)
            assert reconciler.plan(OURS + changed).plan.is_empty
            reconciler.migrate(OURS)
            assert reconciler.plan(OURS).plan.is_empty
        # A grant that leaves the source follows live (docs/hazards.md), all else is gone.
        platform.execute("REVOKE SELECT ON auth.users FROM pg_monitor; REVOKE USAGE ON SCHEMA auth FROM pg_monitor")
    assert _dump(server, database) == before


def test_what_is_there_already_is_taken_over_as_it_is(server: EmbeddedServer, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(PLATFORM)
        platform.execute(OURS)
        platform.execute(BESIDE)
    before = _dump(server, database)
    with Reconciler(database) as reconciler:
        assert reconciler.adopt(OURS + BESIDE).statements == ()
        assert reconciler.plan(OURS + BESIDE).plan.is_empty
        # What IF NOT EXISTS finds is not declared: it stays the platform's.
        reconciler.migrate(f"{OURS}{BESIDE}CREATE TABLE IF NOT EXISTS auth.users (other int);")
        with psycopg.connect(database, autocommit=True) as platform:
            platform.execute("CREATE TABLE auth.in_a_do_block (id int)")
        with pytest.raises(SourceError, match="in_a_do_block") as caught:
            reconciler.plan(OURS + BESIDE + HIDDEN)
        assert "not managed here" in (caught.value.hint or "")
        with psycopg.connect(database, autocommit=True) as platform:
            platform.execute("DROP TABLE auth.in_a_do_block")
    assert _dump(server, database) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY", "changes table auth.users"),
        ("ALTER TABLE auth.users ALTER mail TYPE varchar(9)", "changes column auth.users.mail"),
        ("ALTER TABLE auth.users DROP COLUMN mail", "drops column auth.users.mail"),
        ("DROP TRIGGER theirs ON auth.users", "drops trigger auth.users.theirs"),
        ("DROP POLICY own ON auth.sessions", "drops policy auth.sessions.own"),
        ("ALTER TABLE auth.users OWNER TO pg_monitor", "changes owner of table auth.users"),
        ("CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'", None),
    ],
)
@pytest.mark.one_server
def test_a_change_of_what_others_have_is_refused_with_its_place(
    database: str, tmp_path: Path, statement: str, said: str | None
) -> None:
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(PLATFORM)
        file = tmp_path / "app.sql"
        file.write_text(f"CREATE TABLE a (id int);\n\n{statement};\n")
        with Reconciler(database) as reconciler:
            if said is None:  # it is declared, and so ours from now on
                reconciler.migrate(file)
                assert reconciler.plan(file).plan.is_empty
                return
            with pytest.raises(SourceError, match=f"app.sql:3: {said}") as caught:
                reconciler.plan(file)
            assert "--schema auth" in (caught.value.hint or "")


@pytest.mark.one_server
def test_without_a_temporary_database_it_is_refused_by_name(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(PLATFORM)
        name = sql.Identifier(platform.info.dbname)
        platform.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
        try:
            platform.execute(sql.SQL("GRANT ALL ON DATABASE {} TO narrow").format(name))
            platform.execute(
                "GRANT ALL ON SCHEMA auth, public TO narrow; GRANT ALL ON ALL TABLES IN SCHEMA auth TO narrow"
            )
            platform.execute("ALTER SCHEMA public OWNER TO narrow")
            dsn = make_conninfo(database, user="narrow", password="narrow")
            with Reconciler(dsn) as reconciler:
                for source in (
                    "CREATE TABLE auth.extra (id int)",
                    "DO $$BEGIN CREATE TABLE auth.extra (id int); END$$",
                ):
                    with pytest.raises(ReconcilerError, match=r"auth\.extra") as caught:
                        reconciler.plan(f"CREATE TABLE a (id int); {source}")
                    assert "CREATEDB" in caught.value.describe()
        finally:
            platform.execute("ALTER SCHEMA public OWNER TO CURRENT_USER; DROP OWNED BY narrow; DROP ROLE narrow")
