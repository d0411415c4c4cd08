"""The command line as scripts and people meet it: exit codes, documents, what is asked and what is never shown."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.cli import console
from reconciler.cli.commands import run
from reconciler.cli.config_file import find_configuration, parse_configuration
from reconciler.cli.options import read_options
from reconciler.errors import ConfigError
from reconciler.options import Options, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

ROOT = Path(__file__).parents[2]
JSON_SCHEMA = json.loads((ROOT / "docs" / "json-format.schema.json").read_text())

SCHEMA = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, mood mood);
CREATE TABLE notes (id int PRIMARY KEY, author bigint NOT NULL REFERENCES users ON DELETE CASCADE, body text);
CREATE INDEX notes_by_author ON notes (author);
CREATE VIEW happy AS SELECT id, email FROM users WHERE mood = 'good';
COMMENT ON TABLE users IS 'it''s "us"';
"""


@dataclass(frozen=True)
class Output:
    code: int
    out: str
    err: str

    def document(self) -> dict:
        value = json.loads(self.out)
        jsonschema.validate(value, JSON_SCHEMA)
        return value


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RECONCILER_DSN", "DATABASE_URL", "PGHOST", "PGPORT", "PGSERVICE", "PGDATABASE", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("RECONCILER_ALLOW_DESTRUCTIVE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "schema.sql"
    path.write_text(SCHEMA)
    return path


