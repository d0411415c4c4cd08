"""The dangers that four linters of migrations know, one scenario for each, planned against a real server.

RULES says which scenario stands for which rule of which linter; docs/hazards.md is checked against it, so that neither
can name a rule that the other does not have. A scenario has the hazards of the plan in one transaction, and those of the
plan in steps (`--online`); where it has no hazard, `says` and `never` show what the plan does instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot
from reconciler.client import Options, Reconciler
from reconciler.errors import SourceError
from reconciler.model.facts import SATELLITE_KINDS
from reconciler.model.hazards import KINDS, HazardKind
from reconciler.model.plan import Online
from reconciler.planner.planner import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Plan
    from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.one_server

DOCUMENT = Path(__file__).parents[2] / "docs" / "hazards.md"
OPTIONS = Options(all_schemas=True, exact=True, scratch="database", allow=frozenset(HazardKind), online=False)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Two states, and what the way from the one to the other costs. Kinds of hazards are words in one text.

    `online` are the hazards in steps where they are others; `says` and `never` are what stands in that plan, and what
    does not, quotes left out. A scenario that is `alone` has a database of its own, and its source is read as a source;
    the others share two databases, each in a schema of its own. `rows` fills the tables, `reads` is what must be read
    after the change.
    """

    before: str = ""
    after: str = ""
    hazards: str = ""
    online: str | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    refused: str = ""
    alone: bool = False
    rows: str = ""
    reads: tuple[str, str] | None = None

    def wanted(self, *, online: bool) -> list[str]:
        """The hazards of one of the two plans, sorted."""
        return (self.online if online and self.online is not None else self.hazards).split()

    def check(self, plan: Plan, *, online: bool, schema: str = "public") -> None:
        """Compares the plan with what is expected of it."""
        assert sorted({hazard.kind.value for hazard in plan.hazards}) == self.wanted(online=online), plan.hazards
        if online:
            text = plan.sql.replace('"', "").replace(f"{schema}.", "")
            assert [part for part in self.says if part not in text] == []
            assert [part for part in self.never if part in text] == []


T = "CREATE TABLE t (id bigint NOT NULL, a integer, b text);"
F = (
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql VOLATILE AS"
    " $$SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('application_name'))$$;"
)
KEYED = "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE t (id bigint, p bigint); "

