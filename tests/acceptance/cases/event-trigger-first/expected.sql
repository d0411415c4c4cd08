DROP EVENT TRIGGER "watch";
ALTER DEFAULT PRIVILEGES FOR ROLE "case_owner" REVOKE SELECT ON TABLES FROM "case_reader";
DROP FUNCTION "public"."refuse"();
CREATE TABLE "public"."item" (
    "a" integer
);