@pytest.fixture
def reconcile(database: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    """Runs a command on the test's database."""

    def call(*arguments: object) -> Output:
        code = run([*map(str, arguments), "--dsn", database])
        captured = capsys.readouterr()
        return Output(code, captured.out, captured.err)

    return call


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


# --- exit codes -------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_plan_exits_2_before_and_0_after_the_apply(reconcile: Callable[..., Output], source: Path) -> None:
    before = reconcile("plan", source)
    assert before.code == 2
    assert "+ table public.notes" in before.out
    assert "CREATE TABLE" not in before.out
    assert 'CREATE TABLE "public"."notes"' in reconcile("plan", source, "--details").out
    assert reconcile("apply", source).code == 0
    after = reconcile("plan", source)
    assert (after.code, after.out.startswith("In sync")) == (0, True)
    assert reconcile("check", source).code == 0


@pytest.mark.smoke
def test_check_exits_4_on_drift_and_names_what_differs(
    reconcile: Callable[..., Output], source: Path, database: str
) -> None:
    reconcile("apply", source)
    execute(database, "ALTER TABLE users ALTER COLUMN email DROP NOT NULL", "DROP INDEX notes_by_author")
    found = reconcile("check", source)
    assert found.code == 4
    assert "drifted: table public.users" in found.out
    assert "only the live database changed" in found.out
    assert "differs (database -> declaration): column public.users.email" in found.out
    assert "missing in the database: index public.notes.notes_by_author" in found.out
    assert reconcile("check").code == 4, "what was recorded serves as the declaration"


def test_check_exits_2_where_only_the_declaration_moved(reconcile: Callable[..., Output], source: Path) -> None:
    reconcile("apply", source)
    source.write_text(SCHEMA + "CREATE TABLE more (id int);")
    found = reconcile("check", source)
    assert (found.code, "pending: table public.more" in found.out) == (2, True)


@pytest.mark.smoke
def test_data_loss_exits_3_and_changes_nothing_until_it_is_allowed(
    reconcile: Callable[..., Output], source: Path, database: str
) -> None:
    reconcile("apply", source)
    source.write_text(SCHEMA.replace(", body text", ""))
    refused = reconcile("apply", source)
    assert refused.code == 3
    assert "error: drops column public.notes.body" in refused.err
    assert "--allow data-loss:column:public.notes.body" in refused.err
    assert reconcile("apply", source, "--dry-run").code == 3
    execute(database, "SELECT body FROM notes")
    assert reconcile("apply", source, "--allow", "data_loss").code == 0
    with pytest.raises(psycopg.errors.UndefinedColumn):
        execute(database, "SELECT body FROM notes")


def test_the_environment_allows_data_loss(
    reconcile: Callable[..., Output], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile("apply", source)
    source.write_text(SCHEMA.replace(", body text", ""))
    monkeypatch.setenv("RECONCILER_ALLOW_DESTRUCTIVE", "true")
    done = reconcile("apply", source)
    assert done.code == 0
    assert "warning: RECONCILER_ALLOW_DESTRUCTIVE=true allows the loss of data" in done.err


@pytest.mark.smoke
def test_a_failed_proof_exits_5(
    reconcile: Callable[..., Output], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.errors import ProofError
    from reconciler.workflows import rehearse

    def fail(*_: object, **__: object) -> None:
        raise ProofError("the rehearsed plan does not end at the goal")

    monkeypatch.setattr(rehearse, "prove", fail)
    assert reconcile("apply", source).code == 5
    assert reconcile("apply", source, "--no-proof").code == 0


def test_a_dry_run_changes_nothing(reconcile: Callable[..., Output], source: Path) -> None:
    assert reconcile("apply", source, "--dry-run").code == 0
    assert reconcile("plan", source).code == 2
    assert reconcile("history").out == "Nothing is recorded.\n"


def test_errors_exit_1_with_file_and_line_and_no_traceback(reconcile: Callable[..., Output], tmp_path: Path) -> None:
    broken = tmp_path / "broken.sql"
    broken.write_text("\nCREATE TABLE t (id nonsense);\n")
    failed = reconcile("plan", broken)
    assert failed.code == 1
    assert failed.err.startswith("error: ")
    assert "broken.sql:2" in failed.err
    assert "Traceback" not in failed.err
    assert reconcile("plan", tmp_path / "missing.sql").code == 1
    assert reconcile("plan").code == 1
    assert run(["nonsense"]) == 1
    assert run(["plan", "--nonsense"]) == 1


def test_a_schema_that_is_managed_no_more_is_pointed_out(reconcile: Callable[..., Output], source: Path) -> None:
    """As after a misspelt --schema: what was recorded in the other one would go."""
    reconcile("apply", source)
    for command in ("plan", "check"):
        shown = reconcile(command, source, "--schema", "pubic").err
        assert shown.count("warning: schema public was managed until now") == 1
    assert "warning" not in reconcile("plan", source).err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["plan", "{source}", "--scratch", "databse"],
            "scratch databse does not exist",
            "auto, schema, database or a server",
        ),
        (["dump", "--schema", "nosuch"], "schema nosuch does not exist in the database", "there are: public"),
    ],
)
def test_a_name_that_is_none_is_an_error_that_names_what_there_is(
    reconcile: Callable[..., Output], source: Path, arguments: list[str], message: str, hint: str
) -> None:
    output = reconcile(*(argument.format(source=source) for argument in arguments))
    assert output.code == 1
    assert output.err.startswith(f"error: {message}\nhint: ")
    assert hint in output.err


def test_a_database_that_is_missing_is_told_apart_from_a_server_that_is(
    source: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(source), "--dsn", make_conninfo(database, dbname="nosuch")]) == 1
    assert "hint: check the name, or create it first: createdb nosuch" in capsys.readouterr().err


def test_ctrl_c_exits_130(reconcile: Callable[..., Output], source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.client import Reconciler

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Reconciler, "plan", interrupt)
    assert reconcile("plan", source).code == 130


# --- empty sources ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [["--allow-empty"], ["--allow", "empty_source"]])
def test_an_empty_source_is_refused_unless_it_is_meant(
    reconcile: Callable[..., Output], tmp_path: Path, allowed: list[str]
) -> None:
    empty = tmp_path / "empty.sql"
    empty.write_text("-- nothing\n")
    refused = reconcile("apply", empty)
    assert (refused.code, "declares nothing" in refused.err) == (1, True)
    assert reconcile("apply", empty, *allowed).code == 0


# --- json, sql --------------------------------------------------------------------------------------------------------


