CREATE SCHEMA shop;
CREATE ACCESS METHOD heap_again TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE shop.item (a integer) USING heap_again;
