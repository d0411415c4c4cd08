"""Which options of objects are secret, and a value that does not print itself. Pure: no I/O.

A fact never holds a secret: its definition has a mask in its place, so that nothing that prints, records or hashes
facts can tell one. What the mask stands for travels beside the facts, for as long as the process lives.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from reconciler.redaction.dsn import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MASK",
    "Secret",
    "SecretText",
    "conceal",
    "is_secret_option",
    "redact_message",
    "unmasked",
]

MASK = "********"

# Where the options of each kind stand in its definition.
_OPTIONS = {
    "user_mapping": "options",
    "foreign_server": "options",
    "foreign_data_wrapper": "options",
    "foreign_table": "server_options",
    "column": "fdw_options",
}
_SERVERS = frozenset({"foreign_server", "foreign_data_wrapper"})
_NAMES = re.compile(
    r"passw(?:or)?d|passphrase|passcode|passfile|pwd|secret|token|credential|(?:api|access|account|private|shared)_?key"
    r"|scram_(?:client|server)_key|_sas\b|signature",
    re.IGNORECASE,
)
# What says how to log in, not with what. `password_required` and the like are switches of postgres_fdw.
_HARMLESS = re.compile(
    r"(?:password_required|use_scram_passthrough|secret_id|token_(?:url|endpoint|type)|\w*key_(?:id|column|name))",
    re.IGNORECASE,
)
# Of a server or a wrapper also what says less by its name; elsewhere `key` is as likely the key of a table. The last
# ones are of wrappers that take a whole login in one option (BigQuery, ODBC, ClickHouse, MongoDB).
_SERVER_NAMES = re.compile(
    r"(?:.*_)?(?:auth|authorization|bearer|pass|key)|sa_key|conn(?:ection)?_str(?:ing)?|odbc_\w*(?:pwd|pass)\w*|mongo_url|dsn",
    re.IGNORECASE,
)
_IN_VALUES = re.compile(r"://[^/?#]*:[^/?#]*@|passw(?:or)?d\s*=", re.IGNORECASE)
# Postgres shows the options of a mapping to few, whatever they are: of these only is it known that they tell nothing.
_OPEN_IN_MAPPINGS = frozenset(
    {
        "password_required",
        "remote_user",
        "service",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslrootcert",
        "use_scram_passthrough",
        "user",
        "user_name",
        "username",
    }
)
_LITERAL = re.compile(
    r"""(?P<before>(?P<name>"(?:[^"]|"")+"|\b[a-z_]\w*)\s*)(?:E(?P<escaped>'(?:[^'\\]|\\.|'')*')|(?P<plain>'(?:[^']|'')*'))""",
    re.IGNORECASE | re.DOTALL,
)
_OF_MAPPING = re.compile(r"\s*(?:CREATE|ALTER)\s+USER\s+MAPPING\b", re.IGNORECASE)


class Secret:
    """A text that is in no repr, no log and no JSON by accident: only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"


class SecretText(Secret):
    """A statement with secrets in it, and which they are."""

    __slots__ = ("_values",)

    def __init__(self, value: str, values: Iterable[str]) -> None:
        super().__init__(value)
        self._values = sorted({value for value in values if value}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """`text`, such as a server's message about the statement, with a mask for each of the secrets."""
        for value in self._values:
            for form in (value, value.replace("'", "''")):
                text = text.replace(form, MASK)
        return text


def is_secret_option(name: str, value: str, kind: str = "") -> bool:
    """Whether nobody may see the value of an option of this kind; of a mapping, unless it is known to be harmless."""
    if kind == "user_mapping":
        return name.lower() not in _OPEN_IN_MAPPINGS
    if _HARMLESS.fullmatch(name):
        return False
    if kind in _SERVERS and _SERVER_NAMES.fullmatch(name):
        return True
    return _NAMES.search(name) is not None or _IN_VALUES.search(value) is not None


def conceal(kind: str, definition: str) -> tuple[str, dict[str, Secret]]:
    """A definition (JSON) with masks for its secrets, and what they stand for: option -> value.

    A value that is the mask itself, as in a source that was recorded, stands for a secret that nobody knows any more.
    """
    if kind == "subscription":
        return _conceal_connection(definition)
    key = _OPTIONS.get(kind)
    if key is None or f'"{key}":' not in definition:
        return definition, {}
    values = cast("dict[str, object]", json.loads(definition))
    kept: list[str] = []
    secrets: dict[str, Secret] = {}
    for option in cast("list[str]", values[key]):
        name, _, value = option.partition("=")
        if is_secret_option(name, value, kind):
            kept.append(f"{name}={MASK}")
            if value != MASK:
                secrets[name] = Secret(value)
        else:
            kept.append(option)
    return _json({**values, key: kept}), secrets


def _conceal_connection(definition: str) -> tuple[str, dict[str, Secret]]:
    values = cast("dict[str, object]", json.loads(definition))
    connection = values.get("connection")
    if not isinstance(connection, str) or (shown := redact(connection)) == connection:
        return definition, {}
    return _json({**values, "connection": shown}), {"connection": Secret(connection)}


def _json(values: dict[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def unmasked(options: Iterable[str], secrets: Mapping[str, Secret], kind: str) -> list[str]:
    """The names of the options, of something of this kind, whose value is secret and not known."""
    pairs = (option.partition("=")[::2] for option in options)
    return [
        name for name, value in pairs if value == MASK and name not in secrets and is_secret_option(name, value, kind)
    ]


def _mask_literals(statement: str) -> str:
    """A message that may quote a statement, with a mask for each literal that gives a secret option its value."""
    of_mapping = _OF_MAPPING.match(statement) is not None

    def masked(found: re.Match[str]) -> str:
        name = found["name"].strip('"').replace('""', '"')
        if of_mapping:
            is_secret = is_secret_option(name, "", "user_mapping")
        else:
            is_secret = _NAMES.search(name) is not None and not _HARMLESS.fullmatch(name)
        return f"{found['before']}'{MASK}'" if is_secret else found.group()

    return _LITERAL.sub(masked, statement)


def redact_message(text: str) -> str:
    """A message, which may quote a statement or a connection string, without the secrets in it."""
    return redact(_mask_literals(text))
