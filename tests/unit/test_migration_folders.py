"""Folders of migration files are read in their tool's order, without what undoes them, or refused."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest

from reconciler.errors import SourceError
from reconciler.source.migration_folders import SourceFormat
from reconciler.source.reading import parse_source
from reconciler.source.source import Source

if TYPE_CHECKING:
    from pathlib import Path

UP = "create table t{0} ();"
GOOSE = "-- +goose Up\n-- +goose StatementBegin\ncreate table t{0} ();\n-- +goose StatementEnd\n\n-- +goose Down\ndrop table t{0};\n"
DBMATE = "-- migrate:up transaction:false\ncreate table t{0} ();\n\n-- migrate:down\ndrop table t{0};\n"
JOURNAL = '{"entries": [{"idx": 1, "tag": "0001_a"}, {"idx": 0, "tag": "0000_z"}, {"idx": 2, "tag": "0002_b"}]}'
# The files of a folder, and the tables in the order in which they are made.
FOLDERS: dict[str, tuple[dict[str, str], list[int]]] = {
    "flyway": (
        {
            "V1__a.sql": UP.format(1),
            "V10__b.sql": UP.format(10),
            "V2__c.sql": UP.format(2),
            "V2_1__d.sql": UP.format(21),
            "V2.0.9__e.sql": UP.format(209),
            "U2__undo.sql": "drop table t2;",
            "R__views.sql": UP.format(99),
            "sub/V3__f.sql": UP.format(3),
            "afterMigrate.sql": "select 1;",
        },
        [1, 2, 209, 21, 3, 10, 99],
    ),
    "flyway baseline": (
        {"V1__a.sql": UP.format(1), "B5__base.sql": UP.format(5), "V4__b.sql": UP.format(4), "V6__c.sql": UP.format(6)},
        [5, 6],
    ),
    "goose": ({f"{n:05}_x.sql" if n < 3 else f"{n}_x.sql": GOOSE.format(n) for n in (1, 2, 100000)}, [1, 2, 100000]),
    "dbmate": ({f"{n}_x.sql": DBMATE.format(n) for n in (20240101, 20230101)}, [20230101, 20240101]),
    "golang-migrate": (
        {
            f"{n}_x.{way}.sql": UP.format(n) if way == "up" else f"drop table t{n};"
            for n in (1, 2, 10)
            for way in ("up", "down")
        },
        [1, 2, 10],
    ),
    "prisma": (
        {
            "migration_lock.toml": "provider = 1",
            "20240102_b/migration.sql": UP.format(2),
            "20240101_a/migration.sql": UP.format(1),
            "20240102_b/down.sql": "drop table t2;",
        },
        [1, 2],
    ),
    "drizzle": (
        {
            "meta/_journal.json": JOURNAL,
            "0000_z.sql": UP.format(0) + "--> statement-breakpoint\n",
            "0001_a.sql": UP.format(1),
            "0002_b.sql": UP.format(2),
        },
        [0, 1, 2],
    ),
    "plain": (
        {"a.sql": UP.format(1), "V2.sql": UP.format(2), "b/10.sql": UP.format(3), "b/9.sql": UP.format(4)},
        [2, 1, 3, 4],
    ),
}


def read(folder: Path, files: dict[str, str], **options: SourceFormat) -> Source:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = parse_source([folder.name], cwd=folder.parent, **options)
    assert isinstance(found, Source)
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_read_as_its_tool_would_run_it(name: str, tmp_path: Path) -> None:
    files, tables = FOLDERS[name]
    found = read(tmp_path, files)
    assert [each.sql for each in found.statements] == [f"create table t{table} ()" for table in tables]
    assert "drop table" not in found.text
    said = [each for each in found.warnings if "read as migrations of" in each]
    assert len(said) == (name != "plain")
    assert all(f"of {name.split(maxsplit=1)[0]}," in each for each in said)


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = "-- migrate:down\ndrop table t;\n-- migrate:up\ncreate table t ();\n"
    (statement,) = read(tmp_path, {"1_x.sql": text}).statements
    assert statement.where == f"{tmp_path.name}/1_x.sql:4"


@pytest.mark.parametrize(
    ("files", "stranger"),
    [
        ({"V1__a.sql": "", "notes.sql": "drop table x;"}, "notes.sql"),
        ({"V1__a.sql": "", "V__b.sql": ""}, "V__b.sql"),
        ({"1_a.up.sql": "", "1_a.down.sql": "", "fix.sql": ""}, "fix.sql"),
        ({"1_a.sql": GOOSE.format(1), "2_b.sql": "drop table x;"}, "2_b.sql"),
        ({"1_a.sql": DBMATE.format(1), "seed.sql": ""}, "seed.sql"),
        ({"init.sql": GOOSE.format(1)}, "init.sql"),
        ({"meta/_journal.json": JOURNAL, "0000_z.sql": "", "0001_a.sql": "", "0002_b.sql": "", "x.sql": ""}, "x.sql"),
    ],
)
def test_a_file_that_is_none_of_the_tool_s_is_named_with_the_option_that_reads_it(
    tmp_path: Path, files: dict[str, str], stranger: str
) -> None:
    with pytest.raises(SourceError, match=f"but {stranger} is none") as caught:
        read(tmp_path, files)
    assert "--source-format plain" in (caught.value.hint or "")
    assert parse_source([tmp_path.name], cwd=tmp_path.parent, source_format=SourceFormat.PLAIN, allow_empty=True)


def test_a_journal_that_is_damaged_or_names_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    for journal in ("{", "[]", '{"entries": [{"idx": 0}]}', '{"entries": [{"idx": 0, "tag": "gone"}]}'):
        with pytest.raises(SourceError, match=r"_journal\.json"):
            read(tmp_path, {"meta/_journal.json": journal, "0000_z.sql": UP.format(0)})


ALEMBIC = """BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 1a

