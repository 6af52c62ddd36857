//! Handing in: computed checks, case number and state change in one write.

use actix_web::HttpRequest;
use domain::audit::{Actor, action};
use domain::document::{DocumentKind, KH_2026_11};
use domain::kyc::{Application, Event, Finding, Surroundings, automatic, today_in_cambodia};
use jiff::Timestamp;
use service::Sources;
use store::idp::{CheckItem, DocumentHolder, KycCase};
use store::sealing::{Field, SubjectKey};
use store::{StoreError, Writer};

use super::draft::Draft;
use super::vault::event;
use crate::account::{AccountError, in_token};
use crate::app::App;

/// Other cases counted as using the same document; beyond it the number says nothing more.
const MAX_COUNTED: i64 = 20;

/// Hands the application in; returns the case number. A case that was handed in meanwhile is a conflict.
pub(super) async fn submit(
    request: &HttpRequest,
    app: &App,
    draft: &Draft,
) -> Result<String, AccountError> {
    let now = app.sources.now();
    let Draft { opened, .. } = draft;
    let (id, subject) = (opened.row.id, opened.row.case.subject);
    let document_index = document_index(app, &opened.application).await?;
    let images: Vec<_> = opened
        .evidence
        .iter()
        .map(|item| (item.role, item.content_index))
        .collect();
    let digest = opened.application.digest(&images);
    let actor = Actor::Person { id: subject };
    let event = event(
        request,
        app,
        actor,
        action::IDP_CASE_SUBMITTED,
        format!("case:{id}"),
    );
    let (application, key, sources) = (
        opened.application.clone(),
        opened.key.clone(),
        app.sources.clone(),
    );
    let application_sealed = opened.row.application_sealed.clone();
    let submission = Submission {
        application,
        key,
        document_index,
        images,
        now,
        sources,
    };
    let number = app
        .store
        .write(event, move |w| {
            let mut row = w.load_case(id)?;
            if row.application_sealed != application_sealed {
                return Err(StoreError::Conflict(
                    "another page of the application was answered",
                ));
            }
            row.case = apply(
                &row,
                &Event::Submit {
                    evidence_digest: digest,
                },
                now,
            )?;
            submission.record(w, &mut row)
        })
        .await?;
    Ok(number)
}

/// The state machine's next state; what it refuses is a conflict with what is stored.
pub(super) fn apply(
    row: &KycCase,
    event: &Event,
    now: Timestamp,
) -> Result<domain::kyc::Case, StoreError> {
    row.case
        .apply(event, now)
        .map_err(|_| StoreError::Conflict("the case does not stand where this is possible"))
}

/// The blind index of kind, issuer and number: the same document has the same index, whoever hands it in.
pub(super) async fn document_index(
    app: &App,
    application: &Application,
) -> Result<Option<[u8; 32]>, AccountError> {
    let kind = application.document.map_or("", DocumentKind::as_str);
    let (Some(issuer), Some(number)) = (&application.issuer, application.number.clone()) else {
        return Ok(None);
    };
    let (sealer, kind) = (app.sealer.clone(), format!("document/{kind}/{issuer}"));
    Ok(Some(
        in_token(app, move || sealer.blind_index(&kind, &number)).await?,
    ))
}

/// What is recorded with a case that was handed in.
struct Submission {
    application: Application,
    key: SubjectKey,
    document_index: Option<[u8; 32]>,
    images: Vec<(domain::document::ImageRole, [u8; 32])>,
    now: Timestamp,
    sources: Sources,
}

impl Submission {
    fn record(&self, w: &mut Writer<'_>, row: &mut KycCase) -> Result<String, StoreError> {
        let today = today_in_cambodia(self.now);
        let around = self.look_around(w, row)?;
        let findings = automatic(&self.application, &KH_2026_11, around, today);
        row.case = apply(row, &Event::ChecksRecorded, self.now)?;
        row.document_index = self.document_index.map(|index| index.to_vec());
        row.submitted_at = Some(self.now.as_second());
        row.updated_at = self.now.as_second();
        row.expires_at = None;
        let number = if let Some(number) = &row.number {
            number.clone()
        } else {
            let day = format!(
                "{:02}-{:02}{:02}",
                today.year() % 100,
                today.month(),
                today.day()
            );
            format!("{day}-{:04}", w.next_of_day(&day)?)
        };
        row.number = Some(number.clone());
        w.update_case(row)?;
        let place = format!("{}/{}", row.id, row.case.revision);
        let field = Field {
            table: "kyc_revisions",
            column: "application_sealed",
            row: &place,
        };
        let sealed = self.seal(&field, &self.application)?;
        w.insert_revision(row, &sealed, self.now.as_second())?;
        let checks = findings
            .iter()
            .map(|finding| self.check(finding))
            .collect::<Result<Vec<_>, _>>()?;
        w.insert_checks(row.id, row.case.revision, &checks)?;
        w.note("number", number.as_str());
        w.note("revision", row.case.revision);
        Ok(number)
    }

    fn look_around(&self, w: &mut Writer<'_>, row: &KycCase) -> Result<Surroundings, StoreError> {
        let subject = row.case.subject;
        let mut same_document = 0;
        if let Some(index) = &self.document_index {
            let holder = DocumentHolder {
                subject,
                case: row.id,
            };
            let free = w.claim_document(index, &holder, self.now.as_second())?;
            let others = w
                .list_cases_with_document(index, subject, MAX_COUNTED)?
                .len();
            same_document = others.max(usize::from(!free));
        }
        let contents: Vec<[u8; 32]> = self.images.iter().map(|(_, index)| *index).collect();
        let same_image = w.count_same_content(&contents, subject)?;
        Ok(Surroundings {
            same_document,
            same_image: usize::try_from(same_image).unwrap_or(0),
        })
    }

    fn check(&self, finding: &Finding) -> Result<CheckItem, StoreError> {
        let id = self.sources.uuid();
        let row = id.to_string();
        let field = Field {
            table: "kyc_checks",
            column: "finding_sealed",
            row: &row,
        };
        Ok(CheckItem {
            id,
            kind: finding.kind,
            outcome: finding.outcome,
            finding_sealed: Some(self.seal(&field, finding)?),
            officer: None,
            at: self.now.as_second(),
        })
    }

    fn seal<T: serde::Serialize>(
        &self,
        field: &Field<'_>,
        value: &T,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(value).map_err(|_| StoreError::Invalid("sealed value"))?;
        Ok(self.key.seal(field, &plain, self.sources.random())?)
    }
}
