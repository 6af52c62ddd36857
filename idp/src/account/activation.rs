//! From an approved application to an account: the invitation, and the page that takes its code.
//!
//! The code has 80 random bits, travels by one way only, is kept as a keyed hash, and opens the enrolment until that
//! is finished or the invitation ends; opening it again ends the enrolment begun before.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::throttle::Held;
use domain::account::{AccountState, Identifier, code};
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use jiff::SignedDuration;
use serde::Deserialize;
use store::idp::{Account, AccountIdentifier, AccountKind, Invitation};
use store::{StoreError, Writer};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccountError, answer, enrol, lookup, notices, throttle, vault};
use crate::app::App;
use crate::outbox::PreparedMessage;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

/// The way that is counted.
const WAY: &str = "invitation";
/// Kind of the keyed hash of an invitation code.
const CODE_KIND: &str = "invitation-code";

/// Whom to invite; addresses must have been verified by a contact code.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The person's subject identifier.
    pub subject: Uuid,
    /// The language to write in.
    pub locale: Locale,
    /// A verified e-mail address.
    pub email: Option<Identifier>,
    /// A verified telephone number.
    pub phone: Option<Identifier>,
}

/// An invitation that only has to be written down.
#[derive(Debug)]
#[must_use = "an invitation counts only after it was inserted"]
pub struct PreparedInvite {
    account: Account,
    is_new: bool,
    identifiers: Vec<AccountIdentifier>,
    invitation: Option<Invitation>,
    messages: Vec<PreparedMessage>,
}

impl PreparedInvite {
    /// The account, which exists once this is inserted.
    pub fn account(&self) -> Uuid {
        self.account.id
    }

    /// Writes account, invitation and messages down in the caller's transaction. An address that already belongs to
    /// another account stays there; the person then signs in with a passkey or their other address.
    pub fn insert(self, w: &mut Writer<'_>) -> Result<(), StoreError> {
        if self.is_new {
            w.insert_account(&self.account)?;
        }
        for identifier in &self.identifiers {
            let kind = identifier
                .kind
                .parse()
                .map_err(|_| StoreError::Invalid("identifier"))?;
            let index: [u8; 32] = identifier
                .blind_index
                .as_slice()
                .try_into()
                .map_err(|_| StoreError::Invalid("identifier"))?;
            if w.find_account_by_identifier(kind, &index)?.is_none() {
                w.insert_account_identifier(identifier)?;
            }
        }
        if let Some(invitation) = &self.invitation {
            w.insert_invitation(invitation)?;
        }
        for message in self.messages {
            message.insert(w)?;
        }
        Ok(())
    }
}

/// Prepares the account of a person and the invitation to it. The code goes to the telephone if there is one, else
/// to the mailbox; the other address hears of it without the code. An account in use is left as it is.
pub async fn invite(app: &App, invite: Invite) -> Result<PreparedInvite, AccountError> {
    let subject = invite.subject;
    let existing = app
        .store
        .read(move |r| r.find_account_of_subject(subject))
        .await?;
    let is_new = existing.is_none();
    let (account, key) = match existing {
        Some(account) if account.state == AccountState::Invited => {
            let key = vault::open_key(app, &account).await?;
            (account, key)
        }
        Some(account) => {
            let nothing = (Vec::new(), None, Vec::new());
            let (identifiers, invitation, messages) = nothing;
            return Ok(PreparedInvite {
                account,
                is_new,
                identifiers,
                invitation,
                messages,
            });
        }
        None => new_account(app, &invite).await?,
    };
    let mut identifiers = Vec::new();
    for identifier in [&invite.phone, &invite.email].into_iter().flatten() {
        identifiers.push(identifier_row(app, &account, &key, identifier).await?);
    }
    let text = Zeroizing::new(code::format(app.sources.random()));
    let invitation = invitation_row(app, account.id, &text).await?;
    let messages = notices::invitation(app, &invite, &text).await?;
    Ok(PreparedInvite {
        account,
        is_new,
        identifiers,
        invitation: Some(invitation),
        messages,
    })
}

async fn new_account(
    app: &App,
    invite: &Invite,
) -> Result<(Account, store::sealing::SubjectKey), AccountError> {
    let id = app.sources.uuid();
    let (key, wrapped_key) = vault::new_key(app, id).await?;
    let account = Account {
        id,
        subject: invite.subject,
        kind: AccountKind::Citizen,
        state: AccountState::Invited,
        locale: invite.locale,
        wrapped_key,
        display_name_sealed: None,
        office: None,
        created_at: app.sources.unix(),
        activated_at: None,
    };
    Ok((account, key))
}

