from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from metadata import full_metadata

from reconciler.errors import EmptySourceError, SourceError
from reconciler.source.reading import parse_source, source_from_object, source_from_text
from reconciler.source.source import DatabaseSource, Source

if TYPE_CHECKING:
    from pathlib import Path


def parse(*specs: str, cwd: Path, stdin: str = "") -> Source:
    source = parse_source(specs, cwd=cwd, stdin=io.StringIO(stdin))
    assert isinstance(source, Source)
    return source


def listed(source: Source) -> list[tuple[str, str]]:
    return [(statement.where, statement.sql) for statement in source.statements]


def test_a_file_is_read_under_the_name_given(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("\ufeff-- é\nselect 'é';\r\nselect 2", encoding="utf-8")
    source = parse("a.sql", cwd=tmp_path)
    assert listed(source) == [("a.sql:2", "select 'é'"), ("a.sql:3", "select 2")]
    assert source.description == "a.sql"
    assert source.text == "-- source: a.sql\n-- é\nselect 'é';\r\nselect 2\n;\n"


def test_a_folder_is_read_recursively_in_the_order_of_paths(tmp_path: Path) -> None:
    for name in ("b.sql", "a/z.sql", "a/b.SQL", ".hidden/x.sql", "notes.txt", "a.sql"):
        file = tmp_path / "schema" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("select 1;")
    (tmp_path / "schema" / "folder.sql").mkdir()
    assert [where for where, _ in listed(parse("schema", cwd=tmp_path))] == [
        "schema/a/b.SQL:1",
        "schema/a/z.sql:1",
        "schema/a.sql:1",
        "schema/b.sql:1",
    ]


def test_several_sources_are_one_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1")
    source = parse("-", "a.sql", "cmd:echo 'select 3;'", cwd=tmp_path, stdin="select 2;\n")
    assert listed(source) == [
        ("<stdin>:1", "select 2"),
        ("a.sql:1", "select 1"),
        ("cmd:echo 'select 3;':1", "select 3"),
    ]


def test_the_recorded_text_can_be_a_source_again(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create index concurrently on a (b) -- no end")
    (tmp_path / "b\n;drop table c;.sql").write_text("select 2; -- a comment")
    source = parse("a.sql", "b\n;drop table c;.sql", cwd=tmp_path)
    assert "concurrently" in source.text
    again = source_from_text(source.text)
    assert [statement.sql for statement in again.statements] == [
        "create index on a (b) -- no end",
        "select 2",
    ]


def test_standard_input_is_decoded_as_a_file_is(tmp_path: Path) -> None:
    stdin = io.TextIOWrapper(io.BytesIO("\ufeffselect 'é'".encode()), encoding="latin-1")
    source = parse_source(["-"], stdin=stdin)
    assert isinstance(source, Source)
    assert [statement.sql for statement in source.statements] == ["select 'é'"]


@pytest.mark.parametrize("url", ["postgresql://u:secret@h/d", "postgres://u:secret@h/d"])
def test_a_url_alone_is_a_database_and_hides_its_password(url: str) -> None:
    source = parse_source([url])
    assert source == DatabaseSource(url=url)
    assert "secret" not in source.description
    with pytest.raises(SourceError, match="cannot be combined") as caught:
        parse_source([url, "a.sql"])
    assert "secret" not in caught.value.describe()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("select 1;\nselect 'é'".encode("latin-1"), r"bad\.sql:2: not UTF-8 at byte offset 18 \(0xe9\)"),
        ("select 1".encode("utf-16"), r"bad\.sql is UTF-16, not UTF-8, at byte offset 0"),
        ("select 1".encode("utf-16-le"), r"bad\.sql holds a zero byte at byte offset 1"),
        (b"select '\0'", r"bad\.sql holds a zero byte at byte offset 8"),
    ],
)
def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.sql").write_bytes(data)
    with pytest.raises(SourceError, match=message) as caught:
        parse("bad.sql", cwd=tmp_path)
    assert "UTF-8" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_string_that_postgres_cannot_be_sent_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="<string> holds a"):
        source_from_text(text)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="file or folder nowhere does not exist"):
        parse("nowhere", cwd=tmp_path)
    with pytest.raises(SourceError, match="no source was given"):
        parse(cwd=tmp_path)


