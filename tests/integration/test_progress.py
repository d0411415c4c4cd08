"""How far a long statement is, is asked of the server while it runs."""

from __future__ import annotations

import threading

import psycopg
import pytest

from reconciler.apply.backfill import BackfillProgress
from reconciler.cli.output import ProgressPrinter, describe_filled
from reconciler.cli.progress import ProgressPoller, server_process
from reconciler.client import Reconciler
from reconciler.model.plan import Statement
from reconciler.options import Options


def test_how_far_an_index_is_can_be_followed(database: str) -> None:
    """The build waits in a function until the progress was seen."""
    seen = threading.Event()
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        if "building index" in text:
            seen.set()

    with psycopg.connect(database, autocommit=True) as builder, psycopg.connect(database, autocommit=True) as other:
        builder.execute(
            "create function public.waits(int) returns int immutable language plpgsql as"
            " 'begin perform pg_catalog.pg_advisory_xact_lock_shared(1); return $1; end'"
        )
        builder.execute("create table public.t as select generate_series(1, 10) as id")
        other.execute("select pg_advisory_lock(1)")
        pid = server_process(builder)
        assert pid == builder.info.backend_pid
        follower = ProgressPoller(database, pid, show, first_after_s=0)
        follower.say("2: CREATE INDEX")
        build = threading.Thread(target=builder.execute, args=("create index on public.t (public.waits(id))",))
        follow = threading.Thread(target=follower.run)
        build.start()
        follow.start()
        assert seen.wait(60)
        other.execute("select pg_advisory_unlock(1)")
        build.join()
        follower.stop()
        follow.join()
    assert shown[0] == "2: CREATE INDEX"
    assert any(text.startswith("2: CREATE INDEX  [index: building index") for text in shown)


def test_a_server_that_cannot_be_asked_is_no_error() -> None:
    ProgressPoller("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", 1, print, first_after_s=0).run()


T = "create table t (id int primary key, a text);"
AFTER = T.replace("a text", "a text, token uuid default gen_random_uuid()")


class _CutOffError(Exception):
    pass


class _Filling:
    """Keeps what is told of filled columns; ends the run after the first batch, where it is to."""

    def __init__(self, *, ends: bool = False) -> None:
        self.told: list[BackfillProgress] = []
        self._ends = ends

    def __call__(self, _position: int, _statement: Statement) -> None:
        return

    def filled(self, filled: BackfillProgress, /) -> None:
        self.told.append(filled)
        if self._ends:
            raise _CutOffError


def test_how_far_a_column_is_filled_is_told_and_where_a_run_that_was_cut_off_is_gone_on_with(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate(T)
        connection.execute("insert into public.t select n, repeat('x', 400) from generate_series(1, 5000) n")
        connection.execute("analyze public.t")
        online = Options(online=True)
        first = _Filling(ends=True)
        with pytest.raises(_CutOffError):
            reconciler.migrate(AFTER, options=online, progress=first)
        second = _Filling()
        reconciler.migrate(AFTER, options=online, progress=second)
    (ended,) = first.told
    assert 0 < ended.share < 1
    assert (ended.before, ended.rows) == (0, 5000)
    shares = [each.share for each in second.told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert second.told[-1].before > 0, "what the first run had filled"
    assert "resumed after about " in describe_filled(second.told[-1])


def test_how_far_a_column_is_filled_is_said_in_rows_or_without_statistics_in_per_cent() -> None:
    said = [
        describe_filled(BackfillProgress(share=share, before=before, rows=rows))
        for share, before, rows in ((0.24, 0, 5000), (0.5, 0.1, 5000), (0.1, 0.1, 5000), (0.5, 0.1, None))
    ]
    assert said == [
        "filled about 1,200 of 5,000 rows, 24 %",
        "filled about 2,500 of 5,000 rows, 50 %; resumed after about 500",
        "filled about 500 of 5,000 rows, 10 %, which had values before",
        "filled 50 %; resumed after 10 %",
    ]


def test_the_terminal_shows_the_statement_and_how_far_it_is() -> None:
    shown: list[str] = []
    telling = ProgressPrinter(shown.append)
    telling(3, Statement(sql="UPDATE t\n  SET a = 1"))
    telling.filled(BackfillProgress(share=0.5, before=0, rows=10))
    assert shown == ["3: UPDATE t SET a = 1", "3: UPDATE t SET a = 1  [filled about 5 of 10 rows, 50 %]"]
