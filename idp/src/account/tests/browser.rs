//! What accounts add to a provider and to a browser: invitations, passkeys, the pages of this room.

use actix_web::http::StatusCode;
use actix_web::test;
use actix_web::web::Data;
use domain::account::Identifier;
use domain::locale::Locale;
use serde_json::Value;
use uuid::Uuid;

use super::authenticator::Authenticator;
use crate::account::activation::{self, Invite};
use crate::app::App;
pub(super) use crate::testing::{Answer, Browser, Provider as World, Site};

pub(super) const EMAIL: &str = "sok.dara@example.kh";
pub(super) const PASSWORD: &str = "mekong-rain-2-boats";

impl World {
    /// `None`, said aloud, where SoftHSM is not installed.
    pub(super) fn new() -> Option<Self> {
        Self::open(11)
    }

    /// Invites a person by e-mail; returns subject and account.
    pub(super) async fn invite(&self, email: &str) -> (Uuid, Uuid) {
        let subject = self.app.sources.uuid();
        let invite = Invite {
            subject,
            locale: Locale::En,
            email: Some(Identifier::parse(email).unwrap()),
            phone: None,
        };
        let prepared = activation::invite(&self.app, invite).await.unwrap();
        let account = prepared.account();
        self.app
            .store
            .write(self.event(), move |w| prepared.insert(w))
            .await
            .unwrap();
        (subject, account)
    }

    /// The code of an authenticator app now.
    pub(super) fn app_code(&self, secret: &str) -> String {
        let secret = totp_rs::Secret::try_from_base32(secret.replace(' ', "")).unwrap();
        let made = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        made.generate(self.app.sources.unix().unsigned_abs())
            .to_string()
    }
}

pub(super) async fn site(app: &App) -> impl Site {
    let app = actix_web::App::new()
        .app_data(Data::new(app.clone()))
        .configure(crate::account::routes)
        .configure(crate::outbox::routes)
        .configure(crate::sign::routes);
    test::init_service(app).await
}

impl Browser {
    /// A browser that has seen a page and so has a form token; its pages are in English.
    pub(super) async fn open(site: &impl Site) -> Self {
        let mut browser = Self::default();
        assert_eq!(
            browser.get(site, "/sign-in?lang=en").await.status,
            StatusCode::OK
        );
        browser
    }

    pub(super) async fn is_signed_in(&mut self, site: &impl Site) -> bool {
        self.get(site, "/account").await.status == StatusCode::OK
    }

    pub(super) async fn passkey_sign_in(
        &mut self,
        site: &impl Site,
        authenticator: &Authenticator,
    ) -> Answer {
        let options = self
            .post_json(site, "/sign-in/passkey/options", serde_json::json!({}))
            .await
            .json();
        let credential = authenticator.get(&options);
        let body = serde_json::json!({ "ceremony": options["ceremony"], "credential": credential });
        self.post_json(site, "/sign-in/passkey", body).await
    }
}

/// The messages of the development outbox, newest first.
pub(super) async fn messages(site: &impl Site) -> Vec<Value> {
    let listed = Browser::default().get(site, "/outbox.json").await.json();
    listed["items"].as_array().unwrap().clone()
}

/// The invitation code last sent.
pub(super) async fn invitation_code(site: &impl Site) -> String {
    let sent = messages(site).await;
    let text = sent
        .iter()
        .find(|m| m["kind"] == "account-invitation")
        .unwrap()["text"]
        .to_string();
    let from = text.find("code=").unwrap() + 5;
    text[from..from + 19].to_owned()
}
