"""`repair` on a terminal asks about each object, shows all of it before it runs, and prints the commands that do it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from click.testing import CliRunner

from reconciler import Reconciler
from reconciler.catalog.snapshot_reader import read_snapshot
from reconciler.cli.commands import cli, run
from reconciler.ledger.migrations import load_recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.one_server

FILES = {
    "a.sql": "CREATE TABLE a (id int PRIMARY KEY, name text); -- the first\nCREATE INDEX a_name ON a (name);\n",
    "b.sql": "CREATE TABLE b (id int);\nCOMMENT ON TABLE b IS 'second';\nCREATE TABLE c (id int);\n",
    "code.sql": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCREATE VIEW v AS SELECT 1 AS n;\n"
    "CREATE SEQUENCE s;\nCREATE TYPE mood AS ENUM ('sad');\nCREATE DOMAIN d AS int CHECK (VALUE > 0);\n",
}
DRIFT = """
    ALTER TABLE a ADD COLUMN extra int; INSERT INTO a VALUES (1, 'x', 2);
    COMMENT ON TABLE b IS 'other';
    ALTER TABLE c ADD COLUMN more text;
    CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2';
    CREATE OR REPLACE VIEW v AS SELECT 2 AS n;
    ALTER SEQUENCE s INCREMENT 3;
    ALTER TYPE mood ADD VALUE 'calm';
    ALTER DOMAIN d DROP CONSTRAINT d_check;
"""
# In the order of their kinds and names, in which they are asked about.
ANSWERS = {
    "domain:public.d": "r",
    "enum:public.mood": "w",
    "function:public.f()": "a",
    "sequence:public.s": "r",
    "table:public.a": "d\nr",
    "table:public.b": "s",
    "table:public.c": "w",
    "view:public.v": "i\nmade by hand\n2030-12-31",
}


@pytest.fixture
def drifted(make_database: Callable[[], str], tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    def make(name: str) -> tuple[str, Path]:
        url, folder = make_database(), tmp_path / name
        (folder / "schema").mkdir(parents=True)
        for file, text in FILES.items():
            (folder / "schema" / file).write_text(text)
        with Reconciler(url) as reconciler:
            reconciler.migrate(folder / "schema")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(DRIFT.encode())
        return url, folder

    return make


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path, str], Result]:
    """Answers the questions of `repair schema`, in the folder."""
    for module in ("console", "repair", "pull"):
        monkeypatch.setattr(f"reconciler.cli.{module}.is_interactive", lambda: True)

    def call(url: str, folder: Path, answers: str) -> Result:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DATABASE_URL", url)
        return CliRunner().invoke(cli, ["repair", "schema"], input=answers, standalone_mode=False)

    return call


def state_of(url: str, folder: Path) -> tuple[object, ...]:
    """What live has, what is recorded, and the files."""
    with psycopg.connect(url) as connection:
        live = read_snapshot(connection, ("public",)).facts
        recorded = load_recorded(connection, "default")
    assert recorded is not None
    files = {path.name: path.read_text() for path in (folder / "schema").iterdir()}
    return dict(live), dict(recorded.snapshot.facts), files


def test_the_printed_commands_do_the_same_as_the_walk(
    drifted: Callable[[str], tuple[str, Path]],
    walk: Callable[[str, Path, str], Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (url, folder), (other_url, other_folder) = drifted("walked"), drifted("commanded")
    found = walk(url, folder, "\n".join([*ANSWERS.values(), "y", "y", ""]))
    assert found.exception is None, found.output
    asked = re.findall(r"^\w+: (\w+) public\.(\S+) \(\d of 8\)$", found.output, re.MULTILINE)
    assert [f"{kind}:public.{name}" for kind, name in asked] == list(ANSWERS)
    for shown in (
        "    recorded  -\n    live      integer\n    declared  -\n",  # a.extra
        'ALTER TABLE "public"."a" DROP COLUMN "extra"',  # its diff
        "data-loss:column:public.a.extra",
        "rehearsed: schema",
        "records as live has it: function:public.f()",
        '[[ignore]]\nobject = "view:public.v"\nreason = "made by hand"\nuntil = 2030-12-31\n',
    ):
        assert shown in found.output
    files = {path.name: path.read_text() for path in (folder / "schema").iterdir()}
    assert files["a.sql"] == FILES["a.sql"]
    assert "CREATE TABLE c (id int, more text);" in files["b.sql"]
    assert "ENUM ('sad', 'calm')" in files["code.sql"]

    commands = [shlex.split(line)[1:] for line in found.output.splitlines() if line.startswith("  reconciler repair ")]
    assert [{"--revert", "--accept", "--pull"} & set(command) for command in commands] == [
        {"--revert"},
        {"--accept"},
        {"--accept", "--pull"},
    ]
    monkeypatch.chdir(other_folder)
    monkeypatch.setenv("DATABASE_URL", other_url)
    assert [run(command) for command in commands] == [0, 0, 0]
    assert state_of(other_url, other_folder) == state_of(url, folder)


@pytest.mark.parametrize(
    "answers",
    [
        "q\n",
        "r\nr\nq\n",
        "s\n" * 8,
        "r\nr\nr\nr\nr\nr\nr\nr\nn\n",  # the hazards are not allowed
        "s\ns\na\ns\ns\ns\ns\ns\nn\n",  # it is not to be run
        "r\nr\nr\n",  # the terminal goes away
    ],
)
def test_nothing_is_done_before_it_is_confirmed(
    answers: str, drifted: Callable[[str], tuple[str, Path]], walk: Callable[[str, Path, str], Result]
) -> None:
    url, folder = drifted("left")
    before = state_of(url, folder)
    found = walk(url, folder, answers)
    assert found.exception is None or isinstance(found.exception, click.Abort)
    assert state_of(url, folder) == before
