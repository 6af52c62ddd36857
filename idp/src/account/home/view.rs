//! What the account page says, in the reader's words.

use domain::account::Role;
use domain::person::PersonFacts;
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use store::StoreError;
use store::idp::{Account, DataAccess, PasskeyRow, SessionRow, UsedService};
use store::sealing::SubjectKey;
use uuid::Uuid;

use super::at;
use crate::account::{AccountError, Session, vault};
use crate::app::App;
use crate::page::Page;

/// Civil time in Cambodia.
const CAMBODIA: tz::Offset = tz::offset(7);

/// A stored second as people write it.
pub(super) fn moment(page: &Page, second: i64) -> String {
    page.moment(&at(second))
}

/// Good morning, afternoon or evening.
pub(super) fn greeting(page: &Page, now: Timestamp, name: &str) -> String {
    let key = match now.to_zoned(TimeZone::fixed(CAMBODIA)).hour() {
        4..=11 => "greeting-morning",
        12..=16 => "greeting-afternoon",
        _ => "greeting-evening",
    };
    page.t1(key, "name", name)
}

/// Name, level, and why.
pub(super) struct PersonView {
    pub(super) name: String,
    pub(super) level: Option<u8>,
    pub(super) level_text: String,
    pub(super) reason: String,
}

/// The holder as the page greets them: by their proven name, or by the name staff were added with.
pub(super) async fn person(
    app: &App,
    page: &Page,
    session: &Session,
    account: &Account,
    key: &SubjectKey,
) -> Result<PersonView, AccountError> {
    let Some(facts) = find_facts(app, session.person).await? else {
        let name = display_name(key, account)?;
        return Ok(PersonView {
            name,
            level: None,
            level_text: String::new(),
            reason: String::new(),
        });
    };
    let name = match &facts.khmer {
        Some(khmer) if page.is_khmer() => khmer.full(),
        _ => facts.latin.full(),
    };
    let level = facts.assurance.level().number();
    let number = page.digits(&level.to_string());
    Ok(PersonView {
        name,
        level: Some(level),
        level_text: page.t1("account-level", "level", number),
        reason: page.t(facts.assurance.reason().key()),
    })
}

/// What is proven about a person; `None` for staff without a person and where no level is left.
pub(crate) async fn find_facts(
    app: &App,
    person: Uuid,
) -> Result<Option<PersonFacts>, AccountError> {
    match crate::apply::facts::load(app, person).await {
        Ok(facts) => Ok(Some(facts)),
        Err(AccountError::Store(StoreError::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name that staff were added with; empty for citizens.
pub(crate) fn display_name(key: &SubjectKey, account: &Account) -> Result<String, AccountError> {
    let Some(sealed) = &account.display_name_sealed else {
        return Ok(String::new());
    };
    let row = account.id.to_string();
    let plain = vault::open(key, "accounts", "display_name_sealed", &row, sealed)?;
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

/// A passkey.
pub(crate) struct PasskeyView {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) added: String,
    pub(crate) used: String,
}

impl PasskeyView {
    pub(crate) fn new(page: &Page, row: &PasskeyRow) -> Self {
        let name = if row.name.is_empty() {
            page.t("passkey-unnamed")
        } else {
            page.t1("passkey-named", "name", row.name.as_str())
        };
        Self {
            id: row.id.clone(),
            name,
            added: page.t1("added-at", "at", moment(page, row.created_at)),
            used: row.last_used_at.map_or_else(
                || page.t("never-used"),
                |used| page.t1("used-at", "at", moment(page, used)),
            ),
        }
    }
}

/// A session.
pub(crate) struct SessionView {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) since: String,
    pub(crate) this_one: bool,
}

impl SessionView {
    pub(crate) fn new(page: &Page, row: &SessionRow, own: Uuid) -> Self {
        Self {
            id: row.id.clone(),
            client: if row.client.is_empty() {
                page.t("client-unknown")
            } else {
                row.client.clone()
            },
            since: page.t2(
                "session-times",
                "since",
                moment(page, row.signed_in_at),
                "seen",
                moment(page, row.last_seen_at),
            ),
            this_one: row.id == own.to_string(),
        }
    }
}

/// A use of the person's data.
pub(crate) struct AccessView {
    pub(crate) id: String,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) when: String,
}

impl AccessView {
    pub(crate) fn new(page: &Page, row: &DataAccess) -> Self {
        let who = match row.kind.as_str() {
            "staff" => {
                let role = row
                    .actor_id
                    .rsplit(':')
                    .next()
                    .and_then(|word| word.parse::<Role>().ok());
                let key = match role {
                    Some(Role::Supervisor) => "access-by-supervisor",
                    Some(Role::Auditor) => "access-by-auditor",
                    _ => "access-by-operator",
                };
                page.t1(key, "office", row.actor_name.as_str())
            }
            "subject" => page.t("access-by-you"),
            _ => row.actor_name.clone(),
        };
        let items: Vec<String> = row
            .items
            .split_whitespace()
            .map(|item| item_text(page, item))
            .collect();
        let separator = if page.is_khmer() { " " } else { ", " };
        let why = if row.purpose.starts_with("access-") {
            page.t(&row.purpose)
        } else {
            row.purpose.clone()
        };
        Self {
            id: row.id.clone(),
            who,
            what: items.join(separator),
            why,
            when: moment(page, row.at),
        }
    }
}

/// A service that gets data.
pub(crate) struct ServiceView {
    pub(crate) consent: String,
    pub(crate) name: String,
    pub(crate) until: String,
    pub(crate) shared: String,
}

impl ServiceView {
    pub(crate) fn new(page: &Page, used: &UsedService) -> Self {
        let mut items: Vec<String> = Vec::new();
        for share in used.consent.shares.iter().filter(|share| share.accepted) {
            for claim in &share.claims {
                let text = item_text(page, claim);
                if !items.contains(&text) {
                    items.push(text);
                }
            }
        }
        let separator = if page.is_khmer() { " " } else { ", " };
        Self {
            consent: used.consent.id.to_string(),
            name: used.client.name.in_language(page.lang()).to_owned(),
            until: page.t1("service-until", "at", page.moment(&used.consent.expires_at)),
            shared: items.join(separator),
        }
    }
}

/// A claim in words; one that has no words yet under its own name.
fn item_text(page: &Page, item: &str) -> String {
    if item.starts_with("evidence-") {
        return page.t(item);
    }
    let plain: String = item
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let key = format!("item-{plain}");
    let text = page.t(&key);
    if text == key { item.to_owned() } else { text }
}
