-- OpenID provider: clients, access grants (law, art. 29), consents, authorization requests, codes, tokens.
-- Times are unix seconds; every secret is stored as its SHA-256; documents are JSON of the types in domain::oidc.

CREATE TABLE oidc_clients (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE oidc_client_secrets (
    secret_hash BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX oidc_client_secrets_client ON oidc_client_secrets (client_id);

CREATE TABLE access_grants (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    number TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    revoked_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_grants_client ON access_grants (client_id, not_after);

CREATE TABLE consents (
    id TEXT NOT NULL PRIMARY KEY,
    person_id TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    grant_id TEXT NOT NULL REFERENCES access_grants (id),
    shares TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    withdrawn_at INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX consents_person ON consents (person_id, client_id, granted_at);
-- A person has one consent in force per client; a new one takes the place of the old.
CREATE UNIQUE INDEX consents_in_force ON consents (person_id, client_id) WHERE withdrawn_at IS NULL;

CREATE TABLE authorization_requests (
    handle_hash BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    parameters TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT;
CREATE INDEX authorization_requests_expiry ON authorization_requests (expires_at);

CREATE TABLE token_families (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    person_id TEXT NOT NULL,
    session_id TEXT,
    consent_id TEXT NOT NULL REFERENCES consents (id),
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX token_families_person ON token_families (person_id, client_id);
CREATE INDEX token_families_session ON token_families (session_id);
CREATE INDEX token_families_expiry ON token_families (expires_at);

CREATE TABLE authorization_codes (
    code_hash BLOB NOT NULL PRIMARY KEY,
    family_id TEXT NOT NULL REFERENCES token_families (id),
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    nonce TEXT,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    redeemed_at INTEGER
) STRICT;
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_family ON authorization_codes (family_id);

CREATE TABLE access_tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    family_id TEXT REFERENCES token_families (id),
    client_id TEXT NOT NULL REFERENCES oidc_clients (id),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX access_tokens_family ON access_tokens (family_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

CREATE TABLE refresh_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY,
    family_id TEXT NOT NULL REFERENCES token_families (id),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE client_assertions (
    client_id TEXT NOT NULL,
    jti_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
) STRICT;
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);
