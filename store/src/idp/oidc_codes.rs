//! Authorization codes and the token families that they open.

use diesel::prelude::*;
use domain::oidc::{Authorization, ClientId};
use jiff::Timestamp;
use uuid::Uuid;

use super::oidc_document::{from_document, to_document, to_timestamp};
use crate::schema::openid::{authorization_codes, token_families};
use crate::{Reader, StoreError, Writer};

/// A code as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// The authorization that the code stands for.
    pub family: Uuid,
    /// The redirect URI that the code went to.
    pub redirect_uri: String,
    /// Whose verifier redeems it.
    pub code_challenge: String,
    /// For the ID token.
    pub nonce: Option<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// No longer redeemable from then on.
    pub expires_at: Timestamp,
}

/// What became of an attempt to redeem a code.
#[derive(Clone, Debug, PartialEq)]
pub enum Redemption {
    /// The first attempt: the code is spent now, whatever the caller finds out about the verifier.
    First {
        /// The code.
        code: CodeRecord,
        /// What it stands for.
        authorization: Box<Authorization>,
    },
    /// The code was spent before: its family has been revoked (RFC 6749 §4.1.2).
    Reused {
        /// The family.
        family: Uuid,
    },
    /// No such code of this client, or it has expired, or its family was revoked.
    Unknown,
}

/// A token family with what decides whether its tokens still count.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenFamily {
    /// What the tokens stand for.
    pub authorization: Authorization,
    /// No token outlives this.
    pub expires_at: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = authorization_codes)]
struct CodeRow {
    family_id: String,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    issued_at: i64,
    expires_at: i64,
    redeemed_at: Option<i64>,
}

impl Reader<'_> {
    /// A token family.
    pub fn find_token_family(&mut self, id: Uuid) -> Result<Option<TokenFamily>, StoreError> {
        token_families::table
            .find(id.to_string())
            .select((
                token_families::document,
                token_families::expires_at,
                token_families::revoked_at,
            ))
            .first::<(String, i64, Option<i64>)>(self.conn())
            .optional()?
            .map(|(document, expires_at, revoked_at)| {
                Ok(TokenFamily {
                    authorization: from_document(&document, "token family")?,
                    expires_at: to_timestamp(expires_at)?,
                    revoked: revoked_at.is_some(),
                })
            })
            .transpose()
    }
}

impl Writer<'_> {
    /// Opens a token family.
    pub fn insert_token_family(
        &mut self,
        authorization: &Authorization,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::insert_into(token_families::table)
            .values((
                token_families::id.eq(authorization.id.to_string()),
                token_families::client_id.eq(authorization.client_id.as_str()),
                token_families::person_id.eq(authorization.person.to_string()),
                token_families::session_id.eq(authorization.session_id.as_deref()),
                token_families::consent_id.eq(authorization.consent_id.to_string()),
                token_families::document.eq(to_document(authorization)?),
                token_families::created_at.eq(authorization.created_at.as_second()),
                token_families::expires_at.eq(expires_at.as_second()),
                token_families::revoked_at.eq(None::<i64>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Keeps a code under its SHA-256.
    pub fn insert_authorization_code(
        &mut self,
        code_hash: &[u8; 32],
        code: &CodeRecord,
    ) -> Result<(), StoreError> {
        diesel::insert_into(authorization_codes::table)
            .values((
                authorization_codes::code_hash.eq(code_hash.as_slice()),
                authorization_codes::family_id.eq(code.family.to_string()),
                authorization_codes::redirect_uri.eq(&code.redirect_uri),
                authorization_codes::code_challenge.eq(&code.code_challenge),
                authorization_codes::nonce.eq(code.nonce.as_deref()),
                authorization_codes::issued_at.eq(code.issued_at.as_second()),
                authorization_codes::expires_at.eq(code.expires_at.as_second()),
                authorization_codes::redeemed_at.eq(None::<i64>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Spends a code for a client: one update decides who is first. A second attempt revokes the family; a code of
    /// another client stays as it is.
    pub fn redeem_authorization_code(
        &mut self,
        code_hash: &[u8; 32],
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Redemption, StoreError> {
        let row: Option<CodeRow> = authorization_codes::table
            .find(code_hash.as_slice())
            .select(CodeRow::as_select())
            .first(self.conn())
            .optional()?;
        let Some(row) = row else {
            return Ok(Redemption::Unknown);
        };
        let family = super::account::parse_id(&row.family_id)?;
        let Some(owner) = self.find_token_family(family)? else {
            return Err(StoreError::Damaged("code without family"));
        };
        if owner.authorization.client_id != *client {
            return Ok(Redemption::Unknown);
        }
        let spent_now = diesel::update(
            authorization_codes::table
                .filter(authorization_codes::code_hash.eq(code_hash.as_slice()))
                .filter(authorization_codes::redeemed_at.is_null()),
        )
        .set(authorization_codes::redeemed_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        if spent_now == 0 {
            debug_assert!(
                row.redeemed_at.is_some(),
                "writes of one database take turns"
            );
            self.revoke_token_family(family, now)?;
            return Ok(Redemption::Reused { family });
        }
        if row.expires_at <= now.as_second() || owner.revoked {
            return Ok(Redemption::Unknown);
        }
        Ok(Redemption::First {
            code: CodeRecord {
                family,
                redirect_uri: row.redirect_uri,
                code_challenge: row.code_challenge,
                nonce: row.nonce,
                issued_at: to_timestamp(row.issued_at)?,
                expires_at: to_timestamp(row.expires_at)?,
            },
            authorization: Box::new(owner.authorization),
        })
    }

    /// Ends all tokens of a family; ending them again changes nothing.
    pub fn revoke_token_family(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        diesel::update(
            token_families::table
                .filter(token_families::id.eq(id.to_string()))
                .filter(token_families::revoked_at.is_null()),
        )
        .set(token_families::revoked_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        Ok(())
    }

    /// Ends all tokens that a person's authorizations gave to one client, or to all; returns how many families ended.
    pub fn revoke_families_of(
        &mut self,
        person: Uuid,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let rows: Vec<(String, String)> = token_families::table
            .filter(token_families::person_id.eq(person.to_string()))
            .filter(token_families::revoked_at.is_null())
            .select((token_families::id, token_families::client_id))
            .load(self.conn())?;
        let families: Vec<String> = rows
            .into_iter()
            .filter(|(_, of)| client.is_none_or(|client| client.as_str() == of))
            .map(|(id, _)| id)
            .collect();
        let count = families.len();
        diesel::update(token_families::table.filter(token_families::id.eq_any(families)))
            .set(token_families::revoked_at.eq(Some(now.as_second())))
            .execute(self.conn())?;
        Ok(count)
    }

    /// Ends the tokens that came from a browser session; returns how many families ended.
    pub fn revoke_families_of_session(
        &mut self,
        session: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        Ok(diesel::update(
            token_families::table
                .filter(token_families::session_id.eq(session))
                .filter(token_families::revoked_at.is_null()),
        )
        .set(token_families::revoked_at.eq(Some(now.as_second())))
        .execute(self.conn())?)
    }
}
