package ledger

import (
	"context"
	"fmt"
	"strings"
)

// schema is the list of what was added to the database, in order; a database
// has the first so many of them. Nothing in it is changed once it was released.
var schema = []string{`
CREATE TABLE slipway_deliveries (
	id {id},
	forge TEXT NOT NULL,
	event TEXT NOT NULL,
	guid TEXT NOT NULL,
	repository TEXT NOT NULL,
	received BIGINT NOT NULL,
	outcome TEXT NOT NULL DEFAULT 'pending',
	reason TEXT NOT NULL DEFAULT '',
	operations TEXT NOT NULL DEFAULT '',
	processed BIGINT NOT NULL DEFAULT 0,
	tries BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX slipway_deliveries_pending ON slipway_deliveries (forge, repository, id) WHERE outcome = 'pending';

-- Apart, so that a delivery's outcome is written without its body, which is
-- compressed by S2.
CREATE TABLE slipway_bodies (
	delivery BIGINT NOT NULL PRIMARY KEY,
	body {bytes} NOT NULL
);
{bodies as they are};

CREATE TABLE slipway_operations (
	id {id},
	identity TEXT NOT NULL UNIQUE,
	lane TEXT NOT NULL,
	kind TEXT NOT NULL,
	forge TEXT NOT NULL,
	repository TEXT NOT NULL,
	ref TEXT NOT NULL,
	commit_hash TEXT NOT NULL,
	class TEXT NOT NULL,
	actor TEXT NOT NULL,
	cause TEXT NOT NULL,
	delivery BIGINT NOT NULL,
	input {bytes},
	state TEXT NOT NULL DEFAULT 'queued',
	ready BIGINT NOT NULL DEFAULT 0, -- 1: a River job will begin it
	attempt BIGINT NOT NULL DEFAULT 0,
	folds BIGINT NOT NULL DEFAULT 0,
	created BIGINT NOT NULL,
	started BIGINT NOT NULL DEFAULT 0,
	finished BIGINT NOT NULL DEFAULT 0,
	next_try BIGINT NOT NULL DEFAULT 0,
	summary TEXT NOT NULL DEFAULT '',
	memory {bytes},
	report {bytes},
	owner TEXT NOT NULL DEFAULT '',
	lease_until BIGINT NOT NULL DEFAULT 0,
	cancelled_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX slipway_operations_lane ON slipway_operations (forge, repository, lane, delivery, id) WHERE state = 'queued';
CREATE INDEX slipway_operations_busy ON slipway_operations (forge, repository, lane) WHERE state = 'running' OR ready = 1;
CREATE INDEX slipway_operations_running ON slipway_operations (owner) WHERE state = 'running';
CREATE INDEX slipway_operations_waiting ON slipway_operations (next_try) WHERE state = 'waiting';
CREATE INDEX slipway_operations_ref ON slipway_operations (forge, repository, ref);
CREATE INDEX slipway_operations_commit ON slipway_operations (commit_hash);

CREATE TABLE slipway_holds (
	forge TEXT NOT NULL,
	repository TEXT NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	since BIGINT NOT NULL,
	PRIMARY KEY (forge, repository)
);

CREATE TABLE slipway_reconciles (
	forge TEXT NOT NULL,
	repository TEXT NOT NULL,
	owner TEXT NOT NULL DEFAULT '',
	lease_until BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (forge, repository)
);

CREATE TABLE slipway_audit (
	id {id},
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	forge TEXT NOT NULL,
	repository TEXT NOT NULL,
	ref TEXT NOT NULL,
	commit_hash TEXT NOT NULL,
	operation BIGINT NOT NULL,
	delivery BIGINT NOT NULL,
	outcome TEXT NOT NULL,
	detail TEXT NOT NULL
);
CREATE INDEX slipway_audit_repository ON slipway_audit (forge, repository, id);

CREATE TABLE slipway_documents (
	ref {ref} NOT NULL PRIMARY KEY,
	version TEXT NOT NULL,
	value {bytes} NOT NULL
);
`}

// migrateSchema adds what the database lacks. Nobody else does so meanwhile.
func migrateSchema(ctx context.Context, q querier, d dialect) error {
	if _, err := q.exec(ctx, `CREATE TABLE IF NOT EXISTS slipway_schema (version BIGINT NOT NULL)`); err != nil {
		return err
	}
	var version int
	found, err := one(ctx, q, []any{&version}, `SELECT version FROM slipway_schema`)
	if err != nil {
		return err
	}
	if version > len(schema) {
		return fmt.Errorf("the database was made by a newer Slipway (its schema is %d, this one knows %d); use that one", version, len(schema))
	}
	for _, step := range schema[version:] {
		for statement := range strings.SplitSeq(d.types.Replace(step), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := q.exec(ctx, statement); err != nil {
				return err
			}
		}
	}
	set := `UPDATE slipway_schema SET version = $1`
	if !found {
		set = `INSERT INTO slipway_schema (version) VALUES ($1)`
	}
	_, err = q.exec(ctx, set, len(schema))
	return err
}
