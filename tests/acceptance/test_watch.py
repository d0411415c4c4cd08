"""The daemon: it notices, records, tells each thing once, heals by policy, and survives what happens to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from pooler import pgbouncer, pooler
from psycopg.conninfo import make_conninfo
from receiver import Receiver

from reconciler import ConfigError, Options, Reconciler
from reconciler.audit.install import install
from reconciler.model.policies import Policy, PolicyAction
from reconciler.watch.endpoint import Endpoint, parse_address
from reconciler.watch.metrics import Metrics
from reconciler.watch.senders import Notifier, Webhook, is_signed
from reconciler.watch.status import PluginState, Role
from reconciler.watch.watcher import Watcher, WatchTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler import CheckResult

SECRET = "a long random text"
SCHEMA = "create table users (id bigint primary key, mail text default 'x');"
QUICK = WatchTimes(poll_s=0.05, mark_s=1, lease_s=1, first_retry_s=0.05, longest_retry_s=0.5)
_LONGEST_S = 120.0


def until(condition: Callable[[], bool], what: str = "it") -> None:
    end = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


def by_hand(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def app(database: str) -> str:
    with Reconciler(database) as reconciler:
        reconciler.migrate(SCHEMA, plugin="app")
    return database


@contextmanager
def watching(database: str, **choices: object) -> Iterator[Watcher]:
    """A watcher in a thread, which has looked once; it must end by itself when told to."""
    watcher = Watcher(database, **{"options": Options(), "times": QUICK, **choices})  # type: ignore[arg-type]
    failures: list[BaseException] = []

    def run() -> None:
        try:
            watcher.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: watcher.status.role is not Role.STARTING or bool(failures), "the first look")
        yield watcher
    finally:
        watcher.stop()
        thread.join(_LONGEST_S)
        assert not thread.is_alive()
    assert not failures, failures


def state(watcher: Watcher, plugin: str = "app") -> PluginState | None:
    verdict = watcher.status.verdicts.get(plugin)
    return verdict.state if verdict is not None else None


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_drift_is_noticed_by_counters_told_once_and_over_when_it_is_gone(app: str) -> None:
    with Receiver(refuse=lambda request: 503 if request <= 2 else None) as receiver:
        webhook = Webhook(receiver.url, SECRET)
        with watching(app, senders=[webhook]) as watcher:
            assert watcher.status.detector.startswith("counters")
            metrics = Metrics(lambda: watcher.status, lambda: datetime.now(UTC))
            endpoint = Endpoint(parse_address("127.0.0.1:0"), watcher, metrics)
            url = f"http://127.0.0.1:{endpoint.port}"
            assert state(watcher) is PluginState.IN_SYNC
            by_hand(app, "create index users_hot on app.users (id)")
            until(lambda: state(watcher) is PluginState.DRIFTED, "the drift")
            until(lambda: receiver.events() == [("1.1", "opened")], "the first event")
            status, text = fetch(f"{url}/metrics")
            assert status == 200
            name = psycopg.conninfo.conninfo_to_dict(app)["dbname"]
            for line in (
                f'reconciler_plugin_state{{database="{name}",plugin="app",state="drifted"}} 1.0',
                f'reconciler_incidents{{database="{name}",plugin="app",status="open"}} 1.0',
                f'reconciler_watcher_acting{{database="{name}"}} 1.0',
            ):
                assert line in text
            assert fetch(f"{url}/healthz")[0] == 200
            assert fetch(f"{url}/readyz")[0] == 200
            assert fetch(f"{url}/else")[0] == 404
            with Reconciler(app) as reconciler:
                reconciler.acknowledge(1, "known")
            until(lambda: state(watcher) is PluginState.ACKNOWLEDGED, "the acknowledgement")
            by_hand(app, "drop index app.users_hot")
            until(lambda: state(watcher) is PluginState.IN_SYNC, "the end of it")
            until(lambda: len(receiver.events()) == 3, "the last event")
            endpoint.close()
        assert receiver.events() == [("1.1", "opened"), ("1.2", "changed"), ("1.3", "resolved")]
        first = receiver.taken[0]
        assert is_signed(first.body, first.headers, SECRET)
        assert not is_signed(first.body + b" ", first.headers, SECRET)
        assert not is_signed(first.body, first.headers, "another secret")
        assert not is_signed(first.body, first.headers, SECRET, now=time.time() + 3600)
        assert first.document["incident"]["fact"] == "index:app.users.users_hot"
        # Another watcher, later, tells nothing again.
        with watching(app, senders=[webhook]) as watcher:
            by_hand(app, "alter table app.users add column note text")
            until(lambda: len(receiver.events()) == 4, "the next incident")
        assert receiver.events()[3] == ("2.1", "opened")
    with psycopg.connect(app) as connection:
        # The run, and each change that was seen: the index, its end and the column.
        assert connection.execute("select count(*) from migrations._states").fetchone() == (4,)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise imports it where it is there
@pytest.mark.one_server
def test_who_is_told_later_is_told_of_what_is_not_over(app: str) -> None:
    with Receiver() as receiver:
        with watching(app) as watcher:
            for statement in ("create index users_old on app.users (id)", "drop index app.users_old"):
                by_hand(app, statement)
                wanted = PluginState.DRIFTED if statement.startswith("create") else PluginState.IN_SYNC
                until(lambda wanted=wanted: state(watcher) is wanted)
            by_hand(app, "create index users_hot on app.users (id)")
            until(lambda: state(watcher) is PluginState.DRIFTED)
        port = receiver.url.split(":")[2].split("/")[0]
        notifier = Notifier(f"json://127.0.0.1:{port}/chat")
        with watching(app, senders=[Webhook(receiver.url, SECRET), notifier]):
            until(lambda: len(receiver.taken) == 2, "both")
        hook = next(each for each in receiver.taken if each.path == "/hook")
        assert (hook.document["id"], hook.document["event"]) == ("2.1", "opened")
        chat = next(each for each in receiver.taken if each.path.startswith("/chat"))
        assert "index:app.users.users_hot added, plugin app" in chat.document["message"]
    for bad in ("ftp://host/", "nonsense"):
        with pytest.raises(ConfigError, match="is not a URL"):
            Webhook(bad, SECRET)
    with pytest.raises(ConfigError, match="there is no secret"):
        Webhook("https://host/", "")
    with pytest.raises(ConfigError, match="apprise does not know"):
        Notifier("nonsense://user:secret@host")


@pytest.mark.one_server
def test_what_is_made_while_a_look_is_at_work_is_seen_to_be_gone_again(
    app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[str] = []
    check = Reconciler.check_recorded

    def meanwhile(*values: object, **named: object) -> CheckResult:
        if waiting:
            by_hand(app, waiting.pop())
        return check(*values, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Reconciler, "check_recorded", meanwhile)
    with watching(app) as watcher:
        # The look at the column has read the mark when the index is created; dropped again it leaves the same mark.
        looks = watcher.status.looks
        until(lambda: watcher.status.looks > looks, "the look with the mark")
        waiting.append("create index users_hot on app.users (id)")
        by_hand(app, "alter table app.users alter mail set default 'y'")
        until(lambda: watcher.status.verdicts["app"].open == 2, "both")
        by_hand(app, "drop index app.users_hot")
        until(lambda: watcher.status.verdicts["app"].open == 1, "the end of it")


@pytest.mark.one_server
def test_of_two_watchers_one_acts_and_the_other_takes_over(app: str) -> None:
    with Receiver() as receiver, watching(app, senders=[Webhook(receiver.url, SECRET)]) as second_to_be:
        assert second_to_be.status.role is Role.ACTING
        with watching(app, senders=[Webhook(receiver.url, SECRET)]) as other:
            assert other.status.role is Role.STANDBY
            assert "another watcher acts" in str(other.status.stale)
            second_to_be.stop()
            until(lambda: other.status.role is Role.ACTING, "the take-over")
            by_hand(app, "create index users_hot on app.users (id)")
            until(lambda: receiver.events() == [("1.1", "opened")], "the event")
        assert receiver.requests == 1


@pytest.mark.one_server
def test_lost_connections_make_the_verdict_stale_and_nothing_is_missed(app: str) -> None:
    with watching(app) as watcher:
        for number in range(3):
            by_hand(
                app,
                f"create index users_{number} on app.users (id)",
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()",
            )
            until(lambda number=number: watcher.status.verdicts["app"].open == number + 1, "the drift")
        assert watcher.status.stale is None


@pytest.mark.one_server
def test_a_role_that_may_only_read_watches_without_recording(app: str) -> None:
    by_hand(
        app,
        "drop role if exists watch_reader",
        "create role watch_reader login password 'watch_reader'",
        "grant usage on schema migrations to watch_reader",
        "grant select on all tables in schema migrations to watch_reader",
    )
    try:
        with watching(make_conninfo(app, user="watch_reader", password="watch_reader")) as watcher:
            by_hand(app, "create index users_hot on app.users (id)")
            until(lambda: state(watcher) is PluginState.DRIFTED, "the drift")
            assert watcher.status.verdicts["app"].open == 1
    finally:
        by_hand(app, "drop owned by watch_reader", "drop role watch_reader")
    with Reconciler(app) as reconciler:
        assert reconciler.incidents(closed=True) == ()


def test_a_policy_heals_what_was_recorded_and_nothing_else(app: str) -> None:
    policies = [
        Policy(action=PolicyAction.HEAL, object="index:*", tries=2, back_off=timedelta(seconds=0)),
        Policy(action=PolicyAction.ACKNOWLEDGE, object="column:*", reason="columns are the DBA's"),
        Policy(action=PolicyAction.FAIL, object="default:*"),
    ]
    with watching(app, policies=policies) as watcher:
        by_hand(
            app,
            "create index users_hot on app.users (id)",
            "alter table app.users add column note text",
        )
        until(lambda: watcher.status.heals == 1, "the repair")
        until(lambda: state(watcher) is PluginState.ACKNOWLEDGED, "the acknowledgement")
        with Reconciler(app) as reconciler:
            found = {each.fact.key: each for each in reconciler.incidents(closed=True)}
            assert found["index:app.users.users_hot"].closed_by == "heal"
            known = found["column:app.users.note"].acknowledgement
            assert known is not None
            assert known.reason == "by policy: columns are the DBA's"
            (entry, repair) = reconciler.history(plugin="app")
            assert (entry.idx, repair.idx) == (0, 1)
            assert "note" in {each.fact.name[-1] for each in reconciler.check_recorded("app").drift}
        # Somebody makes it again and again: after two tries it is told, and left.
        by_hand(app, "create index users_hot on app.users (id)")
        until(lambda: watcher.status.heals == 2, "the second repair")
        by_hand(app, "create index users_hot on app.users (id)")
        until(lambda: state(watcher) is PluginState.DRIFTED, "the pause")
        with Reconciler(app) as reconciler:
            until(lambda: any("healing is paused" in (each.note or "") for each in reconciler.incidents()), "the note")
        assert watcher.status.heals == 2
        assert not watcher.status.failing
        by_hand(app, "alter table app.users alter mail set default 'y'")
        until(lambda: watcher.status.failing, "the failure")


@pytest.mark.one_server
def test_healing_is_refused_where_it_costs_what_was_not_allowed(app: str) -> None:
    with watching(app, policies=[Policy(action=PolicyAction.HEAL)]) as watcher:
        by_hand(app, "alter table app.users add column note text")
        until(lambda: watcher.status.heal_failures > 0, "the refusal")
        with Reconciler(app) as reconciler:
            (incident,) = reconciler.incidents()
            refused = "drops column app.users.note with all of its values, which the policy does not allow"
            assert incident.note == f"not healed: {refused}"
    with watching(app, policies=[Policy(action=PolicyAction.HEAL, allow=frozenset({"data_loss"}), tries=9)]) as watcher:
        until(lambda: state(watcher) is PluginState.IN_SYNC, "the repair")


def test_the_log_tells_at_the_commit_and_who_it_was(app: str) -> None:
    by_hand(app, "drop role if exists watch_ann", "create role watch_ann login superuser password 'watch_ann'")
    with psycopg.connect(app) as connection:
        install(connection, notify=True)
    slow = WatchTimes(poll_s=60, mark_s=600, lease_s=600)
    policies = [Policy(action=PolicyAction.ACKNOWLEDGE, author="watch_*", reason="she may")]
    ann = make_conninfo(app, user="watch_ann", password="watch_ann", application_name="psql")
    try:
        with watching(app, times=slow, policies=policies) as watcher:
            assert watcher.status.detector == "notifications of the log of DDL"
            assert watcher.status.log_intact
            with Reconciler(app) as reconciler:
                # Twice: the second look after the first takes the mark that the notification's is compared with.
                for name, number, who in (("one", 1, app), ("two", 2, ann)):
                    by_hand(who, f"create index users_{name} on app.users (id)")
                    until(lambda number=number: len(reconciler.incidents()) == number, "the incident")
                until(lambda: reconciler.incidents()[0].status == "acknowledged", "the acknowledgement")
                hers, another = reconciler.incidents()
            assert (hers.author, another.author, another.status) == ("watch_ann", "postgres", "open")
            assert "users_two" in str(hers.evidence)
    finally:
        by_hand(app, "drop role watch_ann")


@pytest.mark.one_server
@pytest.mark.skipif(pgbouncer() is None, reason="needs PgBouncer")
def test_through_a_pooler_that_shares_servers_it_asks_instead(app: str) -> None:
    with psycopg.connect(app) as connection:
        install(connection, notify=True)
    with pooler(app, pool_size=3) as pooled, watching(pooled) as watcher:
        assert watcher.status.detector.startswith("the log of DDL, asked each time (a pooler is between")
        by_hand(app, "create index users_hot on app.users (id)")
        until(lambda: state(watcher) is PluginState.DRIFTED, "the drift")


@pytest.mark.one_server
def test_the_command_ends_by_sigterm_and_leaves_nothing(app: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reconciler.cli.commands", "watch", "--plugin", "app", "--metrics", "127.0.0.1:0"]
    process = subprocess.Popen([*command, "--dsn", app], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    with psycopg.connect(app, autocommit=True) as connection:
        leases = "select count(*) from migrations._watchers"
        until(lambda: connection.execute(leases).fetchone() == (1,), "the lease")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=_LONGEST_S)
        assert process.returncode == 0, err
        assert "the watcher ended" in err
        assert connection.execute(leases).fetchone() == (0,)
        others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        until(lambda: connection.execute(others).fetchone() == (0,), "the end of its sessions")
