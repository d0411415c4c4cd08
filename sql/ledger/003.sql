-- Version 3 of the ledger: where the live objects lay in the catalogs when the mark was taken, so that one that was renamed
-- manually is known again: a list of [kind, name, classid, objid, subid]. Null where an older program wrote the mark.
ALTER TABLE :ledger._marks ADD COLUMN addresses jsonb;
