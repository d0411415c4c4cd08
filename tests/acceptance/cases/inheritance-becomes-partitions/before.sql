CREATE TABLE payment (id integer NOT NULL, paid_at timestamp NOT NULL);
CREATE TABLE payment_2025 (CONSTRAINT payment_2025_check CHECK (paid_at >= '2025-01-01' AND paid_at < '2026-01-01'))
    INHERITS (payment);
CREATE RULE payment_insert_2025 AS ON INSERT TO payment WHERE (new.paid_at >= '2025-01-01' AND new.paid_at < '2026-01-01')
    DO INSTEAD INSERT INTO payment_2025 (id, paid_at) VALUES (new.id, new.paid_at);