SCENARIOS = {
    "index-added": Scenario(
        before=T,
        after=f"{T} CREATE INDEX t_a ON t (a);",
        hazards="blocking_lock",
        online="",
        says=("CREATE INDEX CONCURRENTLY t_a",),
    ),
    "index-dropped": Scenario(
        before=f"{T} CREATE INDEX t_a ON t (a);",
        after=T,
        hazards="missing_index",
        says=("DROP INDEX CONCURRENTLY t_a",),
    ),
    "index-replaced": Scenario(
        before=f"{T} CREATE INDEX t_a ON t (a);",
        after=f"{T} CREATE INDEX t_a ON t (b);",
        hazards="blocking_lock",
        online="",
        says=("CREATE INDEX CONCURRENTLY", "RENAME TO", "DROP INDEX CONCURRENTLY"),
    ),
    "concurrently-in-source": Scenario(
        alone=True,
        before=T,
        after=f"{T} CREATE INDEX CONCURRENTLY t_a ON t (a);",
        hazards="blocking_lock",
        online="",
        says=("CREATE INDEX CONCURRENTLY t_a",),
    ),
    "check-added": Scenario(
        before=T,
        after="CREATE TABLE t (id bigint NOT NULL, a integer, b text, CONSTRAINT c CHECK (a > 0));",
        hazards="blocking_lock may_fail",
        online="may_fail",
        says=("NOT VALID", "VALIDATE CONSTRAINT c"),
    ),
    "foreign-key-added": Scenario(
        before=f"{KEYED} CREATE INDEX ON t (p);",
        after=f"{KEYED} CREATE INDEX ON t (p); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p;",
        hazards="blocking_lock may_fail",
        online="may_fail",
        says=("NOT VALID", "VALIDATE CONSTRAINT f"),
    ),
    "foreign-key-without-index": Scenario(
        before=KEYED,
        after=f"{KEYED} ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p;",
        hazards="blocking_lock may_fail missing_index",
        online="may_fail missing_index",
    ),
    "reference-added": Scenario(
        before="CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE t (id bigint);",
        after=f"{KEYED} CREATE INDEX t_p ON t (p); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p;",
        hazards="blocking_lock may_fail",
        online="may_fail",
        says=("CREATE INDEX CONCURRENTLY t_p", "NOT VALID", "VALIDATE CONSTRAINT f"),
    ),
    "unique-added": Scenario(
        before=T,
        after=f"{T} ALTER TABLE t ADD CONSTRAINT u UNIQUE (a);",
        hazards="blocking_lock may_fail",
        online="may_fail",
        says=("CREATE UNIQUE INDEX CONCURRENTLY", "UNIQUE USING INDEX"),
    ),
    "primary-key-added": Scenario(
        before=T,
        after=f"{T} ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (id);",
        hazards="blocking_lock may_fail",
        online="may_fail",
        says=("CREATE UNIQUE INDEX CONCURRENTLY", "PRIMARY KEY USING INDEX"),
    ),
    "primary-key-of-nullable": Scenario(
        before=T,
        after="CREATE TABLE t (id bigint NOT NULL, a integer, b text, CONSTRAINT k PRIMARY KEY (a));",
        hazards="blocking_lock breaks_clients may_fail",
        online="breaks_clients may_fail",
        says=("CHECK (a IS NOT NULL) NOT VALID", "SET NOT NULL", "PRIMARY KEY USING INDEX"),
    ),
    "exclusion-added": Scenario(
        before="CREATE TABLE t (r int4range);",
        after="CREATE TABLE t (r int4range, CONSTRAINT x EXCLUDE USING gist (r WITH &&));",
        hazards="blocking_lock may_fail",
    ),
    "constraint-dropped": Scenario(
        before=f"{T} ALTER TABLE t ADD CONSTRAINT u UNIQUE (a), ADD CONSTRAINT c CHECK (a > 0);",
        after=T,
        hazards="correctness missing_index",
    ),
    "default-constant": Scenario(before=T, after=T.replace(", b", ", n integer DEFAULT 0, b"), says=("ADD COLUMN n",)),
    "default-stable": Scenario(
        before=T, after=T.replace(", b", ", n timestamptz DEFAULT now(), b"), says=("ADD COLUMN n",)
    ),
    "default-volatile": Scenario(
        before=T,
        after=T.replace(", b", ", n uuid DEFAULT gen_random_uuid(), b"),
        hazards="table_rewrite",
        online="",
        says=("UPDATE t", "RENAME COLUMN"),
    ),
    "default-changed": Scenario(
        before=T.replace("a integer", "a integer DEFAULT 1"),
        after=T.replace("a integer", "a integer DEFAULT 2"),
        says=("SET DEFAULT 2",),
    ),
    "required-column": Scenario(
        before=T, after=T.replace(", b", ", n integer NOT NULL, b"), hazards="breaks_clients may_fail"
    ),
    "required-column-with-default": Scenario(
        before=T, after=T.replace(", b", ", n integer NOT NULL DEFAULT 0, b"), says=("ADD COLUMN n",)
    ),
    "not-null-added": Scenario(
        before=T,
        after=T.replace("a integer", "a integer NOT NULL"),
        hazards="blocking_lock breaks_clients may_fail",
        online="breaks_clients may_fail",
        says=("CHECK (a IS NOT NULL) NOT VALID", "VALIDATE CONSTRAINT", "SET NOT NULL"),
    ),
    "not-null-with-backfill": Scenario(
        alone=True,
        before=T,
        after="CREATE TABLE t (id bigint NOT NULL,\n-- reconciler: backfill 0\na integer NOT NULL, b text);",
        hazards="blocking_lock breaks_clients may_fail table_rewrite",
        online="breaks_clients may_fail",
        says=("WHERE a IS NULL", "SET NOT NULL"),
        rows="INSERT INTO t (id) SELECT generate_series(1, 9)",
        reads=("SELECT string_agg(a::text, '') FROM t", "000000000"),
    ),
    "not-null-dropped": Scenario(before=T, after=T.replace("bigint NOT NULL", "bigint"), hazards="breaks_clients"),
    "type-with-not-null": Scenario(
        before="CREATE TABLE t (id bigint, a varchar(9));",
        after="CREATE TABLE t (id bigint, a text NOT NULL);",
        hazards="blocking_lock breaks_clients may_fail",
    ),
    "type-rewritten": Scenario(
        before=T,
        after=T.replace("a integer", "a bigint"),
        hazards="table_rewrite",
        online="breaks_clients",
        says=("CREATE TRIGGER", "UPDATE t", "RENAME COLUMN"),
        never=("TYPE bigint",),
    ),
    "type-narrowed": Scenario(
        before=T,
        after=T.replace("id bigint", "id smallint"),
        hazards="breaks_clients may_fail table_rewrite",
        online="breaks_clients may_fail",
    ),
    "type-lossy": Scenario(
        before="CREATE TABLE t (a numeric);",
        after="CREATE TABLE t (a integer);",
        hazards="breaks_clients data_loss may_fail table_rewrite",
        online="breaks_clients data_loss may_fail",
    ),
    "type-widened": Scenario(
        before="CREATE TABLE t (a varchar(10), b varchar(20));",
        after="CREATE TABLE t (a varchar(50), b text);",
        says=("TYPE character varying(50)", "TYPE text"),
    ),
    "type-under-check": Scenario(
        before="CREATE TABLE t (a numeric(5, 2), CONSTRAINT c CHECK (a > 0));",
        after="CREATE TABLE t (a numeric(7, 2), CONSTRAINT c CHECK (a > 0));",
        hazards="blocking_lock",
    ),
    "type-char": Scenario(
        before="CREATE TABLE t (a char(9));",
        after="CREATE TABLE t (a text);",
        hazards="breaks_clients table_rewrite",
        online="breaks_clients",
    ),
    "type-timestamp": Scenario(
        before="CREATE TABLE t (a timestamp);",
        after="CREATE TABLE t (a timestamptz);",
        hazards="breaks_clients may_fail table_rewrite",
        online="breaks_clients may_fail",
    ),
    "serial-added": Scenario(
        before=T,
        after=T.replace(", b", ", n serial, b"),
        hazards="table_rewrite",
        online="may_fail",
        says=("SET NOT NULL", "SET DEFAULT nextval", "OWNED BY t.n"),
        never=("DEFAULT nextval(t_n_seq::regclass) NOT NULL",),
    ),
    "serial-becomes-identity": Scenario(
        before="CREATE TABLE t (a integer GENERATED BY DEFAULT AS IDENTITY, b serial);",
        after="CREATE TABLE t (a integer GENERATED BY DEFAULT AS IDENTITY, b integer GENERATED ALWAYS AS IDENTITY);",
        hazards="breaks_clients",
    ),
    "generated-stored": Scenario(
        before=T,
        after=T.replace(", b", ", n integer GENERATED ALWAYS AS (a + 1) STORED, b"),
        hazards="table_rewrite",
    ),
    "json-column": Scenario(before=T, after=T.replace(", b", ", n json, b"), hazards="breaks_clients"),
    "column-renamed": Scenario(
        alone=True,
        before=T,
        after="CREATE TABLE t (id bigint NOT NULL,\n-- reconciler: renamed from a\nc integer, b text);",
        hazards="breaks_clients",
        says=("RENAME COLUMN a TO c",),
        never=("DROP COLUMN",),
    ),
    "table-renamed": Scenario(
        alone=True,
        before=T,
        after="-- reconciler: renamed from t\nCREATE TABLE u (id bigint NOT NULL, a integer, b text);",
        hazards="breaks_clients",
        says=("RENAME TO u",),
        never=("DROP TABLE",),
    ),
    "schema-renamed": Scenario(
        alone=True,
        before="CREATE SCHEMA old; CREATE TABLE old.t (a integer);",
        after="-- reconciler: renamed from old\nCREATE SCHEMA new; CREATE TABLE new.t (a integer);",
        hazards="breaks_clients",
        says=("ALTER SCHEMA old RENAME TO new",),
        never=("DROP",),
    ),
    "enum-value-renamed": Scenario(
        alone=True,
        before="CREATE TYPE e AS ENUM ('x', 'y');",
        after="CREATE TYPE e AS ENUM ('x',\n-- reconciler: renamed from 'y'\n'z');",
        hazards="breaks_clients",
        says=("RENAME VALUE 'y' TO 'z'",),
    ),
    "enum-value-added": Scenario(
        before="CREATE TYPE e AS ENUM ('x', 'z');",
        after="CREATE TYPE e AS ENUM ('x', 'y', 'z');",
        hazards="irreversible",
        says=("ADD VALUE 'y' AFTER 'x'",),
    ),
    "enum-value-removed": Scenario(
        before="CREATE TYPE e AS ENUM ('x', 'y'); CREATE TABLE t (a e);",
        after="CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e);",
        hazards="breaks_clients may_fail table_rewrite",
    ),
    "column-dropped": Scenario(before=T, after=T.replace(", b text", ""), hazards="breaks_clients data_loss"),
    "table-dropped": Scenario(before=f"{T} CREATE TABLE u (a integer);", after=T, hazards="breaks_clients data_loss"),
    "schema-dropped": Scenario(
        alone=True,
        before=f"{T} CREATE SCHEMA s CREATE TABLE s.u (a integer);",
        after=T,
        hazards="breaks_clients data_loss",
    ),
    "table-forced": Scenario(
        alone=True,
        before=T,
        after=f"CREATE TABLE t (x integer); DROP TABLE IF EXISTS t CASCADE; {T}",
        never=("DROP", "CREATE"),
    ),
    "rows-in-source": Scenario(
        alone=True,
        before=T,
        after=f"{T} DELETE FROM t; UPDATE t SET a = 1; TRUNCATE t CASCADE;",
        never=("DELETE", "UPDATE", "TRUNCATE"),
        rows="INSERT INTO t VALUES (1, 7, 'x')",
        reads=("SELECT string_agg(a::text, '') FROM t", "7"),
    ),
    "database-in-source": Scenario(
        alone=True, after="DROP DATABASE postgres;", refused="DROP DATABASE changes the whole cluster"
    ),
    "transaction-in-source": Scenario(alone=True, after=f"BEGIN; {T}", refused="BEGIN is transaction control"),
    "maintenance-in-source": Scenario(alone=True, after=f"{T} VACUUM FULL t;", refused="VACUUM declares nothing"),
    "reindex-in-source": Scenario(alone=True, after=f"{T} REINDEX TABLE t;", refused="REINDEX declares nothing"),
    "refresh-in-source": Scenario(
        alone=True,
        before="CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;",
        after="CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; REFRESH MATERIALIZED VIEW m;",
        never=("REFRESH",),
    ),
    "column-twice-in-source": Scenario(
        alone=True, after="CREATE TABLE t (a integer, a text);", refused="specified more than once"
    ),
    "syntax-error-in-source": Scenario(alone=True, after="CREATE TABEL t (a integer);", refused="syntax error"),
    "stale-hint": Scenario(alone=True, before=T, after=f"-- reconciler: renamed from gone\n{T}", never=("RENAME",)),
    "table-created": Scenario(
        after="CREATE TABLE t (a integer); CREATE TABLE u (r int4range, EXCLUDE USING gist (r WITH &&));",
        says=("CREATE TABLE t", "CREATE TABLE u"),
        never=("IF NOT EXISTS",),
    ),
    "name-too-long": Scenario(
        alone=True,
        before=f"CREATE TABLE {'t' * 63} (a integer);",
        after=f"CREATE TABLE {'t' * 70} (a integer);",
        never=("TABLE",),
    ),
    "domain-constraint-added": Scenario(
        before="CREATE DOMAIN d AS integer; CREATE TABLE t (a d);",
        after="CREATE DOMAIN d AS integer CONSTRAINT c CHECK (VALUE > 0); CREATE TABLE t (a d);",
        hazards="blocking_lock may_fail",
    ),
    "timeouts": Scenario(
        alone=True,
        before=F,
        after=f"{F} CREATE MATERIALIZED VIEW m AS SELECT f() AS a;",
        says=("CREATE MATERIALIZED VIEW m",),
        reads=("SELECT a FROM m", "1s reconciler"),
    ),
    "two-scans": Scenario(
        before=T,
        after=T.replace("a integer, b text", "a integer NOT NULL, b text NOT NULL"),
        hazards="blocking_lock breaks_clients may_fail",
        online="breaks_clients may_fail",
        says=("VALIDATE CONSTRAINT",),
    ),
    "domain-created": Scenario(
        after="CREATE DOMAIN d AS integer CONSTRAINT c CHECK (VALUE > 0);", says=("CREATE DOMAIN d",)
    ),
    "several-changes": Scenario(
        before=f"{T} CREATE TABLE u (a integer);",
        after=f"{T.replace(', b', ', n integer, b')} CREATE TABLE u (a integer, n integer); CREATE INDEX u_a ON u (a);",
        hazards="blocking_lock",
        online="",
        says=("CREATE INDEX CONCURRENTLY u_a",),
    ),
    "partition-attached": Scenario(
        before="CREATE TABLE p (a integer) PARTITION BY RANGE (a); CREATE TABLE q (a integer);",
        after="CREATE TABLE p (a integer) PARTITION BY RANGE (a);"
        "CREATE TABLE q PARTITION OF p FOR VALUES FROM (0) TO (9);",
        hazards="blocking_lock may_fail",
    ),
    "partition-detached": Scenario(
        before="CREATE TABLE p (a integer) PARTITION BY RANGE (a);"
        "CREATE TABLE q PARTITION OF p FOR VALUES FROM (0) TO (9);",
        after="CREATE TABLE p (a integer) PARTITION BY RANGE (a); CREATE TABLE q (a integer);",
        hazards="breaks_clients",
        says=("DETACH PARTITION q CONCURRENTLY",),
    ),
    "trigger-created": Scenario(
        before=T,
        after=f"{T} CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        says=("CREATE TRIGGER g",),
    ),
    "trigger-dropped": Scenario(
        before=f"{T} CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        after=T,
        hazards="correctness",
    ),
    "trigger-disabled": Scenario(
        before=f"{T} CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        after=f"{T} CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE t DISABLE TRIGGER g;",
        hazards="correctness",
    ),
    "unlogged": Scenario(before=T, after=T.replace("CREATE", "CREATE UNLOGGED"), hazards="correctness table_rewrite"),
    "row-security-off": Scenario(
        before=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;", after=T, hazards="privileges"
    ),
    "policy-widened": Scenario(
        before=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a = 1);",
        after=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true);"
        "CREATE POLICY q ON t USING (a = 2);",
        hazards="privileges",
    ),
    "granted-to-public": Scenario(before=T, after=f"{T} GRANT SELECT ON t TO PUBLIC;", hazards="privileges"),
    "revoked": Scenario(
        before=f"{T} GRANT SELECT, INSERT ON t TO PUBLIC;",
        after=f"{T} GRANT SELECT ON t TO PUBLIC;",
        hazards="breaks_clients",
    ),
    "security-definer": Scenario(
        after="CREATE FUNCTION f() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';", hazards="privileges"
    ),
    "security-definer-with-path": Scenario(
        after="CREATE FUNCTION f() RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';",
        says=("SECURITY DEFINER",),
    ),
    "leakproof": Scenario(
        before="CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        after="CREATE FUNCTION f() RETURNS integer LANGUAGE sql LEAKPROOF AS 'SELECT 1';",
        hazards="privileges",
    ),
    "view-columns": Scenario(
        before="CREATE VIEW v AS SELECT 1 AS a, 2 AS b;",
        after="CREATE VIEW v AS SELECT 1 AS a, 'x'::text AS c;",
        hazards="breaks_clients",
    ),
    "view-barrier": Scenario(
        before=f"{T} CREATE VIEW v WITH (security_barrier) AS SELECT a FROM t;",
        after=f"{T} CREATE VIEW v AS SELECT a FROM t;",
        hazards="privileges",
    ),
    "function-signature": Scenario(
        before="CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        after="CREATE FUNCTION f(a text) RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        hazards="breaks_clients",
    ),
    "function-under-index": Scenario(
        before="CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
        f"{T} CREATE INDEX t_f ON t (f(a));",
        after="CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2';"
        f"{T} CREATE INDEX t_f ON t (f(a));",
        hazards="correctness",
    ),
    "generated-becomes-plain": Scenario(
        before="CREATE TABLE t (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED);",
        after="CREATE TABLE t (a integer, b integer);",
        hazards="irreversible",
    ),
    "extension-updated": Scenario(
        alone=True,
        before="CREATE EXTENSION pg_trgm VERSION '1.5';",
        after="CREATE EXTENSION pg_trgm VERSION '1.6';",
        hazards="extension_version",
    ),
    "view-filled-again": Scenario(
        before="CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;",
        after="CREATE MATERIALIZED VIEW m AS SELECT 2 AS a;",
        hazards="blocking_lock",
    ),
    "view-dropped": Scenario(
        before="CREATE VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;", hazards="breaks_clients"
    ),
    "function-dropped": Scenario(
        before="CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';", hazards="breaks_clients"
    ),
    "function-body": Scenario(
        before="CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT 1 AS a;",
        after="CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'; CREATE VIEW v AS SELECT 2 AS a;",
        says=("CREATE OR REPLACE FUNCTION f", "CREATE OR REPLACE VIEW v"),
    ),
    "type-dropped": Scenario(
        before="CREATE TYPE e AS ENUM ('x'); CREATE TYPE c AS (a integer);", hazards="breaks_clients"
    ),
    "domain-dropped": Scenario(before="CREATE DOMAIN d AS integer;", hazards="breaks_clients"),
    "sequence-dropped": Scenario(before="CREATE SEQUENCE s;", hazards="breaks_clients data_loss"),
    "sequence-options": Scenario(
        before="CREATE SEQUENCE s;", after="CREATE SEQUENCE s INCREMENT 2 MAXVALUE 100;", says=("ALTER SEQUENCE s",)
    ),
    "default-dropped": Scenario(before=T.replace("b text", "b text DEFAULT 'x'"), after=T, hazards="breaks_clients"),
    "identity-always": Scenario(
        before="CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY);",
        after="CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY);",
        hazards="breaks_clients",
    ),
    "generated-otherwise": Scenario(
        before="CREATE TABLE t (a integer, n integer GENERATED ALWAYS AS (a + 1) STORED);",
        after="CREATE TABLE t (a integer, n integer GENERATED ALWAYS AS (a + 2) STORED);",
        hazards="table_rewrite",
    ),
    "table-moved": Scenario(
        alone=True,
        before=f"{T} CREATE SCHEMA s;",
        after="CREATE SCHEMA s;\n-- reconciler: renamed from public.t\n"
        "CREATE TABLE s.t (id bigint NOT NULL, a integer, b text);",
        hazards="breaks_clients",
        says=("SET SCHEMA s",),
        never=("DROP",),
    ),
    "view-renamed": Scenario(
        alone=True,
        before="CREATE VIEW v AS SELECT 1 AS a;",
        after="-- reconciler: renamed from v\nCREATE VIEW w AS SELECT 1 AS a;",
        hazards="breaks_clients",
        says=("RENAME TO w",),
        never=("DROP",),
    ),
    "extension-dropped": Scenario(alone=True, before="CREATE EXTENSION pg_trgm;", hazards="breaks_clients data_loss"),
    "replica-identity": Scenario(before=T, after=f"{T} ALTER TABLE t REPLICA IDENTITY NOTHING;", hazards="correctness"),
    "policy-dropped": Scenario(
        before=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a = 1);",
        after=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY;",
        hazards="breaks_clients",
    ),
    "policy-roles": Scenario(
        before=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO postgres USING (a = 1);",
        after=f"{T} ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a = 1);",
        hazards="privileges",
    ),
    "role-in-source": Scenario(alone=True, after="ALTER ROLE postgres NOLOGIN;", refused="whole cluster"),
    "system-in-source": Scenario(alone=True, after="ALTER SYSTEM SET work_mem = '1MB';", refused="whole cluster"),
    "database-setting": Scenario(
        alone=True,
        after="DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO pg_catalog', current_database()); END $$;",
        hazards="breaks_clients",
    ),
    "attribute-added": Scenario(
        before="CREATE TYPE c AS (a integer);", after="CREATE TYPE c AS (a integer, b text);", hazards="breaks_clients"
    ),
    "inheritance-ended": Scenario(
        before="CREATE TABLE p (a integer); CREATE TABLE t (a integer) INHERITS (p);",
        after="CREATE TABLE p (a integer); CREATE TABLE t (a integer);",
        hazards="breaks_clients",
    ),
}

