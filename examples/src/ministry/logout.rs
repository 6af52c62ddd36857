//! `/logout`: forgets the browser and signs the person out at the provider (RP-Initiated Logout 1.0).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use url::Url;

use super::Ministry;
use super::failure::Failure;
use super::sessions::Browser;

/// Logs out. The cookie is `SameSite=Lax`, so a foreign site's form changes nothing here.
pub(super) async fn start(
    request: HttpRequest,
    ministry: Data<Ministry>,
) -> Result<HttpResponse, Failure> {
    let config = &ministry.config;
    let target = match ministry.sessions.take(&request, config) {
        Some(Browser::Here(person)) => {
            let (_, endpoints) = ministry
                .provider
                .client(config)
                .await
                .map_err(Failure::provider)?;
            let mut target =
                Url::parse(&endpoints.end_session_endpoint).map_err(Failure::provider)?;
            target
                .query_pairs_mut()
                .append_pair("id_token_hint", &person.id_token)
                .append_pair("client_id", &config.client_id)
                .append_pair("post_logout_redirect_uri", &format!("{}/", config.base_url));
            target.to_string()
        }
        _ => "/".to_owned(),
    };
    Ok(HttpResponse::SeeOther()
        .insert_header(("Location", target))
        .insert_header(("Cache-Control", "no-store"))
        .finish())
}
