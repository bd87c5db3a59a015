-- What all migrations together produce. Written by scripts/dump-schema.ts; read it as a diff.

create schema auth;

create table auth.audit_entry (
  entry_id bigint not null generated as identity,
  at timestamp with time zone not null default now(),
  action text not null,
  client_id text not null,
  target_client_id text not null default ''::text,
  address text not null default ''::text,
  constraint audit_entry_pkey PRIMARY KEY (entry_id)
);

create table auth.client (
  client_id text not null,
  audience text not null,
  name text not null,
  secret_hash text not null,
  created_at timestamp with time zone not null default now(),
  uid uuid not null default gen_random_uuid(),
  description text not null default ''::text,
  scopes text[] not null default '{read,write,answer}'::text[],
  updated_at timestamp with time zone not null default now(),
  disabled_at timestamp with time zone,
  deleted_at timestamp with time zone,
  former_secret_hash text,
  former_secret_expires_at timestamp with time zone,
  tokens_valid_from timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint client_audience CHECK ((audience = ANY (ARRAY['tasks-api'::text, 'clients-api'::text, 'admin-api'::text, 'workers-api'::text]))),
  constraint client_former_secret CHECK (((former_secret_hash IS NULL) = (former_secret_expires_at IS NULL))),
  constraint client_pkey PRIMARY KEY (client_id),
  constraint client_scopes CHECK ((scopes <@ '{read,write,answer}'::text[])),
  constraint client_uid_key UNIQUE (uid)
);

create table auth.refresh_family (
  family_id uuid not null,
  client_id text not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  constraint refresh_family_client FOREIGN KEY (client_id) REFERENCES auth.client(client_id),
  constraint refresh_family_pkey PRIMARY KEY (family_id)
);

create table auth.refresh_token (
  token_hash bytea not null,
  family_id uuid not null,
  issued_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint refresh_token_family FOREIGN KEY (family_id) REFERENCES auth.refresh_family(family_id) ON DELETE CASCADE,
  constraint refresh_token_pkey PRIMARY KEY (token_hash)
);

create table auth.revocation (
  revocation_id bigint not null generated as identity,
  kind text not null,
  subject text not null,
  issued_before timestamp with time zone,
  expires_at timestamp with time zone not null,
  constraint revocation_issued_before CHECK (((kind = 'client'::text) = (issued_before IS NOT NULL))),
  constraint revocation_kind CHECK ((kind = ANY (ARRAY['client'::text, 'token'::text, 'family'::text]))),
  constraint revocation_pkey PRIMARY KEY (revocation_id)
);

create table auth.signing_key (
  key_id text not null,
  public_key jsonb not null,
  sealed_private_key bytea not null,
  created_at timestamp with time zone not null default now(),
  signs_at timestamp with time zone not null default now(),
  constraint signing_key_pkey PRIMARY KEY (key_id)
);

CREATE INDEX audit_entry_age_idx ON auth.audit_entry USING btree (at);

CREATE INDEX audit_entry_client_idx ON auth.audit_entry USING btree (client_id, entry_id);

CREATE INDEX audit_entry_target_idx ON auth.audit_entry USING btree (target_client_id, entry_id) WHERE (target_client_id <> ''::text);

CREATE INDEX client_listing_idx ON auth.client USING btree (created_at, client_id) WHERE (deleted_at IS NULL);

CREATE INDEX refresh_family_client_idx ON auth.refresh_family USING btree (client_id);

CREATE INDEX refresh_family_expiry_idx ON auth.refresh_family USING btree (expires_at);

CREATE INDEX refresh_token_expiry_idx ON auth.refresh_token USING btree (expires_at);

CREATE INDEX refresh_token_family_idx ON auth.refresh_token USING btree (family_id);

CREATE INDEX revocation_expiry_idx ON auth.revocation USING btree (expires_at);

create schema scheduler;

create table scheduler.partition (
  partition integer not null,
  epoch bigint not null,
  owner_incarnation uuid,
  constraint partition_pkey PRIMARY KEY (partition)
) with (fillfactor=50);

create table scheduler.payload (
  run_id uuid not null,
  digest bytea not null,
  content bytea not null,
  at timestamp with time zone not null default now(),
  constraint payload_pkey PRIMARY KEY (run_id, digest)
);

create table scheduler.program (
  run_id uuid not null,
  content bytea not null,
  sealed_env bytea,
  constraint program_pkey PRIMARY KEY (run_id)
);

