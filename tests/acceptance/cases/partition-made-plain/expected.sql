alter table "public"."visit" drop constraint "visit_place";
ALTER TABLE "public"."visit" DETACH PARTITION "public"."visit_1";
DROP TABLE "public"."place";
ALTER TABLE "public"."visit_1_low" RENAME TO "visit_1_low__replaced";
ALTER TABLE "public"."visit_1" RENAME TO "visit_1__replaced";
CREATE TABLE "public"."visit_1" (
    "id" integer,
    "kind" integer,
    "note" text
);
INSERT INTO "public"."visit_1" ("id", "kind", "note") SELECT "id", "kind", "note" FROM "public"."visit_1__replaced";
DROP TABLE "public"."visit_1__replaced";
ALTER TABLE "public"."visit" ATTACH PARTITION "public"."visit_1" FOR VALUES IN (1);
