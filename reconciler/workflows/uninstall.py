"""Takes a plugin out of a database, after what it recorded was dropped, or by renaming its schemas. Does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from reconciler.db.connections import errors_as, execute, fetch_all, transaction
from reconciler.diff.goal import SHARED_SCHEMAS
from reconciler.errors import ConfigError
from reconciler.ledger.migrations import forget_plugin, load_plugins, load_recorded
from reconciler.ledger.plugins import load_others, schemas_held

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from reconciler.db.connections import Connection

__all__ = ["archive_plugin", "forget_uninstalled", "own_schemas"]

_SHOWN = 10
_NAME_BYTES = 63  # NAMEDATALEN - 1


def own_schemas(connection: Connection, plugin: str) -> tuple[str, ...]:
    """The schemas that the plugin has to itself. Raises ConfigError where nothing is recorded of it."""
    recorded = load_recorded(connection, plugin)
    if recorded is None:
        names = ", ".join(load_plugins(connection)) or "none"
        raise ConfigError(f"nothing is recorded of plugin {plugin}", hint=f"recorded are: {names}")
    others = load_others(connection, plugin)
    return tuple(
        schema
        for schema in schemas_held(recorded.snapshot)
        if schema not in SHARED_SCHEMAS
        and schema not in others.schemas
        and not any(fact.schema == schema for fact in others.facts)
    )


def archive_plugin(connection: Connection, plugin: str, today: date) -> tuple[str, ...]:
    """Renames the plugin's own schemas, with all rows, and forgets the plugin; a line for each thing done.

    Raises ConfigError where it has no schema to itself.
    """
    own = own_schemas(connection, plugin)
    if not own:
        raise ConfigError(
            f"plugin {plugin} has no schema to itself that could be renamed",
            hint="`reconciler plugin uninstall` without --archive drops what it recorded",
        )
    recorded = load_recorded(connection, plugin)
    assert recorded is not None  # else it would have no schema
    lines: list[str] = []
    with errors_as(doing=f"archive plugin {plugin}"):
        for schema in own:
            name = _free_name(connection, schema, f"_archived_{today:%Y%m%d}")
            rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(schema), sql.Identifier(name))
            execute(connection, rename)
            lines.append(f"schema {schema} is now {name}, with all rows")
    objects = {recorded.snapshot.object_of(fact) for fact in recorded.snapshot.facts if fact.schema not in (None, *own)}
    left = sorted(str(fact) for fact in objects if fact.kind != "schema")
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        lines.append(f"left as they are, in other schemas: {', '.join(left[:_SHOWN])}{more}")
    forget_plugin(connection, plugin)
    return (*lines, f"plugin {plugin} is forgotten")


def forget_uninstalled(connection: Connection, plugin: str, schemas: Iterable[str]) -> tuple[str, ...]:
    """Drops the schemas that are empty by now, and forgets the plugin; a line for each thing done."""
    lines: list[str] = []
    for schema in schemas:
        try:
            with transaction(connection):
                execute(connection, sql.SQL("DROP SCHEMA IF EXISTS {}").format(sql.Identifier(schema)))
            lines.append(f"schema {schema} is dropped")
        except psycopg.errors.DependentObjectsStillExist:
            lines.append(f"schema {schema} stays: it holds what is not the plugin's")
        except psycopg.errors.InsufficientPrivilege:
            lines.append(f"schema {schema} stays: it belongs to another role")
    forget_plugin(connection, plugin)
    return (*lines, f"plugin {plugin} is forgotten")


def _free_name(connection: Connection, schema: str, suffix: str) -> str:
    """The schema's name, as far as it fits, with the suffix, and a number where that is taken."""
    taken = {str(name) for (name,) in fetch_all(connection, "select nspname::text from pg_catalog.pg_namespace")}
    number, ending = 1, suffix
    while (name := _cut(schema, _NAME_BYTES - len(ending)) + ending) in taken:
        number += 1
        ending = f"{suffix}_{number}"
    return name


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")
