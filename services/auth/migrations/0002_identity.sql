-- Management of clients, refresh tokens, revocations, rotation of signing keys,
-- and what was done. Processes of the version before run on: they issue tokens
-- without a family, and do not know clients that are disabled or deleted.

alter table auth.client
  add column uid uuid not null default gen_random_uuid(),
  add column description text not null default '',
  add column scopes text[] not null default '{read,write,answer}',
  add column updated_at timestamptz not null default now(),
  -- It gets no tokens while this is set.
  add column disabled_at timestamptz,
  -- The row stays, so that the id is not given out again.
  add column deleted_at timestamptz,
  -- The secret before, while it is still good.
  add column former_secret_hash text,
  add column former_secret_expires_at timestamptz,
  -- Tokens issued earlier are refused. A whole second: tokens count in those.
  add column tokens_valid_from timestamptz not null default '-infinity',
  add constraint client_uid_key unique (uid),
  add constraint client_scopes check (scopes <@ '{read,write,answer}'),
  add constraint client_former_secret check ((former_secret_hash is null) = (former_secret_expires_at is null));

update auth.client set updated_at = created_at;

create index client_listing_idx on auth.client (created_at, client_id) where deleted_at is null;

-- What came of one IssueToken: access tokens name it as `sid`. Kept until its last
-- refresh token has expired.
create table auth.refresh_family (
  family_id uuid not null,
  client_id text not null,
  -- What was asked for; what the client may have less of by now is not counted.
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint refresh_family_pkey primary key (family_id),
  constraint refresh_family_client foreign key (client_id) references auth.client (client_id)
);

create index refresh_family_client_idx on auth.refresh_family (client_id);
create index refresh_family_expiry_idx on auth.refresh_family (expires_at);

-- The refresh tokens of a family, by the SHA-256 of each. A used one is kept until
-- it would have expired, to know it when it is shown again.
create table auth.refresh_token (
  token_hash bytea not null,
  family_id uuid not null,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint refresh_token_pkey primary key (token_hash),
  constraint refresh_token_family foreign key (family_id) references auth.refresh_family (family_id) on delete cascade
);

create index refresh_token_family_idx on auth.refresh_token (family_id);
create index refresh_token_expiry_idx on auth.refresh_token (expires_at);

-- Which tokens are refused before they expire. Numbered in the order of commits
-- (revocation-store.ts), so that who has read up to one has all before it.
create table auth.revocation (
  revocation_id bigint generated always as identity,
  kind text not null,
  -- The id of a client, of a token, or of a family, by kind.
  subject text not null,
  -- Only tokens issued earlier; by kind `client`.
  issued_before timestamptz,
  -- From when on nothing that it hits is good anyway.
  expires_at timestamptz not null,
  constraint revocation_pkey primary key (revocation_id),
  constraint revocation_kind check (kind in ('client', 'token', 'family')),
  constraint revocation_issued_before check ((kind = 'client') = (issued_before is not null))
);

create index revocation_expiry_idx on auth.revocation (expires_at);

-- From when on a key signs; before, it is only published.
alter table auth.signing_key add column signs_at timestamptz;
update auth.signing_key set signs_at = created_at;
alter table auth.signing_key
  alter column signs_at set default now(),
  alter column signs_at set not null;

-- What was done with clients, tokens and keys. Holds no secret and no token.
create table auth.audit_entry (
  entry_id bigint generated always as identity,
  at timestamptz not null default now(),
  action text not null,
  client_id text not null,
  target_client_id text not null default '',
  address text not null default '',
  constraint audit_entry_pkey primary key (entry_id)
);

create index audit_entry_client_idx on auth.audit_entry (client_id, entry_id);
create index audit_entry_target_idx on auth.audit_entry (target_client_id, entry_id) where target_client_id <> '';
create index audit_entry_age_idx on auth.audit_entry (at);
