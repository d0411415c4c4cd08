-- Operator families with the operators and functions that belong to none of their classes. A family that
-- CREATE OPERATOR CLASS made along with the class is one like any other.
--@ only with pg_opfamily where oid >= 16384
select 'operator_family' as kind, array[n.nspname::text, f.opfname::text, am.amname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        (select to_json(m.members) from (select array(select row_to_json(y) from (select
                p.amproc::regprocedure::text as function,
                format_type(p.amproclefttype, null) as "left",
                p.amprocnum as number,
                format_type(p.amprocrighttype, null) as "right"
            from pg_depend d join pg_amproc p on p.oid = d.objid
            where d.refclassid = 'pg_opfamily'::regclass and d.refobjid = f.oid and d.classid = 'pg_amproc'::regclass
            order by p.amprocnum, format_type(p.amproclefttype, null) collate "C",
                format_type(p.amprocrighttype, null) collate "C") y) as members) m
            where cardinality(m.members) > 0) as functions,
        (select to_json(m.members) from (select array(select json_strip_nulls(row_to_json(y)) from (select
                o.amopstrategy as number,
                o.amopopr::regoperator::text as operator,
                (select format('%%I.%%I', sn.nspname, s.opfname) from pg_opfamily s
                    join pg_namespace sn on sn.oid = s.opfnamespace where s.oid = o.amopsortfamily) as order_by
            from pg_depend d join pg_amop o on o.oid = d.objid
            where d.refclassid = 'pg_opfamily'::regclass and d.refobjid = f.oid and d.classid = 'pg_amop'::regclass
            order by o.amopstrategy, o.amopopr::regoperator::text collate "C") y) as members) m
            where cardinality(m.members) > 0) as operators) x) as definition,
    'pg_opfamily'::regclass::oid as classid, f.oid as objid, 0 as subid,
    pg_get_userbyid(f.opfowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_opfamily f
join pg_namespace n on n.oid = f.opfnamespace
join pg_am am on am.oid = f.opfmethod
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_opfamily'::regclass and d.objid = f.oid and d.deptype = 'e')
order by f.oid
