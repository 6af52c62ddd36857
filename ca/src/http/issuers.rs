//! `GET /issuers`, `GET /issuers/{issuer}/crls/{shard}`.

use std::collections::BTreeSet;

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::Permission;
use pki::Certificate;
use pki::issue::PublishUrls;
use pki::key::IssuerId;
use pki::profile::ProfileName;
use serde::Serialize;

use crate::app::App;
use crate::auth;
use crate::error::Error;

#[derive(Debug, Serialize)]
struct View {
    id: IssuerId,
    name: String,
    certificate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<IssuerId>,
    shards: u16,
    crls: Vec<String>,
    profiles: BTreeSet<ProfileName>,
}

impl View {
    fn new(
        id: IssuerId,
        name: &str,
        certificate: &Certificate,
        publish: &PublishUrls,
    ) -> Result<Self, Error> {
        let shards = publish.shards().get();
        Ok(Self {
            id,
            name: name.to_owned(),
            certificate: certificate.pem().map_err(Error::internal)?,
            parent: None,
            shards,
            crls: (0..shards).map(|shard| publish.crl(id, shard)).collect(),
            profiles: BTreeSet::new(),
        })
    }
}

pub(super) async fn list(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, Error> {
    auth::require(&app, &request, Permission::ReadIssuers).await?;
    let root = &app.hierarchy.root;
    let mut items = vec![View::new(
        root.id,
        &root.name,
        &root.certificate,
        &root.publish,
    )?];
    for authority in &app.hierarchy.issuing {
        let issuer = &authority.issuer;
        let view = View::new(
            authority.id,
            &authority.name,
            &issuer.certificate,
            &issuer.publish,
        )?;
        let profiles = authority.profiles.clone();
        items.push(View {
            parent: Some(root.id),
            profiles,
            ..view
        });
    }
    Ok(HttpResponse::Ok().json(serde_json::json!({ "items": items, "next": null })))
}

pub(super) async fn crl(
    app: web::Data<App>,
    request: HttpRequest,
    path: web::Path<(String, u16)>,
) -> Result<HttpResponse, Error> {
    auth::require(&app, &request, Permission::ReadIssuers).await?;
    let (issuer, shard) = path.into_inner();
    let row = app
        .store
        .read(move |r| r.find_crl(&issuer, i64::from(shard)))
        .await?
        .ok_or(Error::NotFound("there is no such revocation list"))?;
    let tag = format!("\"{}\"", row.number);
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known == Some(tag.as_str()) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, tag))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("application/pkix-crl")
        .insert_header((ETAG, tag))
        .body(row.der))
}
