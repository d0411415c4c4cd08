ALTER POLICY "p" ON "shop"."item" TO "case_reader", "case_writer" USING ((owner = CURRENT_USER)) WITH CHECK ((a > 1));
