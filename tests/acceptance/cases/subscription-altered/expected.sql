ALTER SUBSCRIPTION "s" SET (binary = true, synchronous_commit = 'local');
ALTER SUBSCRIPTION "s" SET PUBLICATION "p", "q" WITH (refresh = false);
