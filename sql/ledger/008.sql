-- Version 8 of the ledger: what a plugin's last declaration builds, compressed, under the key of all that it depends on.
ALTER TABLE :ledger._marks ADD COLUMN desired_key text, ADD COLUMN desired_digest text, ADD COLUMN desired bytea;
