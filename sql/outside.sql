-- The schemas of objects by their addresses in pg_depend (the OIDs of catalog and object, one array each): of users, and
-- not the ledger's. What is part of a relation lies where that does.
with given as (select * from unnest(%(catalogs)s::oid[], %(objects)s::oid[]) g(classid, objid)),
relations as (
    select g.objid as oid from given g where g.classid = 'pg_class'::regclass
    union select o.conrelid from given g join pg_constraint o on o.oid = g.objid and g.classid = 'pg_constraint'::regclass
    union select t.tgrelid from given g join pg_trigger t on t.oid = g.objid and g.classid = 'pg_trigger'::regclass
    union select d.adrelid from given g join pg_attrdef d on d.oid = g.objid and g.classid = 'pg_attrdef'::regclass
    union select r.ev_class from given g join pg_rewrite r on r.oid = g.objid and g.classid = 'pg_rewrite'::regclass
    union select p.polrelid from given g join pg_policy p on p.oid = g.objid and g.classid = 'pg_policy'::regclass),
spaces as (
    select c.relnamespace as oid from relations r join pg_class c on c.oid = r.oid
    union select p.pronamespace from given g join pg_proc p on p.oid = g.objid and g.classid = 'pg_proc'::regclass
    union select t.typnamespace from given g join pg_type t on t.oid = g.objid and g.classid = 'pg_type'::regclass
    union select o.connamespace from given g join pg_constraint o on o.oid = g.objid and g.classid = 'pg_constraint'::regclass
    union select o.oprnamespace from given g join pg_operator o on o.oid = g.objid and g.classid = 'pg_operator'::regclass
    union select s.stxnamespace from given g join pg_statistic_ext s on s.oid = g.objid
        and g.classid = 'pg_statistic_ext'::regclass)
select n.nspname::text from pg_namespace n
where n.oid in (select oid from spaces) and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'reconciler_audit', %(ledger)s)
order by 1
