//! Officials' signing credentials and the documents they sign.

use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::accounts::{signing_credentials, signing_documents};
use crate::{Reader, StoreError, Writer};

/// A signing credential: its key lies in the token of `ca`, its certificate is public.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_credentials)]
pub struct SigningCredential {
    /// Identifier given by `ca`.
    pub id: String,
    /// The official.
    pub account_id: String,
    /// The passkey row that activates it.
    pub passkey_id: String,
    /// Credential identifier of that passkey.
    pub webauthn_id: Vec<u8>,
    /// Serial number of the certificate, lower-case hex.
    pub serial: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// When it was set up, last, in Unix seconds.
    pub created_at: i64,
}

/// A document on its way to be signed, or just signed.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_documents)]
pub struct SigningDocument {
    /// Identifier given by `ca`.
    pub id: String,
    /// The official.
    pub account_id: String,
    /// The signing credential.
    pub credential_id: String,
    /// `waiting` or `signed`.
    pub state: String,
    /// Name, size, pages, digests and challenge as JSON, sealed with the account's key.
    pub details_sealed: Vec<u8>,
    /// The signed document, sealed with the account's key.
    pub document_sealed: Option<Vec<u8>>,
    /// When it was handed over, in Unix seconds.
    pub created_at: i64,
    /// When it was signed, in Unix seconds.
    pub signed_at: Option<i64>,
    /// When the row may be removed, in Unix seconds.
    pub expires_at: i64,
}

impl Reader<'_> {
    /// The signing credential of an official: the one set up last.
    pub fn find_signing_credential(
        &mut self,
        account: Uuid,
    ) -> Result<Option<SigningCredential>, StoreError> {
        Ok(signing_credentials::table
            .filter(signing_credentials::account_id.eq(account.to_string()))
            .order((
                signing_credentials::created_at.desc(),
                signing_credentials::id.desc(),
            ))
            .select(SigningCredential::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// A document of an official; another's is not found.
    pub fn load_signing_document(
        &mut self,
        account: Uuid,
        id: &str,
    ) -> Result<SigningDocument, StoreError> {
        Ok(signing_documents::table
            .filter(signing_documents::id.eq(id))
            .filter(signing_documents::account_id.eq(account.to_string()))
            .select(SigningDocument::as_select())
            .first(self.conn())?)
    }
}

impl Writer<'_> {
    /// Makes a signing credential the one in use; one that was there before comes back.
    pub fn use_signing_credential(&mut self, row: &SigningCredential) -> Result<(), StoreError> {
        let back = diesel::update(
            signing_credentials::table
                .filter(signing_credentials::id.eq(&row.id))
                .filter(signing_credentials::account_id.eq(&row.account_id)),
        )
        .set(signing_credentials::created_at.eq(row.created_at))
        .execute(self.conn())?;
        if back == 0 {
            diesel::insert_into(signing_credentials::table)
                .values(row)
                .execute(self.conn())?;
        }
        Ok(())
    }

    /// Adds a document that waits for its signature.
    pub fn insert_signing_document(&mut self, row: &SigningDocument) -> Result<(), StoreError> {
        diesel::insert_into(signing_documents::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Keeps the signed document; a conflict when it was signed before.
    pub fn finish_signing_document(
        &mut self,
        account: Uuid,
        id: &str,
        details_sealed: &[u8],
        document_sealed: &[u8],
        at: i64,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let signed = diesel::update(
            signing_documents::table
                .filter(signing_documents::id.eq(id))
                .filter(signing_documents::account_id.eq(account.to_string()))
                .filter(signing_documents::state.eq("waiting")),
        )
        .set((
            signing_documents::state.eq("signed"),
            signing_documents::details_sealed.eq(details_sealed),
            signing_documents::document_sealed.eq(Some(document_sealed)),
            signing_documents::signed_at.eq(Some(at)),
            signing_documents::expires_at.eq(expires_at),
        ))
        .execute(self.conn())?;
        if signed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("document signed before"))
        }
    }

    /// Removes documents past their time; returns how many.
    pub fn clean_signing_documents(&mut self, now: i64) -> Result<usize, StoreError> {
        Ok(
            diesel::delete(signing_documents::table.filter(signing_documents::expires_at.le(now)))
                .execute(self.conn())?,
        )
    }
}

#[cfg(test)]
mod tests {
    use domain::account::AccountState;
    use domain::audit::{Actor, AuditEvent, action};
    use domain::locale::Locale;
    use jiff::Timestamp;

    use super::*;
    use crate::idp::{Account, AccountKind};
    use crate::{Schema, Store};

    const OFFICIAL: Uuid = Uuid::from_u128(7);

    fn event(id: u128) -> AuditEvent {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let actor = Actor::system("test");
        AuditEvent::new(
            Uuid::from_u128(id),
            at,
            actor,
            action::IDP_SIGNING_ENROLLED,
            "x",
        )
    }

    fn credential(id: &str, at: i64) -> SigningCredential {
        SigningCredential {
            id: id.to_owned(),
            account_id: OFFICIAL.to_string(),
            passkey_id: format!("passkey of {id}"),
            webauthn_id: id.as_bytes().to_vec(),
            serial: id.to_owned(),
            certificate: String::new(),
            created_at: at,
        }
    }

    #[tokio::test]
    async fn the_credential_set_up_last_is_in_use_also_when_it_was_there_before() {
        let store = Store::in_memory(Schema::Idp).unwrap();
        let account = Account {
            id: OFFICIAL,
            subject: OFFICIAL,
            kind: AccountKind::Staff,
            state: AccountState::Active,
            locale: Locale::En,
            wrapped_key: vec![1],
            display_name_sealed: None,
            office: None,
            created_at: 0,
            activated_at: Some(0),
        };
        let added = store.write(event(1), move |w| w.insert_account(&account));
        added.await.unwrap();
        for (at, id) in (1..).zip(["a", "b", "b", "a"]) {
            let row = credential(id, at);
            store
                .write(event(10 + u128::from(at.unsigned_abs())), move |w| {
                    w.use_signing_credential(&row)
                })
                .await
                .unwrap();
            let found = store.read(|r| r.find_signing_credential(OFFICIAL));
            assert_eq!(found.await.unwrap().unwrap().id, id);
        }
    }
}
