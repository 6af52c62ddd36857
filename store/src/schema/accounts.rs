//! Tables of accounts, sessions, messages and signing; the comparison with the migrations keeps them in step.

diesel::table! {
    accounts (id) {
        id -> Text,
        subject_id -> Text,
        kind -> Text,
        state -> Text,
        locale -> Text,
        wrapped_key -> Binary,
        display_name_sealed -> Nullable<Binary>,
        office -> Nullable<Text>,
        created_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        closed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    account_identifiers (id) {
        id -> Text,
        account_id -> Text,
        kind -> Text,
        blind_index -> Binary,
        value_sealed -> Binary,
        verified_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    staff_roles (account_id, role) {
        account_id -> Text,
        role -> Text,
        granted_at -> BigInt,
    }
}

diesel::table! {
    passkeys (id) {
        id -> Text,
        account_id -> Text,
        credential_id -> Binary,
        credential -> Text,
        name -> Text,
        backup_eligible -> BigInt,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    passwords (account_id) {
        account_id -> Text,
        hash -> Text,
        changed_at -> BigInt,
    }
}

diesel::table! {
    authenticator_apps (account_id) {
        account_id -> Text,
        secret_sealed -> Binary,
        last_step -> Nullable<BigInt>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    recovery_codes (id) {
        id -> Text,
        account_id -> Text,
        code_hash -> Binary,
        created_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    invitations (id) {
        id -> Text,
        account_id -> Text,
        code_hash -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    enrolments (id) {
        id -> Text,
        token_hash -> Binary,
        account_id -> Text,
        invitation_id -> Nullable<Text>,
        purpose -> Text,
        progress_sealed -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    ceremonies (id) {
        id -> Text,
        kind -> Text,
        bound_to -> Binary,
        state -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        token_hash -> Binary,
        account_id -> Text,
        method -> Text,
        amr -> Text,
        aal -> BigInt,
        client -> Text,
        signed_in_at -> BigInt,
        last_seen_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    throttles (key) {
        key -> Binary,
        tries -> BigInt,
        last_try_at -> BigInt,
        blocked_until -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    data_accesses (id) {
        id -> Text,
        subject_id -> Text,
        at -> BigInt,
        kind -> Text,
        actor_id -> Text,
        actor_name -> Text,
        purpose -> Text,
        items -> Text,
        reference -> Nullable<Text>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    outbox_messages (id) {
        id -> Text,
        kind -> Text,
        channel -> Text,
        locale -> Text,
        state -> Text,
        wrapped_key -> Nullable<Binary>,
        content_sealed -> Nullable<Binary>,
        attempts -> BigInt,
        next_attempt_at -> BigInt,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        sent_at -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    contact_codes (id) {
        id -> Text,
        owner_id -> Text,
        channel -> Text,
        target_index -> Binary,
        code_hash -> Binary,
        tries -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_credentials (id) {
        id -> Text,
        account_id -> Text,
        passkey_id -> Text,
        webauthn_id -> Binary,
        serial -> Text,
        certificate -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    signing_documents (id) {
        id -> Text,
        account_id -> Text,
        credential_id -> Text,
        state -> Text,
        details_sealed -> Binary,
        document_sealed -> Nullable<Binary>,
        created_at -> BigInt,
        signed_at -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    account_identifiers,
    staff_roles,
    passkeys,
    passwords,
    authenticator_apps,
    recovery_codes,
    invitations,
    enrolments,
    ceremonies,
    sessions,
    throttles,
    data_accesses,
    outbox_messages,
    contact_codes,
    signing_credentials,
    signing_documents,
);
