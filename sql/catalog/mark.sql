-- A cheap mark of the managed schemas: how many rows each catalog has for them, and the sum of the ages of these rows
-- against a fixed transaction (3, in the large catalogs). Any change of the catalogs changes it; an unequal mark only means
-- "look properly".
with spaces as (select oid from pg_namespace where nspname = any(%(schemas)s)),
relations as (select c.oid, c.xmin from pg_class c where c.relnamespace in (select oid from spaces))
select concat_ws(' ',
    (select format('%%s:%%s', count(*), sum(xmin::text::bigint)) from pg_namespace where oid in (select oid from spaces)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(xmin))) from relations),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_attribute a
        where a.attnum > 0 and a.attrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_attrdef a
        where a.adrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_constraint a
        where a.connamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_index a
        where a.indexrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_proc a
        where a.pronamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_type a
        where a.typnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_enum a
        join pg_type t on t.oid = a.enumtypid where t.typnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_trigger a
        where a.tgrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_rewrite a
        where a.ev_class in (select oid from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_policy a
        where a.polrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_sequence a
        where a.seqrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_statistic_ext a
        where a.stxnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_inherits a
        where a.inhrelid in (select oid from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_description a where a.objoid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_operator a
        where a.oprnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_collation a
        where a.collnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_config a
        where a.cfgnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_dict a
        where a.dictnamespace in (select oid from spaces)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_opclass a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_opfamily a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_amop a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_amproc a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_cast a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_conversion a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_parser a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_template a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_config_map a where a.mapcfg >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_publication_rel a),
    --@ if server >= 150000
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_publication_namespace a),
    --@ end
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_language a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_am a where a.oid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_transform a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_foreign_data_wrapper a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_foreign_server a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_foreign_table a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_db_role_setting a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_seclabel a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_range a where a.rngtypid >= 16384),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_default_acl a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_event_trigger a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_publication a),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_extension a)) as mark
