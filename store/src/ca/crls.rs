//! Certificate revocation lists: the newest of each shard, and the numbers given to them.

use diesel::prelude::*;

use crate::schema::ca::crls;
use crate::{Reader, StoreError, Writer};

/// The newest list of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = crls)]
pub struct CrlRow {
    /// Identifier of the issuer's key.
    pub issuer: String,
    /// Shard, counted from 0.
    pub shard: i64,
    /// The highest CRL number ever given to a signature.
    pub allocated: i64,
    /// The CRL number of this list (RFC 5280 §5.2.3).
    pub number: i64,
    /// Sequence number in the status log up to which revocations are in the list.
    pub covers: i64,
    /// Unix seconds.
    pub this_update: i64,
    /// Unix seconds.
    pub next_update: i64,
    /// DER.
    pub der: Vec<u8>,
}

impl Reader<'_> {
    /// The newest list of a shard.
    pub fn find_crl(&mut self, issuer: &str, shard: i64) -> Result<Option<CrlRow>, StoreError> {
        Ok(crls::table
            .find((issuer, shard))
            .select(CrlRow::as_select())
            .first(self.conn())
            .optional()?)
    }
}

impl Writer<'_> {
    /// Takes over a list signed at a key ceremony, unless this or a newer one is there; tells whether it did.
    pub fn adopt_crl(&mut self, row: &CrlRow) -> Result<bool, StoreError> {
        match self.find_crl(&row.issuer, row.shard)? {
            None => {
                diesel::insert_into(crls::table)
                    .values(row)
                    .execute(self.conn())?;
                Ok(true)
            }
            Some(present) if present.allocated < row.number => {
                diesel::update(crls::table.find((&row.issuer, row.shard)))
                    .set(crls::allocated.eq(row.number))
                    .execute(self.conn())?;
                self.publish_crl(row)?;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// Gives the next CRL number of a shard, never given before; the shard must have a list.
    pub fn allocate_crl_number(&mut self, issuer: &str, shard: i64) -> Result<i64, StoreError> {
        let row = crls::table.find((issuer, shard));
        let changed = diesel::update(row)
            .set(crls::allocated.eq(crls::allocated + 1))
            .execute(self.conn())?;
        if changed == 0 {
            return Err(StoreError::NotFound);
        }
        Ok(crls::table
            .find((issuer, shard))
            .select(crls::allocated)
            .first(self.conn())?)
    }

    /// Replaces a shard's list by a newer one; an older number than the present one is left out and told so.
    /// `allocated` of `row` is not looked at.
    pub fn publish_crl(&mut self, row: &CrlRow) -> Result<bool, StoreError> {
        let older = crls::table
            .filter(crls::issuer.eq(&row.issuer))
            .filter(crls::shard.eq(row.shard))
            .filter(crls::number.lt(row.number))
            .filter(crls::allocated.ge(row.number));
        let changed = diesel::update(older)
            .set((
                crls::number.eq(row.number),
                crls::covers.eq(row.covers),
                crls::this_update.eq(row.this_update),
                crls::next_update.eq(row.next_update),
                crls::der.eq(&row.der),
            ))
            .execute(self.conn())?;
        Ok(changed == 1)
    }
}
