-- Accounts, ways to sign in, sessions, the record of who used whose data, messages, signing.
-- Times are unix seconds; identifiers are lower-case UUIDs; columns ending in _sealed are AES-256-GCM under `wrapped_key`.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    subject_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('citizen', 'staff')),
    state TEXT NOT NULL CHECK (state IN ('invited', 'active', 'suspended', 'closed')),
    locale TEXT NOT NULL CHECK (locale IN ('km', 'en')),
    wrapped_key BLOB NOT NULL,
    display_name_sealed BLOB,
    office TEXT,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    closed_at INTEGER
) STRICT;

CREATE TABLE account_identifiers (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL CHECK (kind IN ('email', 'phone')),
    blind_index BLOB NOT NULL,
    value_sealed BLOB NOT NULL,
    verified_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_identifiers_lookup ON account_identifiers (kind, blind_index);
CREATE INDEX account_identifiers_account ON account_identifiers (account_id);

CREATE TABLE staff_roles (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    role TEXT NOT NULL CHECK (role IN ('operator', 'supervisor', 'official', 'auditor', 'client-admin')),
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, role)
) STRICT;

CREATE TABLE passkeys (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    credential_id BLOB NOT NULL UNIQUE,
    credential TEXT NOT NULL,
    name TEXT NOT NULL,
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX passkeys_account ON passkeys (account_id);

CREATE TABLE passwords (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    hash TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE authenticator_apps (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    secret_sealed BLOB NOT NULL,
    last_step INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE TABLE recovery_codes (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    code_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX recovery_codes_lookup ON recovery_codes (account_id, code_hash);

CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    code_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX invitations_expiry ON invitations (expires_at);

CREATE TABLE enrolments (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    invitation_id TEXT,
    purpose TEXT NOT NULL CHECK (purpose IN ('activation', 'recovery')),
    progress_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX enrolments_expiry ON enrolments (expires_at);

CREATE TABLE ceremonies (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('enrol', 'add', 'sign-in', 'step-up')),
    bound_to BLOB NOT NULL,
    state TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ceremonies_expiry ON ceremonies (expires_at);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    method TEXT NOT NULL,
    amr TEXT NOT NULL,
    aal INTEGER NOT NULL,
    client TEXT NOT NULL,
    signed_in_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX sessions_account ON sessions (account_id, ended_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE throttles (
    key BLOB NOT NULL PRIMARY KEY,
    tries INTEGER NOT NULL,
    last_try_at INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX throttles_expiry ON throttles (expires_at);

CREATE TABLE data_accesses (
    id TEXT NOT NULL PRIMARY KEY,
    subject_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('relying-party', 'staff', 'register', 'subject')),
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    items TEXT NOT NULL,
    reference TEXT,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX data_accesses_subject ON data_accesses (subject_id, at);
CREATE INDEX data_accesses_expiry ON data_accesses (expires_at);

CREATE TABLE outbox_messages (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    locale TEXT NOT NULL CHECK (locale IN ('km', 'en')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    wrapped_key BLOB,
    content_sealed BLOB,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    sent_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_messages_due ON outbox_messages (state, next_attempt_at);
CREATE INDEX outbox_messages_expiry ON outbox_messages (expires_at);

CREATE TABLE contact_codes (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    target_index BLOB NOT NULL,
    code_hash BLOB NOT NULL,
    tries INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX contact_codes_owner ON contact_codes (owner_id, target_index, created_at);
CREATE INDEX contact_codes_target ON contact_codes (target_index, created_at);
CREATE INDEX contact_codes_expiry ON contact_codes (expires_at);

CREATE TABLE signing_credentials (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    passkey_id TEXT NOT NULL,
    webauthn_id BLOB NOT NULL,
    serial TEXT NOT NULL,
    certificate TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX signing_credentials_account ON signing_credentials (account_id, created_at);

CREATE TABLE signing_documents (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    credential_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'signed')),
    details_sealed BLOB NOT NULL,
    document_sealed BLOB,
    created_at INTEGER NOT NULL,
    signed_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX signing_documents_account ON signing_documents (account_id, created_at);
CREATE INDEX signing_documents_expiry ON signing_documents (expires_at);
