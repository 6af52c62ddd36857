//! Files that pages need: the stylesheet, the mark, fonts, the one script. They are part of the program.
//!
//! Each is served with a strong entity tag (RFC 9110 §8.8.3), so that a phone on a slow line fetches it once.

use actix_web::http::header::{self, EntityTag, IfNoneMatch};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

/// How long a browser uses a file without asking again.
const CACHE_CONTROL: &str = "public, max-age=86400";
/// Characters of the digest that make the entity tag.
const TAG_CHARACTERS: usize = 22;

struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! font {
    ($name:literal) => {
        Asset {
            path: concat!("/static/fonts/", $name),
            kind: "font/woff2",
            content: include_bytes!(concat!("../../static/fonts/", $name)),
        }
    };
}

static ASSETS: [Asset; 7] = [
    Asset {
        path: "/static/style.css",
        kind: "text/css; charset=utf-8",
        content: include_bytes!("../../static/style.css"),
    },
    Asset {
        path: "/static/passkey.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../static/passkey.js"),
    },
    Asset {
        path: "/static/mark.svg",
        kind: "image/svg+xml",
        content: include_bytes!("../../static/mark.svg"),
    },
    font!("noto-sans-khmer-khmer-400-normal.woff2"),
    font!("noto-sans-khmer-khmer-700-normal.woff2"),
    font!("noto-sans-latin-400-normal.woff2"),
    font!("noto-sans-latin-700-normal.woff2"),
];

/// Adds a route for each file.
pub(super) fn routes(config: &mut ServiceConfig) {
    for asset in &ASSETS {
        let tag = entity_tag(asset.content);
        let serve = move |request: HttpRequest, condition: web::Header<IfNoneMatch>| {
            let answer = answer(asset, &tag, &condition);
            tracing::trace!(path = request.path(), "asset");
            std::future::ready(answer)
        };
        config.service(web::resource(asset.path).get(serve));
    }
}

fn answer(asset: &Asset, tag: &EntityTag, condition: &IfNoneMatch) -> HttpResponse {
    let known = match condition {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(tag)),
    };
    let mut builder = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    builder
        .insert_header(header::ETag(tag.clone()))
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL));
    if known {
        builder.finish()
    } else {
        builder.content_type(asset.kind).body(asset.content)
    }
}

fn entity_tag(content: &[u8]) -> EntityTag {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let digest = Base64UrlUnpadded::encode_string(&Sha256::digest(content));
    EntityTag::new_strong(digest.chars().take(TAG_CHARACTERS).collect())
}