create table scheduler.replica (
  incarnation uuid not null,
  address text not null,
  lease_expires_at timestamp with time zone not null,
  constraint replica_pkey PRIMARY KEY (incarnation)
);

create table scheduler.request (
  client_id text not null,
  request_id text not null,
  digest text not null,
  at timestamp with time zone not null default now(),
  constraint request_pkey PRIMARY KEY (client_id, request_id)
);

create table scheduler.run (
  run_id uuid not null,
  partition integer not null,
  client_id text not null,
  workflow_id uuid,
  name text not null,
  state text not null,
  is_cancel_requested boolean not null,
  failure bytea,
  created_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  workflow_version text,
  labels text[] not null default '{}'::text[],
  priority integer not null default 0,
  parent_run_id uuid,
  schedule_id uuid,
  rerun_of uuid,
  deleted_at timestamp with time zone,
  removed_at timestamp with time zone,
  forget_at timestamp with time zone,
  task_state text,
  constraint run_pkey PRIMARY KEY (run_id),
  constraint run_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'paused'::text, 'completed'::text, 'failed'::text, 'cancelled'::text]))),
  constraint run_task_state_check CHECK ((task_state = ANY (ARRAY['pending'::text, 'queued'::text, 'starting'::text, 'running'::text, 'waiting_for_input'::text, 'completed'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text]))) NOT VALID
) with (fillfactor=80, autovacuum_analyze_threshold=200, autovacuum_analyze_scale_factor=0.05, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_scale_factor=0.05);

create table scheduler.run_event (
  run_id uuid not null,
  seq integer not null,
  type text not null,
  node_id text,
  attempt integer,
  at timestamp with time zone not null,
  payload bytea not null,
  constraint run_event_pkey PRIMARY KEY (run_id, seq)
) with (autovacuum_analyze_threshold=1000, autovacuum_analyze_scale_factor=0.1);

create table scheduler.schedule (
  schedule_id uuid not null,
  partition integer not null,
  client_id text not null,
  name text not null,
  content bytea not null,
  program bytea,
  paused boolean not null,
  revision bigint not null default 0,
  next_at timestamp with time zone,
  resumed_at timestamp with time zone,
  last_firing_at timestamp with time zone,
  last_run_id uuid,
  last_failure bytea,
  starting_firings timestamp with time zone[] not null default '{}'::timestamp with time zone[],
  waiting_firings timestamp with time zone[] not null default '{}'::timestamp with time zone[],
  cancelling_runs uuid[] not null default '{}'::uuid[],
  created_at timestamp with time zone not null default now(),
  due_at timestamp with time zone not null generated always as (
CASE
    WHEN ((cardinality(starting_firings) > 0) OR (cardinality(cancelling_runs) > 0)) THEN '-infinity'::timestamp with time zone
    WHEN (paused OR (next_at IS NULL)) THEN 'infinity'::timestamp with time zone
    ELSE next_at
END),
  workflow_id uuid,
  updated_at timestamp with time zone,
  sealed_env bytea,
  constraint schedule_pkey PRIMARY KEY (schedule_id)
) with (fillfactor=70);

create table scheduler.task_reservation (
  run_id uuid not null,
  client_id text not null,
  dedupe_key text,
  partition integer not null,
  epoch bigint not null,
  token uuid not null,
  constraint task_reservation_pkey PRIMARY KEY (run_id)
) with (autovacuum_vacuum_threshold=1000, autovacuum_analyze_threshold=200);

create table scheduler.upload (
  upload_id uuid not null,
  client_id text not null,
  file_name text not null,
  size integer,
  md5 text,
  single_use boolean not null default false,
  created_at timestamp with time zone not null default now(),
  removing_at timestamp with time zone,
  constraint upload_pkey PRIMARY KEY (upload_id)
);

create table scheduler.worker (
  worker_id text not null,
  client_id text not null,
  incarnation text not null,
  handlers text[] not null,
  slots integer not null,
  held integer not null,
  sandbox text not null,
  registered_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  queues text[] not null default '{""}'::text[],
  labels text[] not null default '{}'::text[],
  program_slots integer not null default 0,
  constraint worker_pkey PRIMARY KEY (worker_id)
) with (fillfactor=50);

create table scheduler.workflow (
  workflow_id uuid not null,
  client_id text not null,
  name text not null,
  version text not null,
  definition bytea not null,
  created_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  applied_at timestamp with time zone,
  constraint workflow_pkey PRIMARY KEY (workflow_id)
);

CREATE INDEX request_by_time_idx ON scheduler.request USING btree (at);

CREATE INDEX run_by_client_idx ON scheduler.run USING btree (client_id, created_at DESC, run_id DESC);

