-- What was meant to be signed, written before the key is asked.
CREATE TABLE issuance_intents (
    id              TEXT    PRIMARY KEY NOT NULL,
    caller          TEXT    NOT NULL,
    idempotency_key TEXT,
    request_hash    BLOB    NOT NULL CHECK (length(request_hash) = 32),
    profile         TEXT    NOT NULL,
    issuer          TEXT    NOT NULL,
    serial          TEXT    NOT NULL UNIQUE,
    spki_hash       BLOB    NOT NULL CHECK (length(spki_hash) = 32),
    holder_hash     BLOB    NOT NULL CHECK (length(holder_hash) = 32),
    tbs             BLOB    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'issued', 'failed', 'abandoned')),
    failure         TEXT,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    keep_until      INTEGER NOT NULL,
    CHECK ((state = 'pending') = (ended_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX issuance_intents_key ON issuance_intents (caller, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state IN ('pending', 'issued');
CREATE INDEX issuance_intents_spki_hash ON issuance_intents (spki_hash) WHERE state = 'pending';
CREATE INDEX issuance_intents_state ON issuance_intents (state, created_at);
CREATE INDEX issuance_intents_keep_until ON issuance_intents (keep_until);

CREATE TABLE certificates (
    serial      TEXT    PRIMARY KEY NOT NULL,
    issuer      TEXT    NOT NULL,
    shard       INTEGER NOT NULL CHECK (shard >= 0),
    profile     TEXT    NOT NULL,
    intent      TEXT    REFERENCES issuance_intents (id),
    caller      TEXT    NOT NULL,
    spki_hash   BLOB    NOT NULL CHECK (length(spki_hash) = 32),
    holder_hash BLOB    NOT NULL CHECK (length(holder_hash) = 32),
    certificate BLOB    NOT NULL,
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('good', 'revoked')),
    reason      INTEGER CHECK (reason IN (0, 1, 2, 3, 4, 5, 9, 10)),
    revoked_at  INTEGER,
    created_at  INTEGER NOT NULL,
    keep_until  INTEGER NOT NULL,
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL)),
    CHECK ((status = 'revoked') = (reason IS NOT NULL))
) STRICT;

CREATE INDEX certificates_spki_hash ON certificates (spki_hash);
CREATE INDEX certificates_revoked ON certificates (issuer, shard, not_after) WHERE status = 'revoked';
CREATE INDEX certificates_keep_until ON certificates (keep_until);
CREATE INDEX certificates_intent ON certificates (intent);

-- A key known to be compromised is never certified again; rows are few and stay.
CREATE TABLE blocked_keys (
    spki_hash BLOB    PRIMARY KEY NOT NULL CHECK (length(spki_hash) = 32),
    serial    TEXT    NOT NULL,
    reason    INTEGER NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

-- Followed by responders; append-only, entries leave only long after their certificate expired.
CREATE TABLE status_log (
    sequence   INTEGER PRIMARY KEY NOT NULL CHECK (sequence > 0),
    issuer     TEXT    NOT NULL,
    serial     TEXT    NOT NULL,
    shard      INTEGER NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('good', 'revoked')),
    reason     INTEGER,
    revoked_at INTEGER,
    not_after  INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    keep_until INTEGER NOT NULL
) STRICT;

CREATE INDEX status_log_revoked ON status_log (issuer, shard, sequence) WHERE status = 'revoked';
CREATE INDEX status_log_keep_until ON status_log (keep_until);

CREATE TRIGGER status_log_no_update BEFORE UPDATE ON status_log
BEGIN
    SELECT RAISE(ABORT, 'the status log is append-only');
END;

-- The newest list of each shard; `allocated` is the highest CRL number ever given to a signature.
CREATE TABLE crls (
    issuer      TEXT    NOT NULL,
    shard       INTEGER NOT NULL CHECK (shard >= 0),
    allocated   INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    covers      INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    der         BLOB    NOT NULL,
    PRIMARY KEY (issuer, shard),
    CHECK (number <= allocated)
) STRICT;

-- Numbers that must never be given twice, even after old rows were cleaned away.
CREATE TABLE counters (
    name  TEXT    PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT;

INSERT INTO counters (name, value) VALUES ('status-log', 0), ('time-stamp', 0);

CREATE TABLE time_stamps (
    serial     INTEGER PRIMARY KEY NOT NULL CHECK (serial > 0),
    policy     TEXT    NOT NULL,
    hash_oid   TEXT    NOT NULL,
    imprint    BLOB    NOT NULL,
    gen_time   INTEGER NOT NULL,
    keep_until INTEGER NOT NULL
) STRICT;

CREATE INDEX time_stamps_keep_until ON time_stamps (keep_until);

CREATE TABLE signing_credentials (
    id             TEXT    PRIMARY KEY NOT NULL,
    caller         TEXT    NOT NULL,
    request_key    TEXT    NOT NULL,
    request_hash   BLOB    NOT NULL CHECK (length(request_hash) = 32),
    state          TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'closed')),
    key_id         TEXT,
    serial         TEXT    REFERENCES certificates (serial),
    activation_id  BLOB    NOT NULL,
    activation_key BLOB    NOT NULL,
    rp_id          TEXT    NOT NULL,
    origin         TEXT    NOT NULL,
    sign_count     INTEGER NOT NULL CHECK (sign_count >= 0),
    created_at     INTEGER NOT NULL,
    keep_until     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX signing_credentials_key ON signing_credentials (caller, request_key);
CREATE INDEX signing_credentials_serial ON signing_credentials (serial);
CREATE INDEX signing_credentials_keep_until ON signing_credentials (keep_until);

-- Documents prepared for their holder's assertion; the bytes leave with the first outcome or at expiry.
CREATE TABLE documents (
    id              TEXT    PRIMARY KEY NOT NULL,
    credential      TEXT    NOT NULL REFERENCES signing_credentials (id),
    caller          TEXT    NOT NULL,
    level           TEXT    NOT NULL CHECK (level IN ('b-b', 'b-t')),
    document_digest BLOB    NOT NULL CHECK (length(document_digest) = 32),
    dtbs_digest     BLOB    NOT NULL CHECK (length(dtbs_digest) = 32),
    challenge       BLOB    NOT NULL CHECK (length(challenge) = 32),
    state           TEXT    NOT NULL CHECK (state IN ('prepared', 'authorised', 'signed', 'failed', 'expired')),
    bytes           BLOB,
    size            INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    keep_until      INTEGER NOT NULL
) STRICT;

CREATE INDEX documents_expiry ON documents (state, expires_at);
CREATE INDEX documents_credential ON documents (credential);
CREATE INDEX documents_keep_until ON documents (keep_until);
