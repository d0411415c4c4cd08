"""What a cluster holds, as far as a session of a superuser can see it: two equal images say that nothing was changed.

Rows of all databases' catalogs that stay as long as nobody changes anything, the position of every sequence, every large
object, roles with their memberships and settings, slots, the server's own settings, locks that sessions keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString

__all__ = ["cluster_image"]

_SHARED = (
    "pg_authid",
    "pg_auth_members",
    "pg_database",
    "pg_db_role_setting",
    "pg_parameter_acl",
    "pg_replication_origin",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_subscription",
    "pg_tablespace",
)
_LOCAL = (
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_default_acl",
    "pg_description",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_server",
    "pg_index",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_sequence",
    "pg_trigger",
    "pg_type",
    "pg_user_mapping",
)
# What the server itself changes now and then.
_VOLATILE = {
    "pg_class": {"relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid", "relhasindex"},
    "pg_database": {"datfrozenxid", "datminmxid"},
}
_CLUSTER: tuple[tuple[str, LiteralString], ...] = (
    ("slots", "select slot_name, plugin, slot_type, database from pg_replication_slots where not temporary"),
    ("configuration", "select pg_read_file('postgresql.auto.conf'), pg_conf_load_time()"),
    ("settings of files", "select name, setting from pg_file_settings"),
    ("origins", "select local_id, remote_lsn from pg_replication_origin_status"),
    ("timeline", "select timeline_id from pg_control_checkpoint()"),
    ("prepared transactions", "select gid from pg_prepared_xacts"),
    ("advisory locks", "select pid, classid, objid, mode from pg_locks where locktype = 'advisory'"),
    ("statistics", "select stats_reset from pg_stat_bgwriter"),
)


def cluster_image(url: str, *, only: str | None = None) -> dict[str, object]:
    """What stands in each place, `database: catalog`; two images are compared with ==.

    `only` is the database to look into, where not all of them.
    """
    image: dict[str, object] = {}
    with psycopg.connect(url, autocommit=True) as admin:
        image.update(_digests(admin, _SHARED))
        for name, query in _CLUSTER:
            image[name] = sorted(map(tuple, admin.execute(query).fetchall()), key=repr)
        databases = admin.execute("select datname from pg_database where datallowconn and datname <> 'template0'")
        names = [only] if only else [str(row[0]) for row in databases]
    for name in names:
        with psycopg.connect(make_conninfo(url, dbname=name), autocommit=True) as connection:
            image.update({f"{name}: {catalog}": digest for catalog, digest in _digests(connection, _LOCAL).items()})
            image[f"{name}: sequences"] = [*_sequences(connection)]
            image[f"{name}: rows"] = [*_counts(connection)]
    return image


def _digests(connection: psycopg.Connection, catalogs: Iterable[str]) -> dict[str, str | None]:
    """A digest of each catalog's rows: one query, or looking would take longer than what is looked at."""
    columns = connection.execute(
        "select c.relname::text, array_agg(a.attname::text order by a.attnum) from pg_class c"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relnamespace = 'pg_catalog'::regnamespace and c.relname = any(%s) group by 1 order by 1",
        ([*catalogs],),
    ).fetchall()
    parts = [
        sql.SQL("(select md5(string_agg(r::text, ' ' order by r::text)) from (select {} from pg_catalog.{}) r)").format(
            sql.SQL(", ").join(sql.Identifier(name) for name in names if name not in _VOLATILE.get(catalog, ())),
            sql.Identifier(catalog),
        )
        for catalog, names in columns
    ]
    row = connection.execute(sql.SQL("select {}").format(sql.SQL(", ").join(parts))).fetchone()
    assert row is not None
    return {str(column[0]): digest for column, digest in zip(columns, row, strict=True)}


def _sequences(connection: psycopg.Connection) -> Iterable[tuple[object, ...]]:
    names = connection.execute(
        "select relnamespace::regnamespace::text, relname::text from pg_class where relkind = 'S' order by 1, 2"
    ).fetchall()
    for schema, name in names:
        row = connection.execute(
            sql.SQL("select last_value, is_called from {}").format(sql.Identifier(schema, name))
        ).fetchone()
        assert row is not None
        yield (schema, name, *row)


def _counts(connection: psycopg.Connection) -> Iterable[tuple[object, ...]]:
    names = connection.execute(
        "select relnamespace::regnamespace::text, relname::text from pg_class where relkind in ('r', 'm')"
        " and relnamespace::regnamespace::text !~ '^(pg_|information_schema)' order by 1, 2"
    ).fetchall()
    for schema, name in names:
        row = connection.execute(
            sql.SQL("select pg_catalog.md5(pg_catalog.string_agg(t::text, ',' order by t::text)) from {} t").format(
                sql.Identifier(schema, name)
            )
        ).fetchone()
        assert row is not None
        yield (schema, name, *row)
