ALTER OPERATOR "shop".===(integer, integer) SET (JOIN = eqjoinsel, RESTRICT = eqsel);