CREATE INDEX run_by_labels_idx ON scheduler.run USING gin (labels) WHERE (labels <> '{}'::text[]);

CREATE INDEX run_by_parent_idx ON scheduler.run USING btree (parent_run_id) WHERE (parent_run_id IS NOT NULL);

CREATE INDEX run_by_schedule_idx ON scheduler.run USING btree (schedule_id, created_at DESC) WHERE (schedule_id IS NOT NULL);

CREATE INDEX run_by_time_idx ON scheduler.run USING btree (created_at DESC, run_id DESC);

CREATE INDEX run_failed_idx ON scheduler.run USING btree (client_id, created_at DESC, run_id DESC) WHERE (state = ANY (ARRAY['failed'::text, 'cancelled'::text]));

CREATE INDEX run_live_by_schedule_idx ON scheduler.run USING btree (schedule_id) WHERE ((schedule_id IS NOT NULL) AND (ended_at IS NULL));

CREATE INDEX run_live_idx ON scheduler.run USING btree (partition) WHERE (ended_at IS NULL);

CREATE INDEX run_to_expire_idx ON scheduler.run USING btree (ended_at) WHERE ((ended_at IS NOT NULL) AND (deleted_at IS NULL) AND (parent_run_id IS NULL));

CREATE INDEX run_to_forget_idx ON scheduler.run USING btree (forget_at) WHERE (forget_at IS NOT NULL);

CREATE INDEX run_to_remove_idx ON scheduler.run USING btree (run_id) WHERE ((deleted_at IS NOT NULL) AND (removed_at IS NULL));

CREATE INDEX schedule_by_client_idx ON scheduler.schedule USING btree (client_id, created_at DESC, schedule_id DESC);

CREATE INDEX schedule_by_time_idx ON scheduler.schedule USING btree (created_at DESC, schedule_id DESC);

CREATE INDEX schedule_by_workflow_idx ON scheduler.schedule USING btree (workflow_id) WHERE (workflow_id IS NOT NULL);

CREATE INDEX schedule_due_idx ON scheduler.schedule USING btree (partition, due_at) WHERE (due_at < 'infinity'::timestamp with time zone);

CREATE INDEX schedule_waiting_idx ON scheduler.schedule USING btree (partition) WHERE ((waiting_firings <> '{}'::timestamp with time zone[]) AND (NOT paused));

CREATE INDEX task_by_client_idx ON scheduler.run USING btree (client_id, created_at DESC, run_id DESC) WHERE ((workflow_id IS NULL) AND (deleted_at IS NULL));

CREATE INDEX task_live_idx ON scheduler.run USING btree (client_id) WHERE ((workflow_id IS NULL) AND (deleted_at IS NULL) AND (ended_at IS NULL));

CREATE INDEX task_reservation_by_client_idx ON scheduler.task_reservation USING btree (client_id, dedupe_key);

CREATE INDEX task_reservation_by_partition_idx ON scheduler.task_reservation USING btree (partition, run_id);

CREATE INDEX upload_by_name_idx ON scheduler.upload USING btree (client_id, file_name, created_at DESC);

CREATE INDEX upload_by_time_idx ON scheduler.upload USING btree (created_at);

CREATE INDEX upload_to_remove_idx ON scheduler.upload USING btree (removing_at) WHERE (removing_at IS NOT NULL);

CREATE INDEX workflow_by_client_idx ON scheduler.workflow USING btree (client_id, applied_at DESC, workflow_id DESC) WHERE (applied_at IS NOT NULL);

CREATE INDEX workflow_by_name_idx ON scheduler.workflow USING btree (client_id, name, applied_at DESC) WHERE (applied_at IS NOT NULL);

CREATE INDEX workflow_by_time_idx ON scheduler.workflow USING btree (applied_at DESC, workflow_id DESC) WHERE (applied_at IS NOT NULL);

create schema taskio;

create table taskio.transcript (
  task_id text not null,
  attempt integer not null,
  seq integer not null,
  constraint transcript_pkey PRIMARY KEY (task_id),
  constraint transcript_place CHECK (((attempt >= 1) AND (seq >= 1)))
) with (fillfactor=70, autovacuum_analyze_threshold=50, autovacuum_analyze_scale_factor=0.05);

create table taskio.transcript_entry (
  task_id text not null,
  attempt integer not null,
  seq integer not null,
  size integer not null,
  body bytea not null,
  constraint transcript_entry_pkey PRIMARY KEY (task_id, attempt, seq)
);
