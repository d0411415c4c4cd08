-- Five small changes of the warehouse, and what they do to nothing else.
ALTER TABLE core.sales ADD COLUMN channel text;
CREATE INDEX sales_status ON core.sales (status, kind);
ALTER TEXT SEARCH CONFIGURATION tools.reports ALTER MAPPING REPLACE simple WITH tools.words;
ALTER MATERIALIZED VIEW marts.sales_by_year SET (fillfactor = 80);
ALTER SERVER archive OPTIONS (SET host 'archive.new.example');
