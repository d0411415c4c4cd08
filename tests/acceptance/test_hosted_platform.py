"""A database like a hosted platform's, whose objects are others': nothing of them is touched, all that is declared made."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.client import Reconciler
from reconciler.diff.drift import State
from reconciler.embedded.binaries import wheel_bindir
from reconciler.errors import SourceError
from reconciler.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.embedded import EmbeddedServer

ROLES = ("plat_admin", "plat_anon", "plat_user", "plat_auth", "plat_deploy")
PLATFORM = """
CREATE SCHEMA extensions; CREATE SCHEMA auth; CREATE SCHEMA storage; CREATE SCHEMA realtime;
CREATE EXTENSION citext SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA public; CREATE EXTENSION hstore SCHEMA extensions;
CREATE EXTENSION tablefunc SCHEMA storage;
GRANT USAGE ON SCHEMA extensions, auth, storage, realtime TO PUBLIC;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email extensions.citext UNIQUE, meta extensions.hstore);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
    AS $$SELECT nullif(current_setting('request.sub', true), '')::uuid$$;
CREATE TABLE storage.objects (id bigserial PRIMARY KEY, owner uuid REFERENCES auth.users, name text);
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON storage.objects USING (owner = auth.uid());
CREATE FUNCTION storage.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touched BEFORE UPDATE ON storage.objects FOR EACH ROW EXECUTE FUNCTION storage.touch();
CREATE TABLE realtime.messages (at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE realtime.messages_1 PARTITION OF realtime.messages FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE PUBLICATION platform_realtime FOR TABLE auth.users;
CREATE PUBLICATION platform_everything FOR ALL TABLES;
CREATE FUNCTION extensions.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER platform_watch ON ddl_command_end EXECUTE FUNCTION extensions.watch();
GRANT SELECT, REFERENCES ON auth.users TO plat_deploy;
GRANT SELECT ON auth.users TO plat_auth;
ALTER DEFAULT PRIVILEGES IN SCHEMA storage GRANT ALL ON TABLES TO plat_auth;
ALTER DEFAULT PRIVILEGES FOR ROLE plat_deploy IN SCHEMA public GRANT ALL ON TABLES TO plat_anon;
ALTER DEFAULT PRIVILEGES FOR ROLE plat_deploy IN SCHEMA public GRANT USAGE ON SEQUENCES TO plat_anon;
ALTER DEFAULT PRIVILEGES FOR ROLE plat_deploy REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE plat_admin GRANT SELECT ON TABLES TO plat_user;
GRANT USAGE ON SCHEMA public TO plat_anon, plat_user;
"""
SOURCE = """
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA extensions;
CREATE TABLE profiles (
    id uuid PRIMARY KEY REFERENCES auth.users, handle extensions.citext NOT NULL UNIQUE, tags extensions.hstore
);
CREATE INDEX profiles_handle_trgm ON profiles USING gin ((handle::text) gin_trgm_ops);
ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON profiles FOR SELECT USING (id = auth.uid());
CREATE TABLE audit (id bigserial PRIMARY KEY, note text);
REVOKE ALL ON audit FROM plat_anon;
CREATE FUNCTION handle_of(uuid) RETURNS extensions.citext LANGUAGE sql STABLE
    AS $$SELECT handle FROM public.profiles WHERE id = $1$$;
GRANT EXECUTE ON FUNCTION handle_of(uuid) TO plat_user;
CREATE VIEW members AS SELECT p.id, u.email FROM profiles p JOIN auth.users u USING (id);
GRANT SELECT ON members TO plat_user;
"""


@pytest.fixture(scope="module", autouse=True)
def _roles(server: EmbeddedServer) -> Iterator[None]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        for role in ROLES:
            login = " LOGIN CREATEDB PASSWORD 'x'" if role == "plat_deploy" else ""
            connection.execute(f"CREATE ROLE {role}{login}".encode())
        yield
        for role in ROLES:
            connection.execute(f"DROP ROLE {role}".encode())


def _platform(url: str) -> str:
    """pg_dump of all but the application's own schema, and who has which default privileges in that."""
    parts = conninfo_to_dict(url)
    password = str(parts.pop("password", "") or "")
    command = [
        str(wheel_bindir() / "pg_dump"), "--schema-only", "--exclude-schema=migrations", "--exclude-schema=public",
        "--restrict-key=key", f"--dbname={make_conninfo(**parts)}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PGPASSWORD": password})
    with psycopg.connect(url) as connection:
        defaults = connection.execute(
            "SELECT array_agg(d::text ORDER BY d::text), (SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public')"
            " FROM pg_default_acl d"
        ).fetchall()
    return f"{done.stdout}{defaults}"


