//! The log of issued access tokens, and refresh tokens.

use diesel::prelude::*;
use domain::oidc::ClientId;
use jiff::Timestamp;
use uuid::Uuid;

use super::account::parse_id;
use super::oidc_codes::TokenFamily;
use super::oidc_document::to_timestamp;
use crate::schema::openid::{
    access_tokens, authorization_codes, authorization_requests, client_assertions, refresh_tokens,
    token_families,
};
use crate::{Reader, StoreError, Writer};

/// An issued access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenRecord {
    /// Its `jti`.
    pub jti: Uuid,
    /// The family it belongs to; none for a machine's own token.
    pub family: Option<Uuid>,
    /// Whom it was issued to.
    pub client_id: ClientId,
    /// When.
    pub issued_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// Whether it was revoked, by itself or with its family.
    pub revoked: bool,
}

/// What became of an attempt to use a refresh token.
#[derive(Clone, Debug, PartialEq)]
pub enum Refresh {
    /// It counts, and is used up now.
    First {
        /// The family it belongs to.
        family: Box<TokenFamily>,
    },
    /// It was used before: somebody has a copy, so the family has been revoked (RFC 9700 §4.14.2).
    Reused {
        /// The family.
        family: Uuid,
    },
    /// No such token of this client, or it does not count any more.
    Unknown,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = access_tokens)]
struct AccessTokenRow {
    jti: String,
    family_id: Option<String>,
    client_id: String,
    issued_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

/// How many expired rows one cleaning step removes at most per table, so that it never holds the database for long.
const CLEANING_BATCH: i64 = 1_000;

impl Reader<'_> {
    /// An issued access token; a revoked family makes it revoked too.
    pub fn find_access_token(
        &mut self,
        jti: Uuid,
    ) -> Result<Option<AccessTokenRecord>, StoreError> {
        let row: Option<(AccessTokenRow, Option<i64>)> = access_tokens::table
            .left_join(
                token_families::table
                    .on(access_tokens::family_id.eq(token_families::id.nullable())),
            )
            .filter(access_tokens::jti.eq(jti.to_string()))
            .select((
                AccessTokenRow::as_select(),
                token_families::revoked_at.nullable(),
            ))
            .first(self.conn())
            .optional()?;
        row.map(|(row, family_revoked_at)| {
            Ok(AccessTokenRecord {
                jti,
                family: row.family_id.as_deref().map(parse_id).transpose()?,
                client_id: ClientId::parse(&row.client_id)
                    .map_err(|_| StoreError::Damaged("client id"))?,
                issued_at: to_timestamp(row.issued_at)?,
                expires_at: to_timestamp(row.expires_at)?,
                revoked: row.revoked_at.is_some() || family_revoked_at.is_some(),
            })
        })
        .transpose()
    }

    /// The family of a refresh token that has not been used and not expired at `now`.
    pub fn find_refresh_token_family(
        &mut self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<TokenFamily>, StoreError> {
        let family: Option<String> = refresh_tokens::table
            .find(token_hash.as_slice())
            .filter(refresh_tokens::used_at.is_null())
            .filter(refresh_tokens::expires_at.gt(now.as_second()))
            .select(refresh_tokens::family_id)
            .first(self.conn())
            .optional()?;
        match family {
            Some(family) => self.find_token_family(parse_id(&family)?),
            None => Ok(None),
        }
    }
}

impl Writer<'_> {
    /// Logs an access token before it is signed.
    pub fn insert_access_token(&mut self, token: &AccessTokenRecord) -> Result<(), StoreError> {
        diesel::insert_into(access_tokens::table)
            .values(AccessTokenRow {
                jti: token.jti.to_string(),
                family_id: token.family.map(|family| family.to_string()),
                client_id: token.client_id.as_str().to_owned(),
                issued_at: token.issued_at.as_second(),
                expires_at: token.expires_at.as_second(),
                revoked_at: None,
            })
            .execute(self.conn())?;
        Ok(())
    }

