ALTER OPERATOR "shop".===(integer, integer) SET (COMMUTATOR = OPERATOR(shop.===), HASHES, MERGES);