def test_every_json_document_is_valid(reconcile: Callable[..., Output], source: Path, database: str) -> None:
    as_json = ("--format", "json")
    planned = reconcile("plan", source, *as_json).document()
    assert planned["statements"][0]["creates"]
    assert reconcile("apply", source, *as_json).document()["idx"] == 0
    assert reconcile("plan", source, *as_json).document()["in_sync"] is True
    execute(database, "ALTER TABLE users ADD COLUMN extra int")
    checked = reconcile("check", source, *as_json).document()
    assert [each["object"] for each in checked["objects"]] == ["table:public.users"]
    assert reconcile("repair", source, "--accept", *as_json).document()["format"] == "reconciler/result"
    assert reconcile("status", *as_json).document()["has_run"] is True
    assert len(reconcile("history", *as_json).document()["migrations"]) == 2
    assert len(reconcile("show", 0, *as_json).document()["statements"]) > 3
    assert reconcile("diff", source, database, *as_json).document()["statements"]
    assert reconcile("reset", "--yes", *as_json).document()["rows"] > 0


def test_an_error_is_a_document_too(reconcile: Callable[..., Output]) -> None:
    failed = reconcile("plan", "missing.sql", "--format", "json")
    document = json.loads(failed.err)
    jsonschema.validate(document, JSON_SCHEMA)
    assert (failed.out, document["exit_code"], document["error"]) == ("", 1, "SourceError")


