-- Changes whenever anybody wrote to a catalog that holds definitions (also rolled back, also temporary objects; of the
-- shared catalogs also in other databases). Needs no right, and costs the same at any size. A hint and no proof: what a
-- session wrote is counted at its next idle moment, at most 1 s later while it is busy and 10 s later while it idles.
SELECT pg_catalog.string_agg(
    pg_catalog.concat_ws(',', pg_catalog.pg_stat_get_tuples_inserted(counted.oid),
        pg_catalog.pg_stat_get_tuples_updated(counted.oid), pg_catalog.pg_stat_get_tuples_deleted(counted.oid)), ' ')
FROM pg_catalog.unnest('{pg_class,pg_attribute,pg_attrdef,pg_constraint,pg_index,pg_proc,pg_type,pg_enum,pg_range,
    pg_trigger,pg_rewrite,pg_policy,pg_sequence,pg_statistic_ext,pg_inherits,pg_partitioned_table,pg_description,
    pg_seclabel,pg_namespace,pg_operator,pg_opclass,pg_opfamily,pg_amop,pg_amproc,pg_am,pg_collation,pg_conversion,
    pg_cast,pg_language,pg_transform,pg_ts_config,pg_ts_config_map,pg_ts_dict,pg_ts_parser,pg_ts_template,pg_aggregate,
    pg_extension,pg_foreign_data_wrapper,pg_foreign_server,pg_foreign_table,pg_user_mapping,pg_default_acl,
    pg_event_trigger,pg_publication,pg_publication_rel,pg_subscription,pg_db_role_setting,pg_authid,pg_auth_members,
    pg_database,pg_tablespace,pg_shdescription,pg_shseclabel}'::pg_catalog.regclass[]) AS counted(oid)
