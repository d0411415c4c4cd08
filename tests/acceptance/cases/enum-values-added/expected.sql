ALTER TYPE "shop"."state" ADD VALUE 'a' BEFORE 'b';
ALTER TYPE "shop"."state" ADD VALUE 'c''s' AFTER 'b';
ALTER TYPE "shop"."state" ADD VALUE 'e';
