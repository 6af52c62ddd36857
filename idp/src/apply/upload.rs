//! Reading a multipart form (RFC 7578) of pictures, each within its limit, however much is sent.

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Payload;
use domain::document::ImageRole;
use futures_util::StreamExt;

use crate::evidence::{MAX_BYTES, UploadError};

/// Longest form token looked at.
const MAX_TOKEN: usize = 200;
/// Most parts of a form.
const MAX_PARTS: usize = 12;
/// Most bytes of a whole form: every picture of the largest one at its limit, and one that is too large.
const MAX_FORM: usize = 4 * MAX_BYTES;

/// One file field.
pub(super) struct Received {
    pub(super) role: ImageRole,
    pub(super) declared: Option<String>,
    pub(super) content: Result<Vec<u8>, UploadError>,
}

/// A form as sent: its token, which stands before the files, and the files that hold something.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) csrf: Option<String>,
    pub(super) files: Vec<Received>,
}

/// A form that does not follow its own rules.
#[derive(Debug, thiserror::Error)]
#[error("multipart form: {0}")]
pub(super) struct Malformed(String);

/// The form of a request; its body ends with an error where it is longer than any honest form, whatever it is made of.
pub(super) fn open(request: &HttpRequest, body: Payload) -> Multipart {
    let mut left = MAX_FORM;
    let bounded = body.map(move |chunk| {
        let chunk = chunk?;
        left = left
            .checked_sub(chunk.len())
            .ok_or(PayloadError::Overflow)?;
        Ok::<_, PayloadError>(chunk)
    });
    Multipart::new(request.headers(), bounded)
}

/// Reads the form. A file over its limit is read on and dropped, so that the browser gets an answer; `check` looks at
/// the token before the first file is kept.
pub(super) async fn read<E: From<Malformed>>(
    mut form: Multipart,
    check: impl Fn(Option<&str>) -> Result<(), E>,
) -> Result<Upload, E> {
    let mut upload = Upload::default();
    let mut checked = false;
    let mut parts = 0;
    while let Some(part) = form.next().await {
        let mut part = part.map_err(|error| Malformed(error.to_string()))?;
        parts += 1;
        if parts > MAX_PARTS {
            return Err(Malformed("too many parts".to_owned()).into());
        }
        let name = part.name().unwrap_or_default().to_owned();
        let declared = part
            .content_type()
            .map(|kind| kind.essence_str().to_owned());
        let limit = if name == "csrf" { MAX_TOKEN } else { MAX_BYTES };
        let mut content = Vec::new();
        let mut over = false;
        while let Some(chunk) = part.next().await {
            let chunk = chunk.map_err(|error| Malformed(error.to_string()))?;
            over |= content.len() + chunk.len() > limit;
            if over {
                content = Vec::new();
            } else {
                content.extend_from_slice(&chunk);
            }
        }
        if name == "csrf" {
            upload.csrf = String::from_utf8(content).ok();
            continue;
        }
        if !checked {
            check(upload.csrf.as_deref())?;
            checked = true;
        }
        let Some(role) = ImageRole::parse(&name) else {
            continue;
        };
        // A file field left alone sends an empty part.
        if over || !content.is_empty() {
            let content = if over {
                Err(UploadError::TooLarge)
            } else {
                Ok(content)
            };
            upload.files.push(Received {
                role,
                declared,
                content,
            });
        }
    }
    if !checked {
        check(upload.csrf.as_deref())?;
    }
    Ok(upload)
}
