CREATE ACCESS METHOD "heap_again" TYPE TABLE HANDLER heap_tableam_handler;
ALTER TABLE "shop"."item" SET ACCESS METHOD "heap_again";
