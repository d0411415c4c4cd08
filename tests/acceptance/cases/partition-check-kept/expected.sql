alter table "shop"."base" drop constraint "positive";
alter table "shop"."event" drop constraint "positive";
alter table "shop"."child" add constraint "positive" CHECK ((b > 0));
alter table "shop"."event_1" add constraint "positive" CHECK ((b > 0));
