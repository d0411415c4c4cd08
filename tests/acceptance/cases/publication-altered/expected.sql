ALTER PUBLICATION "p" DROP TABLE ONLY "shop"."a";
ALTER PUBLICATION "p" SET (publish = 'insert, update', publish_via_partition_root = true);
ALTER PUBLICATION "p" ADD TABLE ONLY "shop"."b";
