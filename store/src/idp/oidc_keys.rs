//! The signing keys of the provider: labels and states; the keys themselves are in the token.

use diesel::prelude::*;
use domain::oidc::key_state::KeyState;
use jiff::Timestamp;

use super::oidc_document::to_timestamp;
use crate::schema::openid::provider_keys;
use crate::{Reader, StoreError, Writer};

/// A signing key as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// Its label in the token.
    pub label: String,
    /// RFC 7638 thumbprint, `kid` in tokens.
    pub kid: String,
    /// Identifier in the token, lower-case hex.
    pub key_id: String,
    /// Where it stands.
    pub state: KeyState,
    /// The public key as JWK.
    pub jwk: String,
    /// Since when it is in this state.
    pub since: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = provider_keys)]
struct KeyRow {
    label: String,
    kid: String,
    key_id: String,
    state: String,
    jwk: String,
    since: i64,
    created_at: i64,
}

impl TryFrom<KeyRow> for ProviderKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            state: KeyState::parse(&row.state).ok_or(StoreError::Damaged("key state"))?,
            since: to_timestamp(row.since)?,
            label: row.label,
            kid: row.kid,
            key_id: row.key_id,
            jwk: row.jwk,
        })
    }
}

impl Reader<'_> {
    /// All signing keys, newest first.
    pub fn list_provider_keys(&mut self) -> Result<Vec<ProviderKey>, StoreError> {
        provider_keys::table
            .order((provider_keys::created_at.desc(), provider_keys::label.desc()))
            .select(KeyRow::as_select())
            .load::<KeyRow>(self.conn())?
            .into_iter()
            .map(ProviderKey::try_from)
            .collect()
    }
}

impl Writer<'_> {
    /// Records a signing key.
    pub fn insert_provider_key(&mut self, key: &ProviderKey) -> Result<(), StoreError> {
        diesel::insert_into(provider_keys::table)
            .values(KeyRow {
                label: key.label.clone(),
                kid: key.kid.clone(),
                key_id: key.key_id.clone(),
                state: key.state.as_str().to_owned(),
                jwk: key.jwk.clone(),
                since: key.since.as_second(),
                created_at: key.since.as_second(),
            })
            .execute(self.conn())?;
        Ok(())
    }

    /// Moves a key to the state after `from`; a conflict when it is not in `from`.
    pub fn advance_provider_key(
        &mut self,
        label: &str,
        from: KeyState,
        now: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let next = from.next().ok_or(StoreError::Conflict("the key is retired"))?;
        let changed = diesel::update(
            provider_keys::table
                .filter(provider_keys::label.eq(label))
                .filter(provider_keys::state.eq(from.as_str())),
        )
        .set((
            provider_keys::state.eq(next.as_str()),
            provider_keys::since.eq(now.as_second()),
        ))
        .execute(self.conn())?;
        if changed == 1 { Ok(next) } else { Err(StoreError::Conflict("the key is in another state")) }
    }
}
