//! Signed-in browsers: a random token in a cookie, everything else on the server.
//!
//! Every authentication makes a new session and ends the one the browser had. Limits are those of
//! `domain::account::session`; a session of an account that is not active does not exist.

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use domain::account::session::SessionLimits;
use domain::account::{AccountState, Role, SignInMethod};
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use jiff::{SignedDuration, Timestamp};
use store::idp::{Account, AccountKind, SessionRow};
use store::{StoreError, Writer};
use uuid::Uuid;

use super::cookies::{self, Jar, TOKEN_OCTETS};
use super::{AccountError, clients};
use crate::app::App;
use crate::page::PageError;

/// A use is written down at most this often, in seconds; well below the shortest idle limit.
const TOUCH_SECONDS: i64 = 300;

/// Who is signed in, how and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifier of the session; not secret.
    pub id: Uuid,
    /// The account.
    pub account: Uuid,
    /// The person (subject identifier); staff without a person have the account's identifier.
    pub person: Uuid,
    /// When the holder signed in (`auth_time`, OpenID Connect Core §2).
    pub auth_time: Timestamp,
    /// How.
    pub method: SignInMethod,
    /// Authentication method references (RFC 8176).
    pub amr: Vec<String>,
    /// Authenticator assurance level of the sign-in.
    pub aal: u8,
    /// Roles of staff; empty for citizens.
    pub roles: Vec<Role>,
    /// The office a member of staff works in.
    pub office: Option<String>,
    /// The language the holder is written to in.
    pub locale: Locale,
}

impl Session {
    /// Whether the holder has a role.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the holder is a member of staff.
    pub fn is_staff(&self) -> bool {
        !self.roles.is_empty()
    }

    /// The holder as actor of an audit event: staff in the role they act in, others as a person.
    pub fn actor(&self, role: Option<Role>) -> Actor {
        match role {
            Some(role) => Actor::Staff {
                id: self.account,
                role: role.as_str().to_owned(),
            },
            None => Actor::Person { id: self.person },
        }
    }
}

/// The name of the session cookie.
pub(crate) const fn cookie_name(secure: bool) -> &'static str {
    Jar::Session.name(secure)
}

/// The session of a request; `None` when nobody is signed in or a limit has passed.
pub async fn current(request: &HttpRequest, app: &App) -> Result<Option<Session>, AccountError> {
    let Some(hash) = Jar::Session.hash(request, app.config.secure()) else {
        return Ok(None);
    };
    let found = app
        .store
        .read(move |r| {
            let Some(row) = r.find_session(&hash)? else {
                return Ok(None);
            };
            let id =
                Uuid::parse_str(&row.account_id).map_err(|_| StoreError::Damaged("identifier"))?;
            let account = r.load_account(id)?;
            let roles = r.list_roles(id)?;
            Ok(Some((row, account, roles)))
        })
        .await?;
    let Some((row, account, roles)) = found else {
        return Ok(None);
    };
    let now = app.sources.now();
    let (signed_in, last_seen) = (time(row.signed_in_at)?, time(row.last_seen_at)?);
    let aal = u8::try_from(row.aal).map_err(|_| StoreError::Damaged("aal"))?;
    let limits = SessionLimits::of(aal, account.kind == AccountKind::Staff);
    if account.state != AccountState::Active || !limits.is_live(signed_in, last_seen, now) {
        return Ok(None);
    }
    let session = Session {
        id: Uuid::parse_str(&row.id).map_err(|_| StoreError::Damaged("identifier"))?,
        account: account.id,
        person: account.subject,
        auth_time: signed_in,
        method: serde_json::from_str(&row.method)?,
        amr: row.amr.split(' ').map(str::to_owned).collect(),
        aal,
        roles,
        office: account.office,
        locale: account.locale,
    };
    if now.as_second().saturating_sub(row.last_seen_at) >= TOUCH_SECONDS {
        touch(app, &session, now).await?;
    }
    Ok(Some(session))
}

