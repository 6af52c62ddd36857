//! A browser that keeps cookies and sends the hidden field with every form.

use std::collections::BTreeMap;

use actix_http::Request;
use actix_web::body::BoxBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::test::{self, TestRequest};
use serde_json::Value;

/// Anything that answers requests as the provider does.
pub(crate) trait Site:
    Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
{
}

impl<S> Site for S where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
{
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    /// Where it leads; empty when nowhere.
    pub(crate) location: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header; empty when there is none.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The text of the element with this id.
    pub(crate) fn text(&self, id: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(&format!("id=\"{id}\""))
            .unwrap_or_else(|| panic!("no #{id} in {}", self.body));
        let (_, inner) = rest.split_once('>').unwrap();
        inner.split_once("</").unwrap().0.trim().to_owned()
    }
}

/// Keeps cookies between requests, as browsers do.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) async fn send(&mut self, site: &impl Site, request: TestRequest) -> Answer {
        let request = self
            .cookies
            .iter()
            .fold(request, |request, (name, value)| {
                request.cookie(Cookie::new(name.clone(), value.clone()))
            })
            .peer_addr("192.0.2.7:4000".parse().unwrap());
        let response = test::call_service(site, request.to_request()).await;
        for cookie in response.response().cookies() {
            if cookie.value().is_empty() {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies
                    .insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let location = headers
            .get(header::LOCATION)
            .map(|location| location.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await.to_vec();
        Answer {
            status,
            headers,
            location: location.unwrap_or_default(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    pub(crate) async fn get(&mut self, site: &impl Site, path: &str) -> Answer {
        self.send(site, TestRequest::get().uri(path)).await
    }

    /// The hidden field of the form that this browser last saw.
    pub(crate) fn csrf(&self) -> String {
        self.cookies.get("csrf").cloned().unwrap_or_default()
    }

    /// Sends a form.
    pub(crate) async fn post(
        &mut self,
        site: &impl Site,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let csrf = self.csrf();
        let mut form: Vec<(&str, &str)> = vec![("csrf", &csrf)];
        form.extend_from_slice(fields);
        self.send(site, TestRequest::post().uri(path).set_form(form))
            .await
    }

    /// Sends what the one script sends.
    pub(crate) async fn post_json(
        &mut self,
        site: &impl Site,
        path: &str,
        mut body: Value,
    ) -> Answer {
        body["csrf"] = self.csrf().into();
        self.send(site, TestRequest::post().uri(path).set_json(body))
            .await
    }

    /// Sends files; each is field, declared type and content.
    pub(crate) async fn upload(
        &mut self,
        site: &impl Site,
        path: &str,
        files: &[(&str, &str, &[u8])],
    ) -> Answer {
        const BOUNDARY: &str = "----test-boundary";
        let csrf = self.csrf();
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n"
        )
        .into_bytes();
        for (field, declared, content) in files {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"x\"\r\n\
                 Content-Type: {declared}\r\n\r\n"
            );
            body.extend(head.into_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = TestRequest::post()
            .uri(path)
            .insert_header((header::CONTENT_TYPE, kind))
            .set_payload(body);
        self.send(site, request).await
    }
}
