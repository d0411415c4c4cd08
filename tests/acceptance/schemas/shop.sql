-- A shop: orders partitioned by month and region, row security for the customers' own rows, a log by triggers.
-- Roles world_owner, world_reader and world_writer must be there. Loads on Postgres 14 to 18.

CREATE SCHEMA catalog;
CREATE SCHEMA sales;
CREATE SCHEMA audit;
CREATE SCHEMA core AUTHORIZATION world_owner;
COMMENT ON SCHEMA sales IS 'orders, payments and what follows from them';
COMMENT ON SCHEMA audit IS 'who did what; it''s append-only';

CREATE EXTENSION btree_gist SCHEMA public;
CREATE EXTENSION pg_trgm SCHEMA catalog;

-- types --------------------------------------------------------------------------------------------------------------

CREATE TYPE core.status AS ENUM ('draft', 'open', 'paid', 'shipped', 'done', 'cancelled');
CREATE TYPE sales.payment_method AS ENUM ('card', 'invoice', 'voucher', 'bank transfer');
CREATE TYPE catalog.unit AS ENUM ('piece', 'kg', 'm', 'l');
CREATE TYPE sales.region AS ENUM ('eu', 'us', 'asia', 'rest of world');
COMMENT ON TYPE core.status IS 'where an order stands';

CREATE DOMAIN core.email AS text COLLATE "C" CONSTRAINT email_has_at CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN core.money_amount AS numeric(14, 2) DEFAULT 0 NOT NULL CONSTRAINT money_not_negative CHECK (VALUE >= 0);
CREATE DOMAIN catalog.sku AS varchar(20)
    CONSTRAINT sku_form CHECK (VALUE ~ '^[A-Z]{2}-[0-9]+$') CONSTRAINT sku_short CHECK (length(VALUE) <= 18);
CREATE DOMAIN catalog.variant_sku AS catalog.sku CONSTRAINT variant_long CHECK (length(VALUE) > 4);
COMMENT ON DOMAIN catalog.sku IS 'two letters, a dash, a number';
COMMENT ON CONSTRAINT sku_form ON DOMAIN catalog.sku IS 'printed on the labels';

CREATE TYPE core.address AS (street text, city text, zip varchar(10), country char(2));
CREATE TYPE catalog.dimension AS (width numeric(8, 2), height numeric(8, 2), depth numeric(8, 2));
COMMENT ON COLUMN core.address.country IS 'ISO 3166';

CREATE SEQUENCE sales.invoice_number START 100000 INCREMENT 1 MINVALUE 100000 CACHE 1;
CREATE SEQUENCE sales.voucher_number AS integer INCREMENT BY -1 MAXVALUE -1 MINVALUE -1000000 CYCLE;
COMMENT ON SEQUENCE sales.invoice_number IS 'without gaps, says the law';

-- functions that tables need -----------------------------------------------------------------------------------------

