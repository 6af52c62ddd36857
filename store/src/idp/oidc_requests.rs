//! Authorization requests that wait for their person, and client assertions that were used.

use diesel::prelude::*;
use domain::oidc::{ClientId, Parameters};
use jiff::Timestamp;

use super::oidc_document::{from_document, to_document, to_timestamp};
use crate::schema::openid::{authorization_requests, client_assertions};
use crate::{Reader, StoreError, Writer};

/// A stored authorization request: pushed by the client (RFC 9126), or kept while its person signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRequest {
    /// Whose request it is.
    pub client_id: ClientId,
    /// Its parameters, without any that authenticate the client.
    pub parameters: Parameters,
    /// When a browser first came with it.
    pub started_at: Option<Timestamp>,
    /// No longer usable from then on.
    pub expires_at: Timestamp,
    /// Whether it was answered; it is answered once.
    pub finished: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = authorization_requests)]
struct RequestRow {
    client_id: String,
    parameters: String,
    expires_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl Reader<'_> {
    /// The request with this handle (as SHA-256), expired or not.
    pub fn find_authorization_request(
        &mut self,
        handle_hash: &[u8; 32],
    ) -> Result<Option<StoredRequest>, StoreError> {
        let row: Option<RequestRow> = authorization_requests::table
            .find(handle_hash.as_slice())
            .select(RequestRow::as_select())
            .first(self.conn())
            .optional()?;
        row.map(|row| {
            Ok(StoredRequest {
                client_id: ClientId::parse(&row.client_id)
                    .map_err(|_| StoreError::Damaged("client id"))?,
                parameters: from_document(&row.parameters, "authorization request")?,
                started_at: row.started_at.map(to_timestamp).transpose()?,
                expires_at: to_timestamp(row.expires_at)?,
                finished: row.finished_at.is_some(),
            })
        })
        .transpose()
    }
}

impl Writer<'_> {
    /// Keeps a request under its handle (as SHA-256).
    pub fn insert_authorization_request(
        &mut self,
        handle_hash: &[u8; 32],
        request: &StoredRequest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::insert_into(authorization_requests::table)
            .values((
                authorization_requests::handle_hash.eq(handle_hash.as_slice()),
                authorization_requests::client_id.eq(request.client_id.as_str()),
                authorization_requests::parameters.eq(to_document(&request.parameters)?),
                authorization_requests::created_at.eq(now.as_second()),
                authorization_requests::expires_at.eq(request.expires_at.as_second()),
                authorization_requests::started_at.eq(request.started_at.map(Timestamp::as_second)),
                authorization_requests::finished_at.eq(None::<i64>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Notes that a browser came with the request, the first time, and gives its person time until `expires_at`.
    pub fn start_authorization_request(
        &mut self,
        handle_hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        diesel::update(
            authorization_requests::table
                .filter(authorization_requests::handle_hash.eq(handle_hash.as_slice()))
                .filter(authorization_requests::started_at.is_null()),
        )
        .set((
            authorization_requests::started_at.eq(Some(now.as_second())),
            authorization_requests::expires_at.eq(expires_at.as_second()),
        ))
        .execute(self.conn())?;
        Ok(())
    }

    /// Marks the request as answered; a second time is a conflict.
    pub fn finish_authorization_request(
        &mut self,
        handle_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = diesel::update(
            authorization_requests::table
                .filter(authorization_requests::handle_hash.eq(handle_hash.as_slice()))
                .filter(authorization_requests::finished_at.is_null())
                .filter(authorization_requests::expires_at.gt(now.as_second())),
        )
        .set(authorization_requests::finished_at.eq(Some(now.as_second())))
        .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict(
                "the authorization request was answered or has expired",
            ))
        }
    }

    /// Marks a client assertion as used until `expires_at`; a second use is a conflict (RFC 7523 §3).
    pub fn use_client_assertion(
        &mut self,
        client: &ClientId,
        jti_hash: &[u8; 32],
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let used = client_assertions::table
            .find((client.as_str(), jti_hash.as_slice()))
            .select(client_assertions::expires_at)
            .first::<i64>(self.conn())
            .optional()?;
        if used.is_some() {
            return Err(StoreError::Conflict("the assertion was used before"));
        }
        diesel::insert_into(client_assertions::table)
            .values((
                client_assertions::client_id.eq(client.as_str()),
                client_assertions::jti_hash.eq(jti_hash.as_slice()),
                client_assertions::expires_at.eq(expires_at.as_second()),
            ))
            .execute(self.conn())?;
        Ok(())
    }
}
