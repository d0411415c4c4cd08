DROP OPERATOR "shop".===(integer, integer);
CREATE OPERATOR "shop".=== (FUNCTION = shop.same, LEFTARG = integer, RIGHTARG = integer, COMMUTATOR = OPERATOR(shop.===), HASHES, MERGES);
