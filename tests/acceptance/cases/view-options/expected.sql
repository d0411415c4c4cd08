ALTER VIEW "shop"."v" SET (security_invoker = 'true');
ALTER VIEW "shop"."v" RESET (check_option);
