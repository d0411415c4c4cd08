drop policy "p" on "shop"."item";
create policy "p"
on "shop"."item"
as restrictive
for all
to PUBLIC
using ((a > 0));