/// The session of a request, or the way to sign in and back.
pub async fn require(request: &HttpRequest, app: &App) -> Result<Session, AccountError> {
    current(request, app)
        .await?
        .ok_or_else(|| AccountError::sign_in(request, false))
}

/// A session whose holder signed in a few minutes ago, or the way to do so again: for acts that a stranger at an
/// unattended screen must not do.
pub async fn require_fresh(request: &HttpRequest, app: &App) -> Result<Session, AccountError> {
    let session = require(request, app).await?;
    let fresh = SignedDuration::from_mins(i64::from(app.config.account.fresh_minutes));
    if session.auth_time.duration_until(app.sources.now()) <= fresh {
        Ok(session)
    } else {
        Err(AccountError::sign_in(request, true))
    }
}

/// A session with a role; without it the page is refused.
pub async fn require_role(
    request: &HttpRequest,
    app: &App,
    role: Role,
) -> Result<Session, AccountError> {
    let session = require(request, app).await?;
    if session.has_role(role) {
        Ok(session)
    } else {
        Err(PageError::forbidden(request, app, format!("role {role} is missing")).into())
    }
}

async fn touch(app: &App, session: &Session, now: Timestamp) -> Result<(), StoreError> {
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        session.actor(None),
        action::IDP_SESSION_SEEN,
        format!("session:{}", session.id),
    );
    let id = session.id;
    app.store
        .write(event, move |w| w.touch_session(id, now.as_second()))
        .await
}

fn time(second: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(second).map_err(|_| StoreError::Damaged("time"))
}

/// A session that begins with the write it is inserted in.
#[derive(Debug)]
pub(super) struct NewSession {
    row: SessionRow,
    account: Uuid,
    before: Option<[u8; 32]>,
    cookie: Cookie<'static>,
}

impl NewSession {
    /// A session of `account` for the browser of this request.
    pub(super) fn prepare(
        app: &App,
        request: &HttpRequest,
        account: &Account,
        method: SignInMethod,
    ) -> Result<Self, AccountError> {
        let now = app.sources.now();
        let limits = SessionLimits::of(method.aal(), account.kind == AccountKind::Staff);
        let token = app.sources.token(TOKEN_OCTETS);
        let secure = app.config.secure();
        let row = SessionRow {
            id: app.sources.uuid().to_string(),
            token_hash: cookies::hash(&token).to_vec(),
            account_id: account.id.to_string(),
            method: serde_json::to_string(&method)?,
            amr: method.amr().join(" "),
            aal: i64::from(method.aal()),
            client: clients::describe(request),
            signed_in_at: now.as_second(),
            last_seen_at: now.as_second(),
            expires_at: now
                .saturating_add(limits.absolute)
                .unwrap_or(now)
                .as_second(),
            ended_at: None,
        };
        Ok(Self {
            row,
            account: account.id,
            before: Jar::Session.hash(request, secure),
            cookie: Jar::Session.bake(token, secure),
        })
    }

    /// The event of its beginning.
    pub(super) fn event(&self, app: &App, actor: Actor) -> AuditEvent {
        AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            actor,
            action::IDP_SESSION_STARTED,
            format!("session:{}", self.row.id),
        )
        .with_detail(serde_json::json!({ "account": self.account, "amr": self.row.amr, "aal": self.row.aal }))
    }

    /// The cookie to send once the write is done.
    pub(super) fn cookie(&self) -> Cookie<'static> {
        self.cookie.clone()
    }

    /// Begins the session and ends the one the browser had, whosever it was.
    pub(super) fn insert(&self, w: &mut Writer<'_>) -> Result<(), StoreError> {
        if let Some(before) = &self.before
            && let Some(old) = w.find_session(before)?
        {
            let owner =
                Uuid::parse_str(&old.account_id).map_err(|_| StoreError::Damaged("identifier"))?;
            w.end_session(owner, &old.id, self.row.signed_in_at)?;
        }
        w.insert_session(&self.row)
    }
}