    /// Revokes one access token of a client; another client's stays as it is.
    pub fn revoke_access_token(
        &mut self,
        jti: Uuid,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::update(
            access_tokens::table
                .filter(access_tokens::jti.eq(jti.to_string()))
                .filter(access_tokens::client_id.eq(client.as_str()))
                .filter(access_tokens::revoked_at.is_null()),
        )
        .set(access_tokens::revoked_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        Ok(())
    }

    /// Keeps a refresh token under its SHA-256.
    pub fn insert_refresh_token(
        &mut self,
        token_hash: &[u8; 32],
        family: Uuid,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::insert_into(refresh_tokens::table)
            .values((
                refresh_tokens::token_hash.eq(token_hash.as_slice()),
                refresh_tokens::family_id.eq(family.to_string()),
                refresh_tokens::issued_at.eq(issued_at.as_second()),
                refresh_tokens::expires_at.eq(expires_at.as_second()),
                refresh_tokens::used_at.eq(None::<i64>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Uses up a refresh token for a client; a second use revokes the family, another client's try changes nothing.
    pub fn use_refresh_token(
        &mut self,
        token_hash: &[u8; 32],
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Refresh, StoreError> {
        let row: Option<(String, i64)> = refresh_tokens::table
            .find(token_hash.as_slice())
            .select((refresh_tokens::family_id, refresh_tokens::expires_at))
            .first(self.conn())
            .optional()?;
        let Some((family_id, expires_at)) = row else {
            return Ok(Refresh::Unknown);
        };
        let id = parse_id(&family_id)?;
        let Some(family) = self.find_token_family(id)? else {
            return Err(StoreError::Damaged("refresh token without family"));
        };
        if family.authorization.client_id != *client {
            return Ok(Refresh::Unknown);
        }
        let used_now = diesel::update(
            refresh_tokens::table
                .filter(refresh_tokens::token_hash.eq(token_hash.as_slice()))
                .filter(refresh_tokens::used_at.is_null()),
        )
        .set(refresh_tokens::used_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        if used_now == 0 {
            self.revoke_token_family(id, now)?;
            return Ok(Refresh::Reused { family: id });
        }
        if family.revoked || expires_at <= now.as_second() || family.expires_at <= now {
            return Ok(Refresh::Unknown);
        }
        Ok(Refresh::First {
            family: Box::new(family),
        })
    }

    /// Removes what expired before `before`: requests, codes, tokens, assertions and families. Returns how many rows
    /// went; call again while it is not zero.
    pub fn clean_openid(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let before = before.as_second();
        let mut removed = 0;
        // Children first: families are named by codes and tokens.
        for table in [
            ("authorization_requests", "handle_hash"),
            ("authorization_codes", "code_hash"),
            ("access_tokens", "jti"),
            ("refresh_tokens", "token_hash"),
        ] {
            removed += self.clean_table(table.0, table.1, before)?;
        }
        removed += diesel::delete(
            client_assertions::table.filter(client_assertions::expires_at.le(before)),
        )
        .execute(self.conn())?;
        removed += self.clean_token_families(before)?;
        Ok(removed)
    }

    fn clean_table(
        &mut self,
        table: &'static str,
        key: &'static str,
        before: i64,
    ) -> Result<usize, StoreError> {
        Ok(diesel::sql_query(format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= $1 LIMIT {CLEANING_BATCH})"
        ))
        .bind::<diesel::sql_types::BigInt, _>(before)
        .execute(self.conn())?)
    }

    fn clean_token_families(&mut self, before: i64) -> Result<usize, StoreError> {
        let candidates: Vec<String> = token_families::table
            .filter(token_families::expires_at.le(before))
            .limit(CLEANING_BATCH)
            .select(token_families::id)
            .load(self.conn())?;
        let mut removed = 0;
        for id in candidates {
            let in_use = access_tokens::table
                .filter(access_tokens::family_id.eq(&id))
                .count()
                .get_result::<i64>(self.conn())?
                + refresh_tokens::table
                    .filter(refresh_tokens::family_id.eq(&id))
                    .count()
                    .get_result::<i64>(self.conn())?
                + authorization_codes::table
                    .filter(authorization_codes::family_id.eq(&id))
                    .count()
                    .get_result::<i64>(self.conn())?;
            if in_use == 0 {
                removed += diesel::delete(token_families::table.find(&id)).execute(self.conn())?;
            }
        }
        Ok(removed)
    }

    /// How many authorization requests are kept: for tests and metrics.
    pub fn count_authorization_requests(&mut self) -> Result<i64, StoreError> {
        Ok(authorization_requests::table
            .count()
            .get_result(self.conn())?)
    }
}
