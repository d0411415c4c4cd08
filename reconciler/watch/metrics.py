"""What a watcher knows, for Prometheus; needs prometheus-client. Does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.errors import ConfigError
from reconciler.watch.status import PluginState, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from prometheus_client.core import Metric

    from reconciler.watch.status import WatchStatus

__all__ = ["Metrics"]

_INSTALL = "pip install 'reconciler[metrics]'"


class Metrics:
    """Reads the status at each scrape. Raises ConfigError where prometheus-client is not installed."""

    def __init__(self, status: Callable[[], WatchStatus], clock: Callable[[], datetime]) -> None:
        try:
            from prometheus_client import CollectorRegistry
        except ModuleNotFoundError as exc:
            raise ConfigError("--metrics needs prometheus-client", hint=_INSTALL) from exc
        self._status = status
        self._clock = clock
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> tuple[bytes, str]:
        """All metrics in the text format, and its content type."""
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Metric]:
        """The metrics as of now; prometheus-client calls it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        status = self._status()
        now = self._clock()
        own, each = ["database"], ["database", "plugin"]

        state = GaugeMetricFamily(
            "reconciler_plugin_state", "1 for the state that the plugin is in", labels=[*each, "state"]
        )
        incidents = GaugeMetricFamily("reconciler_incidents", "Incidents that are not over", labels=[*each, "status"])
        oldest = GaugeMetricFamily(
            "reconciler_oldest_drift_age_seconds",
            "How long ago the oldest drift was found that is not over",
            labels=each,
        )
        verdict = GaugeMetricFamily(
            "reconciler_last_verdict_timestamp_seconds", "When the last look at the plugin began", labels=each
        )
        duration = GaugeMetricFamily(
            "reconciler_last_look_duration_seconds", "How long the last look at the plugin took", labels=each
        )
        for name, found in status.verdicts.items():
            of = [status.database, name]
            for which in PluginState:
                state.add_metric([*of, which.value], float(found.state is which))
            incidents.add_metric([*of, "open"], found.open)
            incidents.add_metric([*of, "acknowledged"], found.acknowledged)
            age_s = (now - found.oldest).total_seconds() if found.oldest is not None else 0.0
            oldest.add_metric(of, max(age_s, 0.0))
            verdict.add_metric(of, found.at.timestamp())
            duration.add_metric(of, found.duration_s)
        yield from (state, incidents, oldest, verdict, duration)

        def gauge(name: str, text: str, value: float) -> Metric:
            metric = GaugeMetricFamily(f"reconciler_{name}", text, labels=own)
            metric.add_metric([status.database], value)
            return metric

        def counter(name: str, text: str, value: float) -> Metric:
            metric = CounterMetricFamily(f"reconciler_{name}", text, labels=own)
            metric.add_metric([status.database], value)
            return metric

        yield gauge("watcher_acting", "1 where this watcher acts, 0 where another does", status.role is Role.ACTING)
        yield gauge("verdict_stale", "1 where the verdicts may be out of date", status.stale is not None)
        if status.log_intact is not None:
            yield gauge("log_intact", "1 where the log of DDL can be believed", status.log_intact)
        yield gauge("outbox_undelivered", "Events that somebody is yet to be told", status.undelivered)
        yield counter("polls", "How often the counters were read", status.polls)
        yield counter("looks", "How often a plugin was looked at", status.looks)
        yield counter("heals", "Drift that policies brought back", status.heals)
        yield counter("heal_failures", "Tries of policies that failed", status.heal_failures)
        yield counter("deliveries", "Events that were delivered", status.deliveries)
        yield counter("delivery_failures", "Tries to deliver that failed", status.delivery_failures)
