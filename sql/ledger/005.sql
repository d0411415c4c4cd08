-- Version 5 of the ledger: every declaration that the database was seen to be as, so that an older one is known again. One
-- schema may be declared in several ways (digests of the source's texts), and one text may give another schema after the
-- server or this program was upgraded (fingerprints).
CREATE TABLE :ledger._declarations (
    plugin_name text NOT NULL,
    digest text NOT NULL, -- of the source's texts; empty where another database declared it, or an older program wrote it
    fingerprint text NOT NULL, -- of the declared schema, as in _migrations.hash
    idx integer NOT NULL, -- the last migration whose declaration it was
    app_version text, -- the highest that an application gave with it
    PRIMARY KEY (plugin_name, fingerprint, digest)
);

INSERT INTO :ledger._declarations (plugin_name, digest, fingerprint, idx)
SELECT source.plugin_name, '', migration.hash, max(source.idx)
FROM :ledger._sources AS source
JOIN :ledger._migrations AS migration ON migration.id = source.migration_id
GROUP BY source.plugin_name, migration.hash;

INSERT INTO :ledger._declarations (plugin_name, digest, fingerprint, idx)
SELECT plugin_name, scope ->> 'source', desired_fingerprint, idx
FROM :ledger._marks
WHERE mark IS NOT NULL AND scope ->> 'source' <> '';

-- Which declaration an unfinished run leads to.
ALTER TABLE :ledger._runs ADD COLUMN source_digest text, ADD COLUMN app_version text;

-- What the last declaration no longer has and was left in place, until the next migration: a list of [kind, name].
ALTER TABLE :ledger._marks ADD COLUMN later jsonb;
