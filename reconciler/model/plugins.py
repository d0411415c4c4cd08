"""What follows from a plugin's name: its schema, its lock, the tags of its migrations. Pure: no I/O."""

from __future__ import annotations

import hashlib
import re

from reconciler.errors import ConfigError

__all__ = [
    "DEFAULT_PLUGIN",
    "USUAL_LEDGER_SCHEMA",
    "baseline_tag",
    "derive_schema_name",
    "lock_id",
    "migration_tag",
    "require_ledger_schema",
    "require_plugin_name",
    "rollback_tag",
]

DEFAULT_PLUGIN = "default"
USUAL_LEDGER_SCHEMA = "migrations"

# The two names of the core plugin, whose tables are the application's own.
_CORE_PLUGINS = frozenset({"plugin-sql", "@elizaos/plugin-sql"})
_RESERVED_SCHEMAS = frozenset({"public", "pg_catalog", "information_schema", USUAL_LEDGER_SCHEMA})
_MAX_IDENTIFIER_BYTES = 63  # NAMEDATALEN - 1; the derived names are ASCII
_MAX_LOCK_ID = 2**63 - 1  # the advisory lock functions take a signed bigint
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def derive_schema_name(plugin: str) -> str:
    """The schema that a plugin owns unless it says another: `@acme/plugin-Chat-Log` gives `chat_log`."""
    if plugin in _CORE_PLUGINS:
        return "public"
    name = _normalise(re.sub(r"^plugin-", "", re.sub(r"^@[^/]+/", "", plugin)))
    if not name or name in _RESERVED_SCHEMAS:
        name = f"plugin_{_normalise(plugin)}"
    if not re.match(r"[a-z]", name):
        name = f"p_{name}"
    return name[:_MAX_IDENTIFIER_BYTES]


def require_plugin_name(plugin: str) -> None:
    """Raises ConfigError for a name that no plugin can have: it must be visible in one line, and not the server's."""
    if not plugin.strip() or not plugin.isprintable():
        raise ConfigError(
            f"{plugin!r} cannot be the name of a plugin: it must have a printable character, and no line break",
            hint="name it with --plugin",
        )
    if plugin.lower().startswith("pg_"):
        raise ConfigError(
            f"{plugin} cannot be the name of a plugin: names that begin with pg_ are the server's own",
            hint="choose another name with --plugin",
        )


def require_ledger_schema(name: str) -> None:
    """Raises ConfigError for a name that the ledger's schema cannot have."""
    if name.startswith("pg_") or name in ("public", "information_schema"):
        raise ConfigError(
            f"schema {name} cannot hold the ledger: it is the server's, or everybody's",
            hint="name another one; reconciler creates it",
        )
    fits = 0 < len(name.encode()) <= _MAX_IDENTIFIER_BYTES
    if not fits or not name.isprintable() or name != name.strip() or re.search(r"""["'\\]""", name):
        raise ConfigError(
            f"{name!r} cannot be the name of the ledger's schema",
            hint="it has up to 63 bytes, no quotation mark, no backslash and no line break",
        )


def _normalise(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def lock_id(plugin: str) -> int:
    """The key of the plugin's advisory lock: the first 8 bytes of its name's SHA-256 as 63 bits, never 0."""
    digest = hashlib.sha256(plugin.encode()).digest()
    return int.from_bytes(digest[:8], "big") & _MAX_LOCK_ID or 1


def migration_tag(plugin: str, idx: int, created_at_ms: int) -> str:
    """The journal's name of a migration, safe as a file's name: `0003_acme_chat_mb1q2w3e`."""
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", plugin).strip("_.") or "plugin"
    return f"{idx:04d}_{safe}_{_base36(created_at_ms)}"


def baseline_tag(created_at_ms: int) -> str:
    """The journal's name of a state that was found in the database, not made by a migration."""
    return f"introspected_{created_at_ms}"


def rollback_tag(idx: int, created_at_ms: int) -> str:
    """The journal's name of a migration that went back to the state of migration `idx`."""
    return f"rollback_to_{idx:04d}_{_base36(created_at_ms)}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"
