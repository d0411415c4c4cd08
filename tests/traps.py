"""A database in which everything of ours that is looked for in the wrong schema raises an alarm.

Its `public`, which another role owns, has for each function, operator, type and relation of pg_catalog one of the same
name: with the same arguments, and with arguments that fit better where Postgres would convert a value. Each of them
raises an error that is in the server's log, whatever happens to it on the way: `alarms` gives those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

ALARM = "reconciler trap"
# How Postgres refuses what it was about to call: an aggregate that is none, an argument of "any" type, two that fit.
_ALARMS = (ALARM, "PL/pgSQL functions cannot", "is not an aggregate function", "is not unique", "is ambiguous")
# OIDs of the system's own are below 16384.
_OFFSET = 3_000_000_000

# The catalogs are filled directly: tens of thousands of CREATE FUNCTION would take minutes.
_FUNCTIONS = """
    insert into pg_catalog.pg_proc ({columns})
    with pseudo as (select oid from pg_catalog.pg_type where typtype = 'p'
        and typname not like 'any%%' and typname not in ('record', 'void')),
    plain as (
        select p.*, 0 as place, p.proargtypes::oid[] as arguments from pg_catalog.pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and not p.proargtypes::oid[] && array(select oid from pseudo)
            and p.prorettype <> all(array(select oid from pseudo)) and p.oid < 16384),
    closer as (
        select p.oid, i as place, c.castsource, p.arguments[:i - 1] || c.castsource || p.arguments[i + 1:] as arguments
        from plain p cross join generate_series(0, p.pronargs - 1) i
        join pg_catalog.pg_cast c on c.casttarget = p.arguments[i] and c.castcontext = 'i'
        where p.pronargs between 1 and 3 and p.provariadic = 0
        union all
        select p.oid, 10 + t.place, t.oid, array(
            select case when a.type in ('anyarray'::regtype, 'anycompatiblearray'::regtype) then t.typarray
                when y.typname like 'any%%' and y.typname !~ 'range' then t.oid else a.type end
            from unnest(p.arguments) with ordinality a(type, nr) join pg_catalog.pg_type y on y.oid = a.type order by nr)
        from plain p join lateral (select row_number() over (order by oid) as place, oid, typarray from pg_catalog.pg_type
            where oid in ('text'::regtype, 'name'::regtype, 'oid'::regtype, 'int4'::regtype, 'int8'::regtype)) t on true
        where exists (select from unnest(p.arguments) a join pg_catalog.pg_type y on y.oid = a where y.typname like 'any%%')
            and not exists (select from unnest(p.arguments) a join pg_catalog.pg_type y on y.oid = a
                where y.typname like '%%range')),
    wanted as (
        select oid, {offset} + oid::bigint as number, array_to_string(arguments, ' ') as arguments, 0 as rank from plain
        union all
        select oid, {offset} + 20000 + row_number() over (order by oid, place, castsource),
            array_to_string(arguments, ' '), 1 from closer),
    chosen as (select distinct on (p.proname, w.arguments) w.* from wanted w join plain p on p.oid = w.oid
        order by p.proname, w.arguments, w.rank, w.number)
    select {values} from chosen c join plain p on p.oid = c.oid
"""
_FUNCTION = {
    "oid": "c.number::oid",
    "pronamespace": "'public'::regnamespace",
    "proowner": "{owner}::regrole",
    "prolang": "(select oid from pg_catalog.pg_language where lanname = 'plpgsql')",
    # The context says which it was. A word of the text that names a function would be looked up in turn.
    "prosrc": "'begin raise exception ''{alarm}''; end'",
    "probin": "null",
    "prosqlbody": "null",
    "proacl": "null",
    "proconfig": "null",
    "proargdefaults": "case when c.rank = 0 then p.proargdefaults end",
    "pronargdefaults": "case when c.rank = 0 then p.pronargdefaults else 0 end",
    "prokind": "'f'",
    "prosupport": "0",
    "provolatile": "'i'",
    "proisstrict": "false",
    "proleakproof": "false",
    "proparallel": "'u'",
    "proargtypes": "c.arguments::oidvector",
    "proallargtypes": "case when c.rank = 0 then p.proallargtypes end",
    "proargmodes": "case when c.rank = 0 then p.proargmodes end",
    "proargnames": "case when c.rank = 0 then p.proargnames end",
}
_OPERATORS = """
    insert into pg_catalog.pg_operator ({columns})
    with plain as (select o.* from pg_catalog.pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace),
    casts as (select castsource, casttarget from pg_catalog.pg_cast where castcontext = 'i' union select oid, oid from pg_catalog.pg_type),
    poly as (select oid from pg_catalog.pg_type where typname in ('anyelement', 'anyarray', 'anynonarray', 'anyenum',
        'anycompatible', 'anycompatiblearray', 'anycompatiblenonarray')),
    wanted as (
        select o.oid, o.oprleft as lft, o.oprright as rgt, 0 as rank from plain o
        union all
        select o.oid, l.castsource, r.castsource, 1 from plain o
        join casts l on l.casttarget = o.oprleft join casts r on r.casttarget = o.oprright
        union all
        select o.oid, case when o.oprleft in (select oid from poly) then t.typarray else o.oprleft end,
            case when o.oprright in (select oid from poly) then t.typarray else o.oprright end, 1
        from plain o cross join (select typarray from pg_catalog.pg_type where oid in ('text'::regtype, 'name'::regtype,
            'oid'::regtype, 'int4'::regtype, 'int2'::regtype)) t
        where o.oprleft in (select oid from poly) or o.oprright in (select oid from poly)),
    chosen as (select distinct on (p.oprname, w.lft, w.rgt) w.*
        from wanted w join plain p on p.oid = w.oid order by p.oprname, w.lft, w.rgt, w.rank),
    numbered as (select *, {offset} + 500000 + row_number() over (order by oid, lft, rgt) as number from chosen)
    select {values} from numbered c join plain p on p.oid = c.oid
