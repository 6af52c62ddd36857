//! Citizens who apply and operators who decide.

use actix_web::http::StatusCode;
use actix_web::test;
use actix_web::web::Data;
use domain::account::{AccountState, Role};
use domain::locale::Locale;
use store::idp::{Account, AccountKind};
use uuid::Uuid;

use crate::app::App;
pub(super) use crate::testing::{Answer, Browser, Provider as World, Site};

pub(super) const ZONE: &str = "IDKHM1234567897<<<<<<<<<<<<<<<\r\n9001011F3301018KHM<<<<<<<<<<<2\r\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<";

/// `None`, said aloud, where SoftHSM is not installed.
pub(super) fn world() -> Option<World> {
    World::open(7)
}

/// Applications, the desk and the outbox.
pub(super) async fn site(app: &App) -> impl Site + use<> {
    let app = actix_web::App::new()
        .app_data(Data::new(app.clone()))
        .configure(crate::apply::routes)
        .configure(crate::desk::routes)
        .configure(crate::outbox::routes);
    test::init_service(app).await
}

impl World {
    /// The browser of a new operator who has just signed in.
    pub(super) async fn officer(&self) -> Browser {
        let (app, now) = (&self.app, self.app.sources.unix());
        let id = app.sources.uuid();
        let account = Account {
            id,
            subject: id,
            kind: AccountKind::Staff,
            state: AccountState::Active,
            locale: Locale::En,
            wrapped_key: vec![1],
            display_name_sealed: None,
            office: Some("Chamkar Mon".to_owned()),
            created_at: now,
            activated_at: Some(now),
        };
        app.store
            .write(self.event(), move |w| {
                w.insert_account(&account)?;
                w.grant_role(id, Role::Operator, now)
            })
            .await
            .unwrap();
        let mut browser = Browser::default();
        self.sign_in(id, &mut browser).await;
        browser
    }
}

pub(super) fn picture(shade: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(400, 300, image::Rgb([shade, 90, 120]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(picture)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// The six digits last sent to an address, from the development outbox.
pub(super) async fn code_for(service: &impl Site, to: &str) -> String {
    let listed = Browser::default().get(service, "/outbox.json").await;
    let listed = listed.json();
    let items = listed["items"].as_array().unwrap();
    let text = items
        .iter()
        .find(|item| item["to"] == to && item["kind"] == "contact-code")
        .and_then(|item| item["text"].as_str())
        .unwrap();
    text.split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 6)
        .unwrap()
        .to_owned()
}

/// A page's form, what is filled in, and the page after it.
type Step<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Applies with an ID card; returns the browser, which ends on the receipt, and that page.
pub(super) async fn apply(service: &impl Site, contact: &str, shade: u8) -> (Browser, Answer) {
    let mut citizen = Browser::default();
    assert_eq!(
        citizen.get(service, "/apply?lang=en").await.status,
        StatusCode::OK
    );
    let steps: [Step<'_>; 4] = [
        ("/apply", &[], "/apply/who"),
        ("/apply/who", &[("choice", "national")], "/apply/document"),
        (
            "/apply/document",
            &[("choice", "national_id_card")],
            "/apply/number",
        ),
        (
            "/apply/number",
            &[("number", "១២៣ ៤៥៦ ៧៨៩"), ("zone", ZONE)],
            "/apply/photos",
        ),
    ];
    for (path, fields, next) in steps {
        let answer = citizen.post(service, path, fields).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::SEE_OTHER, next),
            "{path}: {}",
            answer.body
        );
        assert_eq!(
            citizen.get(service, next).await.status,
            StatusCode::OK,
            "{next}"
        );
    }
    let (front, back, face) = (picture(shade), picture(shade + 1), picture(shade + 2));
    let files: [(&str, &str, &[u8]); 3] = [
        ("front", "image/png", &front),
        ("back", "image/png", &back),
        ("portrait", "image/png", &face),
    ];
    let answer = citizen.upload(service, "/apply/photos", &files).await;
    assert_eq!(answer.location, "/apply/name", "{}", answer.body);
    let page = citizen.get(service, "/apply/name").await.body;
    assert!(
        page.contains("value=\"SOK\"") && page.contains("value=\"1990\""),
        "prefilled from the zone"
    );
    let names = [
        ("family_km", "សុខ"),
        ("given_km", "ដារ៉ា"),
        ("family_la", "Sok"),
        ("given_la", "Dara"),
        ("birth_day", "1"),
        ("birth_month", "1"),
        ("birth_year", "1990"),
        ("sex", "female"),
    ];
    let answer = citizen.post(service, "/apply/name", &names).await;
    assert_eq!(answer.location, "/apply/contact", "{}", answer.body);
    let answer = citizen
        .post(service, "/apply/contact", &[("contact", contact)])
        .await;
    assert_eq!(answer.location, "/apply/contact/code", "{}", answer.body);
    let wrong = citizen
        .post(service, "/apply/contact/code", &[("code", "12")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = code_for(service, contact).await;
    let answer = citizen
        .post(service, "/apply/contact/code", &[("code", &code)])
        .await;
    assert_eq!(answer.location, "/apply/check", "{}", answer.body);
    assert!(
        citizen
            .get(service, "/apply/check")
            .await
            .body
            .contains("123456789")
    );
    let answer = citizen.post(service, "/apply/check", &[]).await;
    assert_eq!(answer.location, "/apply/receipt", "{}", answer.body);
    let receipt = citizen.get(service, "/apply/receipt").await;
    (citizen, receipt)
}

pub(super) async fn only_case(world: &World) -> Uuid {
    let nobody = Uuid::nil();
    let listed = world
        .app
        .store
        .read(move |r| r.list_queue(nobody, &store::idp::QueueFilter::default(), 10))
        .await;
    listed.unwrap().last().unwrap().id
}

pub(super) fn digest_of(page: &str) -> String {
    page.split("name=\"evidence_digest\" value=\"")
        .nth(1)
        .unwrap()[..64]
        .to_owned()
}

pub(super) async fn approve(service: &impl Site, officer: &mut Browser, case: Uuid) -> Answer {
    officer.get(service, "/desk?lang=en").await;
    let answer = officer
        .post(
            service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let page = officer.get(service, &format!("/desk/cases/{case}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let digest = digest_of(&page.body);
    let fields = [
        ("verdict", "approve"),
        ("evidence_digest", digest.as_str()),
        ("document_genuine", "yes"),
        ("face_matches", "yes"),
    ];
    officer
        .post(service, &format!("/desk/cases/{case}/decision"), &fields)
        .await
}
