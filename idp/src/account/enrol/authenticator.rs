//! Setting up an authenticator app: the shared secret as a picture and as text, confirmed by a first code.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::{Identifier, totp};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ChosenApp, Current, keep, load, out_of_step};
use crate::account::{AccountError, answer, verifier};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

/// The name an authenticator app shows above the account.
const ISSUER_NAME: &str = "Romduol";
/// Smallest side of the picture, in pixels.
const PICTURE_SIDE: u32 = 220;
/// Letters of the secret between two spaces.
const SECRET_GROUP: usize = 4;

#[derive(Template)]
#[template(path = "account/authenticator.html")]
struct View {
    page: Page,
    errors: FormErrors,
    picture: String,
    secret: Zeroizing<String>,
    uri: Zeroizing<String>,
}

fn view(
    request: &HttpRequest,
    app: &App,
    current: &Current,
    secret: &[u8],
) -> Result<View, AccountError> {
    let label = current
        .identifiers
        .first()
        .map(Identifier::normalised)
        .unwrap_or_default();
    let uri = otpauth_uri(label, secret);
    Ok(View {
        page: Page::new(request, app, "app-title").signed_in(false),
        errors: FormErrors::new(),
        picture: qr_code(&uri)?,
        secret: shown_secret(secret),
        uri,
    })
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let mut current = load(&request, &app).await?;
        if current.progress.password.is_none() {
            return Err(AccountError::Elsewhere(
                "/account/activate/choose".to_owned(),
            ));
        }
        // The secret stays the same while the page is reloaded, or the app's codes would not fit.
        let secret = if let Some(chosen) = &current.progress.app {
            chosen.secret.clone()
        } else {
            let secret = app.sources.random::<{ totp::SECRET_BYTES }>().to_vec();
            current.progress.app = Some(ChosenApp {
                secret: secret.clone(),
                step: None,
            });
            keep(&app, &current, "app-offered").await?;
            secret
        };
        let view = view(&request, &app, &current, &Zeroizing::new(secret))?;
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
pub(in crate::account) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    code: String,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut current = load(&request, &app).await?;
        let Some(chosen) = &mut current.progress.app else {
            return Err(out_of_step(&request, &app));
        };
        let secret = Zeroizing::new(chosen.secret.clone());
        let matched = verifier::check_code(&secret, &form.code, app.sources.unix());
        if let Ok(step) = totp::accept(matched, chosen.step) {
            chosen.step = Some(step);
            keep(&app, &current, "app").await?;
            return Ok(see_other("/account/activate/recovery"));
        }
        let mut view = view(&request, &app, &current, &secret)?;
        let text = view.page.t("app-code-wrong");
        view.errors.add("code", text);
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

/// The address of a shared secret that authenticator apps read.
pub(in crate::account) fn otpauth_uri(label: &str, secret: &[u8]) -> Zeroizing<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(label.as_bytes()).collect();
    let base32 = Zeroizing::new(totp_rs::Secret::from(secret.to_vec()).to_base32());
    Zeroizing::new(format!(
        "otpauth://totp/{ISSUER_NAME}:{encoded}?secret={}&issuer={ISSUER_NAME}&algorithm=SHA1&digits={}&period={}",
        base32.as_str(),
        totp::DIGITS,
        totp::STEP_SECONDS
    ))
}

/// The secret in groups of four, for typing.
pub(in crate::account) fn shown_secret(secret: &[u8]) -> Zeroizing<String> {
    let base32 = Zeroizing::new(totp_rs::Secret::from(secret.to_vec()).to_base32());
    let mut shown = String::with_capacity(2 * base32.len());
    for (position, letter) in base32.chars().enumerate() {
        if position > 0 && position % SECRET_GROUP == 0 {
            shown.push(' ');
        }
        shown.push(letter);
    }
    Zeroizing::new(shown)
}

/// A QR code (ISO/IEC 18004) as an SVG element to stand inside a page.
fn qr_code(text: &str) -> Result<String, AccountError> {
    let code = QrCode::new(text.as_bytes()).map_err(|_| AccountError::Invalid("QR code"))?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(PICTURE_SIDE, PICTURE_SIDE)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    // The XML declaration has no place inside HTML.
    let start = picture.find("<svg").unwrap_or(0);
    Ok(picture.get(start..).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_shown_as_apps_read_it() {
        let secret = b"12345678901234567890";
        assert_eq!(
            shown_secret(secret).as_str(),
            "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
        );
        let uri = otpauth_uri("sok@example.kh", secret);
        assert!(
            uri.starts_with("otpauth://totp/Romduol:sok%40example.kh?secret=GEZDGNBVGY3TQOJQ"),
            "{}",
            uri.as_str()
        );
    }

    #[test]
    fn the_picture_is_one_svg_element() {
        let picture = qr_code("otpauth://totp/x").unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        assert!(!picture.contains("<?xml") && !picture.contains("style="));
    }
}