SQUAWK = {
    "adding-field-with-default": "default-volatile",
    "adding-foreign-key-constraint": "foreign-key-added",
    "adding-not-nullable-field": "not-null-added",
    "adding-required-field": "required-column",
    "adding-serial-primary-key-field": "primary-key-added",
    "ban-add-column": "default-constant",
    "ban-add-composite-attribute": "attribute-added",
    "ban-add-enum-value": "enum-value-added",
    "ban-alter-database-options": "database-setting",
    "ban-alter-domain-with-add-constraint": "domain-constraint-added",
    "ban-alter-extension": "extension-updated",
    "ban-alter-function-options": "leakproof",
    "ban-alter-generated-expression": "generated-otherwise",
    "ban-alter-identity": "identity-always",
    "ban-alter-policy-condition": "policy-widened",
    "ban-alter-policy-roles": "policy-roles",
    "ban-alter-role-options": "role-in-source",
    "ban-alter-row-level-security": "row-security-off",
    "ban-alter-sequence-values": "sequence-options",
    "ban-alter-system-options": "system-in-source",
    "ban-alter-view-options": "view-barrier",
    "ban-char-field": "type-char",
    "ban-concurrent-index-creation-in-transaction": "concurrently-in-source",
    "ban-create-domain-with-constraint": "domain-created",
    "ban-create-policy": "policy-widened",
    "ban-detach-inheritance": "inheritance-ended",
    "ban-disable-trigger": "trigger-disabled",
    "ban-drop-column": "column-dropped",
    "ban-drop-constraint": "constraint-dropped",
    "ban-drop-database": "database-in-source",
    "ban-drop-default": "default-dropped",
    "ban-drop-domain": "domain-dropped",
    "ban-drop-extension": "extension-dropped",
    "ban-drop-function": "function-dropped",
    "ban-drop-generated-expression": "generated-becomes-plain",
    "ban-drop-index": "index-dropped",
    "ban-drop-not-null": "not-null-dropped",
    "ban-drop-policy": "policy-dropped",
    "ban-drop-schema": "schema-dropped",
    "ban-drop-sequence": "sequence-dropped",
    "ban-drop-table": "table-dropped",
    "ban-drop-trigger": "trigger-dropped",
    "ban-drop-type": "type-dropped",
    "ban-drop-view": "view-dropped",
    "ban-duplicate-column-assignments": "column-twice-in-source",
    "ban-new-write-restriction": "check-added",
    "ban-replace-view-function": "function-body",
    "ban-replica-identity": "replica-identity",
    "ban-revoke": "revoked",
    "ban-set-default": "default-changed",
    "ban-set-schema": "table-moved",
    "ban-truncate-cascade": "rows-in-source",
    "ban-uncommitted-transaction": "transaction-in-source",
    "changing-column-type": "type-rewritten",
    "constraint-missing-not-valid": "check-added",
    "disallowed-unique-constraint": "unique-added",
    "identifier-too-long": "name-too-long",
    "prefer-bigint-over-int": "type-rewritten",
    "prefer-bigint-over-smallint": "type-rewritten",
    "prefer-identity": "serial-becomes-identity",
    "prefer-repack": "maintenance-in-source",
    "prefer-robust-stmts": "table-created",
    "prefer-text-field": "type-widened",
    "prefer-timestamp-tz": "type-timestamp",
    "prefer-timestamptz": "type-timestamp",
    "renaming-column": "column-renamed",
    "renaming-object": "view-renamed",
    "renaming-table": "table-renamed",
    "require-concurrent-index-creation": "index-added",
    "require-concurrent-index-deletion": "index-dropped",
    "require-concurrent-partition-detach": "partition-detached",
    "require-concurrent-reindex": "reindex-in-source",
    "require-enum-value-ordering": "enum-value-added",
    "require-lock-timeout": "timeouts",
    "require-statement-timeout": "timeouts",
    "require-table-schema": "table-created",
    "require-timeout-settings": "timeouts",
    "syntax-error": "syntax-error-in-source",
    "transaction-nesting": "transaction-in-source",
    "unused-ignore": "stale-hint",
}
STRONG_MIGRATIONS = {
    "add_check_constraint": "check-added",
    "add_column_auto_incrementing": "serial-added",
    "add_column_default": "default-volatile",
    "add_column_default_callable": "default-stable",
    "add_column_generated_stored": "generated-stored",
    "add_column_json": "json-column",
    "add_exclusion_constraint": "exclusion-added",
    "add_foreign_key": "foreign-key-added",
    "add_index": "index-added",
    "add_index_columns": "index-added",
    "add_index_corruption": "index-added",
    "add_reference": "reference-added",
    "add_unique_constraint": "unique-added",
    "change_column": "type-rewritten",
    "change_column_constraint": "type-under-check",
    "change_column_default": "default-changed",
    "change_column_null": "not-null-with-backfill",
    "change_column_null_postgresql": "not-null-added",
    "change_column_with_not_null": "type-with-not-null",
    "change_table": "several-changes",
    "create_table": "table-forced",
    "execute": "rows-in-source",
    "remove_column": "column-dropped",
    "remove_index": "index-dropped",
    "rename_column": "column-renamed",
    "rename_enum_value": "enum-value-renamed",
    "rename_schema": "schema-renamed",
    "rename_table": "table-renamed",
    "validate_check_constraint": "check-added",
    "validate_foreign_key": "foreign-key-added",
}
EUGENE = {
    "E1": "check-added",
    "E2": "not-null-added",
    "E3": "json-column",
    "E4": "several-changes",
    "E5": "type-rewritten",
    "E6": "index-added",
    "E7": "unique-added",
    "E8": "exclusion-added",
    "E9": "timeouts",
    "E10": "unlogged",
    "E11": "generated-stored",
    "W12": "two-scans",
    "W13": "enum-value-removed",
    "W14": "primary-key-of-nullable",
    "E15": "foreign-key-without-index",
}
PGFENCE = {
    "add-column-constant-default": "default-constant",
    "add-column-default-pre-pg11": "default-constant",
    "add-column-inline-foreign-key": "reference-added",
    "add-column-inline-foreign-key-not-valid": "reference-added",
    "add-column-json": "json-column",
    "add-column-non-constant-default": "default-volatile",
    "add-column-not-null-no-default": "required-column",
    "add-column-serial": "serial-added",
    "add-column-stored-generated": "generated-stored",
    "add-constraint-check-no-not-valid": "check-added",
    "add-constraint-exclude": "exclusion-added",
    "add-constraint-fk-no-not-valid": "foreign-key-added",
    "add-constraint-unique": "unique-added",
    "add-constraint-unique-using-index": "unique-added",
    "add-constraint-unknown-type": "domain-constraint-added",
    "add-pk-using-index": "primary-key-of-nullable",
    "add-pk-without-using-index": "primary-key-added",
    "alter-column-set-not-null": "not-null-added",
    "alter-column-type": "type-rewritten",
    "alter-enum-add-value": "enum-value-added",
    "alter-enum-no-ordering": "enum-value-added",
    "attach-partition": "partition-attached",
    "ban-alter-domain-add-constraint": "domain-constraint-added",
    "ban-char-field": "type-char",
    "ban-create-domain-with-constraint": "domain-created",
    "concurrent-in-transaction": "concurrently-in-source",
    "create-index-not-concurrent": "index-added",
    "create-table-exclude-constraint": "table-created",
    "create-trigger": "trigger-created",
    "delete-without-where": "rows-in-source",
    "detach-partition": "partition-detached",
    "detach-partition-concurrent": "partition-detached",
    "drop-column": "column-dropped",
    "drop-constraint": "constraint-dropped",
    "drop-database": "database-in-source",
    "drop-index-not-concurrent": "index-dropped",
    "drop-not-null": "not-null-dropped",
    "drop-schema": "schema-dropped",
    "drop-schema-cascade": "schema-dropped",
    "drop-table": "table-dropped",
    "drop-trigger": "trigger-dropped",
    "enable-disable-trigger": "trigger-disabled",
    "fk-missing-index": "foreign-key-without-index",
    "lock-timeout-after-dangerous-statement": "timeouts",
    "lock-timeout-too-long": "timeouts",
    "lock-timeout-zero": "timeouts",
    "missing-application-name": "timeouts",
    "missing-idle-timeout": "timeouts",
    "missing-lock-timeout": "timeouts",
    "missing-statement-timeout": "timeouts",
    "not-valid-validate-same-tx": "check-added",
    "prefer-bigint-over-int": "type-rewritten",
    "prefer-identity": "serial-becomes-identity",
    "prefer-robust-create-index": "index-added",
    "prefer-robust-create-table": "table-created",
    "prefer-robust-drop-index": "index-dropped",
    "prefer-robust-drop-table": "table-dropped",
    "prefer-text-field": "type-widened",
    "prefer-timestamptz": "type-timestamp",
    "refresh-matview-blocking": "refresh-in-source",
    "refresh-matview-concurrent": "view-filled-again",
    "reindex-non-concurrent": "index-replaced",
    "rename-column": "column-renamed",
    "rename-schema": "schema-renamed",
    "rename-table": "table-renamed",
    "set-logged-unlogged": "unlogged",
    "statement-after-access-exclusive": "several-changes",
    "statement-timeout-too-long": "timeouts",
    "truncate": "rows-in-source",
    "truncate-cascade": "rows-in-source",
    "unclosed-transaction": "transaction-in-source",
    "update-in-migration": "not-null-with-backfill",
    "vacuum-full": "maintenance-in-source",
    "validate-constraint": "check-added",
    "wide-lock-window": "several-changes",
}
# What none of the four names.
BEYOND = {
    "a column that becomes narrower": "type-narrowed",
    "a conversion that changes values": "type-lossy",
    "a required column with a default": "required-column-with-default",
    "row security that is removed": "row-security-off",
    "a policy that lets more through": "policy-widened",
    "a privilege for everybody": "granted-to-public",
    "a removed privilege": "revoked",
    "a function with its owner's rights": "security-definer",
    "the same with its own search_path": "security-definer-with-path",
    "a function that is trusted not to leak": "leakproof",
    "other columns of a view": "view-columns",
    "a view without its barrier": "view-barrier",
    "other arguments of a function": "function-signature",
    "a function that an index was built with": "function-under-index",
    "a column that is computed no more": "generated-becomes-plain",
    "another version of an extension": "extension-updated",
}
RULES = {
    "squawk": SQUAWK,
    "strong_migrations": STRONG_MIGRATIONS,
    "eugene": EUGENE,
    "pgfence": PGFENCE,
    "Beyond the four": BEYOND,
}


