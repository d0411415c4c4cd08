"""How far a long statement is, is asked of the server while it runs."""

from __future__ import annotations

import threading

import psycopg
import pytest

from reconciler.apply.events import Events, describe_event
from reconciler.cli.progress import ProgressPoller, server_process
from reconciler.client import Reconciler
from reconciler.model.events import BackfillProgress, Event, Phase
from reconciler.model.plan import Statement
from reconciler.model.replication import Reader
from reconciler.options import Options

pytestmark = pytest.mark.one_server


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
        self.last = ""
        self._ends = ends

    def __call__(self, event: Event) -> None:
        if event.backfill is None:
            return
        self.told.append(event.backfill)
        self.last = describe_event(event)
        if self._ends:
            raise _CutOffError


def test_how_far_a_column_is_filled_is_told_and_where_a_run_that_was_interrupted_is_resumed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection, Reconciler(database) as reconciler:
        reconciler.migrate(T)
        connection.execute("insert into public.t select n, repeat('x', 400) from generate_series(1, 5000) n")
        connection.execute("analyze public.t")
        online = Options(online=True)
        first = _Filling(ends=True)
        with pytest.raises(_CutOffError):
            reconciler.migrate(AFTER, options=online, on_event=first)
        second = _Filling()
        reconciler.migrate(AFTER, options=online, on_event=second)
    (ended,) = first.told
    assert 0 < ended.share < 1
    assert (ended.before, ended.rows) == (0, 5000)
    shares = [each.share for each in second.told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert second.told[-1].before > 0, "what the first run had filled"
    assert "resumed after about " in second.last


def test_an_event_is_said_in_a_line() -> None:
    told: list[Event] = []
    events = Events(plugin="shop", total=4, on_event=told.append)
    statement = Statement(sql="UPDATE t\n  SET a = 1")
    events.started(3, statement)
    for share, before, rows in ((0.24, 0, 5000), (0.5, 0.1, 5000), (0.1, 0.1, 5000), (0.5, 0.1, None)):
        events.filled(3, statement, BackfillProgress(share=share, before=before, rows=rows))
    events.lagging(3, statement, (Reader(name="a", lag_bytes=2 * 1024**3),))
    events.finished(3, statement, 310)
    assert [event.phase for event in told] == [Phase.STARTED, *[Phase.FILLED] * 4, Phase.LAGGING, Phase.FINISHED]
    assert [describe_event(event).removeprefix("3/4 UPDATE t SET a = 1") for event in told] == [
        "",
        "  [filled about 1,200 of 5,000 rows, 24 %]",
        "  [filled about 2,500 of 5,000 rows, 50 %; resumed after about 500]",
        "  [filled about 500 of 5,000 rows, 10 %, which had values before]",
        "  [filled 50 %; resumed after 10 %]",
        "  [waits for standby a, 2 GB behind]",
        ", 0.3 s",
    ]


def test_a_run_is_told_of_and_logged_with_secrets_masked(database: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []
    source = T + "create foreign data wrapper w; create server s foreign data wrapper w options (password 'hidden');"
    with caplog.at_level("INFO", logger="reconciler"), Reconciler(database) as reconciler:
        count = len(reconciler.migrate(source, on_event=told.append).statements)
        reconciler.migrate(source)
    assert [(event.phase, event.position, event.total) for event in told] == [
        (phase, position, count) for position in range(1, count + 1) for phase in (Phase.STARTED, Phase.FINISHED)
    ]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith(f"plugin default: 1/{count} CREATE ")
    assert lines[-2:] == ["plugin default: migration 0 recorded", "plugin default: in sync"]
    assert "hidden" not in "".join([*lines, *(describe_event(event) for event in told)])