CREATE FUNCTION core.slug(title text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT trim(BOTH '-' FROM regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g')) $$;
CREATE FUNCTION core.with_tax(net numeric, rate numeric DEFAULT 0.19) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT round(net * (1 + rate), 2)';
CREATE FUNCTION core.current_customer() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('shop.customer', true), '')::bigint $$;
CREATE FUNCTION core.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.slug(text) IS 'a title as it stands in an address';

-- customers ----------------------------------------------------------------------------------------------------------

CREATE TABLE core.customers (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 10) PRIMARY KEY,
    email core.email NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    search text GENERATED ALWAYS AS (lower(name || ' ' || email)) STORED,
    home core.address,
    tags text[] NOT NULL DEFAULT '{}',
    settings jsonb NOT NULL DEFAULT '{"newsletter": false}',
    referred_by bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT customers_email_key UNIQUE (email) WITH (fillfactor = 90),
    CONSTRAINT customers_dates CHECK (deleted_at IS NULL OR deleted_at >= created_at)
) WITH (autovacuum_vacuum_scale_factor = 0.05, fillfactor = 85);
ALTER TABLE core.customers ADD CONSTRAINT customers_referred_by_fkey
    FOREIGN KEY (referred_by) REFERENCES core.customers (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE core.customers ALTER COLUMN settings SET STORAGE EXTERNAL;
ALTER TABLE core.customers ALTER COLUMN email SET STATISTICS 500;
CREATE INDEX customers_search_idx ON core.customers USING gin (search catalog.gin_trgm_ops);
CREATE INDEX customers_tags_idx ON core.customers USING gin (tags);
CREATE INDEX customers_settings_idx ON core.customers USING gin (settings jsonb_path_ops);
CREATE UNIQUE INDEX customers_live_email ON core.customers (lower(email)) WHERE deleted_at IS NULL;
CREATE INDEX customers_city_idx ON core.customers (((home).city), name DESC NULLS LAST) INCLUDE (email);
CREATE INDEX customers_referred_by_idx ON core.customers (referred_by) WHERE referred_by IS NOT NULL;
CREATE STATISTICS core.customers_name_email (dependencies, ndistinct) ON name, email FROM core.customers;
CREATE STATISTICS core.customers_lower ON (lower(name)) FROM core.customers;
COMMENT ON TABLE core.customers IS 'people who buy';
COMMENT ON COLUMN core.customers.search IS 'what the search box looks at';
COMMENT ON INDEX core.customers_live_email IS 'one live account an address';
COMMENT ON CONSTRAINT customers_dates ON core.customers IS 'nobody leaves before he came';
COMMENT ON STATISTICS core.customers_name_email IS 'names and addresses go together';

CREATE TABLE core.addresses (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES core.customers (id) ON DELETE CASCADE,
    kind text NOT NULL DEFAULT 'home' CONSTRAINT addresses_kind CHECK (kind IN ('home', 'work', 'parcel shop')),
    address core.address NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    UNIQUE (customer_id, kind)
);
CREATE UNIQUE INDEX addresses_default ON core.addresses (customer_id) WHERE is_default;

CREATE TABLE core.consents (
    customer_id bigint NOT NULL REFERENCES core.customers ON DELETE CASCADE,
    purpose text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,
    PRIMARY KEY (customer_id, purpose),
    CHECK (withdrawn_at > given_at)
);

-- catalog ------------------------------------------------------------------------------------------------------------

CREATE TABLE catalog.categories (
    id serial PRIMARY KEY,
    parent_id integer REFERENCES catalog.categories ON UPDATE CASCADE ON DELETE RESTRICT,
    title text NOT NULL,
    slug text GENERATED ALWAYS AS (core.slug(title)) STORED UNIQUE,
    position smallserial,
    CONSTRAINT categories_not_own_parent CHECK (parent_id <> id)
);
CREATE TABLE catalog.brands (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    homepage text
);
CREATE TABLE catalog.tax_classes (
    code char(1) PRIMARY KEY,
    rate numeric(5, 4) NOT NULL CHECK (rate BETWEEN 0 AND 1),
    about text
);
CREATE TABLE catalog.products (
    id bigserial PRIMARY KEY,
    sku catalog.sku NOT NULL UNIQUE,
    title text NOT NULL,
    description text,
    slug text NOT NULL GENERATED ALWAYS AS (core.slug(title)) STORED,
    document tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', coalesce(description, '')), 'B')
    ) STORED,
    category_id integer NOT NULL REFERENCES catalog.categories,
    brand_id smallint REFERENCES catalog.brands ON DELETE SET NULL,
    tax_class char(1) NOT NULL DEFAULT 'A' REFERENCES catalog.tax_classes,
    unit catalog.unit NOT NULL DEFAULT 'piece',
    net_price core.money_amount,
    gross_price numeric GENERATED ALWAYS AS (core.with_tax(net_price)) STORED,
    size catalog.dimension,
    is_listed boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE catalog.products ALTER COLUMN description SET COMPRESSION pglz;
CREATE INDEX products_document_idx ON catalog.products USING gin (document) WITH (fastupdate = off);
CREATE INDEX products_category_idx ON catalog.products (category_id, net_price);
CREATE INDEX products_slug_idx ON catalog.products (slug text_pattern_ops);
CREATE INDEX products_title_trgm ON catalog.products USING gist (title catalog.gist_trgm_ops);
CREATE INDEX products_unlisted ON catalog.products (updated_at) WHERE NOT is_listed;
ALTER TABLE catalog.products CLUSTER ON products_category_idx;

CREATE TABLE catalog.variants (
    product_id bigint NOT NULL REFERENCES catalog.products ON DELETE CASCADE,
    sku catalog.variant_sku NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    surcharge numeric(10, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (product_id, sku),
    UNIQUE (sku)
);
CREATE TABLE catalog.product_images (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id bigint NOT NULL,
    position integer NOT NULL DEFAULT 1,
    path text NOT NULL,
    CONSTRAINT product_images_product FOREIGN KEY (product_id) REFERENCES catalog.products MATCH FULL ON DELETE CASCADE,
    CONSTRAINT product_images_position UNIQUE (product_id, position) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE TABLE catalog.related_products (
    product_id bigint REFERENCES catalog.products ON DELETE CASCADE,
    related_id bigint REFERENCES catalog.products ON DELETE CASCADE,
    weight real NOT NULL DEFAULT 1.0,
    PRIMARY KEY (product_id, related_id),
    CHECK (product_id <> related_id)
);
CREATE TABLE catalog.prices (
    product_id bigint NOT NULL REFERENCES catalog.products,
    valid daterange NOT NULL,
    net core.money_amount,
    CONSTRAINT prices_no_overlap EXCLUDE USING gist (product_id WITH =, valid WITH &&) WHERE (net > 0)
);
CREATE TABLE catalog.reviews (
    id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL REFERENCES catalog.products,
    customer_id bigint REFERENCES core.customers ON DELETE SET NULL,
    stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    words text,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id),
    UNIQUE (product_id, customer_id)
);
CREATE INDEX reviews_written_idx ON catalog.reviews USING brin (written_at) WITH (pages_per_range = 32);

CREATE TABLE catalog.warehouses (
    id smallint PRIMARY KEY,
    name text NOT NULL,
    address core.address
);
CREATE TABLE catalog.stock (
    warehouse_id smallint NOT NULL REFERENCES catalog.warehouses,
    product_id bigint NOT NULL REFERENCES catalog.products,
    quantity numeric(12, 3) NOT NULL DEFAULT 0,
    reserved numeric(12, 3) NOT NULL DEFAULT 0,
    free numeric(12, 3) GENERATED ALWAYS AS (quantity - reserved) STORED,
    PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT stock_reserved CHECK (reserved <= quantity)
);
CREATE TABLE catalog.stock_movements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warehouse_id smallint NOT NULL,
    product_id bigint NOT NULL,
    delta numeric(12, 3) NOT NULL CHECK (delta <> 0),
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (warehouse_id, product_id) REFERENCES catalog.stock ON UPDATE CASCADE
);

-- orders: by month, and within a month by region ---------------------------------------------------------------------

CREATE TABLE sales.orders (
    id bigint NOT NULL,
    placed_on date NOT NULL,
    region sales.region NOT NULL,
    customer_id bigint NOT NULL REFERENCES core.customers (id),
    status core.status NOT NULL DEFAULT 'draft',
    total core.money_amount,
    shipping core.address,
    note text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_pkey PRIMARY KEY (id, placed_on, region),
    CONSTRAINT orders_total CHECK (status = 'draft' OR total > 0)
) PARTITION BY RANGE (placed_on);
CREATE INDEX orders_customer_idx ON sales.orders (customer_id, placed_on DESC);
CREATE INDEX orders_status_idx ON sales.orders (status) WHERE status <> 'done';
CREATE TABLE sales.orders_2024_01 PARTITION OF sales.orders FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') PARTITION BY LIST (region);
CREATE TABLE sales.orders_2024_01_eu PARTITION OF sales.orders_2024_01 FOR VALUES IN ('eu');
CREATE TABLE sales.orders_2024_01_us PARTITION OF sales.orders_2024_01 FOR VALUES IN ('us');
CREATE TABLE sales.orders_2024_01_rest PARTITION OF sales.orders_2024_01 DEFAULT;
CREATE TABLE sales.orders_2024_02 PARTITION OF sales.orders FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (region);
CREATE TABLE sales.orders_2024_02_eu PARTITION OF sales.orders_2024_02 FOR VALUES IN ('eu');
CREATE TABLE sales.orders_2024_02_us PARTITION OF sales.orders_2024_02 FOR VALUES IN ('us') WITH (fillfactor = 70);
CREATE TABLE sales.orders_2024_02_rest PARTITION OF sales.orders_2024_02 DEFAULT;
CREATE TABLE sales.orders_2024_03 PARTITION OF sales.orders FOR VALUES FROM ('2024-03-01') TO ('2024-04-01') PARTITION BY LIST (region);
CREATE TABLE sales.orders_2024_03_west PARTITION OF sales.orders_2024_03 FOR VALUES IN ('eu', 'us');
CREATE TABLE sales.orders_2024_03_east (
    note text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    shipping core.address,
    total core.money_amount,
    status core.status NOT NULL DEFAULT 'open',
    customer_id bigint NOT NULL,
    region sales.region NOT NULL,
    placed_on date NOT NULL,
    id bigint NOT NULL,
    CONSTRAINT orders_total CHECK (status = 'draft' OR total > 0),
    CONSTRAINT east_has_note CHECK (note IS NOT NULL)
);
ALTER TABLE sales.orders_2024_03 ATTACH PARTITION sales.orders_2024_03_east FOR VALUES IN ('asia', 'rest of world');
CREATE TABLE sales.orders_later PARTITION OF sales.orders DEFAULT;
CREATE INDEX orders_east_note ON sales.orders_2024_03_east (note);
COMMENT ON TABLE sales.orders IS 'by month and region';
COMMENT ON TABLE sales.orders_later IS 'nothing should be here';

CREATE TABLE sales.order_lines (
    order_id bigint NOT NULL,
    placed_on date NOT NULL,
    region sales.region NOT NULL,
    line smallint NOT NULL,
    product_id bigint NOT NULL REFERENCES catalog.products,
    quantity numeric(10, 3) NOT NULL CHECK (quantity > 0),
    unit_price core.money_amount,
    amount numeric GENERATED ALWAYS AS (quantity * unit_price) STORED,
    PRIMARY KEY (order_id, placed_on, region, line),
    CONSTRAINT order_lines_order FOREIGN KEY (order_id, placed_on, region)
        REFERENCES sales.orders (id, placed_on, region) ON DELETE CASCADE
) PARTITION BY HASH (order_id);
CREATE TABLE sales.order_lines_0 PARTITION OF sales.order_lines FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE sales.order_lines_1 PARTITION OF sales.order_lines FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE sales.order_lines_2 PARTITION OF sales.order_lines FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE sales.order_lines_3 PARTITION OF sales.order_lines FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE INDEX order_lines_product_idx ON sales.order_lines (product_id);

CREATE TABLE sales.payments (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    invoice bigint NOT NULL DEFAULT nextval('sales.invoice_number') UNIQUE,
    order_id bigint NOT NULL,
    placed_on date NOT NULL,
    region sales.region NOT NULL,
    method sales.payment_method NOT NULL,
    amount core.money_amount,
    paid_at timestamptz,
    FOREIGN KEY (order_id, placed_on, region) REFERENCES sales.orders DEFERRABLE
);
CREATE INDEX payments_open ON sales.payments (invoice) WHERE paid_at IS NULL;
CREATE TABLE sales.vouchers (
    number integer PRIMARY KEY DEFAULT nextval('sales.voucher_number'),
    code text NOT NULL UNIQUE,
    value core.money_amount,
    valid tstzrange NOT NULL DEFAULT tstzrange(now(), NULL),
    used_by uuid REFERENCES sales.payments
);
ALTER SEQUENCE sales.voucher_number OWNED BY sales.vouchers.number;
CREATE TABLE sales.shipments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES sales.payments ON DELETE RESTRICT,
    warehouse_id smallint NOT NULL REFERENCES catalog.warehouses,
    carrier text NOT NULL DEFAULT 'post',
    period tsrange,
    EXCLUDE USING gist (warehouse_id WITH =, period WITH &&) WHERE (carrier = 'own van') DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE sales.returns (
    shipment_id bigint REFERENCES sales.shipments,
    line smallint,
    reason text NOT NULL DEFAULT E'no reason\nsaid',
    refunded core.money_amount,
    PRIMARY KEY (shipment_id, line)
);
CREATE UNLOGGED TABLE sales.carts (
    session_id uuid PRIMARY KEY,
    customer_id bigint,
    lines jsonb NOT NULL DEFAULT '[]',
    expires_at timestamptz NOT NULL DEFAULT now() + interval '2 hours'
);
CREATE INDEX carts_session_hash ON sales.carts USING hash (customer_id);
ALTER TABLE sales.payments REPLICA IDENTITY USING INDEX payments_invoice_key;
ALTER TABLE sales.shipments REPLICA IDENTITY FULL;

-- audit --------------------------------------------------------------------------------------------------------------

CREATE TABLE audit.entries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who name NOT NULL DEFAULT current_user,
    relation regclass NOT NULL,
    action "char" NOT NULL,
    old_row jsonb,
    new_row jsonb
) PARTITION BY RANGE (happened_at);
CREATE TABLE audit.entries_2024 PARTITION OF audit.entries FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00');
CREATE TABLE audit.entries_2025 PARTITION OF audit.entries FOR VALUES FROM ('2025-01-01 00:00+00') TO (MAXVALUE);
CREATE INDEX entries_relation_idx ON audit.entries (relation, happened_at);
CREATE INDEX entries_new_row_idx ON audit.entries USING gin (new_row jsonb_path_ops);

