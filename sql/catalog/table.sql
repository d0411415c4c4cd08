-- Tables, partitioned tables and foreign tables. Their columns, constraints and parents are facts of their own.
--@ only with pg_class where oid >= 16384
select case c.relkind when 'f' then 'foreign_table' else 'table' end as kind,
    array[n.nspname::text, c.relname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(am.amname, 'heap') as access_method,
        case when c.relforcerowsecurity then true end as force_row_security,
        case when c.reloftype <> 0 then format_type(c.reloftype, null) end as of_type,
        (select to_json(array(select o from unnest(c.reloptions) o order by o collate "C")) where c.reloptions is not null)
            as options,
        case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
        case when c.relkind <> 'f' then
            case c.relreplident when 'f' then 'full' when 'n' then 'nothing' when 'i' then
                -- Where the index has gone, Postgres keeps 'i', and takes it for nothing.
                (select 'nothing' where not exists (
                    select from pg_index i where i.indrelid = c.oid and i.indisreplident)) end end as replica_identity,
        case when c.relrowsecurity then true end as row_security,
        (select s.srvname from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver
            where f.ftrelid = c.oid) as server,
        (select to_json(f.ftoptions)
            from pg_foreign_table f where f.ftrelid = c.oid and f.ftoptions is not null) as server_options,
        ts.spcname as tablespace,
        (select to_json(array(select o from unnest(t.reloptions) o order by o collate "C"))
            from pg_class t where t.oid = c.reltoastrelid and t.reloptions is not null) as toast_options,
        case when c.relpersistence = 'u' then true end as unlogged) x) as definition,
    'pg_class'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.relowner) as owner,
    c.relacl::text[] as acl,
    case when c.relacl is not null then acldefault('r', c.relowner)::text[] end as acl_default
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_am am on am.oid = c.relam
left join pg_tablespace ts on ts.oid = c.reltablespace
where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
