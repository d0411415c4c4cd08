-- A cheap mark of the managed schemas: how many rows each catalog has for them, and the sum of their ages
-- against a fixed transaction (3, in the large catalogs). A row that stands for another has a younger xmin, so any change
-- of the catalogs changes the mark; an unequal mark only means "look properly". What hangs on relations is found by the
-- range of their OIDs: joins would cost more than all the rest, and a row of another schema that falls into the range can
-- do no more than make the mark unequal.
with spaces as (select array(select oid from pg_namespace where nspname = any(%(schemas)s)) as oids),
relations as materialized (
    select coalesce(min(c.oid), 0::oid) as first, coalesce(max(c.oid), 0::oid) as last,
        format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(c.xmin))) as rows
    from pg_class c where c.relnamespace = any((select oids from spaces)::oid[]))
select concat_ws(' ',
    (select format('%%s:%%s', count(*), sum(xmin::text::bigint)) from pg_namespace
        where oid = any((select oids from spaces)::oid[])),
    (select rows from relations),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_attribute a
        where a.attnum > 0 and a.attrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_attrdef a
        where a.adrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_constraint a
        where a.connamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_index a
        where a.indexrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_proc a
        where a.pronamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_type a
        where a.typnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_enum a
        join pg_type t on t.oid = a.enumtypid where t.typnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_trigger a
        where a.tgrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_rewrite a
        where a.ev_class between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_policy a
        where a.polrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), count(*) * age('3'::xid)::bigint - sum(age(a.xmin))) from pg_sequence a
        where a.seqrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_statistic_ext a
        where a.stxnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_inherits a
        where a.inhrelid between (select first from relations) and (select last from relations)),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_description a where a.objoid >= 16384
        or (a.classoid = 'pg_namespace'::regclass and a.objoid = any((select oids from spaces)::oid[]))),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_operator a
        where a.oprnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_collation a
        where a.collnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_config a
        where a.cfgnamespace = any((select oids from spaces)::oid[])),
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_ts_dict a
        where a.dictnamespace = any((select oids from spaces)::oid[])),
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
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_extension a),
    -- Members of extensions are not read: what becomes one, or is none any longer, is gone from the schema or new in it.
    (select format('%%s:%%s', count(*), sum(a.xmin::text::bigint)) from pg_depend a
        where a.refclassid = 'pg_extension'::regclass and a.deptype = 'e'),
    -- Catalogs of the whole cluster, whose system columns not everybody may read.
    (select format('%%s:%%s', count(*), sum(hashtextextended(concat_ws('|', a.oid, a.subname, a.subowner, a.subenabled,
            a.subbinary, a.substream, a.subslotname, a.subsynccommit, a.subpublications::text,
            --@ if server >= 150000
            a.subdisableonerr, a.subtwophasestate,
            --@ end
            --@ if server >= 160000
            a.suborigin, a.subpasswordrequired, a.subrunasowner,
            --@ end
            --@ if server >= 170000
            a.subfailover,
            --@ end
            -- Their connection, for those who may read it; see subscription.sql.
            case when has_column_privilege('pg_subscription', 'subconninfo', 'select') then (
                select string_agg(w.word, ',' order by w.word) from ts_stat(
                    format($$select quote_literal(xmin::text)::tsvector from pg_catalog.pg_subscription where oid = %%s$$,
                    a.oid)) w) end), 0)))
        from pg_subscription a where a.subdbid = (select oid from pg_database where datname = current_database())),
    (select format('%%s:%%s', count(*), sum(hashtextextended(concat_ws('|', a.provider, a.objoid, a.label), 0)))
        from pg_shseclabel a where a.classoid = 'pg_subscription'::regclass),
    -- The table may not be read by everybody; the view hides the options of others' mappings, as check does.
    (select format('%%s:%%s', count(*), sum(hashtextextended(
            concat_ws('|', a.umid, a.srvid, a.umuser, a.umoptions::text), 0))) from pg_user_mappings a),
    (select format('%%s:%%s', count(*), sum(hashtextextended(a.oid || a.rolname, 0))) from pg_roles a)) as mark
