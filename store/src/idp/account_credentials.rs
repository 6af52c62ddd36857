//! What accounts sign in with: passkeys, a password, an authenticator app, recovery codes.

use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::accounts::{authenticator_apps, passkeys, passwords, recovery_codes};
use crate::{Reader, StoreError, Writer};

/// A passkey: its public key and what is known of its authenticator.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = passkeys)]
pub struct PasskeyRow {
    /// Row identifier.
    pub id: String,
    /// The account it opens.
    pub account_id: String,
    /// The authenticator's identifier of the credential.
    pub credential_id: Vec<u8>,
    /// The credential record as JSON; no secret is in it.
    pub credential: String,
    /// The name its holder gave it.
    pub name: String,
    /// 1 when the key may be copied between devices.
    pub backup_eligible: i64,
    /// When it was added, in Unix seconds.
    pub created_at: i64,
    /// When it was last used, in Unix seconds.
    pub last_used_at: Option<i64>,
}

/// The authenticator app of an account.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = authenticator_apps, treat_none_as_null = true)]
pub struct AuthenticatorApp {
    /// The account it opens.
    pub account_id: String,
    /// The shared secret, sealed with the account's key.
    pub secret_sealed: Vec<u8>,
    /// The last time step used.
    pub last_step: Option<i64>,
    /// When it was added, in Unix seconds.
    pub created_at: i64,
    /// When it was last used, in Unix seconds.
    pub last_used_at: Option<i64>,
}

/// One recovery code, as a keyed hash.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = recovery_codes)]
pub struct RecoveryCode {
    /// Row identifier.
    pub id: String,
    /// The account it opens.
    pub account_id: String,
    /// Keyed hash of the code.
    pub code_hash: Vec<u8>,
    /// When the sheet was made, in Unix seconds.
    pub created_at: i64,
    /// When it was used, in Unix seconds.
    pub used_at: Option<i64>,
}

