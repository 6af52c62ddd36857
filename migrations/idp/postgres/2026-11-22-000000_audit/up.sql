CREATE TABLE audit_events (
    seq        BIGINT PRIMARY KEY NOT NULL CHECK (seq > 0),
    id         TEXT   NOT NULL UNIQUE,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    object     TEXT   NOT NULL,
    request_id TEXT,
    detail     TEXT   NOT NULL,
    prev_hash  BYTEA  NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash       BYTEA  NOT NULL CHECK (octet_length(hash) = 32)
);

CREATE INDEX audit_events_object ON audit_events (object, seq);
CREATE INDEX audit_events_action ON audit_events (action, seq);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only';
END;
$$;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