def _schema(scenario: str) -> str:
    return scenario.replace("-", "_")


def _together(side: str) -> str:
    """The SQL of all scenarios that share a database."""
    return "".join(
        f"CREATE SCHEMA {_schema(each)}; SET search_path TO {_schema(each)}; {getattr(scenario, side)}\n"
        for each, scenario in SCENARIOS.items()
        if not scenario.alone
    )


@pytest.fixture(scope="module")
def shared(server: EmbeddedServer) -> Iterator[tuple[str, str]]:
    """The URLs of a database with all first states, and of one with all second ones."""
    names = ("hazards_before", "hazards_after")
    with psycopg.connect(server.url, autocommit=True) as connection:
        for each, side in zip(names, ("before", "after"), strict=True):
            connection.execute(f"CREATE DATABASE {each} TEMPLATE template0".encode())
            with psycopg.connect(server.url_of(each), autocommit=True) as made:
                made.execute(_together(side).encode())
        yield server.url_of(names[0]), server.url_of(names[1])
        for each in names:
            connection.execute(f"DROP DATABASE {each} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def states(shared: tuple[str, str]) -> tuple[Snapshot, Snapshot]:
    """What these two databases hold."""
    found: list[Snapshot] = []
    for url in shared:
        with psycopg.connect(url) as connection:
            found.append(read_snapshot(connection, managed_schemas(connection), dependencies=True))
    return found[0], found[1]


def _part(state: Snapshot, schema: str) -> Snapshot:
    """What the schema holds, with what hangs on it."""

    def is_there(fact: FactId) -> bool:
        return (fact.target if fact.kind in SATELLITE_KINDS else fact).name[0] == schema

    return state.with_facts({fact: text for fact, text in state.facts.items() if is_there(fact)}).with_relations(
        dependencies={fact: needed for fact, needed in state.dependencies.items() if is_there(fact)},
        automatic={fact: needed for fact, needed in state.automatic.items() if is_there(fact)},
    )


@pytest.mark.parametrize("name", [each for each, scenario in SCENARIOS.items() if not scenario.alone])
def test_a_change_names_its_hazards(name: str, states: tuple[Snapshot, Snapshot]) -> None:
    scenario = SCENARIOS[name]
    live, goal = (_part(state, _schema(name)) for state in states)
    for online in (None, Online(above_bytes=-1)):
        plan = make_plan(live, goal, current_user="postgres", online=online)
        assert plan.unmodelled == ()
        scenario.check(plan, online=online is not None, schema=_schema(name))


def test_all_these_changes_can_be_made(shared: tuple[str, str]) -> None:
    with Reconciler(shared[0], options=replace(OPTIONS, online=True)) as reconciler:
        reconciler.apply(reconciler.plan(_together("after")))
        assert reconciler.plan(_together("after")).plan.is_empty


@pytest.mark.parametrize("name", [each for each, scenario in SCENARIOS.items() if scenario.alone])
def test_a_source_names_its_hazards(name: str, database: str) -> None:
    scenario = SCENARIOS[name]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(scenario.before.encode())
        connection.execute(scenario.rows.encode())
    with Reconciler(database, options=OPTIONS) as reconciler:
        if scenario.refused:
            with pytest.raises(SourceError, match=scenario.refused):
                reconciler.plan(scenario.after)
            return
        for online in (False, True):
            planned = reconciler.plan(scenario.after, options=replace(OPTIONS, online=online))
            scenario.check(planned.plan, online=online)
        if scenario.reads is not None:
            reconciler.apply(planned)
            with psycopg.connect(database) as connection:
                row = connection.execute(scenario.reads[0].encode()).fetchone()
            assert row == (scenario.reads[1],)


def test_each_scenario_is_there_for_a_rule() -> None:
    assert set(SCENARIOS) == {scenario for rules in RULES.values() for scenario in rules.values()}


def test_the_document_names_exactly_the_rules_that_are_tested() -> None:
    """Each row: the rule, the hazards in one transaction and in steps, what the plan does, the scenario."""
    told: dict[str, dict[str, tuple[str, str, str]]] = {}
    rules: dict[str, tuple[str, str, str]] = {}
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            rules = told.setdefault(line.removeprefix("## "), {})
        elif found := re.fullmatch(r"\| (?:`([^`|]+)`|([^`|]+)) \| ([^|]+) \| ([^|]+) \| [^|]+ \| ([a-z-]+) \|", line):
            rules[found[1] or found[2]] = (found[3], found[4], found[5])
        if line == "|---|---|---|---|---|":
            rules.clear()  # what stood above it is the table's head
    for group, tested in RULES.items():
        wanted: dict[str, tuple[str, str, str]] = {}
        for rule, name in tested.items():
            scenario = SCENARIOS[name]
            kinds = ["refused"] if scenario.refused else scenario.wanted(online=False)
            steps = [] if scenario.refused else scenario.wanted(online=True)
            words = [", ".join(each).replace("_", "-") or "none" for each in (kinds, steps)]
            wanted[rule] = (words[0], words[1], name)
        assert told[group] == wanted


def test_the_document_describes_each_kind() -> None:
    text = DOCUMENT.read_text()
    for kind, meaning in KINDS.items():
        assert f"| `{kind.value.replace('_', '-')}` | {meaning.title} | {meaning.text} |" in text
