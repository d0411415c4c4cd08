"""A column that is exchanged for one of another type, and what hangs on it: kept, changed, dropped, renamed, added."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest
from each_statement import before_each
from psycopg import sql

from reconciler.client import Reconciler
from reconciler.options import Options

if TYPE_CHECKING:
    from psycopg import Connection

    from reconciler.model.plan import Statement

ONLINE = Options(online=True)


class Thing(NamedTuple):
    """What hangs on column v of table {t}: its DDL, another definition, and its DDL with the hint of a rename.

    `inline` are words beside the column's type instead of statements.
    """

    plain: str
    changed: str
    renamed: str = ""
    inline: bool = False


THINGS = {
    "index": Thing(
        "create index {t}_i on {t} (v);",
        "create index {t}_i on {t} (v, w);",
        "create index {t}_j on {t} (v); -- reconciler: renamed from {t}_i\n",
    ),
    "index on another column": Thing(
        "create index {t}_i on {t} (v);", "create index {t}_i on {t} (w);", "create index {t}_j on {t} (w, v);"
    ),
    "expression": Thing(
        "create index {t}_i on {t} ((v::text), lower(label), v) include (v) where v > 0;",
        "create index {t}_i on {t} ((v + 1), v text_ops_ignored);".replace(" text_ops_ignored", ""),
    ),
    "unique": Thing(
        "alter table {t} add constraint {t}_u unique (v);",
        "alter table {t} add constraint {t}_u unique (v, w);",
        "alter table {t} add constraint {t}_x unique (v); -- reconciler: renamed from {t}_u\n",
    ),
    "primary key": Thing(
        "alter table {t} add primary key (v);",
        "alter table {t} add primary key (v, id);",
        "alter table {t} add constraint {t}_key primary key (v); -- reconciler: renamed from {t}_pkey\n",
    ),
    "foreign key": Thing(
        "alter table {t} add constraint {t}_f foreign key (v) references parent;",
        "alter table {t} add constraint {t}_f foreign key (v) references parent on delete cascade;",
        "alter table {t} add constraint {t}_g foreign key (v) references parent; -- reconciler: renamed from {t}_f\n",
    ),
    "referenced": Thing(
        "alter table {t} add unique (v); create table {t}_child (v int references {t} (v));",
        "alter table {t} add unique (v); create table {t}_child (v int references {t} (v) on delete cascade);",
    ),
    "check": Thing(
        "alter table {t} add constraint {t}_c check (v > 0);",
        "alter table {t} add constraint {t}_c check (v > -1);",
        "alter table {t} add constraint {t}_d check (v > 0); -- reconciler: renamed from {t}_c\n",
    ),
    "statistics": Thing(
        "create statistics {t}_s on v, w from {t};",
        "create statistics {t}_s (mcv) on v, w from {t};",
        "create statistics {t}_r on v, w from {t}; -- reconciler: renamed from {t}_s\n",
    ),
    "default": Thing("default 7", "default 8", inline=True),
    "not null": Thing("not null", "not null default 9", inline=True),
    "identity": Thing("generated always as identity", "generated always as identity primary key", inline=True),
    "comment": Thing("comment on column {t}.v is 'one';", "comment on column {t}.v is 'two';"),
    "privilege": Thing("grant select (v) on {t} to public;", "grant select (v), update (v) on {t} to public;"),
    "view": Thing(
        "create view {t}_v as select v, w from {t};",
        "create view {t}_v as select v + 1 as v, w from {t};",
        "-- reconciler: renamed from {t}_v\ncreate view {t}_z as select v, w from {t};",
    ),
    "policy": Thing(
        "create policy p on {t} using (v > 0);",
        "create policy p on {t} using (v > 1);",
        "create policy q on {t} using (v > 0); -- reconciler: renamed from p\n",
    ),
    "rule": Thing(
        "create rule r as on delete to {t} where old.v < 0 do instead nothing;",
        "create rule r as on delete to {t} where old.v < -1 do instead nothing;",
    ),
    "trigger": Thing(
        "create trigger g before update of v on {t} for each row execute function suppress_redundant_updates_trigger();",
        "create trigger g before update of v, w on {t} for each row"
        " execute function suppress_redundant_updates_trigger();",
    ),
    "owned sequence": Thing(
        "create sequence {t}_q owned by {t}.v;", "create sequence {t}_q increment 2 owned by {t}.v;"
    ),
}
ACTIONS = {
    "kept": ("plain", "plain"),
    "changed": ("plain", "changed"),
    "dropped": ("plain", None),
    "added": (None, "plain"),
    "renamed": ("plain", "renamed"),
}


def _text(kind: str, version: str | None, type_: str) -> str:
    thing = THINGS[kind]
    table = f"t_{kind.replace(' ', '_')}"
    more = getattr(thing, version) if version is not None else ""
    inline = more if thing.inline else ""
    text = f"create table {table} (id int, v {type_} {inline}, w int, label text);"
    if not thing.inline:
        text += more.replace("{t}", table)
        if type_ == "bigint":
            text = text.replace("(v int references", "(v bigint references")
    return text


def _schema(kinds: list[str], version: str | None, type_: str) -> str:
    parent = f"create table parent (id {type_} primary key);"
    return parent + "\n".join(_text(kind, version, type_) for kind in kinds)


def _everywhere(connection: Connection, word: str) -> list[tuple[str, str]]:
    """Each column of the catalogs that can be read as text and holds the word: (catalog.column, text)."""
    columns = connection.execute(
        "select c.relname, a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped"
        " and a.atttypid <> 'pg_catalog.anyarray'::regtype and c.relname <> 'pg_statistic'"
    ).fetchall()
    found: list[tuple[str, str]] = []
    for catalog, column in columns:
        query = sql.SQL("select {}::text from pg_catalog.{} where position({} in {}::text) > 0")
        parts = (sql.Identifier(column), sql.Identifier(catalog), sql.Literal(word), sql.Identifier(column))
        rows = connection.execute(query.format(*parts)).fetchall()
        found += [(f"{catalog}.{column}", str(row[0])[:200]) for row in rows]
    return found


@pytest.mark.parametrize("action", ACTIONS)
def test_what_hangs_on_an_exchanged_column_ends_as_it_is_declared(database: str, action: str) -> None:
    before, after = ACTIONS[action]
    kinds = [kind for kind, thing in THINGS.items() if action != "renamed" or thing.renamed]
    old, new = _schema(kinds, before, "int"), _schema(kinds, after, "bigint")
    with Reconciler(database) as reconciler, psycopg.connect(database, autocommit=True) as connection:
        reconciler.migrate(old)
        connection.execute("insert into public.parent select generate_series(1, 20)")
        for kind in kinds:
            table = sql.Identifier("public", f"t_{kind.replace(' ', '_')}")
            over = sql.SQL("overriding system value" if "identity" in kind and before else "")
            connection.execute(
                sql.SQL("insert into {} (id, v, w) {} select n, n, n from generate_series(1, 20) n").format(table, over)
            )
        with Reconciler(database, options=ONLINE) as online:
            plan = online.plan(new).plan
            rewritten = [each.message for each in plan.hazards if each.kind == "table_rewrite"]
            assert not [each for each in rewritten if "identity" not in each]
            online.migrate(new, allow_data_loss=True)
            assert online.plan(new).plan.is_empty
        for kind in kinds:
            table = sql.Identifier("public", f"t_{kind.replace(' ', '_')}")
            held = connection.execute(sql.SQL("select count(*), sum(v), sum(id) from {}").format(table)).fetchone()
            assert held == (20, 210, 210), kind
        assert not _everywhere(connection, "reconciler_tmp")


ORDERED = """
create table parent (id int primary key);
create table t (id int, debit int, credit int not null default 3, ref int references parent, note text);
create index t_credit on t (credit, note);
create view sums as select credit, note from t;
create table child (x int);
alter table t add unique (credit);
alter table child add foreign key (x) references t (credit);
create table plain (debit int, credit int);
"""


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
def test_clients_that_count_columns_are_warned_or_find_them_where_they_were(database: str, kept: bool) -> None:
    after = ORDERED.replace("debit int", "debit bigint").replace("note text", "note text, more int default 5")
    options = Options(online=True, keep_column_order=kept)
    with Reconciler(database) as reconciler:
        reconciler.migrate(ORDERED)
    with Reconciler(database, options=options) as reconciler, psycopg.connect(database, autocommit=True) as client:
        client.execute("insert into parent values (4)")
        client.execute("insert into t values (1, 2, 30, 4, 'five')")
        client.execute("insert into child values (30)")
        messages = [each.message for each in reconciler.plan(after).plan.hazards if each.kind == "breaks_clients"]
        moved = "moves column public.plain.debit behind credit: INSERT and COPY without column names"
        assert any(moved in message for message in messages) is not kept
        client.execute("set lock_timeout to '100ms'")

        def write(position: int, _statement: Statement) -> None:
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                client.execute("insert into plain values (1, 2)")
                client.execute("insert into t values (1, 2, %s, 4, 'five')", (30 + position,))

        reconciler.migrate(after, on_event=before_each(write) if kept else None)
        assert reconciler.plan(after).plan.is_empty
        order = "select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns"
        row = client.execute(f"{order} where table_name = 't'".encode()).fetchone()
        if kept:
            client.execute("insert into plain values (1, 2)")
            assert row == ("id debit credit ref note more",)
            wrong = "select count(*) from plain where (debit, credit) is distinct from (1, 2)"
            assert client.execute(wrong.encode()).fetchone() == (0,)
            wrong = "select count(*), count(distinct credit) > 3 from t where (debit, ref, note) <> (2, 4, 'five')"
            assert client.execute(wrong.encode()).fetchone() == (0, False)
        assert client.execute("select id, debit, credit, ref, note from t where credit = 30").fetchall() == [
            (1, 2, 30, 4, "five")
        ]
        assert not _everywhere(client, "reconciler_tmp")


def test_where_the_order_cannot_be_kept_in_steps_the_column_changes_in_place(database: str) -> None:
    before = "create table t (a int, b int, c int generated always as (b + 1) stored);"
    after = before.replace("a int", "a bigint")
    with Reconciler(database) as reconciler:
        reconciler.migrate(before)
    with Reconciler(database, options=Options(online=True, keep_column_order=True)) as reconciler:
        plan = reconciler.plan(after).plan
        assert [each.message for each in plan.hazards if "the order of columns is kept" in each.message]
        reconciler.migrate(after)
        assert reconciler.plan(after).plan.is_empty
