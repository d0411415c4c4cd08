-- Subscriptions of this database. Only superusers may read the connection, which Postgres checks for the whole query
-- even where a CASE guards the column: ts_stat runs a query of its own, and only where that is allowed. It gives words
-- of limited length, so the text comes in numbered pieces.
--@ only with pg_subscription
select 'subscription' as kind, array[s.subname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when s.subbinary then true end as binary,
        case when has_column_privilege('pg_subscription', 'subconninfo', 'select') then (
            select convert_from(decode(string_agg(substr(h.word, 7), '' order by h.word), 'hex'), 'UTF8')
            from ts_stat(format($$select quote_literal(lpad(i::text, 6, '0')
                    || encode(convert_to(substr(subconninfo, i * 200 + 1, 200), 'UTF8'), 'hex'))::tsvector
                from pg_catalog.pg_subscription, generate_series(0, length(subconninfo) / 200) i
                where oid = %%s$$, s.oid)) h) end as connection,
--@ if server >= 150000
        case when s.subdisableonerr then true end as disable_on_error,
--@ end
        case when not s.subenabled then true end as disabled,
--@ if server >= 170000
        case when s.subfailover then true end as failover,
--@ end
        case when not has_column_privilege('pg_subscription', 'subconninfo', 'select') then true end as hidden,
        case when s.subslotname is null then true end as no_slot,
--@ if server >= 160000
        nullif(s.suborigin, 'any') as origin,
        case when not s.subpasswordrequired then true end as password_not_required,
--@ end
        to_json(array(select p from unnest(s.subpublications) p order by p collate "C")) as publications,
--@ if server >= 160000
        case when s.subrunasowner then true end as run_as_owner,
--@ end
        nullif(s.subslotname, s.subname) as slot_name,
        case s.substream::text when 't' then 'on' when 'true' then 'on' when 'p' then 'parallel' end as streaming,
        nullif(s.subsynccommit, 'off') as synchronous_commit
--@ if server >= 150000
        , case when s.subtwophasestate <> 'd' then true end as two_phase
--@ end
    ) x) as definition,
    'pg_subscription'::regclass::oid as classid, s.oid as objid, 0 as subid,
    pg_get_userbyid(s.subowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_subscription s
where s.subdbid = (select oid from pg_database where datname = current_database())
order by s.oid
