ALTER TABLE "shop"."item" SET UNLOGGED;
ALTER TABLE "shop"."item" SET (autovacuum_enabled = 'off', fillfactor = '80');
ALTER TABLE "shop"."item" RESET (toast.autovacuum_enabled);
ALTER TABLE "shop"."item" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "shop"."item" FORCE ROW LEVEL SECURITY;
ALTER TABLE "shop"."item" REPLICA IDENTITY FULL;