CREATE TABLE t (id INTEGER);

INSERT INTO alembic_version (version_num) VALUES ('1a') RETURNING alembic_version.version_num;

-- Running upgrade 1a -> 2b

ALTER TABLE t ADD COLUMN note TEXT;

UPDATE alembic_version SET version_num='2b' WHERE alembic_version.version_num = '1a';

COMMIT;
"""


def test_what_alembic_prints_declares_all_but_its_own_table(tmp_path: Path) -> None:
    (tmp_path / "up.sql").write_text(ALEMBIC)
    for spec in ("up.sql", "cmd:cat up.sql"):
        found = parse_source([spec], cwd=tmp_path)
        assert isinstance(found, Source)
        assert [each.sql.split("(")[0].strip() for each in found.statements] == [
            "CREATE TABLE t",
            "ALTER TABLE t ADD COLUMN note TEXT",
        ]
        assert found.statements[0].line == 10
        assert found.warnings == ()
    (tmp_path / "down.sql").write_text("BEGIN;\n-- Running downgrade 2b -> 1a\nDROP TABLE t;\nCOMMIT;\n")
    with pytest.raises(SourceError, match=r"down\.sql is a downgrade of Alembic"):
        parse_source(["down.sql"], cwd=tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {"2024_a/up.sql": UP, "2024_a/down.sql": "drop table t;"},
        {"sqls/1-a-up.sql": UP, "sqls/1-a-down.sql": "drop table t;"},
        {"1.do.sql": UP, "1.undo.sql": "drop table t;"},
        {"deploy/a.sql": UP, "revert/a.sql": "drop table t;", "verify/a.sql": "select 1;"},
        {"1_a.sql": f"-- +migrate Up\n{UP}\n-- +migrate Down\ndrop table t;"},
        {"1_a.sql": f"-- Up Migration\n{UP}\n-- Down Migration\ndrop table t;"},
        {"1_a.sql": f"-- // a\n{UP}\n-- //@UNDO\ndrop table t;"},
        {"1.sql": f"# --- !Ups\n{UP}\n# --- !Downs\ndrop table t;"},
    ],
)
def test_files_that_undo_others_in_the_way_of_an_unknown_tool_are_refused(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(SourceError, match="a tool that is not read here") as caught:
        read(tmp_path, files)
    assert "--source-format plain" in (caught.value.hint or "")


def test_a_name_alone_does_not_make_a_file_one_that_undoes(tmp_path: Path) -> None:
    found = read(tmp_path, {"rollback.sql": UP.format(1), "jobs/down.sql": UP.format(2), "up.sql": UP.format(3)})
    assert len(found.statements) == 3


@pytest.mark.parametrize(
    "names", [("V1__a.sql", "V1__b.sql"), ("V1__a.sql", "V1.0__b.sql"), ("1_a.up.sql", "001_b.up.sql")]
)
def test_two_files_of_one_version_are_an_error_that_names_both(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(SourceError, match="have the same version") as caught:
        read(tmp_path, dict.fromkeys(names, "select 1;"))
    assert all(name in caught.value.message for name in names)


def test_a_single_file_is_read_without_what_undoes_it(tmp_path: Path) -> None:
    for text, tool in ((GOOSE.format(1), "goose"), (DBMATE.format(1), "dbmate")):
        (tmp_path / "1_x.sql").write_text(text)
        for spec, stdin in (("1_x.sql", None), ("-", StringIO(text))):
            found = parse_source([spec], cwd=tmp_path, stdin=stdin)
            assert isinstance(found, Source)
            assert [each.sql for each in found.statements] == ["create table t1 ()"]
            assert found.warnings[0].endswith(f"is read as a migration of {tool}")
        plain = parse_source(["1_x.sql"], cwd=tmp_path, source_format=SourceFormat.PLAIN)
        assert isinstance(plain, Source)
        assert len(plain.statements) == 2