def test_an_empty_source_is_an_error_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "empty.sql").write_text("-- nothing; here\n")
    (tmp_path / "folder").mkdir()
    for spec in ("empty.sql", "folder", "-"):
        with pytest.raises(EmptySourceError, match="declares nothing"):
            parse(spec, cwd=tmp_path)
    source = parse_source(["empty.sql"], cwd=tmp_path, allow_empty=True)
    assert isinstance(source, Source)
    assert source.is_empty
    assert source_from_text("").is_empty


def test_all_refusals_are_listed_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("begin;\ncreate table a();\ncommit and chain;\n\\i b.sql\n")
    with pytest.raises(SourceError) as caught:
        parse("a.sql", cwd=tmp_path)
    assert [line.split(" is ")[0] for line in caught.value.message.splitlines()] == [
        "a.sql:1: BEGIN",
        "a.sql:3: COMMIT",
        r"a.sql:4: \i",
    ]
    assert "as a source of its own" in (caught.value.hint or "")


def test_a_transaction_around_statements_is_recorded_and_not_run() -> None:
    source = source_from_text("begin;\n-- reconciler: renamed from b\ncreate table a();\ncommit;\n")
    assert [(each.sql, each.line) for each in source.statements] == [("create table a()", 3)]
    assert [hint.subject.name for hint in source.hints] == [("a",)]
    assert source_from_text(source.text).statements[0].sql == "create table a()"
    assert source_from_text("begin;\ncommit;\n").is_empty


def test_of_many_refusals_twenty_are_shown() -> None:
    with pytest.raises(SourceError) as caught:
        source_from_text("commit;\n" * 30)
    assert len(caught.value.message.splitlines()) == 21
    assert caught.value.message.endswith("and 10 more")


def test_rows_in_a_source_give_a_warning() -> None:
    source = source_from_text("create table a(b int);\ninsert into a values (1);\ninsert into a values (2);", "a.sql")
    (warning,) = source.warnings
    assert warning.startswith("a.sql:2: 2 statements write rows")


def test_passwords_are_not_recorded() -> None:
    sql = (
        "create user mapping for a server b options (user 'u', password 'se''cret');\n"
        "create subscription s connection 'host=h password=secret user=u' publication p with (connect = false);\n"
        "create function f() returns text language sql as $$ select 'postgresql://u:p@h' $$;\n"
        "create table t(password text default 'kept');\n"
    )
    source = source_from_text(sql)
    assert "cret" not in source.text
    assert "user=u'" in source.text
    assert "default 'kept'" in source.text
    assert "'se''cret'" in source.statements[0].sql


def test_a_password_in_a_command_is_not_shown(tmp_path: Path) -> None:
    command = "cmd:PGPASSWORD=secret; echo 'select 1' # postgresql://u:secret@h/d"
    source = parse(command, cwd=tmp_path)
    assert "secret" not in f"{source.text}{source.description}{source.statements[0].origin}"


