-- Nothing of the ledger is PUBLIC's: it holds the text of whole schemas. Default privileges may have granted something
-- as the objects were made, so it is taken away by name. What was granted to a role by name stays. Objects that belong
-- to a role we are no member of are left as they are: the revoke would do nothing.
DO $$
DECLARE
    object record;
BEGIN
    FOR object IN
        SELECT CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, relation.relname AS name
        FROM pg_catalog.pg_class AS relation
        WHERE relation.relnamespace = pg_catalog.to_regnamespace('migrations')
            AND relation.relkind IN ('r', 'S')
            AND relation.relname ~ '^_(ledger|journal|marks|migrations|runs|snapshots|sources|statements|steps)(_id_seq)?$'
            AND pg_catalog.pg_has_role(relation.relowner, 'USAGE')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s migrations.%I FROM PUBLIC', object.kind, object.name);
    END LOOP;
    IF (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'migrations') THEN
        REVOKE ALL ON SCHEMA migrations FROM PUBLIC;
    END IF;
END
$$;
