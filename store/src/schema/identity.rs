//! Tables of persons, applications and evidence; the comparison with the migrations keeps them in step.

diesel::table! {
    subject_keys (subject_id) {
        subject_id -> Text,
        wrapped_key -> Nullable<Binary>,
        created_at -> BigInt,
        erased_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    persons (id) {
        id -> Text,
        kind -> Text,
        record_sealed -> Binary,
        case_id -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    case_days (day) {
        day -> Text,
        last -> BigInt,
    }
}

diesel::table! {
    kyc_cases (id) {
        id -> Text,
        number -> Nullable<Text>,
        subject_id -> Text,
        code_hash -> Binary,
        locale -> Text,
        document_kind -> Nullable<Text>,
        document_index -> Nullable<Binary>,
        application_sealed -> Binary,
        state -> Text,
        stage -> Nullable<Text>,
        lease_officer -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        evidence_digest -> Nullable<Binary>,
        revision -> BigInt,
        appeals -> BigInt,
        earlier_officers -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        submitted_at -> Nullable<BigInt>,
        decided_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    kyc_revisions (case_id, revision) {
        case_id -> Text,
        revision -> BigInt,
        application_sealed -> Binary,
        evidence_digest -> Binary,
        submitted_at -> BigInt,
    }
}

diesel::table! {
    kyc_evidence (id) {
        id -> Text,
        case_id -> Text,
        role -> Text,
        media_type -> Text,
        size -> BigInt,
        width -> Nullable<BigInt>,
        height -> Nullable<BigInt>,
        pages -> Nullable<BigInt>,
        content_index -> Binary,
        blob_digest -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    kyc_checks (id) {
        id -> Text,
        case_id -> Text,
        revision -> BigInt,
        kind -> Text,
        outcome -> Text,
        finding_sealed -> Nullable<Binary>,
        officer_id -> Nullable<Text>,
        at -> BigInt,
    }
}

diesel::table! {
    kyc_decisions (id) {
        id -> Text,
        case_id -> Text,
        revision -> BigInt,
        appeal -> BigInt,
        stage -> Text,
        officer_id -> Text,
        verdict -> Text,
        reason -> Nullable<Text>,
        note_sealed -> Nullable<Binary>,
        evidence_digest -> Binary,
        at -> BigInt,
    }
}

diesel::table! {
    document_holders (document_index) {
        document_index -> Binary,
        subject_id -> Text,
        case_id -> Text,
        held_since -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    subject_keys,
    persons,
    case_days,
    kyc_cases,
    kyc_revisions,
    kyc_evidence,
    kyc_checks,
    kyc_decisions,
    document_holders,
);