@pytest.mark.parametrize("scratch", ["auto", "schema", "database"])
def test_nothing_of_a_hosted_platform_is_touched(
    scratch: str, server: EmbeddedServer, make_database: Callable[[], str]
) -> None:
    admin = make_database()
    name = str(conninfo_to_dict(admin)["dbname"])
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} OWNER TO plat_deploy".encode())
        connection.execute(PLATFORM.encode())
    before = _platform(admin)
    deploy = make_conninfo(admin, user="plat_deploy", password="x")
    options = Options(scratch=scratch)
    if scratch == "schema":  # an extension of another owner keeps the schema where it is
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("ALTER EXTENSION pg_trgm SET SCHEMA extensions")
        before = _platform(admin)
    source = SOURCE if scratch != "schema" else SOURCE.replace(" gin_trgm_ops", " extensions.gin_trgm_ops")
    with Reconciler(deploy, options=options) as reconciler:
        for number in range(4):
            columns = "".join(f"ALTER TABLE audit ADD COLUMN c{each} extensions.citext;" for each in range(number))
            declared = f"{source}{columns}"
            if number:
                declared += f"CREATE TABLE more_{number} (a serial);"
            for each in range(1, number):
                declared += f"CREATE TABLE more_{each} (a serial);"
            reconciler.migrate(declared)
            assert _platform(admin) == before
            assert reconciler.plan(declared).plan.is_empty
            assert reconciler.migrate(declared).skipped
            for found in (reconciler.check(declared), reconciler.check()):
                others = (State.IN_SYNC, State.UNMANAGED)
                assert found.of(*(state for state in State if state not in others)) == ()
    checks = """
        SELECT has_table_privilege('plat_anon', 'profiles', 'INSERT'), has_table_privilege('plat_anon', 'audit', 'SELECT'),
            has_table_privilege('plat_user', 'members', 'SELECT'), has_table_privilege('plat_anon', 'more_3', 'SELECT'),
            has_sequence_privilege('plat_anon', 'more_3_a_seq', 'USAGE'),
            has_function_privilege('plat_user', 'handle_of(uuid)', 'EXECUTE'),
            has_function_privilege('plat_anon', 'handle_of(uuid)', 'EXECUTE')
    """
    with psycopg.connect(admin) as connection:
        assert connection.execute(checks.encode()).fetchone() == (True, False, True, True, True, True, False)


PLACES = """
CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA extensions;
CREATE TABLE places (id bigserial PRIMARY KEY, name text NOT NULL, at extensions.geometry(Point, 4326), secret {secret});
CREATE INDEX places_at ON places USING gist (at);
CREATE INDEX places_name ON places USING gin (name {trgm}.gin_trgm_ops);
CREATE VIEW near AS SELECT id, extensions.st_astext(at) AS at FROM places;
CREATE TABLE events (id {id} NOT NULL, at timestamptz NOT NULL, body text) PARTITION BY RANGE (at);
CREATE INDEX events_at ON events (at);
"""


def _hosted_with_postgis(admin: str, trgm: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone() is None:
            pytest.skip("this server has no PostGIS")
        name = str(conninfo_to_dict(admin)["dbname"])
        connection.execute(f"ALTER DATABASE {name} OWNER TO plat_deploy; CREATE SCHEMA extensions".encode())
        connection.execute(
            f"CREATE EXTENSION postgis SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA {trgm}".encode()
        )
        connection.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC; ALTER SCHEMA public OWNER TO plat_deploy")


def test_ten_deployments_beside_postgis_and_partitions_made_by_a_job(
    make_database: Callable[[], str],
) -> None:
    admin = make_database()
    _hosted_with_postgis(admin, "extensions")
    before = _platform(admin)
    deploy = make_conninfo(admin, user="plat_deploy", password="x")
    with Reconciler(deploy) as reconciler:
        for number in range(10):
            declared = PLACES.format(
                trgm="extensions",
                secret="varchar(200)" if number >= 4 else "text",
                id="numeric" if number >= 4 else "bigint",
            )
            for each in range(number):
                kind = "extensions.geometry" if each % 3 == 0 else "text"
                declared += f"ALTER TABLE events ADD COLUMN c{each} {kind};"
            if number >= 6:
                declared += "CREATE INDEX events_body ON events (body); CREATE TABLE more (a extensions.geography);"
            reconciler.migrate(declared)
            assert reconciler.plan(declared).plan.is_empty
            for found in (reconciler.check(declared), reconciler.check()):
                others = (State.IN_SYNC, State.UNMANAGED)
                assert found.of(*(state for state in State if state not in others)) == ()
            assert _platform(admin) == before
            with psycopg.connect(deploy, autocommit=True) as job:
                job.execute(
                    f"CREATE TABLE events_{number} (LIKE events INCLUDING ALL); ALTER TABLE events ATTACH PARTITION"
                    f" events_{number} FOR VALUES FROM ('20{number}0-01-01') TO ('20{number}1-01-01');"
                    f" INSERT INTO events (id, at) VALUES ({number}, '20{number}0-05-05')".encode()
                )
    with psycopg.connect(admin) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT tableoid) FROM events").fetchone() == (10, 10)


def test_an_extension_that_no_scratch_of_this_role_can_have_is_named(make_database: Callable[[], str]) -> None:
    """pg_trgm of another role keeps the schema where it is, and only a superuser creates PostGIS elsewhere."""
    admin = make_database()
    _hosted_with_postgis(admin, "public")
    deploy = make_conninfo(admin, user="plat_deploy", password="x")
    with Reconciler(deploy) as reconciler, pytest.raises(SourceError) as caught:
        reconciler.migrate(PLACES.format(trgm="public", secret="text", id="bigint"))
    assert "may not create postgis in a temporary database (extension pg_trgm in schema public" in str(
        caught.value.hint
    )
