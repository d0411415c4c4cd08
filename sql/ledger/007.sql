-- Version 7 of the ledger: which transaction a run and its steps are of, by which the log of DDL tells them from others'
-- statements, and which session, for a statement that takes several transactions. Null where an older program wrote them.
ALTER TABLE :ledger._runs ADD COLUMN xid xid8, ADD COLUMN pid integer, ADD COLUMN backend_start timestamptz;
ALTER TABLE :ledger._steps ADD COLUMN xid xid8, ADD COLUMN pid integer, ADD COLUMN backend_start timestamptz;

CREATE INDEX _runs_xid ON :ledger._runs (xid);
CREATE INDEX _steps_xid ON :ledger._steps (xid);
CREATE INDEX _steps_pid ON :ledger._steps (pid);

-- Which transactions were visible when the mark was taken, where the log of DDL was on, and the write counts of the catalogs.
ALTER TABLE :ledger._marks ADD COLUMN log_position text, ADD COLUMN counters text;
