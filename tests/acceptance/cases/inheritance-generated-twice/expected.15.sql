CREATE TABLE "shop"."item" (
    "id" integer,
    "label" text GENERATED ALWAYS AS ((id)::text) STORED
);
CREATE TABLE "shop"."wide" (
    "extra" integer,
    "id" integer,
    "label" text
) INHERITS ("shop"."item");