impl Reader<'_> {
    /// The passkeys of an account, oldest first.
    pub fn list_passkeys(&mut self, account: Uuid) -> Result<Vec<PasskeyRow>, StoreError> {
        Ok(passkeys::table
            .filter(passkeys::account_id.eq(account.to_string()))
            .order((passkeys::created_at, passkeys::id))
            .select(PasskeyRow::as_select())
            .load(self.conn())?)
    }

    /// The passkey with this credential identifier.
    pub fn find_passkey(&mut self, credential_id: &[u8]) -> Result<Option<PasskeyRow>, StoreError> {
        Ok(passkeys::table
            .filter(passkeys::credential_id.eq(credential_id))
            .select(PasskeyRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The password hash of an account, in PHC form, and when it was set.
    pub fn find_password(&mut self, account: Uuid) -> Result<Option<(String, i64)>, StoreError> {
        Ok(passwords::table
            .find(account.to_string())
            .select((passwords::hash, passwords::changed_at))
            .first(self.conn())
            .optional()?)
    }

    /// The authenticator app of an account.
    pub fn find_authenticator_app(
        &mut self,
        account: Uuid,
    ) -> Result<Option<AuthenticatorApp>, StoreError> {
        Ok(authenticator_apps::table
            .find(account.to_string())
            .select(AuthenticatorApp::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// How many recovery codes are left.
    pub fn count_recovery_codes(&mut self, account: Uuid) -> Result<i64, StoreError> {
        Ok(recovery_codes::table
            .filter(recovery_codes::account_id.eq(account.to_string()))
            .filter(recovery_codes::used_at.is_null())
            .count()
            .get_result(self.conn())?)
    }

    /// Whether an account has this code unused.
    pub fn has_recovery_code(
        &mut self,
        account: Uuid,
        hash: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let found: i64 = recovery_codes::table
            .filter(recovery_codes::account_id.eq(account.to_string()))
            .filter(recovery_codes::code_hash.eq(hash.as_slice()))
            .filter(recovery_codes::used_at.is_null())
            .count()
            .get_result(self.conn())?;
        Ok(found > 0)
    }
}

impl Writer<'_> {
    /// Adds a passkey; a credential that any account has already is a conflict.
    pub fn insert_passkey(&mut self, row: &PasskeyRow) -> Result<(), StoreError> {
        diesel::insert_into(passkeys::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Records a use: the credential's new state and the time.
    pub fn touch_passkey(&mut self, id: &str, credential: &str, at: i64) -> Result<(), StoreError> {
        let touched = diesel::update(passkeys::table.find(id))
            .set((
                passkeys::credential.eq(credential),
                passkeys::last_used_at.eq(Some(at)),
            ))
            .execute(self.conn())?;
        if touched == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Removes one of the account's passkeys.
    pub fn delete_passkey(&mut self, account: Uuid, id: &str) -> Result<(), StoreError> {
        let gone = diesel::delete(
            passkeys::table
                .filter(passkeys::id.eq(id))
                .filter(passkeys::account_id.eq(account.to_string())),
        )
        .execute(self.conn())?;
        if gone == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Sets the password hash of an account.
    pub fn put_password(&mut self, account: Uuid, hash: &str, at: i64) -> Result<(), StoreError> {
        let id = account.to_string();
        diesel::delete(passwords::table.find(&id)).execute(self.conn())?;
        diesel::insert_into(passwords::table)
            .values((
                passwords::account_id.eq(id),
                passwords::hash.eq(hash),
                passwords::changed_at.eq(at),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Sets the authenticator app of an account.
    pub fn put_authenticator_app(&mut self, app: &AuthenticatorApp) -> Result<(), StoreError> {
        diesel::delete(authenticator_apps::table.find(&app.account_id)).execute(self.conn())?;
        diesel::insert_into(authenticator_apps::table)
            .values(app)
            .execute(self.conn())?;
        Ok(())
    }

    /// Marks a time step as used; a conflict when it or a later one was used meanwhile.
    pub fn spend_time_step(&mut self, account: Uuid, step: i64, at: i64) -> Result<(), StoreError> {
        let spent = diesel::update(
            authenticator_apps::table
                .filter(authenticator_apps::account_id.eq(account.to_string()))
                .filter(
                    authenticator_apps::last_step
                        .is_null()
                        .or(authenticator_apps::last_step.lt(step)),
                ),
        )
        .set((
            authenticator_apps::last_step.eq(Some(step)),
            authenticator_apps::last_used_at.eq(Some(at)),
        ))
        .execute(self.conn())?;
        if spent == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("code used before"))
        }
    }

    /// Replaces the recovery codes of an account.
    pub fn put_recovery_codes(
        &mut self,
        account: Uuid,
        codes: &[RecoveryCode],
    ) -> Result<(), StoreError> {
        diesel::delete(
            recovery_codes::table.filter(recovery_codes::account_id.eq(account.to_string())),
        )
        .execute(self.conn())?;
        for code in codes {
            diesel::insert_into(recovery_codes::table)
                .values(code)
                .execute(self.conn())?;
        }
        Ok(())
    }

    /// Spends a recovery code; a conflict when the account has no such code unused.
    pub fn spend_recovery_code(
        &mut self,
        account: Uuid,
        hash: &[u8; 32],
        at: i64,
    ) -> Result<(), StoreError> {
        let spent = diesel::update(
            recovery_codes::table
                .filter(recovery_codes::account_id.eq(account.to_string()))
                .filter(recovery_codes::code_hash.eq(hash.as_slice()))
                .filter(recovery_codes::used_at.is_null()),
        )
        .set(recovery_codes::used_at.eq(Some(at)))
        .execute(self.conn())?;
        if spent == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("code used before"))
        }
    }

    /// Removes every way to sign in.
    pub fn delete_credentials(&mut self, account: Uuid) -> Result<(), StoreError> {
        let id = account.to_string();
        let conn = self.conn();
        diesel::delete(passkeys::table.filter(passkeys::account_id.eq(&id))).execute(conn)?;
        diesel::delete(passwords::table.find(&id)).execute(conn)?;
        diesel::delete(authenticator_apps::table.find(&id)).execute(conn)?;
        diesel::delete(recovery_codes::table.filter(recovery_codes::account_id.eq(&id)))
            .execute(conn)?;
        Ok(())
    }
}
