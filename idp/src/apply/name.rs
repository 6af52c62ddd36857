//! `/apply/name`: names in Khmer and Latin letters, birth date and sex, prefilled from the zone.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::document::ApplicantKind;
use domain::kyc::{Step, today_in_cambodia};
use domain::mrz::Mrz;
use domain::person::Sex;

use super::draft::{self, Draft};
use super::fields::{Choice, Choosable, DateParts, Part, Text, Tick};
use super::name_form::{NameForm, differs};
use super::view::{StepView, page};
use crate::account::answer;
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/name").get(show).post(take));
}

fn heading(draft: &Draft) -> &'static str {
    match draft.application.applicant {
        Some(ApplicantKind::Entity) => "apply-name-title-entity",
        _ => "apply-name-title",
    }
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let draft = match draft::editable(&request, &app, Step::Name).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let zone = draft
            .application
            .read_zone(today_in_cambodia(app.sources.now()));
        let form = NameForm::of(&draft.application, zone.as_ref());
        let page = page(&request, &app, heading(&draft));
        Ok(view(page, &draft, &form, FormErrors::new(), zone.as_ref()))
    })
    .await
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<NameForm>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut draft = match draft::editable(&request, &app, Step::Name).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let page = page(&request, &app, heading(&draft));
        let today = today_in_cambodia(app.sources.now());
        let zone = draft.application.read_zone(today);
        if let Err(errors) = form.read(&mut draft.application, zone.as_ref(), today, &page) {
            return Ok(view(page, &draft, &form, errors, zone.as_ref()));
        }
        draft::save(&request, &app, &draft, page.locale()).await?;
        Ok(see_other(&draft.next_path()))
    })
    .await
}

fn view(
    page: Page,
    draft: &Draft,
    form: &NameForm,
    errors: FormErrors,
    zone: Option<&Mrz>,
) -> HttpResponse {
    let mut parts = Vec::new();
    if let Some(zone) = zone {
        parts.push(Part::Words(page.t1(
            "name-from-zone",
            "name",
            zone.name.full(),
        )));
    }
    if draft.application.applicant == Some(ApplicantKind::Entity) {
        let field = |id, label, value: &str| Text::new(&page, &errors, id, label).value(value);
        parts.push(Part::Text(
            field("entity_km", "entity-km", &form.entity_km).lang("km"),
        ));
        parts.push(Part::Text(
            field("entity_la", "entity-la", &form.entity_la).autocomplete("organization"),
        ));
        parts.push(Part::Words(page.t("entity-then-you")));
    }
    parts.extend(names(&page, &errors, draft, form));
    parts.push(Part::Date(DateParts {
        id: "birth",
        legend: page.t("birth-label"),
        hint: page.t("birth-hint"),
        error: errors.of("birth").map(ToOwned::to_owned),
        typed: form.birth(),
        birthday: true,
    }));
    parts.push(Part::Choice(sex(&page, &errors, form)));
    if differs(&errors, &page, form, zone) {
        parts.push(Part::Tick(Tick {
            id: "printed_so",
            label: page.t("printed-so"),
            error: None,
            ticked: form.printed_so.is_some(),
        }));
    }
    let mut view = StepView::new(page, errors, Step::Name, draft);
    view.parts = parts;
    view.answer()
}

fn names(page: &Page, errors: &FormErrors, draft: &Draft, form: &NameForm) -> Vec<Part> {
    let field = |id, label, value: &str| Text::new(page, errors, id, label).value(value);
    let optional = draft.application.applicant == Some(ApplicantKind::Foreigner);
    let khmer_hint = page.t(if optional {
        "name-km-hint-foreigner"
    } else {
        "name-km-hint"
    });
    vec![
        Part::Text(
            field("family_km", "family-km", &form.family_km)
                .lang("km")
                .hint(khmer_hint),
        ),
        Part::Text(field("given_km", "given-km", &form.given_km).lang("km")),
        Part::Text(
            field("family_la", "family-la", &form.family_la)
                .autocomplete("family-name")
                .hint(page.t("name-la-hint")),
        ),
        Part::Text(
            field("given_la", "given-la", &form.given_la)
                .autocomplete("given-name")
                .hint(page.t("given-hint")),
        ),
    ]
}

fn sex(page: &Page, errors: &FormErrors, form: &NameForm) -> Choice {
    let options = [Sex::Female, Sex::Male, Sex::Unspecified]
        .into_iter()
        .map(|sex| Choosable {
            value: sex.as_str(),
            label: page.t(&format!("sex-{}", sex.as_str())),
            hint: None,
            chosen: form.sex == sex.as_str(),
        })
        .collect();
    Choice {
        id: "sex",
        legend: Some(page.t("sex-label")),
        error: errors.of("sex").map(ToOwned::to_owned),
        options,
    }
}
