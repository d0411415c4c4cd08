"""The schema of the ledger, where an application, or another program, keeps tables of its own in it.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import ConfigError, LedgerError, Options, Reconciler, SourceError
from reconciler.embedded.binaries import wheel_bindir

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.one_server


def test_an_applications_own_schema_keeps_its_privileges_and_tables(server: EmbeddedServer, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as application:
        application.execute("""
            CREATE SCHEMA migrations;
            GRANT USAGE ON SCHEMA migrations TO PUBLIC;
            CREATE TABLE migrations.done (id int PRIMARY KEY, name text);
            GRANT SELECT, INSERT ON migrations.done TO PUBLIC;
            INSERT INTO migrations.done VALUES (1, 'first');
        """)
        privileges = (
            "SELECT nspacl::text, relacl::text FROM pg_namespace n JOIN pg_class ON relnamespace = n.oid"
            " WHERE relname = 'done'"
        )
        before = application.execute(privileges).fetchone()
        with Reconciler(database) as reconciler:
            reconciler.migrate("CREATE TABLE t (id int)")
            reconciler.migrate("CREATE TABLE t (id int, more int)")
            assert reconciler.plan("CREATE TABLE t (id int, more int)").plan.is_empty
        assert application.execute(privileges).fetchone() == before
        assert application.execute("SELECT * FROM migrations.done").fetchall() == [(1, "first")]
        # The ledger itself is nobody else's.
        row = application.execute(
            "SELECT count(*) FROM pg_class c, aclexplode(relacl) a WHERE relname = '_sources' AND a.grantee = 0"
        ).fetchone()
        assert row == (0,)


@pytest.mark.parametrize("scratch", ["schema", "database"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE migrations.done (id int)",
        "CREATE SCHEMA IF NOT EXISTS migrations; CREATE TABLE migrations.done (id int)",
        "CREATE VIEW migrations.done AS SELECT 1 AS one",
        "DO $$BEGIN CREATE TABLE migrations.done (id int); END$$",
    ],
)
def test_what_is_declared_in_the_ledgers_schema_is_refused_by_name(
    database: str, tmp_path: Path, statement: str, scratch: str
) -> None:
    file = tmp_path / "app.sql"
    with Reconciler(database, options=Options(scratch=scratch)) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)")
        file.write_text(f"CREATE TABLE t (id int);\n{statement};")
        with pytest.raises(SourceError, match=r"app.sql:2: ") as caught:
            reconciler.plan(file)
        assert "migrations" in str(caught.value)


def test_the_ledgers_schema_cannot_be_managed(database: str) -> None:
    options = Options(schemas=("migrations",))
    with Reconciler(database) as reconciler, pytest.raises(ConfigError, match="schema migrations holds the ledger"):
        reconciler.plan("CREATE TABLE t (id int)", options=options)


def test_a_dump_with_the_ledger_in_it_is_a_declaration_of_the_rest(
    server: EmbeddedServer, two_databases: tuple[str, str], tmp_path: Path
) -> None:
    one, other = two_databases
    with Reconciler(one) as reconciler:
        reconciler.migrate("CREATE TABLE t (id int)")
    dump = tmp_path / "dump.sql"
    subprocess.run([str(wheel_bindir() / "pg_dump"), "--schema-only", "--file", str(dump), one], check=True)
    with Reconciler(other) as reconciler:
        reconciler.migrate(dump)
        assert reconciler.plan(dump).plan.is_empty
    with Reconciler(one) as reconciler:
        assert reconciler.plan(dump).plan.is_empty


@pytest.mark.parametrize(
    ("columns", "program"),
    [
        ("id serial, migration text, batch int", "Laravel"),
        ("id serial, timestamp bigint, name text", "TypeORM"),
        ("id serial, hash text, created_at bigint", "Drizzle"),
        ("what text", "another program"),
    ],
)
def test_a_table_of_another_program_with_the_ledgers_name_is_recognised(
    database: str, columns: str, program: str
) -> None:
    with psycopg.connect(database, autocommit=True) as application:
        application.execute(f"CREATE SCHEMA migrations; CREATE TABLE migrations._migrations ({columns})".encode())
        with Reconciler(database) as reconciler:
            for source in ("CREATE TABLE t (id int)", "CREATE TABLE t (id int, more int)"):
                with pytest.raises(
                    LedgerError, match=f"migrations._migrations is not .* like that of {program}"
                ) as caught:
                    reconciler.migrate(source)
                assert "rename" in (caught.value.hint or "")
        assert application.execute("SELECT to_regclass('t'), to_regclass('migrations._runs')").fetchone() == (
            None,
            None,
        )
