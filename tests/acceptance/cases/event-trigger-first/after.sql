CREATE TABLE public.item (a integer);
