"""Subscribers of publications, and others who read the log: the plan says what stops them, and it goes on as it says.

Publisher and subscriber are two databases of one server, which logs what logical decoding needs. What a plan says to
run on the subscriber is run there as it is said.
"""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Self

import psycopg
import pytest
from psycopg import sql

from reconciler.apply.events import describe_event
from reconciler.client import Reconciler
from reconciler.embedded import EmbeddedServer
from reconciler.errors import ConfigError
from reconciler.model.events import Phase
from reconciler.model.hazards import HazardKind
from reconciler.model.replication import USUAL_LAG, MaxLag
from reconciler.options import Options, Proof, WhenBehind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.events import Event
    from reconciler.model.plan import Plan

LOGICAL = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_locks_per_transaction": "256",
    "wal_level": "logical",
    # A worker that stopped starts again as soon as it may.
    "wal_retrieve_retry_interval": "100ms",
}
DEADLINE_S = 30.0
_FIRST = re.compile(r"first, on each of them: (.*?)(?= afterwards, on| to send the values|$)")
_AFTERWARDS = re.compile(r"(?:afterwards|when they have), on each of them: (.*?)(?= which copies|$)")
_HERE = re.compile(r"run here then: (.*?;)$")


@pytest.fixture(scope="session")
def publisher(server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A server of the same version, whose log has what logical decoding needs."""
    with EmbeddedServer(None, bindir=server.bindir, settings=LOGICAL) as running:
        with psycopg.connect(running.url, autocommit=True) as admin:
            admin.execute("create role app_owner login password 'app_owner'")
        yield running


@dataclass(kw_only=True)
class Pair:
    """A publisher and a subscriber; `here` and `there` are connections to them."""

    url: str
    there_url: str
    here: psycopg.Connection
    there: psycopg.Connection
    slot: str
    markers: Iterator[int] = field(default_factory=lambda: count(1))

    def both(self, text: str) -> None:
        for connection in (self.here, self.there):
            connection.execute(text.encode())

    def owned(self) -> str:
        """The URL of a role that owns the tables and no publication."""
        self.here.execute(sql.SQL("alter database {} owner to app_owner").format(sql.Identifier(self.here.info.dbname)))
        self.here.execute("alter schema public owner to app_owner")
        for (table,) in self.here.execute(
            "select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        ).fetchall():
            self.here.execute(f"alter table {table} owner to app_owner".encode())
        return psycopg.conninfo.make_conninfo(self.url, user="app_owner", password="app_owner")

    def subscribe(self, *publications: str) -> None:
        """From now on; nothing is copied, as both have the same rows."""
        self.both("create table public.marker (id int primary key)")
        self.here.execute("create publication marking for table public.marker")
        self.here.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (self.slot,))
        text = sql.SQL(
            "create subscription {slot} connection {url} publication {all} with (create_slot = false, connect = false)"
        ).format(
            slot=sql.Identifier(self.slot),
            url=sql.Literal(self.url),
            all=sql.SQL(", ").join(map(sql.Identifier, (*publications, "marking"))),
        )
        self.there.execute(text)
        self.there.execute(sql.SQL("alter subscription {} enable").format(sql.Identifier(self.slot)))
        refresh = sql.SQL("alter subscription {} refresh publication with (copy_data = false)")
        self.there.execute(refresh.format(sql.Identifier(self.slot)))
        assert self.goes_on()

    def make_ledger_there(self, before: str) -> None:
        """The ledger's tables, empty."""
        with Reconciler(self.there_url) as reconciler:
            reconciler.migrate(before)
        tables = self.there.execute(
            "select relname from pg_class where relnamespace = 'migrations'::regnamespace and relkind = 'r'"
        )
        for (table,) in tables.fetchall():
            self.there.execute(sql.SQL("truncate {} cascade").format(sql.Identifier("migrations", table)))

    def goes_on(self) -> bool:
        """Whether the subscriber gets what was written until now; False where its worker stops at an error."""
        marker = next(self.markers)
        self.here.execute("insert into public.marker values (%s)", (marker,))
        errors = self._errors()
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if self.there.execute("select 1 from public.marker where id = %s", (marker,)).fetchone():
                return True
            if self._errors() > errors + 1:
                return False
            time.sleep(0.02)
        raise AssertionError(f"neither went on nor stopped in {DEADLINE_S} s")

    def _errors(self) -> int:
        row = self.there.execute(
            "select coalesce(sum(apply_error_count), 0) from pg_stat_subscription_stats"
        ).fetchone()
        assert row
        return int(row[0])

    def is_copied(self) -> bool:
        """Waits until all tables that were taken up are in step with the publisher."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if not self.there.execute("select 1 from pg_subscription_rel where srsubstate <> 'r'").fetchone():
                return True
            time.sleep(0.02)
        return False

    def run_there(self, texts: str) -> None:
        for text in filter(None, (each.strip() for each in texts.split(";"))):
            self.there.execute(text.encode())
            if "REFRESH" in text:
                assert self.is_copied()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The same on both sides, or the test fails."""
        ours, theirs = (each.execute(query.encode()).fetchall() for each in (self.here, self.there))
        assert theirs == ours
        return ours


@pytest.fixture
def pair(publisher: EmbeddedServer, _pairs: Iterator[int]) -> Iterator[Pair]:
    number = next(_pairs)
    here, there = (publisher.create_database(f"{side}_{number}") for side in ("publisher", "subscriber"))
    with psycopg.connect(here, autocommit=True) as first, psycopg.connect(there, autocommit=True) as second:
        made = Pair(url=here, there_url=there, here=first, there=second, slot=f"slot_{number}")
        yield made
        slot = sql.Identifier(made.slot)
        if second.execute("select 1 from pg_subscription where subname = %s", (made.slot,)).fetchone():
            second.execute(sql.SQL("alter subscription {} disable").format(slot))
            second.execute(sql.SQL("alter subscription {} set (slot_name = none)").format(slot))
            second.execute(sql.SQL("drop subscription {}").format(slot))
    with psycopg.connect(publisher.url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where database ~ %s", (f"_{number}$",)
        )
        deadline = time.monotonic() + DEADLINE_S
        while admin.execute(
            "select 1 from pg_replication_slots where database ~ %s and active", (f"_{number}$",)
        ).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        admin.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database ~ %s", (f"_{number}$",)
        )
        for side in ("publisher", "subscriber"):
            name = sql.Identifier(f"{side}_{number}")
            admin.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture(scope="session")
