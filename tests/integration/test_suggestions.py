"""What looks like a rename is pointed out with the line that makes it one, asked on a terminal, and never done unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from reconciler import HazardError, HazardKind, Options, Reconciler, SourceError, source_from_object
from reconciler.cli import rename_prompts
from reconciler.cli.commands import run
from reconciler.intent.rename_suggestions import suggest
from reconciler.report import text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.one_server

USERS = """
create type mood as enum ('sad', 'ok');
create table users (id int primary key, mail text not null, age int, feels mood);
"""
# What changes, what is pointed out (old, new, line), and where nothing is.
RENAMES = {
    "a column": (("mail text", "email text"), [("users.mail", "users.email", "-- reconciler: renamed from mail")]),
    "a name in quotes": (("age int", '"Age" int'), [("users.age", "users.Age", "-- reconciler: renamed from age")]),
    "a table": (("table users", "table people"), [("users", "people", "-- reconciler: renamed from users")]),
    "a table that changes too": (
        ("table users (id int primary key,", "table people (id int primary key, more text,"),
        [("users", "people", "-- reconciler: renamed from users")],
    ),
    "a label": (("'sad'", "'blue'"), [("mood.sad", "mood.blue", "-- reconciler: renamed from 'sad'")]),
    "a column of another type": (("mail text", "email bytea"), []),
    "another table": (
        (
            "table users (id int primary key, mail text not null, age int, feels mood)",
            "table x (id int, v text, w text, z int)",
        ),
        [],
    ),
    "two columns for one": (("mail text not null", "first text, last text"), []),
}


@pytest.mark.parametrize("case", RENAMES)
def test_what_looks_like_a_rename_is_pointed_out(database: str, case: str) -> None:
    (old, new), expected = RENAMES[case]
    after = USERS.replace(old, new)
    assert after != USERS
    with Reconciler(database) as reconciler:
        reconciler.migrate(USERS)
        planned = reconciler.plan(after)
        found = [(".".join(each.old.name[1:]), ".".join(each.new.name[1:]), each.line) for each in planned.suggestions]
        assert found == expected
        if not expected:
            return
        assert f"write beside it: {expected[0][2]}" in text.plan_text(planned)
        # The line that may stand anywhere makes it a rename.
        said = reconciler.plan(f"{after}\n{planned.suggestions[0].line_anywhere}\n")
        assert [str(rename.old) for rename in said.plan.renames][:1] == [str(planned.suggestions[0].old)]
        assert not said.suggestions
        assert not said.refused


def test_a_refusal_says_what_to_write(database: str) -> None:
    after = USERS.replace("mail text", "email text")
    with Reconciler(database) as reconciler:
        reconciler.migrate(USERS)
        with pytest.raises(HazardError) as caught:
            reconciler.migrate(after)
    assert (
        "if column public.users.email was column public.users.mail, write beside it: -- reconciler: renamed from mail"
        in str(caught.value.hint)
    )
    assert [str(each.new) for each in caught.value.suggestions] == ["column public.users.email"]


def test_many_things_are_not_all_compared_with_each_other(database: str) -> None:
    with Reconciler(database) as reconciler:
        planned = reconciler.plan(USERS)
        assert not suggest(planned.live, planned.goal.snapshot)


@pytest.fixture
def reconcile(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command on the test's database, which has USERS with a row."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([*map(str, arguments), "--dsn", database])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    (tmp_path / "before.sql").write_text(USERS)
    (tmp_path / "after.sql").write_text(USERS.replace("mail text", "email text"))
    assert call("apply", tmp_path / "before.sql")[0] == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into users values (1, 'a@b', 7, 'ok')")
    return call


def _answers(monkeypatch: pytest.MonkeyPatch, *, yes: bool) -> list[str]:
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr(rename_prompts, "is_interactive", lambda: True)
    monkeypatch.setattr(rename_prompts.click, "confirm", confirm)
    return asked


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_on_a_terminal_it_is_asked_and_done(
    reconcile: Callable[..., tuple[int, str, str]],
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    asked = _answers(monkeypatch, yes=True)
    after = tmp_path / "after.sql"
    before = after.read_text()
    code, out, err = reconcile(command, "--details", after)
    assert code == (0 if command == "apply" else 2)
    assert len(asked) == 1
    assert 'RENAME COLUMN "mail" TO "email"' in out
    assert "-- reconciler: renamed from mail" in err, "it says what to write"
    assert after.read_text() == before
    with psycopg.connect(database, autocommit=True) as connection:
        column = "email" if command == "apply" else "mail"
        assert connection.execute(f"select {column} from users").fetchone() == ("a@b",)
    if command == "apply":
        assert reconcile("apply", after)[0] == 0
        assert reconcile("check", after)[0] == 0
        # The answer is recorded with the declaration, so that a rollback knows it.
        assert reconcile("rollback", "--steps", 1, "--yes")[0] == 0
        with psycopg.connect(database, autocommit=True) as connection:
            assert connection.execute("select mail from users").fetchone() == ("a@b",)


def test_who_says_no_is_refused_as_before(
    reconcile: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _answers(monkeypatch, yes=False)
    code, _, err = reconcile("apply", tmp_path / "after.sql")
    assert (code, len(asked)) == (3, 1)
    assert "--allow data-loss:column:public.users.mail" in err


# --- SQLAlchemy's info ------------------------------------------------------------------------------------------------


def _metadata(**said: dict[str, object]) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "People" if "table" in said else "users",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("e mail" if "column" in said else "mail", sa.Text, info=_info(said.get("column"))),
        sa.Column("age", sa.BigInteger if "typed" in said else sa.Text, info=_info(said.get("typed"))),
        sa.Column("born", sa.Date, nullable="filled" not in said, info=_info(said.get("filled"))),
        info=_info(said.get("table")),
    )
    return metadata


def _info(said: dict[str, object] | None) -> dict[str, object]:
    return {} if said is None else {"reconciler": said}


def test_hints_in_info_are_followed(database: str) -> None:
    after = _metadata(
        table={"renamed_from": "users"},
        column={"renamed_from": "mail"},
        typed={"using": "length(age)"},
        filled={"backfill": sa.cast(sa.literal("2020-01-01"), sa.Date)},
    )
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        reconciler.migrate(_metadata())
        connection.execute("insert into users values (1, 'a@b', 'four', null)")
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        row = connection.execute('select id, "e mail", age, born::text from "People"').fetchone()
        assert row == (1, "a@b", 4, "2020-01-01")


def test_keep_and_ignore_in_info_are_followed(database: str) -> None:
    kept = sa.MetaData()
    sa.Table("users", kept, sa.Column("id", sa.Integer, primary_key=True), info=_info({"keep": True, "ignore": False}))
    ignored = sa.MetaData()
    sa.Table("users", ignored, sa.Column("id", sa.Integer, primary_key=True), info=_info({"ignore": True}))
    with Reconciler(database, options=Options(allow=frozenset({HazardKind.DATA_LOSS}))) as reconciler:
        reconciler.migrate(_metadata())
        assert reconciler.plan(kept).plan.is_empty
        assert reconciler.plan(ignored).plan.is_empty


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"renamed": "mail"}, r"the info of column users\.e mail has no hint 'renamed'"),
        ({"keep": "yes"}, r"has keep = 'yes'"),
        ({"backfill": 3}, r"has backfill = 3"),
        ({"renamed_from": ""}, r"has renamed_from = ''"),
        ({"using": "1) + (1"}, r"not a single expression"),
    ],
)
def test_a_hint_in_info_that_is_none_names_the_column(said: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        source_from_object(_metadata(column=said))


def test_a_table_takes_no_hint_of_a_column() -> None:
    with pytest.raises(SourceError, match="the info of table People has no hint 'backfill'"):
        source_from_object(_metadata(table={"backfill": "1"}))
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer), info={"reconciler": "keep"})
    with pytest.raises(SourceError, match="the info of table t has 'keep' for reconciler"):
        source_from_object(metadata)
