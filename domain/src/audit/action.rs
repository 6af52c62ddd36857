//! Names of audit events, `room.object.past-tense`: the one place they are spelled.
//!
//! A name is never changed or reused once released, since old log entries keep it.

/// A database schema was brought to its current state.
pub const STORE_SCHEMA_MIGRATED: &str = "store.schema.migrated";
/// An access token or peer credential was refused.
pub const SERVICE_ACCESS_DENIED: &str = "service.access.denied";

/// A key ceremony's public results were taken over by the running authority.
pub const CA_CEREMONY_IMPORTED: &str = "ca.ceremony.imported";
/// A certificate is about to be signed; the intent names serial number and issuer.
pub const CA_CERTIFICATE_INTENDED: &str = "ca.certificate.intended";
/// A certificate was signed, verified and stored.
pub const CA_CERTIFICATE_ISSUED: &str = "ca.certificate.issued";
/// Signing, or a check after it, failed; nothing was handed out.
pub const CA_CERTIFICATE_FAILED: &str = "ca.certificate.failed";
/// An intent without result was found after a restart.
pub const CA_CERTIFICATE_ABANDONED: &str = "ca.certificate.abandoned";
/// A certificate was revoked.
pub const CA_CERTIFICATE_REVOKED: &str = "ca.certificate.revoked";
/// A certificate revocation list is about to be signed under a new number.
pub const CA_CRL_INTENDED: &str = "ca.crl.intended";
/// A certificate revocation list was signed and published.
pub const CA_CRL_PUBLISHED: &str = "ca.crl.published";
/// A signing credential was created for a holder.
pub const CA_CREDENTIAL_CREATED: &str = "ca.credential.created";
/// A signing credential is about to get its key.
pub const CA_CREDENTIAL_INTENDED: &str = "ca.credential.intended";
/// A document was prepared for a holder's signature.
pub const CA_DOCUMENT_PREPARED: &str = "ca.document.prepared";
/// A holder's assertion over a document was accepted and used up.
pub const CA_DOCUMENT_AUTHORISED: &str = "ca.document.authorised";
/// A document was signed.
pub const CA_DOCUMENT_SIGNED: &str = "ca.document.signed";
/// An attempt to sign a document was refused or failed.
pub const CA_DOCUMENT_REFUSED: &str = "ca.document.refused";
/// Prepared documents past their time were removed.
pub const CA_DOCUMENT_EXPIRED: &str = "ca.document.expired";
/// A time-stamp token was issued.
pub const CA_TIMESTAMP_ISSUED: &str = "ca.timestamp.issued";
/// Records past their keeping time were removed.
pub const CA_RECORD_EXPIRED: &str = "ca.record.expired";
/// A caller asked for something its roles do not carry.
pub const CA_ACCESS_DENIED: &str = "ca.access.denied";

/// An account was created and its holder invited.
pub const IDP_ACCOUNT_INVITED: &str = "idp.account.invited";
/// An invitation code was entered.
pub const IDP_INVITATION_OPENED: &str = "idp.invitation.opened";
/// The holder finished choosing ways to sign in.
pub const IDP_ACCOUNT_ACTIVATED: &str = "idp.account.activated";
/// An account was recovered with new ways to sign in.
pub const IDP_ACCOUNT_RECOVERED: &str = "idp.account.recovered";
/// An account was closed by its holder.
pub const IDP_ACCOUNT_CLOSED: &str = "idp.account.closed";
/// An account was suspended by the state.
pub const IDP_ACCOUNT_SUSPENDED: &str = "idp.account.suspended";
/// The holder took a copy of their data.
pub const IDP_ACCOUNT_EXPORTED: &str = "idp.account.exported";
/// A step of choosing ways to sign in was taken.
pub const IDP_ENROLMENT_ADVANCED: &str = "idp.enrolment.advanced";
/// A passkey ceremony was started.
pub const IDP_CEREMONY_STARTED: &str = "idp.ceremony.started";
/// A passkey ceremony was spent.
pub const IDP_CEREMONY_SPENT: &str = "idp.ceremony.spent";
/// A passkey was added.
pub const IDP_PASSKEY_ADDED: &str = "idp.passkey.added";
/// A passkey was removed.
pub const IDP_PASSKEY_REMOVED: &str = "idp.passkey.removed";
/// A new sheet of recovery codes was printed.
pub const IDP_RECOVERY_RENEWED: &str = "idp.recovery.renewed";
/// A try to sign in was counted.
pub const IDP_SIGNIN_TRIED: &str = "idp.signin.tried";
/// A try to sign in was refused.
pub const IDP_SIGNIN_REFUSED: &str = "idp.signin.refused";
/// A session began.
pub const IDP_SESSION_STARTED: &str = "idp.session.started";
/// A session was used.
pub const IDP_SESSION_SEEN: &str = "idp.session.seen";
/// A session ended.
pub const IDP_SESSION_ENDED: &str = "idp.session.ended";
/// A use of personal data was written where its subject can read it.
pub const IDP_ACCESS_RECORDED: &str = "idp.access.recorded";
/// A message was put into the outbox.
pub const IDP_MESSAGE_QUEUED: &str = "idp.message.queued";
/// A message was handed to the carrier, or the try failed.
pub const IDP_MESSAGE_TRIED: &str = "idp.message.tried";
/// A contact code was sent.
pub const IDP_CONTACT_SENT: &str = "idp.contact.sent";
/// A contact code was tried.
pub const IDP_CONTACT_CHECKED: &str = "idp.contact.checked";
/// A member of staff was added.
pub const IDP_STAFF_ADDED: &str = "idp.staff.added";
/// An official set up signing.
pub const IDP_SIGNING_ENROLLED: &str = "idp.signing.enrolled";
/// A document was handed over for signing.
pub const IDP_DOCUMENT_PREPARED: &str = "idp.document.prepared";
/// A document was signed.
pub const IDP_DOCUMENT_SIGNED: &str = "idp.document.signed";
/// Records past their time were removed.
pub const IDP_RECORDS_CLEANED: &str = "idp.records.cleaned";

