"""The loop of a watcher: look where something can have changed, record, act by policy, wait. Does I/O.

One thread works on the database; a courier delivers in another, and an endpoint answers in others, which read `status`
alone. Whatever fails makes the verdict stale, with the reason, and is tried again: a watcher ends when it is told to.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from reconciler.client import Reconciler
from reconciler.db.connections import Watched, cancel_all, errors_as, fetch_one, transaction, watched, watching
from reconciler.diff.drift import State
from reconciler.errors import ConfigError, HazardError, ReconcilerError
from reconciler.ledger.incidents import forget_incidents, note_heal, tries_since, why_unrecorded
from reconciler.ledger.migrations import load_plugins
from reconciler.ledger.outbox import prune_outbox, release_lease, take_lease
from reconciler.model.incidents import IncidentStatus
from reconciler.model.policies import PolicyAction, decide, policy_for
from reconciler.watch.courier import Courier
from reconciler.watch.detectors import Detector
from reconciler.watch.status import PluginState, Role, Verdict, WatchStatus
from reconciler.workflows.past import keep_look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.db.connections import Connection
    from reconciler.model.incidents import Incident
    from reconciler.model.policies import Policy
    from reconciler.options import Options
    from reconciler.results import CheckResult
    from reconciler.source.source import Declaration
    from reconciler.watch.senders import Sender

__all__ = ["WatchTimes", "Watcher"]

_LOG = logging.getLogger("reconciler")
# A wait is cut into pieces, between which a signal is seen.
_SLICE_S = 0.25
_CANCEL_AGAIN_S = 0.2
_HEARTBEATS = 4
# Who is told of DDL at its commit asks less often whether there was any that was not told.
_WHEN_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTimes:
    """How often a watcher does what, in seconds.

    `poll_s`: the counters, and whether the log of DDL moved; `mark_s`: the marks of all plugins; `full_s`: a full
    reading. A lease holds for `lease_s` and is renewed three times in it. `grace_s` is how long work may go on after
    the watcher is told to end, before it is cancelled. `kept` is how long the outbox keeps what is over.
    """

    poll_s: float = 1.0
    mark_s: float = 60.0
    full_s: float = 3600.0
    lease_s: float = 30.0
    grace_s: float = 5.0
    first_retry_s: float = 0.2
    longest_retry_s: float = 15.0
    kept: timedelta = timedelta(days=30)


@dataclass(kw_only=True)
class _Plugin:
    """What the watcher knows of one plugin: what its mark is taken of, and when it is looked at by all means."""

    schemas: tuple[str, ...] | None = None
    full_at: float = 0.0
    again_at: datetime | None = None
    standing: tuple[Incident, ...] = ()


@dataclass(kw_only=True)
class _Session:
    """What holds for one connection."""

    connection: Connection
    detector: Detector
    unrecorded: str | None
    marks_at: float = 0.0
    lease_at: float = 0.0
    plugins: dict[str, _Plugin] = field(default_factory=dict[str, _Plugin])


class Watcher:
    """Watches one database until it is told to `stop`.

    `plugins` are those to watch, None for all that are recorded. With `source` the one plugin is compared with that,
    and else with what was recorded. `on_look` is told of each look, in the thread of `run`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        options: Options,
        plugins: Sequence[str] | None = None,
        source: Callable[[], Declaration] | None = None,
        policies: Sequence[Policy] = (),
        senders: Sequence[Sender] = (),
        times: WatchTimes | None = None,
        clock: Callable[[], datetime] | None = None,
        on_look: Callable[[CheckResult], None] | None = None,
    ) -> None:
        self._dsn = dsn
        self._options = options
        self._only = None if plugins is None else tuple(plugins)
        self._source = source
        self._policies = tuple(policies)
        self._senders = tuple(senders)
        self._times = times or WatchTimes()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._on_look = on_look
        self._holder = str(uuid.uuid4())
        self._description = f"{socket.gethostname()}, process {os.getpid()}"
        self._reconciler = Reconciler(dsn, options=options, clock=clock)
        self._connections = Watched()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._session: _Session | None = None
        self._courier: Courier | None = None
        self.status = WatchStatus(heartbeat=time.monotonic())

    @property
    def is_alive(self) -> bool:
        """Whether the loop goes on, however long a look may take: it does not where nothing was done for long."""
        longest = max(self._times.mark_s, self._times.longest_retry_s, self._times.lease_s) * _HEARTBEATS
        return time.monotonic() - self.status.heartbeat < longest

    def stop(self) -> None:
        """Has `run` end soon; from any thread, and from a signal handler. Work that takes longer is cancelled."""
        if not self._stopping.is_set():
            self._stopping.set()
            threading.Thread(target=self._cancel, name="reconciler-watch-end", daemon=True).start()

    def run(self) -> None:
        """Watches until `stop`. Raises ConfigError for what no waiting mends."""
        retry_s = self._times.first_retry_s
        try:
            with watching(self._connections):
                while not self._stopping.is_set():
                    try:
                        wait_s = self._step()
                        retry_s = self._times.first_retry_s
                    except ConfigError:
                        raise
                    except (ReconcilerError, psycopg.Error) as error:
                        if self._stopping.is_set():
                            break
                        self._lost(error)
                        self._stopping.wait(retry_s)
                        retry_s = min(retry_s * 2, self._times.longest_retry_s)
                        continue
                    self._wait(wait_s)
        finally:
            self._end()

    # --- one turn of the loop --------------------------------------------------------------------------------------

    def _step(self) -> float:
        """Does what is due, and gives how long nothing is."""
        session = self._session or self._begin()
        self._publish(heartbeat=time.monotonic(), polls=self.status.polls + 1)
        now = time.monotonic()
        if session.unrecorded is None and now >= session.lease_at:
            with transaction(session.connection):
                other = take_lease(
                    session.connection,
                    self._lease_name,
                    self._holder,
                    self._description,
                    timedelta(seconds=self._times.lease_s),
                )
            session.lease_at = now + self._times.lease_s / 3
            if other is not None:
                self._stop_courier()
                self._publish(role=Role.STANDBY, stale=f"another watcher acts: {other}", verdicts={})
                session.plugins.clear()
                return self._times.lease_s / 3
            if self.status.role is Role.STANDBY:
                self._publish(role=Role.STARTING, stale="no look has ended yet")
        if self.status.role is Role.STANDBY:
            return self._times.lease_s / 3
        self._start_courier(session)
        with watched(session.connection):
            for plugin in sorted(self._due(session)):
                if self._stopping.is_set():
                    return 0.0
                self._look(session, plugin)
            self._act_again(session)
        self._tell_courier(session)
        failed = next((each for each in self.status.verdicts.values() if each.error is not None), None)
        stale = None if failed is None else f"plugin {failed.plugin} cannot be checked: {failed.error}"
        self._publish(role=Role.ACTING, stale=stale, log_intact=session.detector.log_intact, seal=session.detector.seal)
        wait_s = self._times.poll_s * (_WHEN_TOLD if session.detector.listens else 1)
        put_off_s = session.detector.put_off_s
        return wait_s if put_off_s is None else min(wait_s, put_off_s)

    def _begin(self) -> _Session:
        connection = self._reconciler.connection
        with transaction(connection):
            why = why_unrecorded(connection)
            row = fetch_one(connection, "SELECT pg_catalog.current_database()")
        if why is not None and self._senders:
            _LOG.warning("no incident is recorded, so nobody is told of any: %s", why)
        detector = Detector(connection, self._reconciler.dsn)
        self._session = _Session(connection=connection, detector=detector, unrecorded=why)
        self._publish(database=str(row[0]) if row is not None else "", detector=detector.kind)
        _LOG.info("watching %s by %s", self.status.database, detector.kind)
        return self._session

    def _due(self, session: _Session) -> frozenset[str]:
        """The plugins to look at now."""
        now = time.monotonic()
        with errors_as():
            suspicious = session.detector.has_moved()
            if not suspicious and now < session.marks_at:
                return frozenset()
            by_time = now >= session.marks_at
            names = self._names(session)
        for name in names:
            session.plugins.setdefault(name, _Plugin())
        for name in session.plugins.keys() - set(names):
            del session.plugins[name]
        due = {name for name, each in session.plugins.items() if each.schemas is None or now >= each.full_at}
        marked = {
            name: each.schemas for name, each in session.plugins.items() if each.schemas is not None and name not in due
        }
        due |= session.detector.moved(marked)
        if by_time:
            session.marks_at = time.monotonic() + self._times.mark_s
            session.detector.read_log()
            self._forget(session, names)
        return frozenset(due)

    def _names(self, session: _Session) -> tuple[str, ...]:
        if self._only is not None:
            return self._only
        with transaction(session.connection):
            return load_plugins(session.connection)

    def _forget(self, session: _Session, names: Iterable[str]) -> None:
        """Closes what is left of plugins that are not recorded any more, and of the outbox what is long over."""
        if session.unrecorded is not None or self._only is not None:
            return
        now = self._clock()
        with transaction(session.connection):
            forget_incidents(session.connection, tuple(names), now)
            prune_outbox(session.connection, now - self._times.kept)
        verdicts = {name: verdict for name, verdict in self.status.verdicts.items() if name in session.plugins}
        self._publish(verdicts=verdicts)

    def _look(self, session: _Session, plugin: str, *, healed: bool = False) -> None:
        """Checks the plugin and records what was found; an error of it is the plugin's verdict."""
        known = session.plugins[plugin]
        began = time.monotonic()
        at = self._clock()
        mark = session.detector.read_mark(known.schemas) if known.schemas is not None else None
        try:
            if self._source is not None:
                result = self._reconciler.check(self._source(), plugin=plugin)
            else:
                result = self._reconciler.check_recorded(plugin)
            if session.unrecorded is None:
                keep_look(session.connection, result)
            result = self._reconciler.record_incidents(result, healed=healed)
        except ReconcilerError as error:
            if session.connection.closed or isinstance(error.__cause__, psycopg.OperationalError):
                raise
            _LOG.warning("plugin %s cannot be checked: %s", plugin, error.message)
            known.schemas, known.full_at = None, began + self._times.mark_s
            self._judge(plugin, PluginState.ERROR, at, began, error=error.message)
            return
        if result.live is not None:
            schemas = result.live.extent.all_schemas
            if mark is not None and schemas == known.schemas and session.detector.read_mark(schemas) == mark:
                session.detector.looked(plugin, mark)
            else:
                # What it is taken of is known only now, or something changed meanwhile: the mark is not of what was
                # seen, and could come back when that is taken away. So the next one looks again.
                session.detector.forget(plugin)
            known.schemas = schemas
        known.full_at = began + self._times.full_s
        known.standing = result.incidents.standing if result.incidents is not None else ()
        self._judge(plugin, _state_of(result), at, began, result=result, standing=known.standing)
        if self._on_look is not None:
            self._on_look(result)
        if self._courier is not None:
            self._courier.wake()
        if session.unrecorded is None:
            self._act(session, plugin)

    def _judge(
        self,
        plugin: str,
        state: PluginState,
        at: datetime,
        began: float,
        *,
        result: CheckResult | None = None,
        standing: Sequence[Incident] = (),
        error: str | None = None,
    ) -> None:
        red = [each for each in standing if each.status is IncidentStatus.OPEN]
        recorded = result is None or result.incidents is None or result.incidents.unrecorded is None
        verdict = Verdict(
            plugin=plugin,
            state=state,
            at=at,
            duration_s=time.monotonic() - began,
            open=len(red) if recorded or result is None else len(result.drift),
            acknowledged=len(standing) - len(red),
            oldest=min((each.opened_at for each in standing), default=None),
            failing=sum(self._is(PolicyAction.FAIL, each) for each in red),
            error=error,
        )
        self._publish(verdicts={**self.status.verdicts, plugin: verdict}, looks=self.status.looks + 1)

    # --- policies --------------------------------------------------------------------------------------------------

    def _is(self, action: PolicyAction, incident: Incident) -> bool:
        policy = policy_for(self._policies, incident)
        return policy is not None and policy.action is action

    def _act_again(self, session: _Session) -> None:
        """What policies put off until now."""
        now = self._clock()
        for plugin, known in session.plugins.items():
            if known.again_at is not None and known.again_at <= now:
                self._act(session, plugin)

    def _act(self, session: _Session, plugin: str) -> None:
        """Does what the policies say of the plugin's open incidents."""
        known = session.plugins[plugin]
        known.again_at = None
        now = self._clock()
        changed = False
        for incident in known.standing:
            policy = policy_for(self._policies, incident)
            if policy is None or incident.status is not IncidentStatus.OPEN:
                continue
            if policy.action is PolicyAction.ACKNOWLEDGE:
                until = None if policy.lasts is None else now + policy.lasts
                self._reconciler.acknowledge(incident.id, f"by policy: {policy.reason}", until=until)
                changed = True
            elif policy.action is PolicyAction.HEAL:
                changed |= self._heal(session, plugin, incident, policy)
        if changed:
            session.detector.forget(plugin)

    def _heal(self, session: _Session, plugin: str, incident: Incident, policy: Policy) -> bool:
        """Tries to bring back what was recorded; whether anything was done."""
        known, now = session.plugins[plugin], self._clock()
        with transaction(session.connection):
            tries, last = tries_since(session.connection, plugin, incident.fact, now - policy.within)
        decision = decide(policy, incident, tries, last, now)
        if decision.again_at is not None:
            known.again_at = min(filter(None, (known.again_at, decision.again_at)))
        if not decision.heals:
            if decision.note is not None and decision.note != incident.note:
                self._note(session, incident, decision.note, tried=False)
            return False
        try:
            self._reconciler.heal(plugin, [incident.fact], options=replace(self._options, allow=policy.allow))
        except ReconcilerError as error:
            if session.connection.closed:
                raise
            why = ", which the policy does not allow" if isinstance(error, HazardError) else ""
            note = f"not healed: {error.message}{why}"
            _LOG.warning("%s of plugin %s is %s", incident.fact, plugin, note)
            self._note(session, incident, note, tried=True)
            self._publish(heal_failures=self.status.heal_failures + 1)
            known.again_at = min(filter(None, (known.again_at, now + policy.back_off * 2**tries)))
            return False
        _LOG.warning("healed: %s of plugin %s is as it was recorded again", incident.fact, plugin)
        self._note(session, incident, None, tried=True)
        self._publish(heals=self.status.heals + 1)
        result = self._reconciler.check_recorded(plugin) if self._source is None else None
        if result is not None:
            result = self._reconciler.record_incidents(result, healed=True)
            known.standing = result.incidents.standing if result.incidents is not None else ()
        return True

    def _note(self, session: _Session, incident: Incident, note: str | None, *, tried: bool) -> None:
        with transaction(session.connection):
            note_heal(session.connection, incident.id, note, at=self._clock(), tried=tried)

    # --- around it -------------------------------------------------------------------------------------------------

    @property
    def _lease_name(self) -> str:
        return "*" if self._only is None else ",".join(sorted(self._only))

    def _wait(self, seconds: float) -> None:
        """Until something is due, somebody notifies, or the watcher is told to stop."""
        end = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
            session = self._session
            if session is None or not session.detector.listens or self.status.role is not Role.ACTING:
                self._stopping.wait(min(left, _SLICE_S))
                continue
            try:
                if session.detector.wait(min(left, _SLICE_S)):
                    return
            except (ReconcilerError, psycopg.Error) as error:
                self._lost(error)
                return

    def _start_courier(self, session: _Session) -> None:
        if self._courier is not None or not self._senders or session.unrecorded is not None:
            return
        self._courier = Courier(
            self._reconciler.dsn, self._senders, self.status.database, ledger_schema=self._options.ledger_schema
        )
        self._courier.plugins = self._only
        self._courier.start()

    def _tell_courier(self, session: _Session) -> None:
        if self._courier is not None:
            self._courier.seal = session.detector.seal
            self._publish(
                deliveries=self._courier.deliveries,
                delivery_failures=self._courier.failures,
                undelivered=self._courier.undelivered,
            )

    def _stop_courier(self) -> None:
        if self._courier is not None:
            self._courier.stop(self._times.grace_s + 10)
            self._courier = None

    def _lost(self, error: ReconcilerError | psycopg.Error) -> None:
        """What is known may be out of date: says why, and begins again with another connection."""
        message = error.message if isinstance(error, ReconcilerError) else str(error)
        if self.status.stale is None or self._session is not None:
            _LOG.warning("the verdict is stale: %s", message)
        self._session = None
        self._reconciler.close()
        self._publish(stale=message, heartbeat=time.monotonic())

    def _publish(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]

    def _cancel(self) -> None:
        self._ended.wait(self._times.grace_s)
        while not self._ended.is_set():
            cancel_all(self._connections)
            self._ended.wait(_CANCEL_AGAIN_S)

    def _end(self) -> None:
        """Lets another watcher act at once, and leaves nothing open."""
        self._ended.set()
        self._stop_courier()
        session = self._session
        if session is not None and session.unrecorded is None:
            try:
                with transaction(session.connection):
                    release_lease(session.connection, self._lease_name, self._holder)
            except (ReconcilerError, psycopg.Error) as error:
                _LOG.warning("the lease could not be released, and ends by itself: %s", error)
        self._reconciler.close()


def _state_of(result: CheckResult) -> PluginState:
    if result.has_drift:
        return PluginState.ACKNOWLEDGED if result.is_acknowledged else PluginState.DRIFTED
    if result.unfinished is not None:
        return PluginState.UNFINISHED
    if result.behind is not None:
        return PluginState.BEHIND
    return PluginState.PENDING if result.of(State.PENDING) else PluginState.IN_SYNC
