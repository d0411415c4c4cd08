-- Version 4 of the ledger: what a run of several transactions is about, so that an unfinished one can be told from drift.
-- A mark is null where live was not as the whole declaration says when it was last recorded: then nothing is skipped.
ALTER TABLE :ledger._runs
    ADD COLUMN step_count integer, -- null: one transaction, or written by an older program
    ADD COLUMN source_description text, -- what it was given: files, a command, a migration to roll back to
    ADD COLUMN changes jsonb; -- a list of [kind, name, before, after]: the facts that it changes, null where one is not
ALTER TABLE :ledger._marks ALTER COLUMN mark DROP NOT NULL;