/// An application was begun.
pub const IDP_CASE_OPENED: &str = "idp.case.opened";
/// A page of an application was answered.
pub const IDP_CASE_SAVED: &str = "idp.case.saved";
/// An application was handed in and its computed checks recorded.
pub const IDP_CASE_SUBMITTED: &str = "idp.case.submitted";
/// An officer took a case.
pub const IDP_CASE_TAKEN: &str = "idp.case.taken";
/// An officer gave a case back undecided.
pub const IDP_CASE_RELEASED: &str = "idp.case.released";
/// An officer decided on a case.
pub const IDP_CASE_DECIDED: &str = "idp.case.decided";
/// An officer's act on a case was refused.
pub const IDP_CASE_DENIED: &str = "idp.case.denied";
/// An applicant asked for other officers.
pub const IDP_CASE_APPEALED: &str = "idp.case.appealed";
/// A continuation code was tried that opens nothing.
pub const IDP_CASE_MISSED: &str = "idp.case.missed";
/// A picture was sealed and stored.
pub const IDP_EVIDENCE_STORED: &str = "idp.evidence.stored";
/// An officer looked at evidence.
pub const IDP_EVIDENCE_VIEWED: &str = "idp.evidence.viewed";
/// Pictures past their keeping time were removed.
pub const IDP_EVIDENCE_ERASED: &str = "idp.evidence.erased";
/// A subject's key was destroyed.
pub const IDP_PERSON_ERASED: &str = "idp.person.erased";
/// Somebody without the role asked for the desk.
pub const IDP_DESK_DENIED: &str = "idp.desk.denied";
/// A client of the OpenID provider was registered or changed.
pub const IDP_CLIENT_REGISTERED: &str = "idp.client.registered";
/// A client got a new secret.
pub const IDP_SECRET_ADDED: &str = "idp.secret.added";
/// An access grant was taken back.
pub const IDP_GRANT_REVOKED: &str = "idp.grant.revoked";
/// A client assertion was used.
pub const IDP_ASSERTION_USED: &str = "idp.assertion.used";
/// A client pushed an authorization request.
pub const IDP_REQUEST_PUSHED: &str = "idp.request.pushed";
/// A browser came with an authorization request.
pub const IDP_REQUEST_STARTED: &str = "idp.request.started";
/// An authorization request was refused by its person.
pub const IDP_REQUEST_REFUSED: &str = "idp.request.refused";
/// A person consented to share data.
pub const IDP_CONSENT_GIVEN: &str = "idp.consent.given";
/// A person took a consent back.
pub const IDP_CONSENT_WITHDRAWN: &str = "idp.consent.withdrawn";
/// An authorization code was issued.
pub const IDP_CODE_ISSUED: &str = "idp.code.issued";
/// An authorization code was presented.
pub const IDP_CODE_REDEEMED: &str = "idp.code.redeemed";
/// A refresh token was presented.
pub const IDP_TOKEN_REFRESHED: &str = "idp.token.refreshed";
/// A machine got an access token.
pub const IDP_TOKEN_ISSUED: &str = "idp.token.issued";
/// A token was revoked.
pub const IDP_TOKEN_REVOKED: &str = "idp.token.revoked";
/// A person's data went to a client.
pub const IDP_CLAIMS_RELEASED: &str = "idp.claims.released";

#[cfg(test)]
mod tests {
    /// Every name declared in this file.
    fn names() -> Vec<&'static str> {
        include_str!("action.rs")
            .lines()
            .filter(|line| line.starts_with("pub const "))
            .map(|line| line.split('"').nth(1).expect("a name in quotes"))
            .collect()
    }

    #[test]
    fn names_are_room_object_act_and_unique() {
        let names = names();
        assert!(!names.is_empty());
        for name in &names {
            let parts: Vec<&str> = name.split('.').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert!(
                parts.iter().all(|part| {
                    !part.is_empty()
                        && part
                            .chars()
                            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                }),
                "{name}"
            );
        }
        let unique: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
