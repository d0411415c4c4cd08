"""Who is told of incidents: signed webhooks, and what apprise reaches. Does I/O.

A webhook is signed as others do it (Stripe, Standard Webhooks): HMAC-SHA256 over the time and the body, so that nobody
else can send one, and nobody can send an old one again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from reconciler.errors import ConfigError, DeliveryError
from reconciler.redaction.dsn import redact
from reconciler.version import program_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.ledger.outbox import OutboxEvent

__all__ = ["Notifier", "Sender", "Webhook", "event_document", "is_signed"]

_TIMEOUT_S = 10.0
_TOLERANCE_S = 300
_FORMAT = "reconciler/event"


class Sender(Protocol):
    """Somebody to tell. `target` is a hash of the address, `description` what may be shown of it."""

    @property
    def target(self) -> str: ...

    @property
    def description(self) -> str: ...

    def send(self, event: OutboxEvent, database: str, seal: str | None) -> None:
        """Returns where the event was taken. Raises DeliveryError."""
        ...


def event_document(event: OutboxEvent, database: str, seal: str | None) -> dict[str, object]:
    """What a webhook's body holds; `seal` is the last one of the log of DDL, which can then not be forged any more."""
    return {
        "format": _FORMAT,
        "format_version": "1.0",
        "id": event.key,
        "event": event.event.value,
        "at": event.at.isoformat(),
        "database": database,
        "incident": event.incident,
        "seal": seal,
    }


def is_signed(
    body: bytes, headers: Mapping[str, str], secret: str, *, now: float | None = None, tolerance_s: int = _TOLERANCE_S
) -> bool:
    """Whether a webhook with these headers comes from who knows the secret, and not from long ago."""
    values = {name.lower(): value for name, value in headers.items()}
    stamp = values.get("reconciler-timestamp", "")
    if not stamp.isdigit() or abs((time.time() if now is None else now) - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(values.get("reconciler-signature", ""), _signature(stamp, body, secret))


def _signature(stamp: str, body: bytes, secret: str) -> str:
    return f"v1={hmac.new(secret.encode(), f'{stamp}.'.encode() + body, hashlib.sha256).hexdigest()}"


class Webhook:
    """A URL that each event is posted to. Redirects are not followed, certificates are verified."""

    def __init__(self, url: str, secret: str, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"webhook {redact(url)} is not a URL", hint="write https://host/path")
        if not secret:
            raise ConfigError(
                "webhooks are signed, and there is no secret",
                hint="set RECONCILER_WEBHOOK_SECRET to a long random text",
            )
        self._parts = parts
        self._secret = secret
        self._clock = clock
        self.target = hashlib.sha256(url.encode()).hexdigest()
        self.description = f"{parts.scheme}://{parts.hostname}"

    def send(self, event: OutboxEvent, database: str, seal: str | None) -> None:
        """Posts the event. Raises DeliveryError for no answer, and for any that is not 2xx."""
        body = json.dumps(event_document(event, database, seal), ensure_ascii=False).encode()
        stamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"reconciler/{program_version()}",
            "Reconciler-Event": event.event.value,
            "Reconciler-Event-Id": event.key,
            "Reconciler-Timestamp": stamp,
            "Reconciler-Signature": _signature(stamp, body, self._secret),
        }
        connection = self._open()
        try:
            path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
            connection.request("POST", path, body=body, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as exc:
            raise DeliveryError(f"{self.description} cannot be reached: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise DeliveryError(f"{self.description} answered {status}")

    def _open(self) -> http.client.HTTPConnection:
        host = cast("str", self._parts.hostname)
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, self._parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, self._parts.port, timeout=_TIMEOUT_S)


class _Apprise(Protocol):
    def add(self, servers: str) -> bool: ...
    def notify(self, *, title: str, body: str) -> bool | None: ...


class Notifier:
    """A chat, a mailbox or anything else that apprise has a URL for; it is told in words."""

    def __init__(self, url: str) -> None:
        try:
            from apprise import Apprise  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
        except ModuleNotFoundError as exc:
            raise ConfigError("--notify needs apprise", hint="pip install 'reconciler[notify]'") from exc
        self._apprise = cast("_Apprise", Apprise())
        if not self._apprise.add(url):
            raise ConfigError(
                f"apprise does not know what {url.partition('://')[0]}://*** is",
                hint="its manual lists what it reaches",
            )
        self.target = hashlib.sha256(url.encode()).hexdigest()
        self.description = f"{url.partition('://')[0]}://"

    def send(self, event: OutboxEvent, database: str, seal: str | None) -> None:
        """Sends a line or two. Raises DeliveryError."""
        incident = event.incident
        title = f"{database}: drift {event.event}"
        author = f" by {incident['author']}" if incident.get("author") else ""
        lines = [f"{incident['fact']} {incident['change']}{author}, plugin {incident['plugin']}"]
        if incident.get("closed_by"):
            lines.append(f"closed by {incident['closed_by']}")
        if incident.get("note"):
            lines.append(str(incident["note"]))
        lines.append(f"event {event.key}" + (f", seal {seal}" if seal else ""))
        if not self._apprise.notify(title=title, body="\n".join(lines)):
            raise DeliveryError(f"{self.description} could not be told")
