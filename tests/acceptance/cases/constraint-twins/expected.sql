CREATE TABLE "shop"."item" (
    "a" integer NOT NULL,
    "b" integer NOT NULL,
    CONSTRAINT "third" PRIMARY KEY (a, b),
    CONSTRAINT "fourth" UNIQUE (b, a)
);
alter table "shop"."item" add constraint "first" UNIQUE (a, b);
alter table "shop"."item" add constraint "second" UNIQUE (a, b);
