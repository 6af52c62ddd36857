//! Who used whose data: written by whoever uses it, in the transaction of the use, and read by its subject.
//!
//! A record names kinds of data, never the data; a clerk is shown by office, never by name.

use domain::account::Role;
use jiff::{SignedDuration, Timestamp};
use store::idp::DataAccess;
use store::{StoreError, Writer};
use uuid::Uuid;

use crate::app::App;

/// Days of a year in which records are counted.
const YEAR_DAYS: i64 = 366;

/// Who used the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessBy {
    /// A relying party.
    RelyingParty {
        /// Client identifier.
        client: String,
        /// The name the person knows it by.
        name: String,
    },
    /// A member of staff.
    Staff {
        /// The account, for auditors alone.
        account: Uuid,
        /// The role acted in.
        role: Role,
        /// The office shown to the person.
        office: String,
    },
    /// Another register that was asked, or asked us.
    Register {
        /// Its name.
        name: String,
    },
    /// The person.
    Subject,
}

/// One use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose data.
    pub subject: Uuid,
    /// Who used it.
    pub by: AccessBy,
    /// Why: a text key that begins with `access-`, or the words of the relying party.
    pub purpose: String,
    /// What was used: claim names, or text keys of evidence.
    pub items: Vec<String>,
    /// The grant, consent or case it rests on.
    pub reference: Option<String>,
}

/// The row of a use that happens now; hand it to [`record`] inside the write.
pub fn prepare(app: &App, access: &Access) -> DataAccess {
    let now = app.sources.now();
    let (kind, actor_id, actor_name) = match &access.by {
        AccessBy::RelyingParty { client, name } => ("relying-party", client.clone(), name.clone()),
        AccessBy::Staff {
            account,
            role,
            office,
        } => ("staff", format!("{account}:{role}"), office.clone()),
        AccessBy::Register { name } => ("register", name.clone(), name.clone()),
        AccessBy::Subject => ("subject", access.subject.to_string(), String::new()),
    };
    DataAccess {
        id: app.sources.uuid().to_string(),
        subject_id: access.subject.to_string(),
        at: now.as_second(),
        kind: kind.to_owned(),
        actor_id,
        actor_name,
        purpose: access.purpose.clone(),
        items: access.items.join(" "),
        reference: access.reference.clone(),
        expires_at: expires_at(app, now),
    }
}

/// Records a use in the transaction that releases or shows the data.
pub fn record(w: &mut Writer<'_>, row: &DataAccess) -> Result<(), StoreError> {
    w.insert_data_access(row)
}

fn expires_at(app: &App, now: Timestamp) -> i64 {
    let days = YEAR_DAYS * i64::from(app.config.account.access_log_years);
    now.saturating_add(SignedDuration::from_hours(24 * days))
        .unwrap_or(Timestamp::MAX)
        .as_second()
}
