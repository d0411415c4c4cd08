"""Rules of the configuration for what to leave alone, and the hints `keep` and `ignore`.

A part of the matrix in docs/borders.md.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import ConfigError, IgnoreRule, Options, Reconciler, State, WhenBehind
from reconciler.cli.commands import run

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = """
CREATE SCHEMA reporting;
CREATE TABLE reporting.sums (id int PRIMARY KEY);
CREATE TABLE reporting.events (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE reporting.events_default PARTITION OF reporting.events DEFAULT;
CREATE TABLE reporting.watched (id int, plain text) WITH (fillfactor = 70);
"""
# What a person, a job and a dashboard did, and nobody declared.
MADE = """
CREATE TABLE reporting.tmp_1 (id serial);
CREATE VIEW reporting.tmp_2 AS SELECT 1 AS one;
CREATE TABLE reporting.owned (id int);
ALTER TABLE reporting.owned OWNER TO pg_monitor;
CREATE INDEX adhoc ON reporting.sums (id);
ALTER TABLE reporting.watched SET (fillfactor = 50, autovacuum_enabled = off);
ALTER TABLE reporting.watched ENABLE ROW LEVEL SECURITY;
ALTER TABLE reporting.watched ALTER plain SET STORAGE external;
ALTER TABLE reporting.watched ADD COLUMN extra text;
ALTER TABLE reporting.sums REPLICA IDENTITY USING INDEX sums_pkey;
ALTER TABLE reporting.sums OWNER TO pg_monitor;
COMMENT ON TABLE reporting.sums IS 'by hand';
"""
RULES = """
partitions = "declared"

[[ignore]]
object = "*:reporting.tmp_*"
reason = "made by the analysts"

[[ignore]]
owner = "pg_mon*"
kind = "table"
name = "owned"
reason = "the monitor's"

[[ignore]]
object = "index:reporting.sums.adhoc"
reason = "tried out"

[[ignore]]
children-of = "reporting.events"
reason = "pg_partman makes them"

[[ignore]]
attribute = "table:*:reloptions"
reason = "tuned by hand"

[[ignore]]
attribute = "table:reporting.watched:row_security"
reason = "switched on in the dashboard"

[[ignore]]
attribute = "column:*:storage"
reason = "tuned, too"

[[ignore]]
object = "column:reporting.watched.extra"
reason = "the dashboard's"

[[ignore]]
attribute = "table:reporting.sums:relreplident"
reason = "replicated by others"

[[ignore]]
attribute = "table:reporting.sums:owner"
reason = "given away"

[[ignore]]
attribute = "table:reporting.*:comment"
reason = "notes"
until = 2999-12-31
"""


@pytest.mark.one_server
def test_rules_of_the_configuration_leave_alone_what_they_fit(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.sql").write_text(DECLARED)
    command = ["app.sql", "--plugin", "reporting", "--dsn", database]
    assert run(["apply", *command]) == 0
    with psycopg.connect(database, autocommit=True) as somebody:
        somebody.execute(MADE)
        somebody.execute("CREATE TABLE reporting.e_2026 PARTITION OF reporting.events FOR VALUES FROM ('2026-01-01') TO"
                         " ('2027-01-01')")  # fmt: skip
    # Without rules this is drift, and would be dropped.
    assert run(["check", *command]) == 4
    capsys.readouterr()

    (tmp_path / "reconciler.toml").write_text(RULES)
    assert run(["check", *command, "--show-ignored"]) == 0
    told = capsys.readouterr().err
    assert "ignored by reconciler.toml" in told
    for line in ("table reporting.tmp_1: made by the analysts", "view reporting.tmp_2", "table reporting.owned: the m",
                 "index reporting.sums.adhoc: tried out", "table reporting.e_2026: pg_partman makes them",
                 "options of table reporting.watched: tuned by hand", "replica_identity of constraint reporting.sums.sums_pkey: repl",
                 "storage of column reporting.watched.plain: tuned, too", "column reporting.watched.extra", "comment on table reporting.sums: notes"):  # fmt: skip
        assert line in told
    assert "warning" not in told
    assert "storage_usual" not in told
    for name in ("check", "plan", "apply"):
        assert run([name, *command, "--format", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert any("view reporting.tmp_2" in each for each in document["ignored"]), name
        assert document["warnings"] == []
    # So it is at every command, also when something else changes.
    assert run(["plan", *command]) == 0
    capsys.readouterr()
    assert run(["check", "--plugin", "reporting", "--dsn", database]) == 0
    assert "unmanaged" not in capsys.readouterr().out
    (tmp_path / "app.sql").write_text(DECLARED.replace("plain text", "plain varchar(9)"))
    assert run(["apply", *command]) == 0
    assert "ignored by reconciler.toml (--show-ignored)" in capsys.readouterr().err
    assert run(["apply", *command]) == 0
    assert run(["check", *command]) == 0
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT reloptions, relrowsecurity, to_regclass('reporting.adhoc') IS NOT NULL FROM pg_class"
            " WHERE relname = 'watched'"
        ).fetchone()
        assert row == (["fillfactor=50", "autovacuum_enabled=off"], True, True)


@pytest.mark.one_server
def test_a_rule_that_fits_nothing_or_has_ended_is_a_warning_with_its_place(database: str) -> None:
    rules = (
        IgnoreRule(object="table:nothing", reason="gone", where="reconciler.toml: ignore[1]"),
        IgnoreRule(attribute="table:*:relopts", reason="misspelt", where="reconciler.toml: ignore[3]"),
        IgnoreRule(object="table:public.extra", reason="for a while", until=date(2026, 1, 31), where="ignore[2]"),
    )
    with psycopg.connect(database, autocommit=True) as somebody:
        somebody.execute("CREATE SCHEMA app; CREATE TABLE app.extra (id int)")
    for day, warned in ((31, False), (32, True)):
        now = datetime(2026, 1 + day // 32, day % 31 or 31, tzinfo=UTC)
        with Reconciler(database, options=Options(ignore=rules), clock=lambda: now) as reconciler:  # noqa: B023
            found = reconciler.plan("CREATE TABLE t (id int)", plugin="app")
            assert any(
                "reconciler.toml: ignore[1] fits nothing: object = table:nothing" in each for each in found.warnings
            )
            assert any("ignore[3] fits nothing: attribute = table:*:relopts" in each for each in found.warnings)
            assert any("ignore[2] has ended on 2026-01-31" in each for each in found.warnings) is warned


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('object = "table:a"', "a reason is missing"),
        ('reason = "r"', "nothing says what is ignored"),
        ('reason = "r"\nobjects = "a"', "unknown key objects"),
        ('reason = "r"\nobject = "a"\nuntil = "soon"', "until must be a day"),
        ('reason = "r"\nattribute = "fillfactor"', "does not name one"),
    ],
)
def test_a_rule_that_makes_no_sense_is_an_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rule: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reconciler.toml").write_text(f"[[ignore]]\n{rule}\n")
    assert run(["check", "--dsn", "postgresql://nowhere"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "reconciler.toml: ignore[1]" in error


def test_keep_and_ignore_work_on_what_is_not_there_yet_and_on_what_is_within(database: str) -> None:
    source = """
    CREATE TABLE here (id int PRIMARY KEY);
    -- reconciler: ignore
    CREATE TABLE later (id serial PRIMARY KEY, here_id int REFERENCES here);
    CREATE INDEX ON later (here_id);
    CREATE TABLE refers (id int, later_id int REFERENCES later);
    CREATE VIEW reads AS SELECT id FROM later;
    -- reconciler: keep
    CREATE TABLE kept (id serial, plain text);
    """
    options = Options(allow=frozenset({"all"}), when_behind=WhenBehind.APPLY)
    with Reconciler(database, options=options) as reconciler:
        reconciler.migrate(source)
        assert reconciler.plan(source).plan.is_empty
        with psycopg.connect(database, autocommit=True) as somebody:
            row = somebody.execute("SELECT to_regclass('later'), to_regclass('later_id_seq'), to_regclass('reads')")
            assert row.fetchone() == (None, None, None)
            somebody.execute("""
                ALTER TABLE kept ENABLE ROW LEVEL SECURITY;
                ALTER TABLE kept ADD COLUMN more serial;
                CREATE POLICY theirs ON kept USING (true);
                CREATE TABLE child () INHERITS (kept);
                CREATE TABLE later (id int PRIMARY KEY, other text);
            """)
        assert {fact.key for statement in reconciler.plan(source).plan.statements for fact in statement.creates} == {
            "constraint:public.refers.refers_later_id_fkey", "view:public.reads", "column:public.reads.id",
        }  # fmt: skip
        reconciler.migrate(source)
        changed = source.replace("plain text", "plain varchar(3)")
        reconciler.migrate(changed)
        assert reconciler.plan(changed).plan.is_empty
        assert not reconciler.check(changed).of(State.PENDING, State.CONFLICT)
        with psycopg.connect(database) as connection:
            row = connection.execute(
                "SELECT relrowsecurity, (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_attribute"
                " WHERE attrelid = 'child'::regclass AND attname = 'more') FROM pg_class WHERE relname = 'kept'"
            ).fetchone()
            assert row == (True, 1, 1)


def test_a_rule_needs_a_reason() -> None:
    with pytest.raises(ConfigError, match="a reason is missing"):
        IgnoreRule(object="table:a", reason=" ")
