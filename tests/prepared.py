"""A database with a declared schema and rows in it: migrated to once for each server, then cloned."""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from reconciler import Reconciler

__all__ = ["prepare"]

# Port of the server, declaration and rows -> the database that is cloned.
_TEMPLATES: dict[tuple[object, str, str], sql.Identifier] = {}


def prepare(url: str, declared: str, rows: str = "") -> None:
    """Makes the empty database of `url` what a migration to `declared`, and then `rows`, leave."""
    place = conninfo_to_dict(url)
    key = (place["port"], declared, rows)
    name = sql.Identifier(str(place["dbname"]))
    with psycopg.connect(url, dbname="postgres", autocommit=True) as admin:
        if key in _TEMPLATES:
            admin.execute(sql.SQL("DROP DATABASE {}").format(name))
            _clone(admin, _TEMPLATES[key], name)
            return
        with Reconciler(url) as reconciler:
            reconciler.migrate(declared)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(rows.encode())
        template = sql.Identifier(f"{place['dbname']}_template")
        _clone(admin, name, template)
        _TEMPLATES[key] = template


def _clone(admin: psycopg.Connection, template: sql.Identifier, name: sql.Identifier) -> None:
    how = sql.SQL("STRATEGY file_copy" if admin.info.server_version >= 150000 else "")
    admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(name, template, how))
