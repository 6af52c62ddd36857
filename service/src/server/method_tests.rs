//! Methods that an address does not have, HEAD, OPTIONS, and what people get to read instead of a problem.

use actix_web::HttpRequest;
use reqwest::Method;

use super::*;

fn allow(answer: &reqwest::Response) -> Vec<String> {
    let value = answer.headers().get("allow");
    let text = value.map_or("", |value| value.to_str().unwrap());
    let mut methods: Vec<String> = text.split(',').map(|m| m.trim().to_owned()).collect();
    methods.sort();
    methods
}

async fn ask(method: &str, url: String) -> reqwest::Response {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    client().request(method, url).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_refused_with_those_there_are() {
    let running = start();
    for (path, method, allowed) in [
        ("/id", "DELETE", vec!["GET", "HEAD", "OPTIONS"]),
        ("/id", "BREW", vec!["GET", "HEAD", "OPTIONS"]),
        ("/number", "GET", vec!["OPTIONS", "POST"]),
        ("/number", "HEAD", vec!["OPTIONS", "POST"]),
        ("/both", "PUT", vec!["GET", "HEAD", "OPTIONS", "POST"]),
    ] {
        let answer = ask(method, running.url(path)).await;
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(allow(&answer), allowed, "{method} {path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        if method != "HEAD" {
            let body: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(body["status"], 405);
            assert_eq!(
                body["type"],
                "https://h.example/problems/method-not-allowed"
            );
        }
    }
    assert_eq!(ask("DELETE", running.url("/absent")).await.status(), 404);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_the_head_of_get_and_options_names_the_methods() {
    let running = start();
    for path in ["/both", "/fails", "/absent"] {
        let get = ask("GET", running.url(path)).await;
        let head = ask("HEAD", running.url(path)).await;
        assert_eq!(head.status(), get.status(), "{path}");
        for name in ["content-type", "content-length", "content-security-policy"] {
            let of = |answer: &reqwest::Response| answer.headers().get(name).cloned();
            assert_eq!(of(&head).is_some(), of(&get).is_some(), "{name} of {path}");
        }
        assert_eq!(head.text().await.unwrap(), "");
    }
    let options = ask("OPTIONS", running.url("/both")).await;
    assert_eq!(options.status(), 204);
    assert_eq!(allow(&options), ["GET", "HEAD", "OPTIONS", "POST"]);
    assert_eq!(ask("OPTIONS", running.url("/absent")).await.status(), 404);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_keeps_to_the_same_rules() {
    let running = start();
    let url = |path: &str| format!("http://{}{path}", running.monitor);
    assert_eq!(ask("HEAD", url("/health/live")).await.status(), 200);
    let refused = ask("POST", url("/health/ready")).await;
    assert_eq!(refused.status(), 405);
    assert_eq!(allow(&refused), ["GET", "HEAD", "OPTIONS"]);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    running.end().await;
}

/// A page for people, where the address is one of theirs.
fn page(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    request.path().starts_with("/both").then(|| {
        HttpResponse::build(problem.kind().status())
            .content_type("text/html")
            .body(format!("page of {}", problem.kind().name()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_page_with_the_same_headers() {
    let listener = Listener::new("test", quick(), services).pages(page);
    let running = run(listener);
    let refused = ask("PATCH", running.url("/both")).await;
    assert_eq!(refused.status(), 405);
    assert_eq!(allow(&refused), ["GET", "HEAD", "OPTIONS", "POST"]);
    assert_eq!(refused.text().await.unwrap(), "page of method-not-allowed");
    let problem = ask("PATCH", running.url("/id")).await;
    assert_eq!(
        problem.headers()["content-type"],
        "application/problem+json"
    );
    running.end().await;
    let listener = Listener::new(
        "test",
        ListenerConfig {
            rate_limit: crate::rate_limit::RateLimitConfig::new(1, 1),
            ..quick()
        },
        services,
    );
    let running = run(listener.pages(page));
    assert_eq!(ask("GET", running.url("/both")).await.status(), 200);
    let limited = ask("GET", running.url("/both")).await;
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(limited.headers()["x-frame-options"], "DENY");
    assert_eq!(limited.text().await.unwrap(), "page of rate-limited");
    running.end().await;
}