def _pairs() -> Iterator[int]:
    return count(1)


class _Client:
    """Writes a row before each statement of a plan and after each batch, where the table is not locked."""

    def __init__(self, url: str, text: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("set lock_timeout = '5ms'")
        self._text = text
        self._ids = count(10_000)
        self.written = 0

    def __call__(self, event: Event) -> None:
        if event.phase not in (Phase.STARTED, Phase.FILLED):
            return
        try:
            self._connection.execute(self._text.encode(), {"id": next(self._ids)})
            self.written += 1
        except psycopg.errors.LockNotAvailable:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _told(plan: Plan) -> list[str]:
    return [hazard.message for hazard in plan.hazards if hazard.kind is HazardKind.REPLICATION]


def _found(pattern: re.Pattern[str], messages: list[str]) -> list[str]:
    return [match[1] for each in messages for match in [pattern.search(each)] if match]


T = "create table t (id int primary key, n int not null, label text);"
ROWS = "insert into public.t (id, n, label) select g, g, 'row ' || g from generate_series(1, 500) g;"
WRITE = "insert into public.t (id, n, label) values (%(id)s, 1, 'new')"
# What a run may leave of what it made for a while.
LEFT = """
select attname::text from pg_attribute where attname ~ 'reconciler_tmp' and not attisdropped
    and attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p'))
union all select pubname::text from pg_publication where not pubinsert or not pubdelete
"""
CHANGED = "update public.t set label = 'changed' where id = 7; delete from public.t where id = 8;"
INTO = "insert into public.t (id, n) values (20000, 1)"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A change, what the plan says of it for each of these words, and what clients write when it is made."""

    before: str = T
    after: str
    publication: str = "create publication app for table public.t"
    online: bool = False
    is_foreign: bool = False  # the publication belongs to another role
    last: str
    says: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    has_not: tuple[str, ...] = ()
    compare: str = "select id, n, label from public.t order by id"


LISTED = 'ALTER PUBLICATION "app" DROP TABLE ONLY "public"."t"'
SILENT = "ALTER PUBLICATION \"app\" SET (publish = '')"
COLUMNS = "create table t (id int primary key, n int, label text, gone int not null default 1, lost int);"
OTHER_COLUMNS = (
    "create table t (id bigint primary key, n bigint, label text,"
    " more int default 3, token uuid not null default gen_random_uuid());"
)
OF_COLUMNS = {
    "before": COLUMNS,
    "after": OTHER_COLUMNS,
    "last": "insert into public.t (id, n, more) values (3000000000, 3000000000, 5)",
    "says": (
        "column public.t.id becomes bigint",
        "column public.t.n becomes bigint",
        "column public.t.more is new",
        "column public.t.token is new",
        "column public.t.gone goes",
        "column public.t.lost goes",
    ),
    "compare": "select id, n, label, more, token from public.t order by id",
}
PARTED = (
    "create table t (id int, n int not null, label text, primary key (id)) partition by range (id);"
    " create table t_low partition of t for values from (minvalue) to ({0});"
    " create table t_high partition of t for values from ({0}) to (maxvalue);"
)
BOUNDS = {"before": PARTED.format(300), "after": PARTED.format(200), "last": INTO}
FULL = " alter table t replica identity full;"
CHILDREN = "create table p (id int not null, n int, label text); create table t (primary key (id)) inherits (p);"
ONE_NAME = "create publication app for table public.t with (publish_via_partition_root = true)"
CASES = {
    "columns": Case(**OF_COLUMNS, has_not=(LISTED,)),
    "columns online": Case(**OF_COLUMNS, online=True, has=(LISTED, "reconciler_tmp_")),
    "columns online, with a filter": Case(
        **OF_COLUMNS, publication="create publication app for table public.t where (id > 0)", online=True, has=(LISTED,)
    ),
    "columns online, in whole schemas": Case(
        **OF_COLUMNS,
        publication="create publication app for tables in schema public",
        online=True,
        has_not=(LISTED, "reconciler_tmp_"),
    ),
    "columns online, with a list of columns": Case(
        before=COLUMNS,
        after=COLUMNS.replace("n int", "n bigint"),
        publication="create publication app for table public.t (id, n, label)",
        online=True,
        last="insert into public.t (id, n) values (20000, 3000000000)",
        says=("column public.t.n becomes bigint",),
        has=(LISTED, "reconciler_tmp_"),
    ),
    "a new column beside a list of columns": Case(
        after=T.replace("label text", "label text, more int default 3"),
        publication="create publication app for table public.t (id, n, label)",
        last=INTO,
    ),
    "columns online, with a filter over what changes": Case(
        before=T + FULL,
        after=T.replace("n int", "n bigint") + FULL,
        publication="create publication app for table public.t where (n > 0)",
        online=True,
        last="insert into public.t (id, n) values (20000, 3000000000)",
        says=("column public.t.n becomes bigint",),
        has_not=("reconciler_tmp_",),
    ),
    "columns, whole rows as replica identity": Case(
        **{**OF_COLUMNS, "before": COLUMNS + FULL, "after": OTHER_COLUMNS + FULL}, has_not=(LISTED,)
    ),
    "columns online, whole rows as replica identity": Case(
        **{**OF_COLUMNS, "before": COLUMNS + FULL, "after": OTHER_COLUMNS + FULL},
        online=True,
        has_not=("reconciler_tmp_",),
    ),
    "columns online, in all tables": Case(
        **OF_COLUMNS,
        publication="create publication app for all tables",
        online=True,
        has_not=(LISTED, "reconciler_tmp_"),
    ),
    "columns online, in a publication of others": Case(
        **OF_COLUMNS, online=True, is_foreign=True, has_not=(LISTED, "reconciler_tmp_")
    ),
    "columns of a table with a child": Case(
        before=CHILDREN,
        after=CHILDREN.replace("n int", "n bigint").replace("label text", "label text, more int default 3"),
        publication="create publication app for table public.p",
        last="insert into public.t (id, n, more) values (20000, 3000000000, 5)",
        says=("column public.p.n becomes bigint", "column public.p.more is new"),
        compare="select id, n, label, more from public.p order by id",
    ),
    "columns online of a table with a child": Case(
        before=CHILDREN,
        after=CHILDREN.replace("n int", "n bigint"),
        publication="create publication app for table public.p",
        online=True,
        last="insert into public.t (id, n) values (20000, 3000000000)",
        says=("column public.p.n becomes bigint",),
        compare="select id, n, label from public.p order by id",
    ),
    "columns online of a partitioned table, under one name": Case(
        before=PARTED.format(300).replace("n int not null", "n int"),
        after=PARTED.format(300).replace("n int not null", "n bigint"),
        publication=ONE_NAME,
        online=True,
        last="insert into public.t (id, n) values (20000, 3000000000)",
        says=("column public.t.n becomes bigint",),
    ),
    "columns online of a partitioned table, under the names of partitions": Case(
        before=PARTED.format(300).replace("n int not null", "n int"),
        after=PARTED.format(300).replace("n int not null", "n bigint"),
        online=True,
        last="insert into public.t (id, n) values (20000, 3000000000)",
        says=("column public.t.n becomes bigint",),
    ),
    "recreated with rows, in a whole schema, under one name": Case(
        after=PARTED.format(300),
        publication="create publication app for tables in schema public with (publish_via_partition_root = true)",
        last=INTO,
        says=("its rows are not sent again",),
        has=(SILENT,),
    ),
    "recreated with rows, in all tables, in a publication of others": Case(
        after=PARTED.format(300),
        publication="create publication app for all tables with (publish_via_partition_root = true)",
        is_foreign=True,
        last=INTO,
        says=("are sent again, as this role may not alter",),
        has_not=(SILENT,),
    ),
    "bounds, in a publication of others": Case(
        **BOUNDS, publication=ONE_NAME, is_foreign=True, says=("are sent again, as this role may not alter",)
    ),
    "recreated with rows, in all tables, under one name": Case(
        after=PARTED.format(300),
        publication="create publication app for all tables with (publish_via_partition_root = true)",
        last=INTO,
        says=("its rows are not sent again", "and so the ledger's"),
        has=(SILENT,),
    ),
    "recreated with rows, under the names of partitions": Case(
        after=PARTED.format(300), last=INTO, says=("sent under other names from then on",), has_not=(SILENT,)
    ),
    "bounds, under one name": Case(**BOUNDS, publication=ONE_NAME, has=(SILENT,)),
    "bounds, under the names of partitions": Case(
        **BOUNDS, says=("are sent as INSERTs into these",), has_not=(SILENT,)
    ),
    "a partition that is split": Case(
        before=PARTED.format(300),
        after=PARTED.format(300).replace("to (maxvalue)", "to (400)")
        + " create table t_top partition of t for values from (400) to (maxvalue);",
        last=INTO,
        says=("are sent as INSERTs into these",),
    ),
    "a column and a table that are renamed, a label that is added": Case(
        before="create type state as enum ('a'); create table u (id int primary key, n int, called text, s state);",
        after="create type state as enum ('a', 'b');\n-- reconciler: renamed from u\ncreate table t ("
        "id int primary key, n int,\nlabel text, -- reconciler: renamed from called\ns state);",
        publication="create publication app for table public.u",
        last="insert into public.t (id, n, s) values (20000, 1, 'b')",
        says=("table public.u is renamed", "called is renamed", "enum public.state gets labels"),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_subscribers_go_on_when_what_the_plan_says_was_done(pair: Pair, case: Case) -> None:
    pair.both(case.before)
    pair.both(ROWS.replace("public.t ", "public.u ").replace("label)", "called)") if "table u" in case.before else ROWS)
    pair.here.execute(case.publication.encode())
    if "for all tables" in case.publication:
        pair.make_ledger_there(case.before)
    pair.subscribe("app")
    options = Options(online=case.online, allow=frozenset({HazardKind.DATA_LOSS}))
    text = WRITE.replace("public.t ", "public.u ").replace("label)", "called)") if "table u" in case.before else WRITE
    url = pair.owned() if case.is_foreign else pair.url
    with Reconciler(url, options=options) as reconciler, _Client(pair.url, text) as client:
        planned = reconciler.plan(case.after)
        told = _told(planned.plan)
        for words in case.says:
            assert any(words in each and pair.slot in each for each in told), (words, told)
        for part in case.has:
            assert part in planned.plan.sql
        for part in case.has_not:
            assert part not in planned.plan.sql
        for texts in _found(_FIRST, told):
            pair.run_there(texts)
        reconciler.apply(planned, on_event=client)
        assert client.written
        assert reconciler.plan(case.after).plan.is_empty
    assert not pair.here.execute(LEFT).fetchall()
    pair.here.execute(CHANGED.encode())
    pair.here.execute(case.last.encode())
    pair.goes_on()
    for texts in _found(_AFTERWARDS, told):
        pair.run_there(texts)
    for texts in _found(_HERE, told):
        pair.here.execute(texts.encode())
    assert pair.goes_on()
    assert len(pair.rows(case.compare)) > 499


class _CutOffError(Exception):
    pass


def _interrupt(event: Event) -> None:
    """Ends a run after its first batch."""
    if event.phase is Phase.FILLED:
        raise _CutOffError


def test_the_column_list_of_an_interrupted_run_is_taken_back(pair: Pair) -> None:
    pair.both(T)
    pair.both(ROWS)
    pair.here.execute("create publication app for table public.t")
    pair.subscribe("app")
    pair.there.execute("alter table public.t alter n type bigint")
    lists = "select prattrs is not null from pg_publication_rel where prrelid = 'public.t'::regclass"
    with Reconciler(pair.url, options=Options(online=True, when_behind=WhenBehind.APPLY)) as reconciler:
        for after in (T.replace("n int", "n bigint"), T):
            with pytest.raises(_CutOffError):
                reconciler.migrate(T.replace("n int", "n bigint"), on_event=_interrupt)
            pair.here.execute(CHANGED.encode())
            assert pair.goes_on()
            assert pair.here.execute(lists).fetchall() == [(True,)]
            # Resumed, or given up.
            if after == T:
                break
            reconciler.migrate(after)
            assert pair.here.execute(lists).fetchall() == [(False,)]
            assert reconciler.plan(after).plan.is_empty
            assert pair.goes_on()
            reconciler.migrate(T)
        reconciler.migrate(T)
        assert pair.here.execute(lists).fetchall() == [(False,)]
        assert not pair.here.execute(LEFT).fetchall()
    pair.here.execute(INTO)
    assert pair.goes_on()
    assert pair.rows("select id, n, label from public.t order by id")


@pytest.mark.one_server
def test_a_published_table_without_a_replica_identity_is_told_of_whoever_subscribes(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate("create table t (id int primary key); create table u (id int);")
        connection.execute("create publication app for table public.t; create publication ins for table public.u")
        connection.execute("alter publication ins set (publish = 'insert')")
        plan = reconciler.plan("create table t (id int, n int); create table u (id int, n int);").plan
        # Nobody subscribes: what a subscriber would lack is not told.
        assert len(_told(plan)) == 1
        assert [each for each in _told(plan) if "DELETE and UPDATE of it fail" in each and "public.t is" in each]


def test_what_a_publication_needs_of_a_replica_identity_is_told_where_it_goes(database: str) -> None:
    """Postgres refuses updates where a filter reads more than the identity, or a list of columns has less."""
    full = "create table t (id int primary key, n int, m int not null unique); alter table t replica identity full;"
    keyed = full.replace(" alter table t replica identity full;", "")
    other = keyed.replace("int primary key", "int").replace("not null unique", "primary key")
    with psycopg.connect(database, autocommit=True) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("publications have no filters nor lists before Postgres 15")
        with Reconciler(
            database, options=Options(allow=frozenset(HazardKind), online=True, when_behind=WhenBehind.APPLY)
        ) as reconciler:
            for before, after, publication, words in (
                (full, keyed, "t where (n > 0)", "without column n, which the filter of publication p reads"),
                (keyed, other, "t (id, n)", "is not in the list of columns of publication p"),
            ):
                reconciler.migrate(before)
                connection.execute("insert into public.t select n, n, n from generate_series(1, 9) n")
                connection.execute(f"create publication p for table public.{publication}".encode())
                connection.execute("update public.t set n = 2 where id = 1")
                told = _told(reconciler.plan(after).plan)
                assert [words in each for each in told] == [True], told
                reconciler.migrate(after)
                with pytest.raises(psycopg.errors.InvalidColumnReference):
                    connection.execute("update public.t set n = 3 where id = 1")
                # A change that would update its rows is made without that.
                wider = after.replace("n int", "n bigint")
                connection.execute("alter publication p set (publish = 'insert')")
                assert reconciler.plan(after).plan.is_empty
                connection.execute("alter publication p set (publish = 'insert, update')")
                reasons = [each.message for each in reconciler.plan(wider).plan.hazards if words in each.message]
                assert reasons
                reconciler.migrate(wider)
                assert connection.execute("select count(*), sum(id) from public.t").fetchone() == (9, 45)
                connection.execute("drop publication p; drop table public.t")


@pytest.mark.one_server
@pytest.mark.parametrize("online", [False, True])
def test_rows_of_a_published_table_without_a_replica_identity_are_filled_and_converted(
    database: str, online: bool
) -> None:
    """Postgres lets nobody update them: found before, done in a transaction, and nothing is left half-made."""
    before = (
        "create table ev (id int, v int, w int);"
        "create table p (id int, v int, w int) partition by range (id); create table p1 partition of p default;"
        "create table named (id int, v int, w int); alter table named replica identity nothing;"
    )
    after = before.replace("v int, w int", "v bigint, w int not null -- reconciler: backfill v\n")
    options = Options(online=online, allow=frozenset(HazardKind))
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database, options=options) as reconciler:
        reconciler.migrate(before)
        for table in ("ev", "p", "named"):
            connection.execute(f"insert into public.{table} select 1, n from generate_series(1, 9) n".encode())
        connection.execute("create publication everything for all tables")
        planned = reconciler.plan(after)
        reasons = [each.message for each in planned.plan.hazards if "which has no replica identity" in each.message]
        assert bool(reasons) is online
        reconciler.apply(planned)
        assert reconciler.plan(after).plan.is_empty
        for table in ("ev", "p", "named"):
            rows = connection.execute(f"select count(*), bool_and(v = w) from public.{table}".encode()).fetchone()
            assert rows == (9, True)
        identities = connection.execute("select relreplident from pg_class where relname in ('ev', 'p1', 'named')")
        assert sorted(each[0] for each in identities) == ["d", "d", "n"]


@pytest.mark.one_server
def test_an_index_that_was_the_replica_identity_and_is_gone_is_drift(database: str) -> None:
    declared = "create table t (id int primary key, k int not null); create unique index u on t (k);"
    declared += "alter table t replica identity using index u;"
    plain = "create table t (id int primary key, k int not null);"
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate(declared)
        connection.execute("drop index public.u")
        # Postgres keeps the mark without an index, and refuses to update what is published.
        assert reconciler.plan(plain).plan.sql.strip() == 'ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;'
        reconciler.migrate(declared)
        assert connection.execute("select relreplident from pg_class where relname = 't'").fetchall() == [("i",)]
        assert reconciler.plan(declared).plan.is_empty


# --- how far others are behind ----------------------------------------------------------------------------------------


class _Far:
    """Somebody who gets the log, a standby or by a slot, and says where it is when it is told to."""

    def __init__(self, url: str, slot: str | None = None) -> None:
        how = "true" if slot is None else "database"
        parameters = psycopg.conninfo.conninfo_to_dict(url, replication=how, application_name="far_away")
        self._connection = psycopg.pq.PGconn.connect(psycopg.conninfo.make_conninfo(**parameters).encode())
        assert self._connection.status == psycopg.pq.ConnStatus.OK, self._connection.error_message
        row = self._connection.exec_(b"IDENTIFY_SYSTEM").get_value(0, 2)
        assert row
        text = f"PHYSICAL {row.decode()}"
        if slot is not None:
            text = f"SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names 'app')"
        started = self._connection.exec_(f"START_REPLICATION {text}".encode())
        assert started.status == psycopg.pq.ExecStatus.COPY_BOTH, started.error_message
        self.reaches(row.decode())

    def reaches(self, place: str) -> None:
        """Says that it has replayed the log up to there."""
        high, low = (int(part, 16) for part in place.split("/"))
        at = (high << 32) + low
        self._connection.put_copy_data(b"r" + struct.pack("!qqqqb", at, at, at, 0, 0))
        self._connection.flush()

    def close(self) -> None:
        self._connection.finish()


class _CatchesUp:
    """Lets somebody catch up when the run waits for it."""

    def __init__(self, far: _Far, connection: psycopg.Connection) -> None:
        self.told: list[str] = []
        self._far = far
        self._connection = connection

    def __call__(self, event: Event) -> None:
        if event.phase is not Phase.LAGGING:
            return
        self.told.append(describe_event(event))
        row = self._connection.execute("select pg_current_wal_lsn()::text").fetchone()
        assert row
        self._far.reaches(row[0])


@pytest.mark.one_server
def test_backfills_wait_for_standbys_and_the_plan_says_what_they_get(pair: Pair) -> None:
    pair.here.execute((T + ROWS).encode())
    after = T.replace("n int", "n bigint")
    standby = _Far(pair.url)
    try:
        pair.here.execute("create table public.much as select generate_series(1, 20000) as id; analyze")
        options = Options(online=True, max_lag=MaxLag(bytes=1024 * 1024))
        with Reconciler(pair.url, options=options) as reconciler:
            told = _told(reconciler.plan(after + "create table much (id int);").plan)
            assert [each for each in told if "updates all rows of table public.t, and writes up to about" in each]
            assert [each for each in told if "cancel queries there" in each and "standby far_away" in each]
            catching_up = _CatchesUp(standby, pair.here)
            reconciler.migrate(after + "create table much (id int);", on_event=catching_up)
            assert catching_up.told
            assert re.search(r"\[waits for standby far_away, \d MB( and .* s)? behind\]$", catching_up.told[0])
    finally:
        standby.close()


@pytest.mark.one_server
def test_backfills_wait_for_slots_that_are_read_and_for_no_others(pair: Pair) -> None:
    pair.here.execute((T + ROWS).encode())
    pair.here.execute("create publication app for table public.t")
    for slot in (pair.slot, f"{pair.slot}_unread"):
        pair.here.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    far = _Far(pair.url, pair.slot)
    try:
        pair.here.execute("create table public.much as select generate_series(1, 20000) as id; analyze")
        after = T.replace("n int", "n bigint") + "create table much (id int);"
        with Reconciler(pair.url, options=Options(online=True, max_lag=MaxLag(bytes=1024 * 1024))) as reconciler:
            catching_up = _CatchesUp(far, pair.here)
            reconciler.migrate(after, on_event=catching_up)
            assert catching_up.told
            assert all("_unread" not in each for each in catching_up.told)
            assert re.search(rf"\[waits for (slot )?{pair.slot}.*, \d MB( and .* s)? behind\]$", catching_up.told[0])
    finally:
        far.close()


OTHER_SLOT = "select pg_create_logical_replication_slot(%s, 'test_decoding')"
DECODED = "select string_agg(data, ' ') from pg_logical_slot_get_changes(%s, null, null)"


def test_a_slot_of_another_plugin_is_named_and_can_be_read_on(pair: Pair) -> None:
    """It reads all tables: the temporary column too, of which the plan tells."""
    pair.both(T)
    pair.both(ROWS)
    pair.here.execute("create publication app for table public.t")
    pair.subscribe("app")
    other = f"{pair.slot}_other"
    pair.here.execute(OTHER_SLOT, (other,))
    after = T.replace("n int", "n bigint")
    with Reconciler(pair.url, options=Options(online=True)) as reconciler:
        planned = reconciler.plan(after)
        told = _told(planned.plan)
        assert [each for each in told if f"{other} also get the temporary column" in each]
        for texts in _found(_FIRST, told):
            pair.run_there(texts)
        reconciler.apply(planned)
    pair.here.execute(INTO)
    assert pair.goes_on()
    assert pair.rows("select id, n, label from public.t order by id")
    row = pair.here.execute(DECODED, (other,)).fetchone()
    assert row
    assert "reconciler_tmp_" in row[0]
    assert "n[bigint]:1" in row[0]


@pytest.mark.one_server
def test_that_a_role_may_not_see_how_far_others_are_is_said_once(pair: Pair) -> None:
    pair.here.execute((T + ROWS).encode())
    pair.here.execute("create role blind login password 'blind'; alter table public.t owner to blind")
    owned = sql.SQL("alter database {} owner to blind").format(sql.Identifier(pair.here.info.dbname))
    pair.here.execute(owned)
    standby = _Far(pair.url)
    try:
        url = psycopg.conninfo.make_conninfo(pair.url, user="blind", password="blind")
        after = T.replace("n int", "n bigint").replace("label text", "label int")
        with Reconciler(url, options=Options(online=True, proof=Proof.OFF)) as reconciler:
            warnings = reconciler.plan(after).warnings
            assert [each for each in warnings if 'GRANT pg_read_all_stats TO "blind"' in each] == [warnings[-1]]
        with Reconciler(url, options=Options(online=True, proof=Proof.OFF, max_lag=MaxLag())) as reconciler:
            assert not [each for each in reconciler.plan(after).warnings if "pg_read_all_stats" in each]
    finally:
        standby.close()
        pair.here.execute("reassign owned by blind to current_user; drop owned by blind; drop role blind")


def test_a_lag_is_written_as_a_time_a_size_or_both() -> None:
    assert MaxLag.parse("10s,1GB") == USUAL_LAG == Options().max_lag
    assert MaxLag.parse(" 500ms ") == MaxLag(seconds=0.5)
    assert MaxLag.parse("64 mb, 2min") == MaxLag(seconds=120, bytes=64 * 1024 * 1024)
    assert MaxLag.parse("off").is_off
    for text in ("", "10", "10s,20s", "1 parsec"):
        with pytest.raises(ConfigError, match="is not a lag"):
            MaxLag.parse(text)