CREATE FUNCTION audit.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO audit.entries (relation, action, old_row, new_row)
    VALUES (TG_RELID, left(TG_OP, 1)::"char",
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only';
END
$$;
CREATE FUNCTION audit.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    SELECT count(*) INTO changed FROM fresh;
    RAISE DEBUG '% rows', changed;
    RETURN NULL;
END
$$;
CREATE FUNCTION sales.check_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount = 0 THEN
        RAISE EXCEPTION 'nothing to pay' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER customers_touch BEFORE UPDATE ON core.customers FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION core.touch();
CREATE TRIGGER products_touch BEFORE UPDATE OF title, net_price ON catalog.products FOR EACH ROW EXECUTE FUNCTION core.touch();
CREATE TRIGGER orders_touch BEFORE UPDATE ON sales.orders FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION core.touch();
CREATE TRIGGER customers_audit AFTER INSERT OR UPDATE OR DELETE ON core.customers FOR EACH ROW EXECUTE FUNCTION audit.record();
CREATE TRIGGER products_audit AFTER INSERT OR UPDATE OR DELETE ON catalog.products FOR EACH ROW EXECUTE FUNCTION audit.record();
CREATE TRIGGER orders_audit AFTER INSERT OR UPDATE OR DELETE ON sales.orders FOR EACH ROW EXECUTE FUNCTION audit.record('orders', '1');
CREATE TRIGGER payments_audit AFTER UPDATE ON sales.payments FOR EACH ROW WHEN (OLD.paid_at IS NULL) EXECUTE FUNCTION audit.record();
CREATE TRIGGER stock_count AFTER INSERT ON catalog.stock_movements REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit.count_rows();
CREATE TRIGGER entries_fixed BEFORE UPDATE OR DELETE ON audit.entries FOR EACH ROW EXECUTE FUNCTION audit.refuse();
CREATE CONSTRAINT TRIGGER payments_checked AFTER INSERT OR UPDATE ON sales.payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sales.check_payment();
CREATE TRIGGER carts_frozen BEFORE TRUNCATE ON sales.carts FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
ALTER TABLE sales.carts DISABLE TRIGGER carts_frozen;
ALTER TABLE catalog.products ENABLE ALWAYS TRIGGER products_audit;
COMMENT ON TRIGGER orders_audit ON sales.orders IS 'asked for by the accountants';

-- row security -------------------------------------------------------------------------------------------------------

ALTER TABLE core.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE sales.payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE sales.payments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_row ON core.customers FOR SELECT TO world_reader USING (id = core.current_customer());
CREATE POLICY own_change ON core.customers FOR UPDATE TO world_writer
    USING (id = core.current_customer()) WITH CHECK (deleted_at IS NULL);
CREATE POLICY all_of_it ON core.customers TO world_owner USING (true);
CREATE POLICY own_addresses ON core.addresses USING (
    EXISTS (SELECT FROM core.customers c WHERE c.id = customer_id AND c.deleted_at IS NULL));
CREATE POLICY own_orders ON sales.orders FOR ALL TO world_reader, world_writer USING (customer_id = core.current_customer());
CREATE POLICY no_old_orders ON sales.orders AS RESTRICTIVE FOR DELETE USING (placed_on > current_date - 30);
CREATE POLICY payments_insert ON sales.payments FOR INSERT TO PUBLIC WITH CHECK (amount < 10000);
CREATE POLICY payments_of_orders ON sales.payments FOR SELECT USING (
    order_id IN (SELECT o.id FROM sales.orders o WHERE o.customer_id = core.current_customer()));
COMMENT ON POLICY own_orders ON sales.orders IS 'everyone sees his own';

-- views --------------------------------------------------------------------------------------------------------------

CREATE VIEW catalog.listed_products AS
    SELECT p.id, p.sku, p.title, p.gross_price, c.title AS category, b.name AS brand
    FROM catalog.products p JOIN catalog.categories c ON c.id = p.category_id LEFT JOIN catalog.brands b ON b.id = p.brand_id
    WHERE p.is_listed;
CREATE VIEW catalog.cheap_products WITH (security_barrier) AS
    SELECT * FROM catalog.listed_products WHERE gross_price < 10;
CREATE VIEW catalog.open_brands AS SELECT id, name, homepage FROM catalog.brands WHERE homepage IS NOT NULL WITH CASCADED CHECK OPTION;
CREATE RECURSIVE VIEW catalog.category_paths (id, path) AS
    SELECT id, title FROM catalog.categories WHERE parent_id IS NULL
    UNION ALL
    SELECT c.id, p.path || ' / ' || c.title FROM catalog.categories c JOIN category_paths p ON p.id = c.parent_id;
CREATE VIEW catalog.product_ratings AS
    SELECT product_id, avg(stars)::numeric(3, 2) AS stars, count(*) FILTER (WHERE words IS NOT NULL) AS written
    FROM catalog.reviews GROUP BY product_id;
CREATE VIEW catalog.best_products AS
    SELECT l.*, r.stars, rank() OVER (PARTITION BY l.category ORDER BY r.stars DESC NULLS LAST) AS place
    FROM catalog.listed_products l LEFT JOIN catalog.product_ratings r ON r.product_id = l.id;
CREATE VIEW sales.order_totals AS
    SELECT order_id, placed_on, region, sum(amount) AS amount, count(*) AS lines FROM sales.order_lines GROUP BY order_id, placed_on, region;
CREATE VIEW sales.open_orders AS
    SELECT o.id, o.placed_on, o.region, o.status, c.name, c.email, t.amount
    FROM sales.orders o JOIN core.customers c ON c.id = o.customer_id
    LEFT JOIN sales.order_totals t ON (t.order_id, t.placed_on, t.region) = (o.id, o.placed_on, o.region)
    WHERE o.status IN ('open', 'paid');
CREATE VIEW sales.late_orders AS SELECT * FROM sales.open_orders WHERE placed_on < current_date - 14;
CREATE VIEW sales.unpaid AS SELECT * FROM sales.payments WHERE paid_at IS NULL;
CREATE VIEW core.customer_values AS
    SELECT c.id, c.name, coalesce(sum(o.total), 0) AS worth, max(o.placed_on) AS last_order
    FROM core.customers c LEFT JOIN sales.orders o ON o.customer_id = c.id GROUP BY c.id;
CREATE VIEW core.good_customers AS SELECT v.*, c.home FROM core.customer_values v JOIN core.customers c USING (id) WHERE v.worth > 1000;
CREATE VIEW public.customers AS SELECT id, name, email FROM core.customers WHERE deleted_at IS NULL;
CREATE VIEW public.orders AS SELECT id, placed_on, status FROM sales.orders;
ALTER VIEW public.customers ALTER COLUMN name SET DEFAULT 'nobody';
COMMENT ON VIEW public.customers IS 'what the old programs read';
COMMENT ON COLUMN public.customers.email IS 'checked';
CREATE MATERIALIZED VIEW sales.revenue AS
    SELECT date_trunc('month', placed_on)::date AS month, region, sum(total) AS total FROM sales.orders GROUP BY 1, 2 WITH NO DATA;
CREATE UNIQUE INDEX revenue_key ON sales.revenue (month, region);
CREATE MATERIALIZED VIEW sales.best_months WITH (fillfactor = 60) AS
    SELECT month, sum(total) AS total FROM sales.revenue GROUP BY month ORDER BY 2 DESC WITH NO DATA;
CREATE MATERIALIZED VIEW catalog.product_search AS
    SELECT b.id, b.title, b.stars, p.document FROM catalog.best_products b JOIN catalog.products p USING (id) WITH NO DATA;
CREATE INDEX product_search_idx ON catalog.product_search USING gin (document);
CREATE UNIQUE INDEX product_search_id ON catalog.product_search (id);
COMMENT ON MATERIALIZED VIEW sales.revenue IS 'refreshed each night';

CREATE FUNCTION public.redirect_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO core.customers (name, email) VALUES (NEW.name, NEW.email);
    RETURN NEW;
END
$$;
CREATE TRIGGER customers_redirect INSTEAD OF INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.redirect_customer();
CREATE RULE unpaid_kept AS ON DELETE TO sales.unpaid DO INSTEAD NOTHING;

-- more functions -----------------------------------------------------------------------------------------------------

CREATE FUNCTION sales.order_amount(wanted bigint) RETURNS numeric LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT sum(t.amount) FROM sales.order_totals t WHERE t.order_id = wanted; END;
CREATE FUNCTION sales.orders_of(customer core.customers) RETURNS SETOF sales.orders LANGUAGE sql STABLE ROWS 20
    AS $$ SELECT * FROM sales.orders WHERE customer_id = (customer).id $$;
CREATE FUNCTION sales.next_status(core.status) RETURNS core.status LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE $1 WHEN 'draft' THEN 'open' WHEN 'open' THEN 'paid' WHEN 'paid' THEN 'shipped' ELSE 'done' END::core.status $$;
CREATE FUNCTION catalog.search(query text, max_rows integer DEFAULT 10, OUT id bigint, OUT title text) RETURNS SETOF record
    LANGUAGE plpgsql STABLE COST 500 AS $$
BEGIN
    RETURN QUERY SELECT s.id, s.title FROM catalog.product_search s WHERE s.document @@ plainto_tsquery('simple', query) LIMIT max_rows;
END
$$;
CREATE FUNCTION catalog.volume(catalog.dimension) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE LEAKPROOF
    AS $$ SELECT ($1).width * ($1).height * ($1).depth $$;
CREATE FUNCTION public.total(VARIADIC amounts numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS $$ SELECT coalesce(sum(a), 0) FROM unnest(amounts) a $$;
CREATE PROCEDURE sales.close_month(month date, INOUT closed bigint DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sales.orders SET status = 'done' WHERE placed_on >= month AND placed_on < month + interval '1 month' AND status = 'shipped';
    GET DIAGNOSTICS closed = ROW_COUNT;
END
$$;
CREATE AGGREGATE sales.total_of(numeric) (SFUNC = numeric_add, STYPE = numeric, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = numeric_add);
COMMENT ON PROCEDURE sales.close_month(date, bigint) IS 'after the last shipment';

-- rights -------------------------------------------------------------------------------------------------------------

ALTER TABLE core.customers OWNER TO world_owner;
ALTER TABLE core.addresses OWNER TO world_owner;
ALTER VIEW core.good_customers OWNER TO world_owner;
ALTER FUNCTION core.touch() OWNER TO world_owner;
ALTER TYPE core.status OWNER TO world_owner;
ALTER DOMAIN core.email OWNER TO world_owner;
ALTER SEQUENCE sales.invoice_number OWNER TO world_owner;
GRANT USAGE ON SCHEMA core, sales, catalog TO world_reader, world_writer;
GRANT CREATE ON SCHEMA sales TO world_writer WITH GRANT OPTION;
GRANT SELECT ON ALL TABLES IN SCHEMA catalog TO world_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO world_reader;
GRANT INSERT, UPDATE, DELETE ON sales.orders, sales.order_lines, sales.payments TO world_writer;
GRANT SELECT (id, name), UPDATE (name) ON core.customers TO world_writer;
GRANT SELECT ON core.customers TO world_reader WITH GRANT OPTION;
GRANT SELECT ON public.customers TO PUBLIC;
GRANT USAGE, SELECT ON SEQUENCE sales.invoice_number TO world_writer;
GRANT USAGE ON TYPE core.address TO world_reader;
REVOKE EXECUTE ON FUNCTION audit.record() FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE sales.close_month(date, bigint) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE sales.close_month(date, bigint) TO world_writer;
REVOKE ALL ON TABLE audit.entries FROM world_owner;
GRANT SELECT ON audit.entries TO world_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA catalog GRANT SELECT ON TABLES TO world_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT USAGE ON SEQUENCES TO world_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA audit REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE PUBLICATION shop_orders FOR TABLE sales.orders, catalog.products WITH (publish = 'insert, update', publish_via_partition_root = true);
COMMENT ON PUBLICATION shop_orders IS 'for the warehouse';
