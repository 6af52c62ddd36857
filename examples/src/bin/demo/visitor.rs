//! A visitor of our pages without script: cookies, forms with their hidden fields, redirects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::multipart::{Form as Multipart, Part};
use url::Url;

/// How long a page may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A site to visit.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) base: String,
    /// File with the trust anchor of its TLS certificate.
    pub(crate) root: Option<PathBuf>,
}

/// One person's browser.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    base: Url,
}

/// A page as it came.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A file to send with a form.
pub(crate) struct File<'a> {
    pub(crate) field: &'a str,
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) content: Vec<u8>,
}

/// A form of a page: where it goes and what it carries by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Form {
    action: String,
    fields: BTreeMap<String, String>,
}

impl Visitor {
    /// A browser without cookies that reads English.
    pub(crate) fn new(site: &Site) -> Result<Self, String> {
        let base = &site.base;
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(
            reqwest::header::ACCEPT_LANGUAGE,
            reqwest::header::HeaderValue::from_static("en"),
        );
        let http = http_client(site.root.as_deref())?
            .cookie_store(true)
            .default_headers(headers)
            .build()
            .map_err(|e| format!("cannot make an HTTP client: {e}"))?;
        Ok(Self {
            http,
            base: Url::parse(base).map_err(|e| format!("{base}: {e}"))?,
        })
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str) -> Result<Page, String> {
        let url = self.base.join(path).map_err(|e| format!("{path}: {e}"))?;
        read(self.http.get(url).send().await).await
    }

    /// Fills the form of a page whose action ends with `action` and sends it.
    pub(crate) async fn submit(
        &self,
        page: &Page,
        action: &str,
        values: &[(&str, &str)],
    ) -> Result<Page, String> {
        let (url, fields) = fill(page, action, values)?;
        let request = self
            .http
            .post(url)
            .header(reqwest::header::ORIGIN, self.origin());
        read(request.form(&fields).send().await).await
    }

    /// The same with files.
    pub(crate) async fn submit_files(
        &self,
        page: &Page,
        action: &str,
        values: &[(&str, &str)],
        files: Vec<File<'_>>,
    ) -> Result<Page, String> {
        let (url, fields) = fill(page, action, values)?;
        let mut form = Multipart::new();
        for (name, value) in fields {
            form = form.text(name, value);
        }
        for file in files {
            let part = Part::bytes(file.content)
                .file_name(file.name.to_owned())
                .mime_str(file.kind)
                .map_err(|e| format!("{}: {e}", file.kind))?;
            form = form.part(file.field.to_owned(), part);
        }
        let request = self
            .http
            .post(url)
            .header(reqwest::header::ORIGIN, self.origin());
        read(request.multipart(form).send().await).await
    }

    fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// Where a page's form goes, and its own fields with the values laid over them.
fn fill(
    page: &Page,
    action: &str,
    values: &[(&str, &str)],
) -> Result<(Url, BTreeMap<String, String>), String> {
    let form = page.form(action).ok_or_else(|| {
        format!(
            "no form to {action} on {} ({}): {}",
            page.url,
            page.status,
            page.gist()
        )
    })?;
    let mut fields = form.fields;
    for (name, value) in values {
        fields.insert((*name).to_owned(), (*value).to_owned());
    }
    let url = page
        .url
        .join(&form.action)
        .map_err(|e| format!("{}: {e}", form.action))?;
    Ok((url, fields))
}

/// An HTTP client with a deadline, and a further trust anchor where one is given.
pub(crate) fn http_client(root: Option<&Path>) -> Result<reqwest::ClientBuilder, String> {
    let builder = reqwest::Client::builder().timeout(TIMEOUT);
    let Some(root) = root else { return Ok(builder) };
    let pem = std::fs::read(root).map_err(|e| format!("{}: {e}", root.display()))?;
    let anchors = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|e| format!("{}: {e}", root.display()))?;
    Ok(builder.tls_certs_merge(anchors))
}

async fn read(answer: Result<reqwest::Response, reqwest::Error>) -> Result<Page, String> {
    let answer = answer.map_err(|e| format!("page did not answer: {e}"))?;
    let (url, status) = (answer.url().clone(), answer.status().as_u16());
    let body = answer.text().await.map_err(|e| format!("{url}: {e}"))?;
    Ok(Page { url, status, body })
}

impl Page {
    /// Whether an element with this id is on the page.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.body.contains(&format!("id=\"{id}\""))
    }

    /// The text of the first element with this id, up to the next tag.
    pub(crate) fn text_of(&self, id: &str) -> Option<String> {
        let (_, after) = self.body.split_once(&format!("id=\"{id}\""))?;
        let (_, inside) = after.split_once('>')?;
        let text = inside.split('<').next()?.trim();
        Some(unescape(text))
    }

    /// The page's own words, for messages about what went wrong.
    pub(crate) fn gist(&self) -> String {
        let main = self.body.split("<main").nth(1).unwrap_or(&self.body);
        let mut text = String::new();
        let mut inside_tag = true;
        for character in main.chars() {
            match character {
                '<' => inside_tag = true,
                '>' => {
                    inside_tag = false;
                    text.push(' ');
                }
                _ if !inside_tag => text.push(character),
                _ => {}
            }
        }
        text.split_whitespace()
            .take(60)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn form(&self, action: &str) -> Option<Form> {
        self.body.split("<form").skip(1).find_map(|rest| {
            let (head, tail) = rest.split_once('>')?;
            let target = attribute(head, "action").unwrap_or_default();
            let here = if target.is_empty() {
                self.url.path()
            } else {
                target.as_str()
            };
            if !here
                .split('?')
                .next()
                .is_some_and(|path| path.ends_with(action))
            {
                return None;
            }
            let inside = tail.split("</form").next().unwrap_or(tail);
            Some(Form {
                action: target,
                fields: own_fields(inside),
            })
        })
    }
}

/// What a form carries by itself: hidden and filled fields, chosen boxes.
fn own_fields(form: &str) -> BTreeMap<String, String> {
    form.split("<input")
        .skip(1)
        .filter_map(|rest| {
            let head = rest.split('>').next()?;
            let kind = attribute(head, "type").unwrap_or_default();
            let chosen =
                !matches!(kind.as_str(), "checkbox" | "radio") || head.contains(" checked");
            if kind == "file" || kind == "submit" || !chosen {
                return None;
            }
            Some((
                attribute(head, "name")?,
                attribute(head, "value").unwrap_or_default(),
            ))
        })
        .collect()
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let (_, rest) = head.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(unescape)
}

fn unescape(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_by_their_action_with_their_own_fields() {
        let page = Page {
            url: Url::parse("http://localhost/x?y=1").unwrap(),
            status: 200,
            body: "<main><form method=\"post\" action=\"/a\"><input type=\"hidden\" name=\"csrf\" value=\"t&amp;1\">\
                   <input type=\"radio\" name=\"k\" value=\"1\"><input type=\"radio\" name=\"k\" value=\"2\" checked>\
                   <input name=\"n\" id=\"n\"></form><form><input name=\"z\" value=\"3\"></form>"
                .to_owned(),
        };
        let form = page.form("/a").unwrap();
        assert_eq!(form.fields.get("csrf").map(String::as_str), Some("t&1"));
        assert_eq!(form.fields.get("k").map(String::as_str), Some("2"));
        assert_eq!(form.fields.get("n").map(String::as_str), Some(""));
        assert_eq!(page.form("/x").unwrap().fields.len(), 1);
        assert_eq!(page.form("/nowhere"), None);
    }
}