"""
_OPERATOR = {
    "oid": "c.number::oid",
    "oprnamespace": "'public'::regnamespace",
    "oprowner": "{owner}::regrole",
    "oprleft": "c.lft",
    "oprright": "c.rgt",
    "oprcom": "0",
    "oprnegate": "0",
    "oprrest": "0",
    "oprjoin": "0",
    "oprcanmerge": "false",
    "oprcanhash": "false",
    # Whatever is called, it does not look at what it is given.
    "oprcode": "case when c.lft = 0 then 'public.\"{alarm} prefix\"(int)' else 'public.\"{alarm} infix\"(int, int)' end::regprocedure",
}
_OTHERS = """
    do $do$
    declare
        what record;
    begin
        for what in select relname from pg_catalog.pg_class
            where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') loop
            execute format('create view public.%I as select %L as alarm where public.%I(1)', what.relname, what.relname,
                '{alarm} prefix');
            execute format('alter view public.%I owner to %I', what.relname, {owner});
            execute format('grant select on public.%I to public', what.relname);
        end loop;
        for what in select typname from pg_catalog.pg_type where typname in ('text', 'name', 'oid', 'jsonb', 'json', 'xid',
            'regclass', 'regtype', 'regproc', 'bool', 'int4', 'int8', 'int2', 'float8', 'timestamptz', 'oidvector') loop
            execute format('create domain public.%I as pg_catalog.%I check (public.%I(1))', what.typname, what.typname,
                '{alarm} prefix');
            execute format('alter domain public.%I owner to %I', what.typname, {owner});
        end loop;
    end
    $do$
"""


def set_traps(connection: psycopg.Connection, owner: str) -> int:
    """Fills the database's `public`, which becomes the owner's; gives the number of functions and operators."""
    role, said = sql.Literal(owner), sql.SQL(ALARM)  # type: ignore[arg-type]
    connection.execute("set search_path = pg_catalog")
    for kind, arguments in (("prefix", "int"), ("infix", "int, int")):
        connection.execute(
            sql.SQL(
                "create function public.{}({}) returns bool language plpgsql immutable as"
                " 'begin raise exception ''{}''; end'"
            ).format(sql.Identifier(f"{ALARM} {kind}"), sql.SQL(arguments), said)  # type: ignore[arg-type]
        )
    connection.execute("set allow_system_table_mods = on")
    count = 0
    for template, overrides, catalog, alias in (
        (_FUNCTIONS, _FUNCTION, "pg_proc", "p"),
        (_OPERATORS, _OPERATOR, "pg_operator", "p"),
    ):
        columns = [
            row[0]
            for row in connection.execute(
                "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0", (catalog,)
            )
        ]
        values = [
            sql.SQL(overrides[each]).format(owner=role, alarm=said)  # type: ignore[arg-type]
            if each in overrides
            else sql.SQL(".").join([sql.SQL(alias), sql.Identifier(each)])  # type: ignore[arg-type]
            for each in columns
        ]
        query = sql.SQL(template.replace("%%", "%")).format(  # type: ignore[arg-type]
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(values),
            offset=sql.Literal(_OFFSET),
        )
        count += connection.execute(query).rowcount
    connection.execute(sql.SQL(_OTHERS).format(alarm=said, owner=role))  # type: ignore[arg-type]
    connection.execute(sql.SQL("alter schema public owner to {}").format(sql.Identifier(owner)))
    connection.execute("grant all on schema public to public")
    return count


def alarms(log: Path, since: int) -> list[str]:
    """The lines of the server's log, from a position in the file on, that tell of an alarm."""
    with log.open("rb") as text:
        text.seek(since)
        lines = text.read().decode(errors="replace").splitlines()
    return [
        "\n".join(lines[place : place + 2])
        for place, line in enumerate(lines)
        if "ERROR:" in line and any(words in line for words in _ALARMS)
    ]
