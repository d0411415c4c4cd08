"""What a new version no longer declares is left in place until the next migration, or until somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler import Options, Reconciler, reconcile_on_startup
from reconciler.cli.commands import run

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler import MigrateResult

pytestmark = pytest.mark.one_server

V1 = """
create type mood as enum ('sad', 'glad');
create table users (
    id bigint primary key, mail text not null unique, feels mood not null default 'sad', old int check (old > 0), name text
);
create index users_name on users (name);
create table visits (id bigserial primary key, "user" bigint not null references users, at timestamptz not null);
create view glad as select id, mail from users where feels = 'glad';
create function visited(bigint) returns bigint language sql as 'select count(*) from visits where "user" = $1';
create function noted() returns trigger language plpgsql as 'begin return new; end';
create trigger noted before insert on users for each row execute function noted();
create function twice(int) returns int language sql as 'select 2 * $1';
"""
V2 = """
create table users (id bigint primary key, name text);
create function twice(bigint) returns bigint language sql as 'select 2 * $1';
"""
V3 = V2 + "create table posts (id int primary key);"
OLD_CLIENT = """
insert into users (id, mail, feels, old, name) values (%(id)s, %(id)s::text, 'glad', 1, 'a');
insert into visits ("user", at) values (%(id)s, now());
select mail, visited(id), twice(1) from glad where id = %(id)s;
"""
NEW_CLIENT = "insert into users (id, name) values (%(id)s, 'b'); select twice(1), twice(1::bigint)"


def start(database: str, source: str, *, loses: bool = False) -> MigrateResult:
    return reconcile_on_startup(database, {"default": source}, drops="later", allow_data_loss=loses)["default"]


def work(database: str, statements: str, number: int) -> None:
    with psycopg.connect(database) as connection, psycopg.ClientCursor(connection) as rows:
        rows.execute(statements.encode(), {"id": number})


def objects(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace"
            " union select proname::text from pg_proc where pronamespace = 'public'::regnamespace"
            " union select attname::text from pg_attribute where attrelid = 'users'::regclass and attnum > 0"
            " and not attisdropped"
        )
        return {row[0] for row in rows}


@pytest.mark.smoke
def test_both_versions_work_until_the_next_migration_drops_what_is_left(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    start(database, V1)
    work(database, OLD_CLIENT, 1)
    before = objects(database)
    done = start(database, V2)
    assert {fact.key for fact in done.later} == {
        "column:public.users.feels",
        "column:public.users.mail",
        "column:public.users.old",
        "enum:public.mood",
        "function:public.noted()",
        "function:public.visited(bigint)",
        "index:public.users.users_name",
        "sequence:public.visits_id_seq",
        "table:public.visits",
        "trigger:public.users.noted",
        "view:public.glad",
    }
    assert "no longer declared, dropped by the next migration" in caplog.messages[-1]
    assert "table public.visits" in caplog.messages[-1]
    assert before - objects(database) == {"users_mail_key"}
    work(database, OLD_CLIENT, 2)
    work(database, NEW_CLIENT, 3)
    work(database, NEW_CLIENT, 4)
    assert start(database, V2).skipped
    assert start(database, V1).behind is not None
    with psycopg.connect(database) as connection:
        connection.execute("comment on table users is 'by hand'")
    assert start(database, V2).later == done.later, "what is left in place is no drift"
    with Reconciler(database) as reconciler:
        assert reconciler.status().later == done.later
        assert not reconciler.check().has_drift

    kept = start(database, V3)
    assert kept.idx == 3, "what may not be lost waits on, and does not keep the start from its work"
    assert kept.later == done.later
    done = start(database, V3 + "create table more (id int);", loses=True)
    assert done.later == ()
    assert objects(database) == {"id", "more", "name", "posts", "posts_pkey", "twice", "users", "users_pkey"}


def test_what_the_next_version_leaves_out_waits_for_the_one_after(database: str) -> None:
    start(database, "create table a (id int); create table b (id int); create table c (id int);")
    assert [fact.name[-1] for fact in start(database, "create table b (id int); create table c (id int);").later] == [
        "a"
    ]
    done = start(database, "create table c (id int);", loses=True)
    assert [fact.name[-1] for fact in done.later] == ["b"]
    with psycopg.connect(database) as connection:
        rows = connection.execute("select tablename::text from pg_tables where schemaname = 'public' order by 1")
        assert [row[0] for row in rows] == ["b", "c"]


def test_a_name_that_is_declared_otherwise_is_free_at_once(database: str) -> None:
    start(database, "create table a (id int); create view v as select 1 as x; create table kept (id int primary key);")
    done = start(database, "create view a as select 1 as id; create table v (x int);", loses=True)
    assert [fact.key for fact in done.later] == ["table:public.kept"]


@pytest.mark.parametrize(
    ("before", "after", "both", "later"),
    [
        (
            "create table t (a int, b int, primary key (a, b));",
            "create table t (a int primary key);",
            "insert into t (a) values (1)",
            ["column:public.t.b"],
        ),
        (
            """create table p (k int, v int not null) partition by list (k); create index pv on p (v);
            create table p1 partition of p for values in (1); create table p2 partition of p for values in (2);""",
            "create table p (k int) partition by list (k); create table p1 partition of p for values in (1);",
            "insert into p (k) values (1), (2); insert into p values (1, 1), (2, 2)",
            [
                "column:public.p.v",
                "column:public.p1.v",
                "index:public.p.pv",
                "index:public.p1.p1_v_idx",
                "table:public.p2",
            ],
        ),
        (
            "create table a (x int, y int not null); create table b (z int) inherits (a);",
            "create table a (x int); create table b (z int) inherits (a);",
            "insert into b (x, z) values (1, 2); insert into a values (1, 2)",
            ["column:public.a.y", "column:public.b.y"],
        ),
        (
            "create table t (a int, b text); create view v as select a, b from t; create view w as select b from t;",
            "create table t (a bigint, b text);",
            "insert into t values (1, 'x'); select b from w",
            ["view:public.w"],
        ),
        (
            "create type c as (x int, y int); create table t (a c, b int);",
            "create type c as (x int); create table t (b int);",
            "insert into t (b) values (1); insert into t values (row(1), 2)",
            ["column:public.t.a"],
        ),
        (
            "create table t (a int); create policy p on t using (true); create rule r as on delete to t do instead nothing;",
            "create table t (a int);",
            "delete from t",
            [],
        ),
    ],
    ids=["of a key", "of partitions", "inherited", "under views", "of a type", "rules and policies"],
)
def test_what_stays_serves_both(database: str, before: str, after: str, both: str, later: list[str]) -> None:
    start(database, before)
    assert [fact.key for fact in start(database, after, loses=True).later] == later
    work(database, both, 0)
    assert start(database, after).skipped
    with Reconciler(database, options=Options(allow=frozenset({"data_loss"}))) as reconciler:
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
        assert reconciler.status().later == ()


def test_the_command_line_drops_now_or_later(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v1.sql").write_text("create table a (id int, x int not null); create table b (id int);")
    (tmp_path / "v2.sql").write_text("create table a (id int);")
    (tmp_path / "reconciler.toml").write_text('drops = "later"\n')

    def call(*arguments: str) -> int:
        capfd.readouterr()
        return run([*arguments, "--dsn", database])

    assert call("apply", "v1.sql") == 0
    assert call("plan", "v2.sql", "--details") == 2
    said = capfd.readouterr()
    assert 'ALTER COLUMN "x" DROP NOT NULL' in said.out
    assert "DROP TABLE" not in said.out
    assert "apply --drops now`: column public.a.x, table public.b" in said.err
    assert call("apply", "v2.sql") == 0
    assert call("check", "v2.sql") == 0
    assert call("status") == 0
    assert "dropped later   table public.b" in capfd.readouterr().out
    assert call("apply", "v2.sql") == 0
    assert call("check", "v2.sql", "--drops", "now") == 2
    assert call("apply", "v2.sql", "--drops", "now") == 3
    assert call("apply", "v2.sql", "--drops", "now", "--allow", "data-loss") == 0
    with Reconciler(database, options=Options()) as reconciler:
        assert reconciler.check((tmp_path / "v2.sql").read_text()).of() == ()
        assert reconciler.status().later == ()
        assert reconciler.migrate(tmp_path / "v2.sql").skipped
    (tmp_path / "reconciler.toml").write_text('drops = "never"\n')
    assert call("apply", "v2.sql") == 1
    assert "drops never does not exist" in capfd.readouterr().err