def test_a_command_runs_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1")
    assert listed(parse("cmd:cat a.sql", cwd=tmp_path)) == [("cmd:cat a.sql:1", "select 1")]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo 'select 1'; echo 'no such luck' >&2; exit 3", "failed with exit status 3: no such luck"),
        ("exit 3", "failed with exit status 3: it printed nothing on stderr"),
        ("echo 'select 1'; echo 'TypeError: x' >&2", "reported an error although its exit status is 0: TypeError: x"),
        ("printf '\\377\\376'", "is UTF-16"),
    ],
)
def test_a_command_that_fails_is_an_error(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        parse(f"cmd:{command}", cwd=tmp_path)


def test_a_command_that_prints_nothing_is_an_empty_source(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match="printed nothing"):
        parse("cmd:true", cwd=tmp_path)


def test_what_else_a_command_says_on_stderr_is_a_warning(tmp_path: Path) -> None:
    source = parse("cmd:echo 'select 1'; echo 'reading the configuration' >&2", cwd=tmp_path)
    (warning,) = source.warnings
    assert warning.endswith(": reading the configuration")


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"did not end within 0\.2 s"):
        parse_source(["cmd:sleep 60 | sleep 60"], cwd=tmp_path, command_timeout_s=0.2)


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that the test's folder holds, new for each test."""
    name = f"models_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(
        "import sqlalchemy as sa\n"
        "from sqlalchemy.orm import DeclarativeBase\n"
        "class Base(DeclarativeBase):\n    pass\n"
        "class User(Base):\n    __tablename__ = 'users'\n    id = sa.Column(sa.Integer, primary_key=True)\n"
        "metadata = Base.metadata\n"
        "def build():\n    return [metadata, 'create table b()']\n"
        "def broken():\n    raise RuntimeError('not today')\n"
        "SQL = 'create table a();'\n"
        "LIST = ['create table a();', 'create table b() -- x']\n"
        "NUMBER = 3\n"
    )
    return name


@pytest.mark.parametrize("attribute", ["metadata", "Base", "Base.metadata", "User"])
def test_metadata_of_a_module_is_a_source(tmp_path: Path, module: str, attribute: str) -> None:
    source = parse(f"python:{module}:{attribute}", cwd=tmp_path)
    (statement,) = source.statements
    assert statement.sql.startswith("CREATE TABLE users (")
    assert statement.where == f"python:{module}:{attribute}:1"
    assert str(tmp_path) not in sys.path


def test_sql_of_a_module_is_a_source(tmp_path: Path, module: str) -> None:
    def sqls(attribute: str) -> list[str]:
        return [statement.sql for statement in parse(f"python:{module}:{attribute}", cwd=tmp_path).statements]

    assert sqls("SQL") == ["create table a()"]
    assert sqls("LIST") == ["create table a()", "create table b() -- x"]
    assert len(sqls("build")) == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{module}", "names no attribute"),
        ("{module}:nothing", "there is no nothing in"),
        ("{module}:NUMBER", "is a int, which is not a source"),
        ("{module}:broken", "could not call broken: RuntimeError: not today"),
        ("no_such_module_here:x", "could not import no_such_module_here: ModuleNotFoundError"),
    ],
)
def test_what_fails_in_a_module_is_named(tmp_path: Path, module: str, spec: str, message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        parse(f"python:{spec.format(module=module)}", cwd=tmp_path)


def test_a_module_cannot_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "leaving_module.py").write_text("raise SystemExit(0)")
    with pytest.raises(SourceError, match="SystemExit"):
        parse("python:leaving_module:x", cwd=tmp_path)


def test_an_object_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 3;")
    text = source_from_text("select 1;")
    assert source_from_object(text) is text
    members = [text, "select 2", tmp_path / "a.sql", sa.MetaData()]
    assert [statement.sql for statement in source_from_object(members).statements] == [
        "select 1",
        "select 2",
        "select 3",
    ]
    with pytest.raises(SourceError, match="is a int, which is not a source"):
        source_from_object(3)
    with pytest.raises(SourceError, match=re.escape("postgres://u:********@h is a database, not SQL text")):
        source_from_object("postgres://u:secret@h")


def test_metadata_becomes_sql_for_postgres() -> None:
    sqls = [statement.sql for statement in source_from_object(full_metadata()).statements]
    assert sqls[:3] == [
        "CREATE SCHEMA IF NOT EXISTS counters",
        'CREATE SCHEMA IF NOT EXISTS "odd name"',
        "CREATE SCHEMA IF NOT EXISTS types",
    ]
    assert sqls.count("CREATE TYPE types.mood AS ENUM ('it''s', '100%')") == 1
    assert any(sql.startswith("ALTER TABLE") and "FOREIGN KEY" in sql for sql in sqls)
    assert any("DEFAULT '100%'" in sql for sql in sqls)
    assert "COMMENT ON COLUMN a.data IS '100% ''quoted''; \\ and all'" in sqls