/// The row of a verified address of an account.
pub(super) async fn identifier_row(
    app: &App,
    account: &Account,
    key: &store::sealing::SubjectKey,
    identifier: &Identifier,
) -> Result<AccountIdentifier, AccountError> {
    let id = app.sources.uuid().to_string();
    let value = identifier.normalised().as_bytes();
    let value_sealed = vault::seal(app, key, "account_identifiers", "value_sealed", &id, value)?;
    let now = app.sources.unix();
    Ok(AccountIdentifier {
        id,
        account_id: account.id.to_string(),
        kind: identifier.kind().as_str().to_owned(),
        blind_index: lookup::identifier_index(app, identifier).await?.to_vec(),
        value_sealed,
        verified_at: Some(now),
        created_at: now,
    })
}

async fn invitation_row(app: &App, account: Uuid, text: &str) -> Result<Invitation, AccountError> {
    let normal = code::normalise(text).ok_or(AccountError::Invalid("invitation code"))?;
    let now = app.sources.now();
    let life = SignedDuration::from_hours(24 * i64::from(app.config.account.invitation_days));
    Ok(Invitation {
        id: app.sources.uuid().to_string(),
        account_id: account.to_string(),
        code_hash: lookup::keyed(app, CODE_KIND, normal).await?.to_vec(),
        created_at: now.as_second(),
        expires_at: now.saturating_add(life).unwrap_or(now).as_second(),
        used_at: None,
    })
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/account/activate").get(show).post(open));
}

#[derive(Template)]
#[template(path = "account/activate.html")]
struct View {
    page: Page,
    errors: FormErrors,
    code: String,
    ended: bool,
}

#[derive(Deserialize)]
struct Asked {
    code: Option<String>,
    ended: Option<String>,
}

async fn show(request: HttpRequest, app: Data<App>, asked: Query<Asked>) -> HttpResponse {
    let view = View {
        page: Page::new(&request, &app, "activate-title").signed_in(false),
        errors: FormErrors::new(),
        // Only what can be a code is put back into the page.
        code: asked
            .code
            .as_deref()
            .and_then(code::normalise)
            .unwrap_or_default(),
        ended: asked.ended.is_some(),
    };
    respond(&view.page, &view, StatusCode::OK)
}

#[derive(Deserialize)]
struct Opened {
    csrf: Option<String>,
    #[serde(default)]
    code: String,
}

async fn open(request: HttpRequest, app: Data<App>, form: Form<Opened>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let text = match begin(&request, &app, &form.code).await {
            Ok(Some(cookie)) => {
                let mut response = see_other("/account/activate/choose");
                response
                    .add_cookie(&cookie)
                    .map_err(|_| AccountError::Invalid("cookie"))?;
                return Ok(response);
            }
            Ok(None) => "activate-code-wrong",
            Err(AccountError::Held(Held::Wait(_) | Held::Closed)) => "sign-in-wait",
            Err(error) => return Err(error),
        };
        let page = Page::new(&request, &app, "activate-title").signed_in(false);
        let mut errors = FormErrors::new();
        errors.add("code", page.t(text));
        let view = View {
            page,
            errors,
            code: form.code.clone(),
            ended: false,
        };
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

/// Counts the try and begins the enrolment; `None` when no invitation in force has this code.
async fn begin(
    request: &HttpRequest,
    app: &App,
    typed: &str,
) -> Result<Option<actix_web::cookie::Cookie<'static>>, AccountError> {
    let Some(normal) = code::normalise(typed) else {
        return Ok(None);
    };
    throttle::count(app, vec![throttle::client(request, WAY)], WAY).await?;
    let hash = lookup::keyed(app, CODE_KIND, normal).await?;
    let now = app.sources.unix();
    let found = app
        .store
        .read(move |r| {
            let Some(invitation) = r.find_invitation(&hash)? else {
                return Ok(None);
            };
            let id = Uuid::parse_str(&invitation.account_id)
                .map_err(|_| StoreError::Damaged("identifier"))?;
            Ok(Some((invitation, r.load_account(id)?)))
        })
        .await?
        .filter(|(invitation, account)| {
            invitation.used_at.is_none()
                && now < invitation.expires_at
                && account.state == AccountState::Invited
        });
    let Some((invitation, account)) = found else {
        return Ok(None);
    };
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::Anonymous,
        action::IDP_INVITATION_OPENED,
        format!("account:{}", account.id),
    );
    let (enrolment, cookie) = enrol::prepare(
        app,
        &account,
        enrol::Purpose::Activation,
        Some(invitation.id),
    )
    .await?;
    app.store
        .write(event, move |w| w.insert_enrolment(&enrolment))
        .await?;
    Ok(Some(cookie))
}
