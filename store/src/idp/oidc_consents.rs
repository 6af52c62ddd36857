//! Consents: what a person shares with which client, and taking it back.

use diesel::prelude::*;
use domain::oidc::{AccessGrant, Client, ClientId, Consent};
use jiff::Timestamp;
use uuid::Uuid;

use super::account::parse_id;
use super::oidc_document::{from_document, to_document, to_timestamp};
use crate::schema::openid::{consents, oidc_clients};
use crate::{Reader, StoreError, Writer};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = consents)]
struct ConsentRow {
    id: String,
    person_id: String,
    client_id: String,
    grant_id: String,
    shares: String,
    granted_at: i64,
    expires_at: i64,
    withdrawn_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// A service that a person uses, for the person's own page.
#[derive(Clone, Debug)]
pub struct UsedService {
    /// The client.
    pub client: Client,
    /// The consent in force.
    pub consent: Consent,
    /// The grant it rests on.
    pub grant: AccessGrant,
    /// When the client last got something under it, in Unix seconds.
    pub last_used_at: Option<i64>,
}

impl TryFrom<ConsentRow> for Consent {
    type Error = StoreError;

    fn try_from(row: ConsentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&row.id)?,
            person: parse_id(&row.person_id)?,
            client_id: ClientId::parse(&row.client_id)
                .map_err(|_| StoreError::Damaged("client id"))?,
            grant_id: parse_id(&row.grant_id)?,
            shares: from_document(&row.shares, "consent")?,
            granted_at: to_timestamp(row.granted_at)?,
            expires_at: to_timestamp(row.expires_at)?,
            withdrawn_at: row.withdrawn_at.map(to_timestamp).transpose()?,
        })
    }
}

impl Reader<'_> {
    /// The consent of a person to a client that was not withdrawn; it may have expired.
    pub fn find_consent(
        &mut self,
        person: Uuid,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError> {
        consents::table
            .filter(consents::person_id.eq(person.to_string()))
            .filter(consents::client_id.eq(client.as_str()))
            .filter(consents::withdrawn_at.is_null())
            .select(ConsentRow::as_select())
            .first(self.conn())
            .optional()?
            .map(Consent::try_from)
            .transpose()
    }

    /// The services that a person shares data with at `now`, the one used last first.
    pub fn list_used_services(
        &mut self,
        person: Uuid,
        now: Timestamp,
    ) -> Result<Vec<UsedService>, StoreError> {
        let rows: Vec<(ConsentRow, String)> = consents::table
            .inner_join(oidc_clients::table.on(oidc_clients::id.eq(consents::client_id)))
            .filter(consents::person_id.eq(person.to_string()))
            .filter(consents::withdrawn_at.is_null())
            .filter(consents::expires_at.gt(now.as_second()))
            .order((consents::last_used_at.desc(), consents::granted_at.desc()))
            .select((ConsentRow::as_select(), oidc_clients::document))
            .load(self.conn())?;
        rows.into_iter()
            .map(|(row, document)| {
                let last_used_at = row.last_used_at;
                let consent = Consent::try_from(row)?;
                let (grant, _) = self.load_access_grant(consent.grant_id)?;
                let client = from_document(&document, "client")?;
                Ok(UsedService {
                    client,
                    consent,
                    grant,
                    last_used_at,
                })
            })
            .collect()
    }
}

impl Writer<'_> {
    /// Records a consent in place of an earlier one to the same client.
    pub fn insert_consent(&mut self, consent: &Consent) -> Result<(), StoreError> {
        let person = consent.person.to_string();
        diesel::update(
            consents::table
                .filter(consents::person_id.eq(&person))
                .filter(consents::client_id.eq(consent.client_id.as_str()))
                .filter(consents::withdrawn_at.is_null()),
        )
        .set(consents::withdrawn_at.eq(Some(consent.granted_at.as_second())))
        .execute(self.conn())?;
        diesel::insert_into(consents::table)
            .values(ConsentRow {
                id: consent.id.to_string(),
                person_id: person,
                client_id: consent.client_id.as_str().to_owned(),
                grant_id: consent.grant_id.to_string(),
                shares: to_document(&consent.shares)?,
                granted_at: consent.granted_at.as_second(),
                expires_at: consent.expires_at.as_second(),
                withdrawn_at: None,
                last_used_at: None,
            })
            .execute(self.conn())?;
        Ok(())
    }

    /// Takes a consent back and ends every token of its client for the person; the consent must be the person's own
    /// and in force. Returns the client.
    pub fn withdraw_consent(
        &mut self,
        person: Uuid,
        consent: Uuid,
        now: Timestamp,
    ) -> Result<ClientId, StoreError> {
        let own = || {
            consents::table
                .filter(consents::id.eq(consent.to_string()))
                .filter(consents::person_id.eq(person.to_string()))
                .filter(consents::withdrawn_at.is_null())
        };
        let client = own()
            .select(consents::client_id)
            .first::<String>(self.conn())
            .optional()?
            .ok_or(StoreError::NotFound)?;
        diesel::update(own())
            .set(consents::withdrawn_at.eq(Some(now.as_second())))
            .execute(self.conn())?;
        let client = ClientId::parse(&client).map_err(|_| StoreError::Damaged("client id"))?;
        self.revoke_families_of(person, Some(&client), now)?;
        Ok(client)
    }

    /// Notes that something was released under a consent.
    pub fn touch_consent(&mut self, consent: Uuid, now: Timestamp) -> Result<(), StoreError> {
        diesel::update(consents::table.find(consent.to_string()))
            .set(consents::last_used_at.eq(Some(now.as_second())))
            .execute(self.conn())?;
        Ok(())
    }
}
