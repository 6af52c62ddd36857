//! Who calls, and whether the caller's roles carry what is asked: every route starts here.
//!
//! Three proofs are taken: a peer token of another service, an access token of our identity provider, and the name
//! in a TLS client certificate. A caller that is known and may not is recorded in the audit log.

mod access_token;

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use domain::audit::{Actor, AuditEvent, action};
use domain::certificate::{Permission, Role};
use pki::jose;
use service::Sources;
use service::peer::bearer;

pub use access_token::AccessTokens;

use crate::app::App;
use crate::error::Error;

/// A caller whose name was proven.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name, prefixed by the kind of proof, as in `peer:idp`.
    pub name: String,
    /// The same for the audit log.
    pub actor: Actor,
    /// What the caller is.
    pub roles: BTreeSet<Role>,
    /// Host names the caller may get TLS certificates for; none given means that its roles decide alone.
    pub tls_names: Option<BTreeSet<String>>,
    /// The request, for the audit log.
    pub request_id: Option<String>,
}

impl Caller {
    /// The authority itself, for work that nobody asked for.
    pub fn system() -> Self {
        Self {
            name: "system:ca".to_owned(),
            actor: Actor::system("ca"),
            roles: BTreeSet::new(),
            tls_names: None,
            request_id: None,
        }
    }

    /// Whether one of the roles carries `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.iter().any(|role| role.permits(permission))
    }

    /// An audit event of this caller, now.
    pub fn event(
        &self,
        sources: &Sources,
        action: &'static str,
        object: impl Into<String>,
    ) -> AuditEvent {
        let event = AuditEvent::new(
            sources.uuid(),
            sources.now(),
            self.actor.clone(),
            action,
            object,
        );
        match &self.request_id {
            Some(id) => event.with_request(id.clone()),
            None => event,
        }
    }
}

/// Finds out who calls.
pub async fn authenticate(app: &App, request: &HttpRequest) -> Result<Caller, Error> {
    let mut caller = match bearer(request.headers()) {
        Some(token) => from_token(app, token).await?,
        None => from_certificate(app, request)?,
    };
    caller.request_id = crate::http::request_id(request);
    Ok(caller)
}

/// Finds out who calls, and refuses callers without `permission`.
pub async fn require(
    app: &App,
    request: &HttpRequest,
    permission: Permission,
) -> Result<Caller, Error> {
    let caller = authenticate(app, request).await?;
    check(app, &caller, permission).await?;
    Ok(caller)
}

/// Refuses a known caller without `permission`, on record.
pub async fn check(app: &App, caller: &Caller, permission: Permission) -> Result<(), Error> {
    if caller.may(permission) {
        return Ok(());
    }
    Err(deny(app, caller, &format!("{permission:?}")).await)
}

/// Records that a known caller was refused `what`; gives the refusal.
pub async fn deny(app: &App, caller: &Caller, what: &str) -> Error {
    metrics::counter!("romduol_ca_access_denied_total").increment(1);
    let event = caller
        .event(
            &app.sources,
            action::CA_ACCESS_DENIED,
            format!("caller:{}", caller.name),
        )
        .with_detail(serde_json::json!({ "permission": what }));
    match app.store.write(event, |_| Ok(())).await {
        Ok(()) => Error::Forbidden,
        Err(error) => error.into(),
    }
}

async fn from_token(app: &App, token: &str) -> Result<Caller, Error> {
    let refused = Error::Unauthenticated("the token is not accepted here");
    let unverified = jose::parse_compact(token).map_err(|_| refused)?;
    let typ = unverified
        .header()
        .get("typ")
        .and_then(serde_json::Value::as_str);
    match typ.map(str::to_ascii_lowercase).as_deref() {
        Some("peer+jwt") => from_peer(app, token),
        Some("at+jwt" | "application/at+jwt") => match &app.access_tokens {
            Some(tokens) => tokens.caller(unverified, app.sources.now()).await,
            None => Err(Error::Unauthenticated(
                "access tokens are not accepted here",
            )),
        },
        _ => Err(Error::Unauthenticated("the token is of an unknown type")),
    }
}

fn from_peer(app: &App, token: &str) -> Result<Caller, Error> {
    let name = app
        .peers
        .verify(token, app.sources.now())
        .map_err(|error| {
            tracing::info!(%error, "peer refused");
            Error::Unauthenticated("the peer token is not accepted")
        })?;
    let entry = app
        .peer_entries
        .get(name.as_str())
        .ok_or(Error::Unauthenticated("the peer token is not accepted"))?;
    Ok(Caller {
        name: format!("peer:{name}"),
        actor: Actor::service(name.as_str()),
        roles: entry.roles.clone(),
        tls_names: Some(entry.tls_names.clone()),
        request_id: None,
    })
}

fn from_certificate(app: &App, request: &HttpRequest) -> Result<Caller, Error> {
    let missing = Error::Unauthenticated("a bearer token or a client certificate is needed");
    let name = crate::http::client_certificate_name(request).ok_or(missing)?;
    let client = app
        .config
        .tls_clients
        .iter()
        .find(|client| client.name == name)
        .ok_or(Error::Unauthenticated(
            "the client certificate's name is not known here",
        ))?;
    Ok(Caller {
        name: format!("tls:{name}"),
        actor: Actor::service(name),
        roles: client.roles.clone(),
        tls_names: Some(client.tls_names.clone()),
        request_id: None,
    })
}
