CREATE TABLE public.visit (id integer, kind integer, note text) PARTITION BY LIST (kind);
CREATE TABLE public.visit_1 PARTITION OF public.visit FOR VALUES IN (1);
