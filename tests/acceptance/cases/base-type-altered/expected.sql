ALTER TYPE "shop"."mood" SET (SEND = shop.mood_send);