def test_the_sql_format_runs_in_psql_and_names_hazards(reconcile: Callable[..., Output], source: Path) -> None:
    reconcile("apply", source)
    source.write_text(SCHEMA.replace(", body text", ""))
    script = reconcile("plan", source, "--format", "sql").out
    assert script.splitlines()[0].startswith("-- hazard data-loss: drops column public.notes.body")
    assert script.rstrip().endswith('DROP COLUMN "body";')


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_passwords_are_never_shown(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dsn in ("postgresql://me:s3cret@127.0.0.1:1/x", "host=127.0.0.1 port=1 password=s3cret", "me:s3cret@host"):
        for output in ("text", "json"):
            assert run(["plan", str(source), "--format", output, "--dsn", dsn]) == 1
        captured = capsys.readouterr()
        assert "s3cret" not in captured.out + captured.err


def test_without_a_connection_the_ways_to_give_one_are_named(
    source: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for command in (
        ["apply", str(source)],
        ["status"],
        ["dump"],
        ["diff", str(source), str(source)],
        ["reset", "--yes"],
    ):
        assert run(command) == 1, command
        said = capsys.readouterr().err
        assert "no connection was given" in said
        assert all(
            way in said for way in ("--dsn", "RECONCILER_DSN", "DATABASE_URL", "PGHOST", "--local", "local = true")
        )
    assert not (tmp_path / ".reconciler").exists()


def test_a_private_server_is_used_where_that_is_asked_for_and_named_without_its_password(
    source: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["apply", str(source), "--local", "--dsn", "postgresql://x"]) == 1
    assert run(["apply", str(source), "--local"]) == 0
    captured = capsys.readouterr()
    home = tmp_path / ".reconciler"
    if (home / "elsewhere").is_symlink():  # as root, where the server's user cannot reach the test's folder
        home = home / "elsewhere"
    password = (home / "password").read_text().strip()
    assert "private Postgres at postgresql://postgres:********@127.0.0.1:" in captured.err
    assert password not in captured.err + captured.out
    Path("reconciler.toml").write_text("local = true\n")
    assert run(["plan", str(source)]) == 0, "the data is kept"
    shutil.rmtree(home.resolve())


# --- repair -----------------------------------------------------------------------------------------------------------


def drift(reconcile: Callable[..., Output], source: Path, database: str) -> None:
    reconcile("apply", source)
    execute(database, "DROP INDEX notes_by_author", "ALTER TABLE users ADD COLUMN extra int")


@pytest.mark.smoke
def test_repair_reverts_the_named_object_only(reconcile: Callable[..., Output], source: Path, database: str) -> None:
    drift(reconcile, source, database)
    assert reconcile("repair", source, "--revert", "--object", "table:public.notes").code == 0
    found = reconcile("check", source)
    assert "table public.notes" not in found.out
    assert "drifted: table public.users" in found.out
    assert reconcile("repair", source, "--revert").code == 3, "the column's values would be lost"
    assert reconcile("repair", source, "--revert", "--allow", "data_loss").code == 0
    assert reconcile("check", source).code == 0


@pytest.mark.smoke
def test_repair_accepts_live_as_it_is(reconcile: Callable[..., Output], source: Path, database: str) -> None:
    drift(reconcile, source, database)
    assert reconcile("repair", source, "--accept").code == 0
    assert reconcile("check").code == 0


def test_repair_off_a_terminal_shows_what_it_would_do_and_exits_1(
    reconcile: Callable[..., Output], source: Path, database: str
) -> None:
    drift(reconcile, source, database)
    shown = reconcile("repair", source)
    assert shown.code == 1
    assert "CREATE INDEX" in shown.out
    assert "pass --revert or --accept" in shown.err
    assert reconcile("check", source).code == 4


def test_repair_without_drift_has_nothing_to_ask(reconcile: Callable[..., Output], source: Path) -> None:
    reconcile("apply", source)
    assert reconcile("repair", source).code == 0


# --- diff and dump ----------------------------------------------------------------------------------------------------


def test_a_dump_rebuilds_the_schema(
    two_databases: tuple[str, str], capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    first, second = two_databases
    execute(first, SCHEMA, "CREATE SCHEMA side", 'CREATE TABLE side."odd/name" (id int)')
    assert run(["dump", "--dsn", first]) == 0
    script = capsys.readouterr().out
    execute(second, script)
    assert run(["diff", first, second]) == 0
    assert capsys.readouterr().out == ""
    assert run(["dump", "--dsn", first, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "public" / "table.users.sql").exists()
    assert run(["diff", str(tmp_path / "out"), second]) == 0
    assert run(["dump", "--dsn", first, "--output", str(tmp_path / "out")]) == 1, "files of others stay"


def test_the_printed_difference_turns_a_into_b(
    two_databases: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_databases
    execute(first, SCHEMA)
    execute(second, "CREATE TABLE notes (id bigint PRIMARY KEY, title text)", "CREATE TABLE other (id int)")
    assert run(["diff", first, second]) == 2
    execute(first, capsys.readouterr().out)
    assert run(["diff", first, second]) == 0


def test_files_are_compared_with_files_and_with_databases(
    database: str, capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    execute(database, SCHEMA)
    other = tmp_path / "other.sql"
    other.write_text(SCHEMA + "CREATE TABLE more (id int);")
    assert run(["diff", str(source), database]) == 0
    assert run(["diff", database, str(source)]) == 0
    capsys.readouterr()
    assert run(["diff", str(source), str(other), "--dsn", database]) == 2
    assert capsys.readouterr().out.startswith('CREATE TABLE "public"."more"')


def test_diff_leaves_no_temporary_database_behind(database: str, source: Path) -> None:
    assert run(["diff", str(source), database]) == 2
    with psycopg.connect(database) as connection:
        query = sql.SQL("SELECT count(*) FROM pg_database WHERE starts_with(datname, 'reconciler_scratch_')")
        assert connection.execute(query).fetchone() == (0,)


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_history_show_and_reset(reconcile: Callable[..., Output], source: Path) -> None:
    reconcile("apply", source)
    assert "0000_default_" in reconcile("history").out
    assert "CREATE TABLE" in reconcile("show", 0).out
    assert reconcile("show", 7).code == 1
    assert reconcile("reset", "--yes").code == 0
    assert "no migration is recorded" in reconcile("status").out


def test_adopt_runs_no_statement_on_an_identical_database(
    reconcile: Callable[..., Output], source: Path, database: str
) -> None:
    execute(database, SCHEMA)
    adopted = reconcile("adopt", source)
    assert (adopted.code, "0 statements, recorded as migration 0" in adopted.out) == (0, True)


def test_nothing_that_needs_consent_is_done_where_nobody_can_be_asked(
    reconcile: Callable[..., Output], source: Path, database: str
) -> None:
    refused = reconcile("adopt", source)
    assert (refused.code, "the database differs from the declaration" in refused.err) == (1, True)
    refused = reconcile("adopt", source, "--change")
    assert (refused.code, "nobody can be asked: Change the database" in refused.err) == (1, True)
    assert "no migration is recorded" in reconcile("status").out, "only the failed try"
    assert reconcile("adopt", source, "--change", "--yes").code == 0
    source.write_text(SCHEMA + "CREATE TABLE later (id int);")
    assert reconcile("apply", source).code == 0
    for command in (["reset"], ["rollback", "--to", 0, "--allow", "data_loss"]):
        refused = reconcile(*command)
        assert (refused.code, "--yes" in refused.err) == (1, True), command
    assert reconcile("repair", source, "--revert", "--accept").code == 1
    execute(database, "ALTER TABLE later ADD COLUMN note text")
    offered = reconcile("repair", source, "--dry-run")
    assert "--revert would be refused:" in offered.out
    assert "--allow data-loss:column:public.later.note" in offered.out


def test_a_person_at_the_terminal_sees_the_plan_and_is_asked(
    reconcile: Callable[..., Output], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.console.is_interactive", lambda: True)
    monkeypatch.setattr("reconciler.cli.apply.is_interactive", lambda: True)
    answers: list[str] = []

    def answer(value: bool) -> None:
        monkeypatch.setattr("click.confirm", lambda question, **_: answers.append(question) or value)

    answer(value=False)
    shown = reconcile("apply", source)
    assert (shown.code, answers, "+ table public.notes" in shown.out) == (0, ["Apply this plan?"], True)
    assert "nothing was changed" in shown.err
    assert "no migration is recorded" in reconcile("status").out
    answer(value=True)
    assert reconcile("apply", source).code == 0
    assert reconcile("apply", source).code == 0, "nothing to do is not asked about"
    assert len(answers) == 2
    source.write_text(SCHEMA + "CREATE TABLE more (id int);")
    assert reconcile("apply", source, "--yes").code == 0
    assert len(answers) == 2


# --- configuration ----------------------------------------------------------------------------------------------------


def test_the_nearest_configuration_gives_the_defaults(
    database: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.reconciler]\nsource = "schema.sql"\ndsn = "{database}"\nplugin = "shop"\nlock-timeout = 500\n'
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert run(["apply"]) == 0
    assert "plugin shop" in capsys.readouterr().out


def test_what_nobody_says_is_as_options_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECONCILER_ALLOW_DESTRUCTIVE", raising=False)
    assert read_options({}).options == Options(when_behind=WhenBehind.FAIL), "a person is asked; a start goes on"


def test_unknown_keys_and_wrong_types_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown keys colour, sceham"):
        parse_configuration({"sceham": "x", "colour": 1, "dsn": "y"}, tmp_path / "reconciler.toml")
    with pytest.raises(ConfigError, match="lock-timeout must be a number"):
        parse_configuration({"lock-timeout": "soon"}, tmp_path / "reconciler.toml")


def test_a_file_without_a_table_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "reconciler.toml").write_text('schema = ["a", "b"]\nall_schemas = false\n')
    below = tmp_path / "below"
    below.mkdir()
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_configuration(below).get("schema") == ("a", "b")


def test_options_and_environment_go_before_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://b/b")
    assert console.find_dsn(None, "postgresql://c/c") == "postgresql://b/b"
    monkeypatch.setenv("RECONCILER_DSN", "postgresql://a/a")
    assert console.find_dsn(None, "postgresql://c/c") == "postgresql://a/a"
    assert console.find_dsn("postgresql://o/o", None) == "postgresql://o/o"


# --- start-up ---------------------------------------------------------------------------------------------------------


def test_the_version_imports_nothing_heavy() -> None:
    code = (
        "import sys; from reconciler.cli.commands import run; assert run(['--version']) == 0;"
        "heavy = {'psycopg', 'rich', 'sqlalchemy', 'migra', 'reconciler.client'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_demo_shows_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"]) == 0
    shown = capsys.readouterr().out
    for words in ("drifted: table shop.customers", "Repaired: 2 statements", "Applied again:", "== 10. History"):
        assert words in shown
