CREATE TABLE public.place (id integer PRIMARY KEY);
CREATE TABLE public.visit (id integer, kind integer, note text) PARTITION BY LIST (kind);
CREATE TABLE public.visit_1 PARTITION OF public.visit FOR VALUES IN (1) PARTITION BY RANGE (id);
CREATE TABLE public.visit_1_low PARTITION OF public.visit_1 FOR VALUES FROM (0) TO (100);
ALTER TABLE public.visit ADD CONSTRAINT visit_place FOREIGN KEY (id) REFERENCES public.place ON DELETE CASCADE;
