//! Certificates, their statuses and lists, time-stamps, and what signs documents.

diesel::table! {
    issuance_intents (id) {
        id -> Text,
        caller -> Text,
        idempotency_key -> Nullable<Text>,
        request_hash -> Binary,
        profile -> Text,
        issuer -> Text,
        serial -> Text,
        spki_hash -> Binary,
        holder_hash -> Binary,
        tbs -> Binary,
        state -> Text,
        failure -> Nullable<Text>,
        created_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        keep_until -> BigInt,
    }
}

diesel::table! {
    certificates (serial) {
        serial -> Text,
        issuer -> Text,
        shard -> BigInt,
        profile -> Text,
        intent -> Nullable<Text>,
        caller -> Text,
        spki_hash -> Binary,
        holder_hash -> Binary,
        certificate -> Binary,
        not_before -> BigInt,
        not_after -> BigInt,
        status -> Text,
        reason -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        created_at -> BigInt,
        keep_until -> BigInt,
    }
}

diesel::table! {
    blocked_keys (spki_hash) {
        spki_hash -> Binary,
        serial -> Text,
        reason -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    status_log (sequence) {
        sequence -> BigInt,
        issuer -> Text,
        serial -> Text,
        shard -> BigInt,
        status -> Text,
        reason -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        not_after -> BigInt,
        at -> BigInt,
        keep_until -> BigInt,
    }
}

diesel::table! {
    crls (issuer, shard) {
        issuer -> Text,
        shard -> BigInt,
        allocated -> BigInt,
        number -> BigInt,
        covers -> BigInt,
        this_update -> BigInt,
        next_update -> BigInt,
        der -> Binary,
    }
}

diesel::table! {
    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    time_stamps (serial) {
        serial -> BigInt,
        policy -> Text,
        hash_oid -> Text,
        imprint -> Binary,
        gen_time -> BigInt,
        keep_until -> BigInt,
    }
}

diesel::table! {
    signing_credentials (id) {
        id -> Text,
        caller -> Text,
        request_key -> Text,
        request_hash -> Binary,
        state -> Text,
        key_id -> Nullable<Text>,
        serial -> Nullable<Text>,
        activation_id -> Binary,
        activation_key -> Binary,
        rp_id -> Text,
        origin -> Text,
        sign_count -> BigInt,
        created_at -> BigInt,
        keep_until -> BigInt,
    }
}

diesel::table! {
    documents (id) {
        id -> Text,
        credential -> Text,
        caller -> Text,
        level -> Text,
        document_digest -> Binary,
        dtbs_digest -> Binary,
        challenge -> Binary,
        state -> Text,
        bytes -> Nullable<Binary>,
        size -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        keep_until -> BigInt,
    }
}
