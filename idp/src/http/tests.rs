//! The provider on a socket: what the edge refuses, people read as a page and programs as a problem.

use std::net::SocketAddr;

use actix_web::http::header;
use actix_web::test::TestRequest;
use actix_web::web::Data;
use service::cli::Context;
use service::server::{ServeError, bind};
use service::{HttpClientConfig, Problem, ProblemType, http_client};
use tokio::task::JoinHandle;

use crate::testing::{Browser, Provider};

/// The provider behind its edge.
struct Served {
    address: SocketAddr,
    context: Context,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    fn start(provider: &Provider) -> Self {
        let context = Context::new(provider.app.sources.clone());
        let bound = bind(vec![crate::serve::listener(&provider.app)], None).unwrap();
        let address = bound.addresses()[0];
        let inner = context.clone();
        let task = tokio::spawn(async move { bound.run(&inner, "https://id.example").await });
        Self {
            address,
            context,
            task,
        }
    }

    async fn ask(&self, method: &str, path: &str) -> reqwest::Response {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}{path}", self.address);
        http_client(&HttpClientConfig::default())
            .unwrap()
            .request(method, url)
            .header("accept-language", "en")
            .send()
            .await
            .unwrap()
    }

    async fn end(self) {
        self.context.tasks.shutdown().trigger();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_a_page_or_a_problem_with_the_right_ones() {
    let Some(provider) = Provider::open(3) else {
        return;
    };
    let served = Served::start(&provider);
    for (path, allow, kind) in [
        ("/sign-in", "GET, POST, HEAD, OPTIONS", "text/html"),
        ("/account", "GET, HEAD, OPTIONS", "text/html"),
        ("/sign-out", "POST, OPTIONS", "text/html"),
        ("/desk/cases/x/decision", "POST, OPTIONS", "text/html"),
        ("/static/style.css", "GET, HEAD, OPTIONS", "text/html"),
        ("/token", "POST, OPTIONS", "application/problem+json"),
        (
            "/userinfo",
            "GET, POST, HEAD, OPTIONS",
            "application/problem+json",
        ),
        ("/jwks", "GET, HEAD, OPTIONS", "application/problem+json"),
        (
            "/.well-known/openid-configuration",
            "GET, HEAD, OPTIONS",
            "application/problem+json",
        ),
    ] {
        for method in ["DELETE", "BREW"] {
            let answer = served.ask(method, path).await;
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.headers()["allow"], allow, "{path}");
            let sent = answer.headers()["content-type"].to_str().unwrap();
            assert!(sent.starts_with(kind), "{path}: {sent}");
            assert!(answer.headers().contains_key("content-security-policy"));
            let body = answer.text().await.unwrap();
            let words = if kind == "text/html" {
                "does not take what was sent"
            } else {
                "https://id.example/problems/method-not-allowed"
            };
            assert!(body.contains(words), "{path}: {body}");
        }
        let options = served.ask("OPTIONS", path).await;
        assert_eq!(options.status(), 204, "{path}");
        assert_eq!(options.headers()["allow"], allow, "{path}");
    }
    let head = served.ask("HEAD", "/sign-in").await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(served.ask("DELETE", "/nowhere").await.status(), 404);
    served.end().await;
}

#[actix_web::test]
async fn too_many_requests_are_a_page_for_people_alone() {
    let Some(provider) = Provider::open(3) else {
        return;
    };
    let limited = Problem::new(ProblemType::RateLimited).retry_after(7);
    let asked = |path: &str| {
        let request = TestRequest::get().uri(path);
        request
            .app_data(Data::new(provider.app.clone()))
            .to_http_request()
    };
    let page = super::refusal(&asked("/sign-in"), &limited).unwrap();
    assert_eq!(page.status(), 429);
    assert!(super::refusal(&asked("/token"), &limited).is_none());
}

#[actix_web::test]
async fn who_tries_too_often_is_told_when_to_come_back() {
    let Some(provider) = Provider::open(3) else {
        return;
    };
    let app = actix_web::App::new()
        .app_data(Data::new(provider.app.clone()))
        .configure(super::routes);
    let site = actix_web::test::init_service(app).await;
    let mut browser = Browser::default();
    browser.get(&site, "/apply?lang=en").await;
    let mut tries = 0;
    let held = loop {
        // Another application each time: the one begun is not counted again.
        browser
            .cookies
            .retain(|name, _| ["csrf", "lang"].contains(&name.as_str()));
        let answer = browser.post(&site, "/apply", &[]).await;
        if answer.status == 429 {
            break answer;
        }
        tries += 1;
        assert!(tries < 1000, "never held: {}", answer.status);
    };
    let wait: u64 = held.header(header::RETRY_AFTER).parse().unwrap();
    assert!(wait > 0 && held.body.contains("Too many tries"));
    provider.pass(wait);
    browser
        .cookies
        .retain(|name, _| ["csrf", "lang"].contains(&name.as_str()));
    assert_eq!(browser.post(&site, "/apply", &[]).await.status, 303);
}
