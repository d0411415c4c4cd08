"""Connection strings: what libpq takes, and what may be shown of them. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["libpq_dsn", "redact", "redact_unread", "unknown_parameters"]

_HIDDEN = "********"
_SECRETS = r"(?!password_required)\w*(?:pass|pwd|secret)\w*|scram_(?:client|server)_key"
# Of a string that libpq does not understand only these values may be shown: a misspelt name may be a password's.
_OPEN = frozenset(
    {
        "application_name",
        "connect_timeout",
        "dbname",
        "host",
        "hostaddr",
        "options",
        "port",
        "service",
        "sslmode",
        "target_session_attrs",
        "user",
    }
)
_DRIVER = re.compile(r"^\s*(postgres(?:ql)?)\+[a-z0-9_]+(?=://)", re.IGNORECASE)
_URL = re.compile(r"^\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ALL = re.compile(r".+", re.DOTALL)
_URL_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_PARAMETER = re.compile(rf"([?&](?:{_SECRETS})=)[^&\s\"']*", re.IGNORECASE)
# A value ends at white space unless quoted; a backslash takes the next character along (libpq, "Keyword/Value
# Connection Strings"). A quote that never ends hides the rest of the text; inside an SQL literal quotes are doubled.
_KEYWORD = re.compile(
    rf"(?<![?&\w])((?:{_SECRETS})\s*=\s*)(?:''[^']*''|'(?:[^'\\]|\\.)*(?:'|$)|(?:\\.|[^\s\\'\"])+)",
    re.IGNORECASE | re.DOTALL,
)


# Up to the next `name=`, since where a value ends is what could not be told.
_UNREAD = re.compile(r"(?P<name>\w+)(?P<sign>\s*=\s*)(?:(?!\s+\w+\s*=)[^&])*", re.DOTALL)


# What URLs of other programs say to their own pools and caches (asyncpg, SQLAlchemy, Prisma, JDBC, pgx), which we do
# not have: no prepared statement, one connection.
_OF_OTHERS = frozenset(
    {
        "async_fallback",
        "binary_parameters",
        "command_timeout",
        "connection_limit",
        "default_query_exec_mode",
        "max_cacheable_statement_size",
        "max_cached_statement_lifetime",
        "max_overflow",
        "pgbouncer",
        "pool_max_conns",
        "pool_min_conns",
        "pool_pre_ping",
        "pool_recycle",
        "pool_size",
        "pool_timeout",
        "preparethreshold",
        "prepared_statement_cache_size",
        "prepared_statement_name_func",
        "prepared_statements",
        "socket_timeout",
        "statement_cache_capacity",
        "statement_cache_size",
    }
)
# Said in other words there, and meant alike.
_TRANSLATED = {"ssl": "sslmode", "timeout": "connect_timeout", "server_settings[application_name]": "application_name"}
_MEANT_ANYWAY = frozenset({("schema", "public"), ("sslaccept", "accept_invalid_certs")})


def libpq_dsn(dsn: str) -> str:
    """`dsn` as libpq reads it.

    SQLAlchemy's `postgresql+psycopg://` loses its driver; parameters that other programs give their own drivers and
    pools are left out, or said in libpq's words. What libpq does not know then is an error when it connects.
    """
    text = _DRIVER.sub(r"\1", dsn).strip()
    base, mark, query = text.partition("?")
    if not mark or not _URL.match(text):
        return text
    kept = [each for pair in query.split("&") if pair and (each := _for_libpq(pair)) is not None]
    return f"{base}?{'&'.join(kept)}" if kept else base


def _for_libpq(pair: str) -> str | None:
    """`name=value` as libpq takes it; None where it is about others' pools."""
    name, sign, value = pair.partition("=")
    lower = name.lower()
    if lower in _OF_OTHERS or (lower, value.lower()) in _MEANT_ANYWAY:
        return None
    if lower == "ssl" and value.lower() in ("true", "1", "on"):
        return "sslmode=require"
    if lower == "ssl" and value.lower() in ("false", "0", "off"):
        return "sslmode=disable"
    return f"{_TRANSLATED[lower]}{sign}{value}" if lower in _TRANSLATED else pair


def unknown_parameters(dsn: str, known: Iterable[str]) -> list[str]:
    """The names of a URL's parameters that are none of `known`."""
    _, _, query = libpq_dsn(dsn).partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&") if "=" in pair] if _URL.match(dsn) else []
    return [name for name in dict.fromkeys(names) if name.isidentifier() and name not in known]


def redact(text: str) -> str:
    """`text` without passwords: a URL, a key=value connection string, or a message that quotes some.

    What looks like a password that was not percent-encoded (an `@` or `/` in it) is hidden as far as its last `@`:
    rather too much than a part of it.
    """
    urls = _ALL if _URL.match(text) else _URL_IN_TEXT
    hidden = urls.sub(lambda found: _redact_url(found.group()), text)
    return _KEYWORD.sub(rf"\1{_HIDDEN}", hidden)


def redact_unread(dsn: str) -> str:
    """A string that libpq could not read, with the values alone of the parameters that are known to be harmless."""
    if _URL.match(dsn):
        base, mark, query = redact(dsn).partition("?")
        return base + mark + _UNREAD.sub(_only_open, query)
    return _UNREAD.sub(_only_open, redact(dsn)) if "=" in dsn else _HIDDEN


def _only_open(found: re.Match[str]) -> str:
    return found.group() if found["name"].lower() in _OPEN else f"{found['name']}{found['sign']}{_HIDDEN}"


def _redact_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + _PARAMETER.sub(rf"\1{_HIDDEN}", _redact_credentials(rest))


def _redact_credentials(rest: str) -> str:
    """`rest` is what follows `://`; libpq ends the credentials at the first `@` that stands before any `/`."""
    at = _end_of_credentials(rest)
    user, colon, password = (rest[:at] if at >= 0 else rest).partition(":")
    if at >= 0:
        return f"{user}:{_HIDDEN}{rest[at:]}" if colon and "@" not in user else rest
    port = re.match(r"[^/?\s]*", password)
    looks_like_host = not colon or "/" in user or "]" in rest or port is None or re.fullmatch(r"[\d:.,\w-]*", port[0])
    return rest if looks_like_host else f"{user}:{_HIDDEN}"


def _end_of_credentials(rest: str) -> int:
    """Where the `@` stands that ends user and password, or -1 where there are none."""
    query = re.compile(r"\?\w+=").search(rest, max(rest.find("@"), 0))
    return rest.rfind("@", 0, query.start() if query else len(rest))
