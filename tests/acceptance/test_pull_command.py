"""`reconciler pull` and the end of `repair --accept`, as scripts and people meet them; what is never written to."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Reconciler
from reconciler.cli.commands import run
from reconciler.errors import ConfigError, SourceError
from reconciler.source.files import read_files, write_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.one_server

USERS = "-- people\nCREATE TABLE users (\n    id int PRIMARY KEY,\n    name text -- as they write it\n);\n"
NOTES = "CREATE TABLE notes (id int PRIMARY KEY);\n"
WITH_AGE = USERS.replace("write it\n", "write it\n    age integer\n").replace("name text ", "name text, ")


@pytest.fixture
def folder(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of which the database drifted: users.age is there, and nobody declared it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "users.sql").write_text(USERS)
    (folder / "notes.sql").write_text(NOTES)
    with Reconciler(database) as reconciler:
        reconciler.migrate(folder)
    execute(database, "ALTER TABLE users ADD COLUMN age int")
    return folder


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_nothing_is_written_unasked_and_all_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "users.sql").chmod(0o640)
    before = texts(folder)
    assert run(["pull", "schema"]) == 1
    assert "pass --yes" in capsys.readouterr().err
    assert run(["pull", "schema", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "--- a/schema/users.sql\n+++ b/schema/users.sql\n" in shown.out
    assert "+    age integer\n" in shown.out
    assert "1 file would be changed" in shown.err
    assert texts(folder) == before

    assert run(["pull", "schema", "--yes"]) == 0
    assert texts(folder) == {**before, "users.sql": WITH_AGE}
    assert stat.S_IMODE((folder / "users.sql").stat().st_mode) == 0o640
    capsys.readouterr()
    assert run(["check", "schema"]) == 0
    assert run(["pull", "schema"]) == 0
    assert "The files declare what live has." in capsys.readouterr().out


def test_a_person_at_a_terminal_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.cli.console.is_interactive", lambda: True)
    for answer, text in ((False, USERS), (True, WITH_AGE)):
        monkeypatch.setattr("click.confirm", lambda *_, answer=answer, **__: answer)
        assert run(["pull", "schema"]) == 0
        assert texts(folder)["users.sql"] == text


def test_an_accepted_drift_is_written_back_where_that_is_wanted(
    folder: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(database, "ALTER TABLE notes ADD COLUMN body text")
    assert run(["repair", "schema", "--accept", "--object", "table:public.users"]) == 0
    assert "`reconciler pull --object table:public.users` writes it into the files" in capsys.readouterr().err
    assert texts(folder)["users.sql"] == USERS
    # What drifted and was not accepted is not written with `--recorded`.
    assert run(["pull", "schema", "--recorded", "--yes"]) == 0
    assert texts(folder) == {"notes.sql": NOTES, "users.sql": WITH_AGE}
    assert run(["check", "schema"]) == 4
    assert run(["repair", "schema", "--accept", "--pull"]) == 0
    assert "body text" in texts(folder)["notes.sql"]
    assert run(["check", "schema"]) == 0


def test_a_repair_says_why_the_declaration_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(folder)
    assert run(["repair", "cmd:cat schema/*.sql", "--accept", "--pull"]) == 1
    said = capsys.readouterr().err
    assert "cmd:cat schema/*.sql:3 would have to change" in said
    assert "it is not a file" in said
    assert "what drifted is accepted; no file was changed" in said
    assert texts(folder) == before
    assert run(["check"]) == 0


def test_what_belongs_to_nobody_is_pulled_by_name(folder: Path, database: str) -> None:
    execute(database, "ALTER TABLE users DROP COLUMN age", "CREATE TABLE theirs (a int)")
    with Reconciler(database) as reconciler:
        files = read_files(["schema"], cwd=folder.parent)
        assert reconciler.plan_pull(files).changes == ()
        with pytest.raises(ConfigError, match=r"table:public\.users is in live as it is declared"):
            reconciler.plan_pull(files, objects=["table:public.users"])
        with pytest.raises(ConfigError, match=r"table:public\.usres is neither in live nor declared"):
            reconciler.plan_pull(files, objects=["table:public.usres"])
        (change,) = reconciler.plan_pull(files, objects=["table:public.theirs"]).changes
        assert (change.name, change.before) == ("schema/public/table.theirs.sql", None)
        write_files(files, [change])
        assert reconciler.check(folder).plan.is_empty
    assert (folder / "public/table.theirs.sql").read_text() == "CREATE TABLE public.theirs (\n    a integer\n);\n"


def test_a_table_that_is_gone_takes_its_file_with_it(folder: Path, database: str) -> None:
    execute(database, "ALTER TABLE users DROP COLUMN age", "DROP TABLE notes")
    assert run(["pull", "schema", "--yes"]) == 0
    assert texts(folder) == {"users.sql": USERS}


@pytest.mark.parametrize("what", ["the file", "a folder above it"])
def test_no_symbolic_link_is_followed(what: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (folder / "users.sql").rename(elsewhere / "users.sql")
    if what == "the file":
        (folder / "users.sql").symlink_to(elsewhere / "users.sql")
        source = "schema"
    else:
        (folder / "more").symlink_to(elsewhere)
        (folder / "users.sql").write_text(USERS)
        source = "schema"
        (elsewhere / "users.sql").unlink()
        (elsewhere / "table.theirs.sql").write_text("")
    before = texts(folder.parent)
    code = run(["pull", source, "--yes"])
    said = capsys.readouterr().err
    if what == "the file":
        assert code == 1
        assert "is a symbolic link, and is not followed" in said
        assert texts(folder.parent) == before
    else:
        assert code == 0
        assert texts(elsewhere) == {"table.theirs.sql": ""}


def test_what_cannot_be_written_is_said_and_nothing_is(folder: Path, database: str, tmp_path: Path) -> None:
    (folder / "do.sql").write_text("DO $$ BEGIN EXECUTE 'CREATE TABLE of_do (a int)'; END $$;\n")
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "V1__users.sql").write_text(USERS)
    (migrations / "V2__notes.sql").write_text(NOTES)
    with Reconciler(database) as reconciler:
        execute(database, "CREATE TABLE of_do (a bigint, b int)")
        before = texts(tmp_path)
        files = read_files(["schema"], cwd=tmp_path)
        with pytest.raises(SourceError, match=r"do\.sql:1: a statement that runs something makes column public\.of_do"):
            reconciler.plan_pull(files, objects=["table:public.of_do"])
        assert reconciler.plan_pull(files, objects=["table:public.users"]).pending
        with pytest.raises(SourceError, match=r"read as migrations of flyway.*history is added to, not rewritten"):
            reconciler.plan_pull(read_files(["migrations"], cwd=tmp_path))
        with pytest.raises(SourceError, match="is a database, not files"):
            read_files([database], cwd=tmp_path)

        pull = reconciler.plan_pull(files, objects=["table:public.users"])
        assert texts(tmp_path) == before
        (folder / "users.sql").write_text(USERS + "-- more\n")
        with pytest.raises(SourceError, match=r"users\.sql was changed since it was read"):
            write_files(files, pull.changes)
        assert texts(folder)["users.sql"] == USERS + "-- more\n"


def test_what_a_model_lacks_is_given_as_lines_to_paste(
    folder: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "noted_models.py").write_text(
        "from sqlalchemy import Column, Integer, MetaData, Table, Text\n"
        "metadata = MetaData()\n"
        "Table('users', metadata, Column('id', Integer, primary_key=True, autoincrement=False), Column('name', Text))\n"
        "Table('notes', metadata, Column('id', Integer, primary_key=True, autoincrement=False))\n"
    )
    execute(
        database,
        "ALTER TABLE users DROP COLUMN name, ADD COLUMN price numeric(10,2) DEFAULT 1.5 NOT NULL,"
        " ADD COLUMN tags character varying(20)[], ADD COLUMN at timestamptz DEFAULT now(),"
        " ADD COLUMN double int GENERATED ALWAYS AS (age * 2) STORED, ADD COLUMN n int GENERATED ALWAYS AS IDENTITY",
        "CREATE INDEX users_at ON users (at)",
    )
    assert run(["repair", "python:noted_models:metadata", "--accept", "--pull"]) == 1
    said = capsys.readouterr().err
    for line in (
        "what drifted is accepted; no file was changed",
        "  public.users:\n",
        "    Column('age', INTEGER())\n",
        "    Column('at', TIMESTAMP(timezone=True), server_default=text('now()'))\n",
        "    Column('double', INTEGER(), Computed('(age * 2)', persisted=True))\n",
        "    Column('n', INTEGER(), Identity(always=True), nullable=False)\n",
        "    # remove column name\n",
        "    Column('price', NUMERIC(10,2), server_default=text('1.5'), nullable=False)\n",
        "    Column('tags', ARRAY(VARCHAR(20)))\n",
        "    # index public.users.users_at: USING btree (at)\n",
    ):
        assert line in said
    assert "Column('id'" not in said
