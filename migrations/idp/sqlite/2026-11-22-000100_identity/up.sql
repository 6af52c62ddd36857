-- Persons, applications, evidence, checks, decisions.
-- Times are unix seconds; identifiers are lower-case UUIDs. Columns ending in _sealed are AES-256-GCM under the
-- subject's key; columns ending in _index are HMACs computed in the token.

CREATE TABLE subject_keys (
    subject_id TEXT NOT NULL PRIMARY KEY,
    wrapped_key BLOB,
    created_at INTEGER NOT NULL,
    erased_at INTEGER,
    CHECK ((wrapped_key IS NULL) = (erased_at IS NOT NULL))
) STRICT;

CREATE TABLE persons (
    id TEXT NOT NULL PRIMARY KEY REFERENCES subject_keys (subject_id),
    kind TEXT NOT NULL CHECK (kind IN ('natural', 'entity')),
    record_sealed BLOB NOT NULL,
    case_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE case_days (
    day TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

CREATE TABLE kyc_cases (
    id TEXT NOT NULL PRIMARY KEY,
    number TEXT UNIQUE,
    subject_id TEXT NOT NULL REFERENCES subject_keys (subject_id),
    code_hash BLOB NOT NULL UNIQUE,
    locale TEXT NOT NULL CHECK (locale IN ('km', 'en')),
    document_kind TEXT CHECK (document_kind IN ('national_id_card', 'passport', 'driving_licence', 'birth_certificate', 'nssf_card', 'commercial_register_certificate', 'association_registration', 'establishment_document')),
    document_index BLOB,
    application_sealed BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'submitted', 'waiting', 'in_review', 'more_information', 'approved', 'rejected')),
    stage TEXT CHECK (stage IN ('first', 'second', 'third')),
    lease_officer TEXT,
    lease_until INTEGER,
    evidence_digest BLOB,
    revision INTEGER NOT NULL,
    appeals INTEGER NOT NULL,
    earlier_officers TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    submitted_at INTEGER,
    decided_at INTEGER,
    expires_at INTEGER,
    CHECK ((stage IS NOT NULL) = (state IN ('waiting', 'in_review'))),
    CHECK ((lease_officer IS NOT NULL) = (state = 'in_review'))
) STRICT;
CREATE INDEX kyc_cases_queue ON kyc_cases (state, submitted_at);
CREATE INDEX kyc_cases_document ON kyc_cases (document_index);
CREATE INDEX kyc_cases_subject ON kyc_cases (subject_id);
CREATE INDEX kyc_cases_expiry ON kyc_cases (expires_at);

CREATE TABLE kyc_revisions (
    case_id TEXT NOT NULL REFERENCES kyc_cases (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    application_sealed BLOB NOT NULL,
    evidence_digest BLOB NOT NULL,
    submitted_at INTEGER NOT NULL,
    PRIMARY KEY (case_id, revision)
) STRICT;

CREATE TABLE kyc_evidence (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES kyc_cases (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('front', 'back', 'data_page', 'document', 'portrait')),
    media_type TEXT NOT NULL CHECK (media_type IN ('image/jpeg', 'image/png', 'application/pdf')),
    size INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    pages INTEGER,
    content_index BLOB NOT NULL,
    blob_digest BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    UNIQUE (case_id, role)
) STRICT;
CREATE INDEX kyc_evidence_content ON kyc_evidence (content_index);
CREATE INDEX kyc_evidence_expiry ON kyc_evidence (expires_at);

CREATE TABLE kyc_checks (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES kyc_cases (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('right', 'look', 'wrong', 'not_applicable')),
    finding_sealed BLOB,
    officer_id TEXT,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX kyc_checks_case ON kyc_checks (case_id, revision);

CREATE TABLE kyc_decisions (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES kyc_cases (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    appeal INTEGER NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('first', 'second', 'third')),
    officer_id TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'refuse', 'ask_for_more')),
    reason TEXT,
    note_sealed BLOB,
    evidence_digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (case_id, revision, appeal, evidence_digest, officer_id)
) STRICT;

CREATE TABLE document_holders (
    document_index BLOB NOT NULL PRIMARY KEY,
    subject_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    held_since INTEGER NOT NULL
) STRICT;
CREATE INDEX document_holders_subject ON document_holders (subject_id);
