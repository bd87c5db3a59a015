-- Clients and signing keys. Nothing runs on this schema before it, so nothing
-- changes for running processes.

-- Who may call. The hash says how it was made (secret-hash.ts); the secret itself
-- is nowhere.
create table auth.client (
  client_id text not null,
  audience text not null,
  name text not null,
  secret_hash text not null,
  created_at timestamptz not null default now(),
  constraint client_pkey primary key (client_id),
  constraint client_audience check (audience in ('tasks-api', 'clients-api', 'admin-api', 'workers-api'))
);

-- The keys that tokens are signed with, the newest for new tokens. The private
-- half is sealed with a key that follows from the installation's secret
-- (signing-key.ts).
create table auth.signing_key (
  key_id text not null,
  public_key jsonb not null,
  sealed_private_key bytea not null,
  created_at timestamptz not null default now(),
  constraint signing_key_pkey primary key (key_id)
);
