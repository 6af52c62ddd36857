//! Signing credentials: a key in the token, its certificate, and the passkey that releases it.

use diesel::prelude::*;

use crate::schema::ca::signing_credentials as credentials;
use crate::{Reader, StoreError, Writer};

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = credentials)]
pub struct CredentialRow {
    /// Identifier (UUIDv7); the key's label ends with it.
    pub id: String,
    /// Who asked for it and alone may use it.
    pub caller: String,
    /// The caller's `Idempotency-Key`.
    pub request_key: String,
    /// SHA-256 over the request.
    pub request_hash: Vec<u8>,
    /// `pending` until the certificate is there, then `active`, in the end `closed`.
    pub state: String,
    /// Identifier of the key in the token, lower-case hex.
    pub key_id: Option<String>,
    /// Serial number of the certificate.
    pub serial: Option<String>,
    /// WebAuthn credential identifier of the activation passkey.
    pub activation_id: Vec<u8>,
    /// Its public key, DER SubjectPublicKeyInfo.
    pub activation_key: Vec<u8>,
    /// Its relying party identifier.
    pub rp_id: String,
    /// The origin whose pages may ask for an assertion.
    pub origin: String,
    /// The counter of the last assertion.
    pub sign_count: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// When the row may be removed, Unix seconds.
    pub keep_until: i64,
}

impl Reader<'_> {
    /// The credential `id`.
    pub fn find_credential(&mut self, id: &str) -> Result<Option<CredentialRow>, StoreError> {
        Ok(credentials::table
            .find(id)
            .select(CredentialRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The credential that `caller` asked for under `key`.
    pub fn find_credential_by_key(
        &mut self,
        caller: &str,
        key: &str,
    ) -> Result<Option<CredentialRow>, StoreError> {
        Ok(credentials::table
            .filter(credentials::caller.eq(caller))
            .filter(credentials::request_key.eq(key))
            .select(CredentialRow::as_select())
            .first(self.conn())
            .optional()?)
    }
}

impl Writer<'_> {
    /// Writes a pending credential.
    pub fn insert_credential(&mut self, row: &CredentialRow) -> Result<(), StoreError> {
        diesel::insert_into(credentials::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Makes a pending credential usable with its key and certificate.
    pub fn activate_credential(
        &mut self,
        id: &str,
        key_id: &str,
        serial: &str,
        keep_until: i64,
    ) -> Result<(), StoreError> {
        let pending = credentials::table
            .filter(credentials::id.eq(id))
            .filter(credentials::state.eq("pending"));
        let changed = diesel::update(pending)
            .set((
                credentials::state.eq("active"),
                credentials::key_id.eq(Some(key_id)),
                credentials::serial.eq(Some(serial)),
                credentials::keep_until.eq(keep_until),
            ))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("not a pending credential"))
        }
    }

    /// Closes the credential of a revoked certificate, where there is one; tells whether there was.
    pub fn close_credential_of(&mut self, serial: &str) -> Result<bool, StoreError> {
        let of = credentials::table
            .filter(credentials::serial.eq(serial))
            .filter(credentials::state.ne("closed"));
        Ok(diesel::update(of)
            .set(credentials::state.eq("closed"))
            .execute(self.conn())?
            > 0)
    }

    /// Stores the counter of an accepted assertion; [`StoreError::Conflict`] when a later one was there first.
    pub fn advance_sign_count(
        &mut self,
        id: &str,
        before: i64,
        after: i64,
    ) -> Result<(), StoreError> {
        let unchanged = credentials::table
            .filter(credentials::id.eq(id))
            .filter(credentials::state.eq("active"))
            .filter(credentials::sign_count.eq(before));
        let changed = diesel::update(unchanged)
            .set(credentials::sign_count.eq(after))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("the credential changed"))
        }
    }
}
