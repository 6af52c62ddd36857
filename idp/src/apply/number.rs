//! `/apply/number`: the document's number and machine-readable zone.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::document::{DocumentRule, ExpiryRule, KH_2026_11};
use domain::kyc::{Step, today_in_cambodia};
use domain::mrz::Format;

use super::draft::{self, Draft};
use super::fields::{DateParts, Part, Text};
use super::number_form::NumberForm;
use super::view::{StepView, page};
use crate::account::answer;
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/number").get(show).post(take));
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let draft = match draft::editable(&request, &app, Step::Number).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let form = NumberForm::of(&draft.application);
        Ok(view(
            page(&request, &app, heading(&draft)),
            &draft,
            &form,
            FormErrors::new(),
        ))
    })
    .await
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<NumberForm>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut draft = match draft::editable(&request, &app, Step::Number).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let page = page(&request, &app, heading(&draft));
        let Some(rule) = draft.application.rule(&KH_2026_11) else {
            return Ok(see_other("/apply/document"));
        };
        let today = today_in_cambodia(app.sources.now());
        if let Err(errors) = form.read(&mut draft.application, rule, today, &page) {
            return Ok(view(page, &draft, &form, errors));
        }
        draft::save(&request, &app, &draft, page.locale()).await?;
        Ok(see_other(&draft.next_path()))
    })
    .await
}

fn heading(draft: &Draft) -> &'static str {
    match draft.application.rule(&KH_2026_11) {
        Some(rule) if rule.has_zone() => "apply-number-title-zone",
        _ => "apply-number-title",
    }
}

fn view(page: Page, draft: &Draft, form: &NumberForm, errors: FormErrors) -> HttpResponse {
    let Some(rule) = draft.application.rule(&KH_2026_11) else {
        return see_other("/apply/document");
    };
    let kind = rule.kind.as_str();
    let number = Text::new(&page, &errors, "number", &format!("number-label-{kind}"))
        .hint(page.t(&format!("number-hint-{kind}")))
        .value(&form.number)
        .class("short");
    let zone = rule
        .has_zone()
        .then(|| zone_field(&page, &errors, rule, form));
    let expiry = asks_expiry(rule).then(|| DateParts {
        id: "expires",
        legend: page.t("expires-label"),
        hint: page.t(if rule.expiry == ExpiryRule::Optional {
            "expires-hint-optional"
        } else {
            "date-hint"
        }),
        error: errors.of("expires").map(ToOwned::to_owned),
        typed: form.expires(),
        birthday: false,
    });
    let mut view = StepView::new(page, errors, Step::Number, draft).part(Part::Text(number));
    if let Some(zone) = zone {
        view = view.part(Part::Text(zone));
    }
    if let Some(expiry) = expiry {
        view = view.part(Part::Date(expiry));
    }
    view.answer()
}

fn asks_expiry(rule: &DocumentRule) -> bool {
    !rule.has_zone() && rule.expiry != ExpiryRule::Never
}

fn zone_field(page: &Page, errors: &FormErrors, rule: &DocumentRule, form: &NumberForm) -> Text {
    let (hint, rows) = match rule.zones.first() {
        Some(Format::Td3) => ("zone-hint-passport", 2),
        _ => ("zone-hint-card", 3),
    };
    Text::new(page, errors, "zone", "zone-label")
        .hint(page.t(hint))
        .value(&form.zone)
        .class("mono-input")
        .lang("zxx")
        .rows(rows)
}
