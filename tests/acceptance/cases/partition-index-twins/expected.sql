DROP INDEX "shop"."c_2";
DROP INDEX "shop"."c_3";
CREATE TABLE "shop"."fee_y" (
    "code" text NOT NULL,
    "day" date NOT NULL
);
CREATE TABLE "shop"."visit_b" (
    "id" integer NOT NULL,
    "kind" integer NOT NULL,
    "made" timestamp with time zone
) PARTITION BY LIST (kind);
CREATE TABLE "shop"."visit_b1" (
    "id" integer NOT NULL,
    "kind" integer NOT NULL,
    "made" timestamp with time zone
);
alter table "shop"."visit_a" add constraint "visit_a_pkey" PRIMARY KEY (id, kind);
CREATE INDEX "c_3" ON "shop"."visit_c" USING btree (made DESC);
CREATE INDEX "c_2" ON "shop"."visit_c" USING btree (made);
CREATE UNIQUE INDEX "c_once" ON "shop"."visit_c" USING btree (id, kind);
ALTER TABLE "shop"."fee" ATTACH PARTITION "shop"."fee_y" FOR VALUES IN ('y');
alter table "shop"."fee_y" add constraint "fee_y_pkey" PRIMARY KEY (code, day);
ALTER TABLE "shop"."visit_b" ATTACH PARTITION "shop"."visit_b1" FOR VALUES IN (2);
CREATE INDEX "b1_1" ON "shop"."visit_b1" USING btree (made DESC);
CREATE INDEX "b1_2" ON "shop"."visit_b1" USING btree (made);
CREATE INDEX "b_1" ON ONLY "shop"."visit_b" USING btree (made);
ALTER INDEX "shop"."b_1" ATTACH PARTITION "shop"."b1_2";
CREATE INDEX "b_2" ON ONLY "shop"."visit_b" USING btree (made DESC);
ALTER INDEX "shop"."b_2" ATTACH PARTITION "shop"."b1_1";
CREATE INDEX "b1_3" ON "shop"."visit_b1" USING btree (made);
CREATE INDEX "b_3" ON ONLY "shop"."visit_b" USING btree (made);
ALTER INDEX "shop"."b_3" ATTACH PARTITION "shop"."b1_3";
CREATE UNIQUE INDEX "b1_once" ON "shop"."visit_b1" USING btree (id, kind);
alter table "shop"."visit_b1" add constraint "visit_b1_pkey" PRIMARY KEY (id, kind);
CREATE UNIQUE INDEX "b_once" ON ONLY "shop"."visit_b" USING btree (id, kind);
ALTER INDEX "shop"."b_once" ATTACH PARTITION "shop"."b1_once";
ALTER TABLE "shop"."visit" ATTACH PARTITION "shop"."visit_b" FOR VALUES IN (2);
ALTER TABLE ONLY "shop"."visit_b" ADD CONSTRAINT "visit_b_pkey" PRIMARY KEY (id, kind);
ALTER INDEX "shop"."visit_b_pkey" ATTACH PARTITION "shop"."visit_b1_pkey";
ALTER TABLE "shop"."visit" ATTACH PARTITION "shop"."visit_c" FOR VALUES IN (3);
alter table "shop"."visit_c" add constraint "visit_c_pkey" PRIMARY KEY (id, kind);
ALTER TABLE ONLY "shop"."visit" ADD CONSTRAINT "visit_pkey" PRIMARY KEY (id, kind);
ALTER INDEX "shop"."visit_pkey" ATTACH PARTITION "shop"."visit_a_pkey";
ALTER INDEX "shop"."visit_pkey" ATTACH PARTITION "shop"."visit_b_pkey";
ALTER INDEX "shop"."visit_pkey" ATTACH PARTITION "shop"."visit_c_pkey";
