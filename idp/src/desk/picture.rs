//! `/desk/cases/{id}/evidence/{evidence}`: one picture, for the officer who holds the case, recorded for its subject.

use actix_web::http::header;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::action;
use domain::kyc::CaseState;
use store::sealing::Field;
use uuid::Uuid;

use super::officer;
use crate::account::access_log::{self, Access, AccessBy};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::apply::{event, open_application};
use crate::evidence::EvidenceFiles;
use crate::page::PageError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/desk/cases/{id}/evidence/{evidence}").get(show));
}

async fn show(request: HttpRequest, app: Data<App>, path: Path<(Uuid, Uuid)>) -> HttpResponse {
    answer(&request, &app, async {
        let officer = officer::require(&request, &app).await?;
        let (case, id) = path.into_inner();
        let not_found = || AccountError::from(PageError::not_found(&request, &app));
        let opened = open_application(&app, move |r| r.find_case(case))
            .await?
            .ok_or_else(not_found)?;
        let now = app.sources.now();
        let holds = matches!(opened.row.case.state, CaseState::InReview(_, lease)
            if lease.officer == officer.account() && lease.until > now);
        if !holds {
            return Err(PageError::forbidden(
                &request,
                &app,
                "case is not in this officer's hands",
            )
            .into());
        }
        let item = opened
            .evidence
            .iter()
            .find(|item| item.id == id)
            .cloned()
            .ok_or_else(not_found)?;
        let access = access_log::prepare(
            &app,
            &Access {
                subject: opened.row.case.subject,
                by: AccessBy::Staff {
                    account: officer.account(),
                    role: officer.role,
                    office: officer.office(),
                },
                purpose: "access-proofing".to_owned(),
                items: vec![format!("evidence-{}", item.role.as_str().replace('_', "-"))],
                reference: opened.row.number.clone(),
            },
        );
        let event = event(
            &request,
            &app,
            officer.actor(),
            action::IDP_EVIDENCE_VIEWED,
            format!("evidence:{id}"),
        );
        // First the record, then the picture: no look without its trace.
        app.store
            .write(event, move |w| access_log::record(w, &access))
            .await?;
        let (folder, key) = (app.config.evidence.clone(), opened.key.clone());
        let bytes = service::blocking(&app.pool, move || -> Result<_, AccountError> {
            let sealed = EvidenceFiles::open(&folder)?.read(&item.blob_digest)?;
            let row = id.to_string();
            let field = Field {
                table: "kyc_evidence",
                column: "blob",
                row: &row,
            };
            Ok((item.media_type, key.open(&field, &sealed)?.to_vec()))
        })
        .await?;
        let (media_type, bytes) = bytes?;
        let disposition = if media_type == "application/pdf" {
            "attachment"
        } else {
            "inline"
        };
        Ok(HttpResponse::Ok()
            .content_type(media_type)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; sandbox",
            ))
            .insert_header((header::CONTENT_DISPOSITION, disposition))
            .body(bytes))
    })
    .await
}
