"""How far a long statement is, is asked of the server while it runs."""

from __future__ import annotations

import threading

import psycopg

from reconciler.cli.progress import Follower, server_process


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
        follower = Follower(database, pid, show, first_after_s=0)
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
    Follower("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", 1, print, first_after_s=0).run()
