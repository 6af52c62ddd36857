//! Clients of the OpenID provider, their secrets and their access grants.

use diesel::prelude::*;
use domain::oidc::{AccessGrant, Client, ClientId};
use jiff::Timestamp;
use uuid::Uuid;

use super::oidc_document::{from_document, to_document};
use crate::schema::openid::{access_grants, oidc_client_secrets, oidc_clients};
use crate::{Reader, StoreError, Writer};

impl Reader<'_> {
    /// The client with this id, enabled or not.
    pub fn find_client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        oidc_clients::table
            .find(id.as_str())
            .select(oidc_clients::document)
            .first::<String>(self.conn())
            .optional()?
            .map(|document| from_document(&document, "client"))
            .transpose()
    }

    /// All clients, by id.
    pub fn list_clients(&mut self) -> Result<Vec<Client>, StoreError> {
        oidc_clients::table
            .order(oidc_clients::id)
            .select(oidc_clients::document)
            .load::<String>(self.conn())?
            .iter()
            .map(|document| from_document(document, "client"))
            .collect()
    }

    /// SHA-256 of the secrets of a client that hold at `now`.
    pub fn list_client_secret_hashes(
        &mut self,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(oidc_client_secrets::table
            .filter(oidc_client_secrets::client_id.eq(id.as_str()))
            .filter(
                oidc_client_secrets::expires_at
                    .is_null()
                    .or(oidc_client_secrets::expires_at.gt(now.as_second())),
            )
            .select(oidc_client_secrets::secret_hash)
            .load(self.conn())?)
    }

    /// The access grant of a client that is in force at `now`; of several, the one that was recorded last.
    pub fn find_access_grant(
        &mut self,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Option<AccessGrant>, StoreError> {
        access_grants::table
            .filter(access_grants::client_id.eq(id.as_str()))
            .filter(access_grants::not_before.le(now.as_second()))
            .filter(access_grants::not_after.gt(now.as_second()))
            .filter(access_grants::revoked_at.is_null())
            .order((access_grants::created_at.desc(), access_grants::id.desc()))
            .select(access_grants::document)
            .first::<String>(self.conn())
            .optional()?
            .map(|document| from_document(&document, "access grant"))
            .transpose()
    }

    /// An access grant, in force or not, with the time of its revocation.
    pub fn load_access_grant(
        &mut self,
        id: Uuid,
    ) -> Result<(AccessGrant, Option<i64>), StoreError> {
        let (document, revoked_at) = access_grants::table
            .find(id.to_string())
            .select((access_grants::document, access_grants::revoked_at))
            .first::<(String, Option<i64>)>(self.conn())
            .optional()?
            .ok_or(StoreError::NotFound)?;
        Ok((from_document(&document, "access grant")?, revoked_at))
    }
}

impl Writer<'_> {
    /// Adds a client; an id that exists is a conflict.
    pub fn insert_client(&mut self, client: &Client, now: Timestamp) -> Result<(), StoreError> {
        if self.find_client(&client.id)?.is_some() {
            return Err(StoreError::Conflict("a client with this id exists"));
        }
        diesel::insert_into(oidc_clients::table)
            .values((
                oidc_clients::id.eq(client.id.as_str()),
                oidc_clients::document.eq(to_document(client)?),
                oidc_clients::created_at.eq(now.as_second()),
                oidc_clients::updated_at.eq(now.as_second()),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Replaces what is recorded about a client.
    pub fn update_client(&mut self, client: &Client, now: Timestamp) -> Result<(), StoreError> {
        let changed = diesel::update(oidc_clients::table.find(client.id.as_str()))
            .set((
                oidc_clients::document.eq(to_document(client)?),
                oidc_clients::updated_at.eq(now.as_second()),
            ))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Adds a secret of a client, as SHA-256.
    pub fn insert_client_secret(
        &mut self,
        id: &ClientId,
        secret_hash: &[u8; 32],
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::insert_into(oidc_client_secrets::table)
            .values((
                oidc_client_secrets::secret_hash.eq(secret_hash.as_slice()),
                oidc_client_secrets::client_id.eq(id.as_str()),
                oidc_client_secrets::created_at.eq(now.as_second()),
                oidc_client_secrets::expires_at.eq(expires_at.map(Timestamp::as_second)),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Records an access grant; its number is unique.
    pub fn insert_access_grant(
        &mut self,
        grant: &AccessGrant,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::insert_into(access_grants::table)
            .values((
                access_grants::id.eq(grant.id.to_string()),
                access_grants::client_id.eq(grant.client_id.as_str()),
                access_grants::number.eq(&grant.number),
                access_grants::document.eq(to_document(grant)?),
                access_grants::not_before.eq(grant.not_before.as_second()),
                access_grants::not_after.eq(grant.not_after.as_second()),
                access_grants::revoked_at.eq(None::<i64>),
                access_grants::created_at.eq(now.as_second()),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Takes an access grant back; one that is unknown or was taken back before is not found.
    pub fn revoke_access_grant(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let changed = diesel::update(
            access_grants::table
                .filter(access_grants::id.eq(id.to_string()))
                .filter(access_grants::revoked_at.is_null()),
        )
        .set(access_grants::revoked_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }
}
