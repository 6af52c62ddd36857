//! What every page has in common: language, texts, the form token, and the answer around a template.
//!
//! A page is made from the request, filled into a template as `page`, and sent by [`respond`], which sets the
//! language and form-token cookies. Forms carry the token in a hidden field; [`check_csrf`] compares the two.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::{StatusCode, header};
use askama::Template;
use domain::locale::Locale;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::i18n;

mod errors;
mod failure;

pub use errors::FormErrors;
pub use failure::{PageError, error_page};

/// Octets of a form token before base64url.
const CSRF_OCTETS: usize = 32;
/// How long a browser keeps the chosen language.
const LANGUAGE_DAYS: i64 = 365;

/// The frame of one page: language, title, form token, who is signed in.
#[derive(Clone, Debug)]
pub struct Page {
    locale: Locale,
    title: String,
    csrf: String,
    path: String,
    home: &'static str,
    signed_in: bool,
    secure: bool,
}

impl Page {
    /// The frame for this request; `title` is a text key.
    pub fn new(request: &HttpRequest, app: &App, title: &str) -> Self {
        let secure = app.config.secure();
        let locale = locale_of(request, secure);
        let csrf = request
            .cookie(csrf_cookie(secure))
            .map(|cookie| cookie.value().to_owned())
            .filter(|value| is_token(value))
            .unwrap_or_else(|| app.sources.token(CSRF_OCTETS));
        Self {
            locale,
            title: i18n::text(locale, title),
            csrf,
            path: path_without_language(request),
            home: "/",
            signed_in: request
                .cookie(crate::account::session::cookie_name(secure))
                .is_some(),
            secure,
        }
    }

    /// Replaces the title by a text that is already in the page's language.
    #[must_use]
    pub fn with_title(mut self, title: String) -> Self {
        self.title = title;
        self
    }

    /// Says whether the header offers "my account" and "sign out".
    #[must_use]
    pub fn signed_in(mut self, signed_in: bool) -> Self {
        self.signed_in = signed_in;
        self
    }

    /// The page's language.
    pub fn locale(&self) -> Locale {
        self.locale
    }

    /// The language tag of the page (BCP 47).
    pub fn lang(&self) -> &'static str {
        self.locale.tag()
    }

    /// The language tag that the switch leads to.
    pub fn other_lang(&self) -> &'static str {
        i18n::other(self.locale).tag()
    }

    /// Whether the page is in Khmer.
    pub fn is_khmer(&self) -> bool {
        self.locale == Locale::Km
    }

    /// The page's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the mark in the header leads.
    pub fn home(&self) -> &'static str {
        self.home
    }

    /// Whether somebody is signed in.
    pub fn is_signed_in(&self) -> bool {
        self.signed_in
    }

    /// This page in the other language; the place is kept.
    pub fn other_language_href(&self) -> String {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{separator}lang={}", self.path, self.other_lang())
    }

    /// The text of a key in the page's language.
    pub fn t(&self, key: &str) -> String {
        i18n::text(self.locale, key)
    }

    /// The text of a key with one argument.
    pub fn t1<'a>(&self, key: &str, name: &'static str, value: impl Into<Cow<'a, str>>) -> String {
        i18n::text_with(self.locale, key, [(name, value.into().into_owned())])
    }

    /// The text of a key with two arguments.
    pub fn t2<'a, 'b>(
        &self,
        key: &str,
        first: &'static str,
        first_value: impl Into<Cow<'a, str>>,
        second: &'static str,
        second_value: impl Into<Cow<'b, str>>,
    ) -> String {
        let values = [
            (first, first_value.into().into_owned()),
            (second, second_value.into().into_owned()),
        ];
        i18n::text_with(self.locale, key, values)
    }

    /// A date as people write it: `1 January 1990`, `ថ្ងៃទី ១ ខែមករា ឆ្នាំ ១៩៩០`.
    pub fn date(&self, date: &jiff::civil::Date) -> String {
        i18n::date(self.locale, *date)
    }

    /// A moment as people write it, in Cambodian time (UTC+7): the date, then hours and minutes.
    pub fn moment(&self, at: &jiff::Timestamp) -> String {
        i18n::moment(self.locale, *at)
    }

    /// Digits as the page's language writes them; not for numbers that people copy.
    pub fn digits(&self, text: &str) -> String {
        i18n::digits(self.locale, text)
    }

    /// The hidden field that every form carries.
    pub fn csrf_field(&self) -> String {
        format!(
            "<input type=\"hidden\" name=\"csrf\" value=\"{}\">",
            self.csrf
        )
    }

    /// The form token itself, for the one script that posts by itself.
    pub fn csrf_token(&self) -> &str {
        &self.csrf
    }
}

