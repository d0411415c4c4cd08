"""The command `watch`, and what `check --watch` does. Does I/O."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import DONE, DRIFT, opened, print_note, print_text
from reconciler.cli.options import read_options, reconciling, source_of
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from reconciler.cli.options import CommandOptions
    from reconciler.results import CheckResult
    from reconciler.source.source import AnySource
    from reconciler.watch.senders import Sender
    from reconciler.watch.watcher import Watcher

__all__ = ["watch", "watch_check"]

SECRET = "RECONCILER_WEBHOOK_SECRET"  # noqa: S105 - the name of it


@click.command(short_help="Look at the database again and again, and tell what drifted.")
@click.option("--all-plugins", is_flag=True, help="All plugins that the ledger has recorded, each with its record.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve /metrics (Prometheus), /healthz and /readyz there.")
@click.option(
    "--webhook",
    "webhooks",
    multiple=True,
    metavar="URL",
    help=f"Post each event of an incident there, signed with the secret in {SECRET}; may be repeated.",
)
@click.option(
    "--notify",
    "notified",
    multiple=True,
    metavar="URL",
    help="Tell this chat or mailbox, a URL of apprise's; may be repeated.",
)
@click.option(
    "--poll",
    type=click.FloatRange(min=0.05),
    default=1.0,
    metavar="S",
    help="How often to ask whether anything was written.  [default: 1]",
)
@click.option(
    "--mark",
    type=click.FloatRange(min=1),
    default=60.0,
    metavar="S",
    help="How often to read the marks of all plugins.  [default: 60]",
)
@click.option(
    "--full",
    type=click.FloatRange(min=1),
    default=3600.0,
    metavar="S",
    help="How often to read all by all means.  [default: 3600]",
)
@click.option(
    "--lease",
    type=click.FloatRange(min=1),
    default=30.0,
    metavar="S",
    help="When another watcher takes over from one that is gone.  [default: 30]",
)
@partial(reconciling, formats=("text",))
def watch(
    *,
    all_plugins: bool,
    metrics: str | None,
    webhooks: tuple[str, ...],
    notified: tuple[str, ...],
    poll: float,
    mark: float,
    full: float,
    lease: float,
    **values: Any,
) -> int:
    """Watch the database until SIGTERM or Ctrl-C: drift becomes an incident, is told, and healed where policies say so.

    Without a SOURCE the database is compared with what was recorded.
    """
    from reconciler.watch.watcher import Watcher, WatchTimes

    chosen = read_options(values, formats=("text",))
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("reconciler").setLevel(logging.INFO)
    senders = _senders(webhooks, notified)
    times = WatchTimes(poll_s=poll, mark_s=mark, full_s=full, lease_s=lease)
    with ExitStack() as stack:
        dsn = stack.enter_context(opened(chosen.dsn, local=chosen.local))
        watcher = Watcher(
            dsn,
            options=chosen.options,
            plugins=_plugins(chosen, values, all_plugins=all_plugins),
            source=_source(chosen, all_plugins=all_plugins),
            policies=chosen.policies,
            senders=senders,
            times=times,
        )
        if metrics is not None:
            from reconciler.watch.endpoint import Endpoint, parse_address
            from reconciler.watch.metrics import Metrics

            exported = Metrics(lambda: watcher.status, lambda: datetime.now(UTC))
            endpoint = Endpoint(parse_address(metrics), watcher, exported)
            stack.callback(endpoint.close)
            print_note(f"metrics at port {endpoint.port}")
        _run(watcher)
    print_note("the watcher ended: nothing of it is left open")
    return DONE


def watch_check(chosen: CommandOptions, values: dict[str, Any], *, all_plugins: bool) -> int:
    """Shows each look of which the outcome is another one, until Ctrl-C; exits as the last of them."""
    from reconciler.model.policies import PolicyAction, policy_for
    from reconciler.report import text
    from reconciler.watch.watcher import Watcher

    if chosen.output != "text":
        raise ConfigError("--watch is for a terminal", hint="`reconciler watch --webhook URL` tells programs")
    shown: dict[str, str] = {}
    last: dict[str, CheckResult] = {}
    failed: list[str] = []

    def show(result: CheckResult) -> None:
        last[result.plugin] = result
        found = text.check_text(result)
        if shown.get(result.plugin) != found:
            shown[result.plugin] = found
            print_text(f"{datetime.now(UTC):%H:%M:%S} UTC\n{found}\n")
        for incident in result.incidents.standing if result.incidents is not None else ():
            policy = policy_for(chosen.policies, incident)
            if policy is not None and policy.action is PolicyAction.FAIL and incident.status == "open":
                failed.append(f"{incident.fact} ({policy.where})")
                watcher.stop()

    with opened(chosen.dsn, local=chosen.local) as dsn:
        watcher = Watcher(
            dsn,
            options=chosen.options,
            plugins=_plugins(chosen, values, all_plugins=all_plugins),
            source=_source(chosen, all_plugins=all_plugins),
            on_look=show,
        )
        _run(watcher)
    if failed:
        print_note(f"a policy calls this a failure: {failed[0]}")
    is_red = any(each.has_drift and not each.is_acknowledged for each in last.values())
    return DRIFT if is_red else DONE


def _plugins(chosen: CommandOptions, values: dict[str, Any], *, all_plugins: bool) -> tuple[str, ...] | None:
    if not all_plugins:
        return (chosen.plugin,)
    if values["sources"] or values["plugin"]:
        raise ConfigError("--all-plugins compares each plugin with its record", hint="leave SOURCE and --plugin out")
    return None


def _source(chosen: CommandOptions, *, all_plugins: bool) -> Callable[[], AnySource] | None:
    """Reads the declaration again at each look; None where the record is what counts."""
    return (lambda: source_of(chosen)) if chosen.sources and not all_plugins else None


def _senders(webhooks: tuple[str, ...], notified: tuple[str, ...]) -> list[Sender]:
    from reconciler.watch.senders import Notifier, Webhook

    secret = os.environ.get(SECRET, "")
    return [*(Webhook(url, secret) for url in webhooks), *(Notifier(url) for url in notified)]


def _run(watcher: Watcher) -> None:
    with _ended_by_signals(watcher):
        watcher.run()


@contextmanager
def _ended_by_signals(watcher: Watcher) -> Generator[None]:
    """Inside, SIGTERM and Ctrl-C end the watcher after what it does; a second one ends the process at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        watcher.stop()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
