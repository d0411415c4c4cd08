REVOKE UPDATE ("a") ON TABLE "shop"."item" FROM "case_writer";
GRANT SELECT ("a") ON TABLE "shop"."item" TO "case_writer";
REVOKE INSERT ON TABLE "shop"."item" FROM "case_reader";
GRANT SELECT ON TABLE "shop"."item" TO "case_reader" WITH GRANT OPTION;
GRANT UPDATE ("b") ON TABLE "shop"."item" TO "case_writer";
GRANT SELECT ON TABLE "shop"."item" TO PUBLIC;
