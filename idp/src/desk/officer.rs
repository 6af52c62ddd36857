//! Who may come to the desk, and for which case they are a stranger.

use actix_web::HttpRequest;
use domain::account::Role;
use domain::audit::{Actor, action};
use domain::kyc;
use store::idp::KycCase;
use uuid::Uuid;

use crate::account::session::{self, Session};
use crate::account::{AccountError, in_token};
use crate::app::App;
use crate::apply::{Opened, event};
use crate::page::PageError;

/// Lowest authentication level at which staff may see personal data.
const MIN_AAL: u8 = 2;

/// A signed-in officer.
#[derive(Debug, Clone)]
pub(super) struct Officer {
    pub(super) session: Session,
    pub(super) role: Role,
}

/// The officer of this request. Nobody signed in is sent to sign in; anybody else is refused, and that is recorded.
pub(super) async fn require(request: &HttpRequest, app: &App) -> Result<Officer, AccountError> {
    let session = session::require(request, app).await?;
    let role = [Role::Supervisor, Role::Operator]
        .into_iter()
        .find(|role| session.has_role(*role));
    match role {
        Some(role) if session.aal >= MIN_AAL => Ok(Officer { session, role }),
        _ => {
            let object = format!("path:{}", request.path());
            let event = event(
                request,
                app,
                session.actor(None),
                action::IDP_DESK_DENIED,
                object,
            );
            app.store.write(event, |_| Ok(())).await?;
            Err(PageError::forbidden(request, app, "not an officer of the desk").into())
        }
    }
}

impl Officer {
    pub(super) fn account(&self) -> Uuid {
        self.session.account
    }

    pub(super) fn actor(&self) -> Actor {
        self.session.actor(Some(self.role))
    }

    /// The office as shown to the person concerned.
    pub(super) fn office(&self) -> String {
        self.session.office.clone().unwrap_or_default()
    }

    /// The officer as the case's state machine sees them. An application is the officer's own when it names them, uses
    /// their document, or is reached at their address.
    pub(super) async fn for_case(
        &self,
        app: &App,
        row: &KycCase,
        opened: Option<&Opened>,
    ) -> Result<kyc::Officer, AccountError> {
        let own = self.uses_document(app, row).await? || self.has_address(app, opened).await?;
        Ok(kyc::Officer {
            account: self.session.account,
            person: if own {
                row.case.subject
            } else {
                self.session.person
            },
            supervisor: self.role == Role::Supervisor,
        })
    }

    async fn uses_document(&self, app: &App, row: &KycCase) -> Result<bool, AccountError> {
        let Some(index) = row.document_index.clone() else {
            return Ok(false);
        };
        let holder = app
            .store
            .read(move |r| r.find_document_holder(&index))
            .await?;
        Ok(holder.is_some_and(|holder| holder.subject == self.session.person))
    }

    async fn has_address(&self, app: &App, opened: Option<&Opened>) -> Result<bool, AccountError> {
        let contact = opened.and_then(|opened| opened.application.contact.clone());
        let Some(contact) = contact else {
            return Ok(false);
        };
        let sealer = app.sealer.clone();
        let index = in_token(app, move || {
            sealer.blind_index(contact.kind.as_str(), &contact.value)
        })
        .await?;
        let account = self.session.account;
        let mine = app
            .store
            .read(move |r| r.list_account_identifiers(account))
            .await?;
        Ok(mine
            .iter()
            .any(|identifier| identifier.blind_index == index))
    }
}
