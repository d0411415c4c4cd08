CREATE TABLE public.fair (id integer NOT NULL, kind integer, note text NOT NULL) PARTITION BY LIST (kind);
CREATE TABLE public.fair_1 PARTITION OF public.fair FOR VALUES IN (1);
CREATE TABLE public.fair_2 PARTITION OF public.fair FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE public.fair_2_low PARTITION OF public.fair_2 FOR VALUES IN (1, 2);
CREATE TABLE public.stall (id integer NOT NULL, note text NOT NULL);
CREATE TABLE public.stall_own () INHERITS (public.stall);
CREATE TABLE public.stall_other () INHERITS (public.stall);