/// Renders a template and sets the page's cookies; pages are never cached, since they hold personal data.
pub fn respond(page: &Page, template: &impl Template, status: StatusCode) -> HttpResponse {
    let Ok(body) = template.render() else {
        tracing::error!(path = page.path, "template failed to render");
        return HttpResponse::InternalServerError().finish();
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_LANGUAGE, page.lang()))
        // `no-referrer` would make browsers send `Origin: null` with our own forms (Fetch §3.2).
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .cookie(cookie(
            csrf_cookie(page.secure),
            page.csrf.clone(),
            page.secure,
            None,
        ))
        .cookie(cookie(
            language_cookie(page.secure),
            page.lang().to_owned(),
            page.secure,
            Some(Duration::days(LANGUAGE_DAYS)),
        ))
        .body(body)
}

/// Answers a form with the way to the next page (RFC 9110 §15.4.4: always by GET).
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Refuses a form whose token is not that of the browser, or which comes from another origin.
pub fn check_csrf(request: &HttpRequest, app: &App, field: Option<&str>) -> Result<(), PageError> {
    let cookie = request.cookie(csrf_cookie(app.config.secure()));
    let same = match (&cookie, field) {
        (Some(cookie), Some(field)) => {
            is_token(field) && bool::from(cookie.value().as_bytes().ct_eq(field.as_bytes()))
        }
        _ => false,
    };
    if same && same_origin(request, app) {
        Ok(())
    } else {
        Err(PageError::csrf(request, app))
    }
}

fn same_origin(request: &HttpRequest, app: &App) -> bool {
    request.headers().get(header::ORIGIN).is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| origin == app.config.origin())
    })
}

fn cookie(
    name: &'static str,
    value: String,
    secure: bool,
    max_age: Option<Duration>,
) -> Cookie<'static> {
    let mut builder = Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure);
    if let Some(max_age) = max_age {
        builder = builder.max_age(max_age);
    }
    builder.finish()
}

fn csrf_cookie(secure: bool) -> &'static str {
    if secure { "__Host-csrf" } else { "csrf" }
}

fn language_cookie(secure: bool) -> &'static str {
    if secure { "__Host-lang" } else { "lang" }
}

fn is_token(value: &str) -> bool {
    value.len() == CSRF_OCTETS.div_ceil(3) * 4 - 1
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `?lang=`, then the cookie, then `Accept-Language`, then Khmer.
fn locale_of(request: &HttpRequest, secure: bool) -> Locale {
    let asked = request
        .query_string()
        .split('&')
        .find_map(|pair| pair.strip_prefix("lang="));
    asked
        .and_then(|tag| tag.parse().ok())
        .or_else(|| {
            request
                .cookie(language_cookie(secure))?
                .value()
                .parse()
                .ok()
        })
        .or_else(|| {
            Locale::negotiate(
                request
                    .headers()
                    .get(header::ACCEPT_LANGUAGE)?
                    .to_str()
                    .ok()?,
            )
        })
        .unwrap_or_default()
}

fn path_without_language(request: &HttpRequest) -> String {
    let query: Vec<&str> = request
        .query_string()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("lang="))
        .collect();
    if query.is_empty() {
        request.path().to_owned()
    } else {
        format!("{}?{}", request.path(), query.join("&"))
    }
}
