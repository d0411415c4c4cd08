CREATE TABLE public.fair (id integer, kind integer, note text) PARTITION BY LIST (kind);
CREATE TABLE public.fair_1 PARTITION OF public.fair (id NOT NULL) FOR VALUES IN (1);
CREATE TABLE public.fair_2 PARTITION OF public.fair FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE public.fair_2_low PARTITION OF public.fair_2 (note NOT NULL) FOR VALUES IN (1, 2);
CREATE TABLE public.stall (id integer, note text NOT NULL);
CREATE TABLE public.stall_own () INHERITS (public.stall);
ALTER TABLE public.stall_own ALTER COLUMN id SET NOT NULL;
CREATE TABLE public.stall_other () INHERITS (public.stall);
