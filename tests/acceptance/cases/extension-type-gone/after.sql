CREATE TABLE account (id integer PRIMARY KEY, email text NOT NULL);
CREATE INDEX account_email_idx ON account (email);
CREATE UNIQUE INDEX account_id_idx ON account (id) WHERE email <> 'nobody';
