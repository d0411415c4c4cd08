ALTER TABLE "public"."event_2025" NO INHERIT "public"."event";
ALTER TABLE "public"."event" RENAME TO "event__replaced";
ALTER TABLE "public"."event_2025" RENAME TO "event_2025__replaced";
CREATE TABLE "public"."event" (
    "id" integer CONSTRAINT "event_id_not_null" NOT NULL,
    "at" date CONSTRAINT "event_at_not_null" NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE "public"."event_2025" (
    "id" integer CONSTRAINT "event_id_not_null" NOT NULL,
    "at" date CONSTRAINT "event_at_not_null" NOT NULL
) PARTITION BY LIST (id);
CREATE TABLE "public"."event_2025_rest" (
    "id" integer CONSTRAINT "event_id_not_null" NOT NULL,
    "at" date CONSTRAINT "event_at_not_null" NOT NULL
);
CREATE TABLE "public"."event_rest" (
    "id" integer CONSTRAINT "event_id_not_null" NOT NULL,
    "at" date CONSTRAINT "event_at_not_null" NOT NULL
);
ALTER TABLE "public"."event" ATTACH PARTITION "public"."event_2025" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE "public"."event_2025" ATTACH PARTITION "public"."event_2025_rest" DEFAULT;
INSERT INTO "public"."event_2025" ("id", "at") SELECT "id", "at" FROM "public"."event_2025__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "public"."event_2025__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "public"."event_2025") m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table public.event_2025 did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "public"."event_2025__replaced";
ALTER TABLE "public"."event" ATTACH PARTITION "public"."event_rest" DEFAULT;
INSERT INTO "public"."event" ("id", "at") SELECT "id", "at" FROM "public"."event__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "public"."event__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "public"."event") m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table public.event did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "public"."event__replaced";
