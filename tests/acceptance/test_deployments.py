"""Deployments with real processes: old and new instances side by side, in any order of starts, on one database."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import psycopg
import pytest
from instances import Instance
from pooler import pgbouncer, pooler

from reconciler import Options, Reconciler
from reconciler.cli.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.one_server

# Expand: full_name is added, and name is no longer written. Contract: name goes.
V1 = "create table users (id bigint generated always as identity primary key, name text); create view names as select name from users;"
V2 = V1 + "alter table users add full_name text; create index users_full_name on users (full_name);"
V3 = (
    "create table users (id bigint generated always as identity primary key, full_name text);"
    " create index users_full_name on users (full_name); create table logins (id int);"
)
CLIENTS = {
    V1: "insert into users (name) values ('a'); select name from names limit 1",
    V2: "insert into users (full_name) values ('b'); select full_name from users limit 1",
    V3: "insert into users (full_name) values ('c'); select id from logins limit 1",
}
LOSES = {"allow_data_loss": True}


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    with pooler(database, pool_size=3) as dsn:
        yield dsn


def declared(database: str) -> list[str]:
    """The declarations of the recorded migrations, without their headers."""
    with Reconciler(database) as reconciler:
        texts = [reconciler.show(entry.idx).source_text or "" for entry in reconciler.history()]
    return [text.partition("\n")[2].strip() for text in texts]


def tables(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("select relname::text from pg_class where relnamespace = 'public'::regnamespace")
        columns = connection.execute(
            "select attname::text from pg_attribute where attrelid = 'users'::regclass and attnum > 0 and not attisdropped"
        )
        return {row[0] for row in (*rows, *columns)}


@pytest.mark.skipif(pgbouncer() is None, reason="pgbouncer is not installed")
def test_three_versions_on_four_replicas_roll_through_a_pooler(database: str, pooled: str) -> None:
    """No start fails, no client's statement fails, and each version migrates once, whoever restarts when."""
    chance = random.Random(7)

    def instance(version: str) -> Instance:
        return Instance(pooled, version, CLIENTS[version], **LOSES)

    replicas = [(V1, each.started()) for each in [instance(V1) for _ in range(4)]]
    behind = 0
    for new in (V2, V3):
        for slot in range(len(replicas)):
            replicas[slot][1].stop()
            replicas[slot] = (new, instance(new))
            # One of the others crashes and comes back as the version that it was.
            other = chance.choice([each for each in range(4) if each != slot])
            version, crashed = replicas[other]
            crashed.kill()
            replicas[other] = (version, instance(version))
            for _, each in (replicas[slot], replicas[other]):
                each.started()
                behind += each.behind is not None
    assert behind > 0
    assert sum(each.stop() for _, each in replicas) > 0
    assert declared(database) == [V1, V2, V3]
    assert tables(database) == {"id", "full_name", "users", "users_pkey", "users_id_seq", "users_full_name", "logins"}


def test_blue_serves_on_while_green_is_tried_given_up_and_mended(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    green_only = V3.replace("create table logins (id int);", "create table sessions (id int);")
    client = "insert into users (full_name) values ('g'); select id from sessions limit 1"
    blue = Instance(database, V1, CLIENTS[V1]).started()
    green = Instance(database, green_only, client, drops="later").started()
    blue.kill()
    blue = Instance(database, V1, CLIENTS[V1], drops="later").started()
    assert blue.behind is not None
    assert green.stop() >= 0

    # Green is given up: traffic goes back, and then the schema.
    with Reconciler(database) as reconciler:
        reconciler.rollback(to=0, options=_losing())
    given_up = Instance(database, green_only, drops="later").started()
    assert given_up.behind is not None
    given_up.stop()
    assert blue.stop() >= 0
    assert "sessions" not in tables(database)

    # Mended, it is another declaration; and when it is there to stay, what only blue used goes.
    mended = Instance(database, V3, CLIENTS[V3], drops="later").started()
    blue = Instance(database, V1, CLIENTS[V1], drops="later").started()
    assert blue.behind is not None
    blue.stop()
    assert {"names", "name"} <= tables(database)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "green.sql").write_text(V3)
    assert run(["apply", "green.sql", "--drops", "now", "--allow", "data-loss", "--dsn", database]) == 0
    assert {"names", "name"}.isdisjoint(tables(database))
    mended.stop()


def test_a_canary_migrates_for_all_and_the_stable_version_does_not_take_it_back(database: str) -> None:
    stable = [each.started() for each in [Instance(database, V1, CLIENTS[V1]) for _ in range(2)]]
    canary = Instance(database, V2, CLIENTS[V2]).started()
    assert canary.idx == 1
    stable[0].kill()
    stable[0] = Instance(database, V1, CLIENTS[V1]).started()
    assert stable[0].behind is not None
    canary.stop()
    with Reconciler(database) as reconciler:
        reconciler.rollback(to=0, options=_losing())
    assert "full_name" not in tables(database)
    ended = Instance(database, V2).started()
    assert ended.behind is not None
    ended.stop()
    promoted = [each.started() for each in [Instance(database, V3, CLIENTS[V3], **LOSES) for _ in range(2)]]
    assert sorted(each.idx is not None for each in promoted) == [False, True]
    for each in promoted:
        each.stop()
    stable[1].kill()


def test_a_revert_needs_a_version_or_a_word(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Instance(database, V1, version=1).started().stop()
    before = Instance(database, V2, CLIENTS[V2], version=2).started()
    reverted = Instance(database, V1, CLIENTS[V1], version=3, **LOSES)
    assert reverted.started().idx == 2
    before.kill()
    before = Instance(database, V2, version=2).started()
    assert before.behind is not None, "the reverted version restarts, and does not undo the revert"
    assert "full_name" not in tables(database)
    before.stop()
    reverted.stop()

    Instance(database, V2, version=4).started().stop()
    unversioned = Instance(database, V1, CLIENTS[V1], **LOSES).started()
    assert unversioned.behind is not None
    assert (
        "this declaration is migration 2, the database is at 3" in Instance(database, V1, when_behind="fail").failed()
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reverted.sql").write_text(V1)
    allowed = ["reverted.sql", "--allow", "data-loss", "--dsn", database]
    assert run(["apply", *allowed]) == 7
    assert run(["apply", "--allow-older", *allowed]) == 0
    assert "full_name" not in tables(database)
    unversioned.stop()


def _losing() -> Options:
    return Options(allow=frozenset({"data_loss"}))
