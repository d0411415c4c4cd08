ALTER TABLE "public"."event_2025" NO INHERIT "public"."event";
ALTER TABLE "public"."event" RENAME TO "event__replaced";
ALTER TABLE "public"."event_2025" RENAME TO "event_2025__replaced";
CREATE TABLE "public"."event" (
    "id" integer NOT NULL,
    "at" date NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE "public"."event_2025" (
    "id" integer NOT NULL,
    "at" date NOT NULL
) PARTITION BY LIST (id);
CREATE TABLE "public"."event_2025_rest" (
    "id" integer NOT NULL,
    "at" date NOT NULL
);
CREATE TABLE "public"."event_rest" (
    "id" integer NOT NULL,
    "at" date NOT NULL
);
ALTER TABLE "public"."event" ATTACH PARTITION "public"."event_2025" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE "public"."event_2025" ATTACH PARTITION "public"."event_2025_rest" DEFAULT;
INSERT INTO "public"."event_2025" ("id", "at") SELECT "id", "at" FROM "public"."event_2025__replaced";
DROP TABLE "public"."event_2025__replaced";
ALTER TABLE "public"."event" ATTACH PARTITION "public"."event_rest" DEFAULT;
INSERT INTO "public"."event" ("id", "at") SELECT "id", "at" FROM "public"."event__replaced";
DROP TABLE "public"."event__replaced";
