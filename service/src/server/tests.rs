//! A running listener, asked over its socket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use jiff::Timestamp;

use super::*;
use crate::middleware::RequestId;
use crate::{HttpClientConfig, Problem, Sources, http_client};

#[path = "method_tests.rs"]
mod methods;

struct Running {
    address: SocketAddr,
    monitor: SocketAddr,
    context: Context,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
}

#[derive(serde::Deserialize)]
struct Body {
    number: u8,
}

fn services(services: &mut web::ServiceConfig) {
    services
        .service(web::resource("/id").get(|id: RequestId| async move { id.as_str().to_owned() }))
        .service(
            web::resource("/number").post(|b: web::Json<Body>| async move { b.number.to_string() }),
        )
        .service(
            web::resource("/both")
                .get(|| async { "got" })
                .post(|| async { "posted" }),
        )
        .service(
            web::resource("/fails")
                .get(|| async { Err::<HttpResponse, _>(Problem::internal("secret cause")) }),
        )
        .service(web::resource("/panics").get(|| async {
            assert!(std::thread::panicking(), "on purpose");
            HttpResponse::Ok().finish()
        }))
        .service(web::resource("/never").get(|| async {
            std::future::pending::<()>().await;
            HttpResponse::Ok().finish()
        }));
}

fn run(listener: Listener) -> Running {
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let context = Context::new(Sources::test(now, 1).0);
    let bound = bind(vec![listener], Some(&MonitorConfig::at("127.0.0.1:0"))).unwrap();
    let (address, monitor) = (bound.addresses()[0], bound.monitor_address().unwrap());
    let inner = context.clone();
    let task = tokio::spawn(async move { bound.run(&inner, "https://h.example/").await });
    Running {
        address,
        monitor,
        context,
        task,
    }
}

fn quick() -> ListenerConfig {
    ListenerConfig {
        workers: 1,
        ..ListenerConfig::at("127.0.0.1:0")
    }
}

fn start_with(config: ListenerConfig) -> Running {
    run(Listener::new("test", config, services))
}

fn start() -> Running {
    start_with(quick())
}

impl Running {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn end(self) {
        self.context.tasks.shutdown().trigger();
        self.task.await.unwrap().unwrap();
    }
}

fn client() -> reqwest::Client {
    http_client(&HttpClientConfig::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_carry_type_and_request_and_hide_the_cause() {
    let running = start();
    for (path, status, name) in [
        ("/fails", 500, "internal"),
        ("/panics", 500, "internal"),
        ("/absent", 404, "not-found"),
    ] {
        let answer = client()
            .get(running.url(path))
            .header("x-request-id", "abc-1")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body = answer.text().await.unwrap();
        assert!(
            !body.contains("secret cause") && !body.contains("on purpose"),
            "{body}"
        );
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], format!("https://h.example/problems/{name}"));
        assert_eq!(body["instance"], "urn:request:abc-1");
    }
    let answer = client()
        .post(running.url("/number"))
        .header("content-type", "application/json")
        .body("{\"number\": 300}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("bad-request"));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_security_headers_and_only_harmless_request_ids_are_kept() {
    let running = start();
    let sent = client()
        .get(running.url("/id"))
        .header("x-request-id", "a.b_c-9")
        .send()
        .await
        .unwrap();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-request-id", "a.b_c-9"),
    ] {
        assert_eq!(sent.headers()[name], value);
    }
    assert_eq!(sent.text().await.unwrap(), "a.b_c-9");
    for bad in ["a b", "{\"x\":1}", &"x".repeat(65), ""] {
        let answer = client()
            .get(running.url("/id"))
            .header("x-request-id", bad)
            .send()
            .await
            .unwrap();
        let id = answer.text().await.unwrap();
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_too_large_and_too_slow_are_turned_away() {
    let running = start_with(ListenerConfig {
        workers: 1,
        rate_limit: crate::rate_limit::RateLimitConfig::new(1, 4),
        max_body_bytes: 100,
        head_timeout_seconds: 1,
        request_timeout_seconds: 1,
        ..ListenerConfig::at("127.0.0.1:0")
    });
    let large = client()
        .post(running.url("/number"))
        .json(&"x".repeat(200))
        .send()
        .await
        .unwrap();
    assert_eq!(large.status(), 413);
    let slow = client().get(running.url("/never")).send().await.unwrap();
    assert_eq!(slow.status(), 408);
    assert!(slow.text().await.unwrap().contains("/problems/timeout"));
    assert_eq!(
        client()
            .get(running.url("/id"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        client()
            .get(running.url("/id"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let limited = client().get(running.url("/id")).send().await.unwrap();
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(limited.headers()["x-content-type-options"], "nosniff");
    // A head that never ends is not waited for.
    let address = running.address;
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .write_all(b"GET /id HTTP/1.1\r\nhost: x\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap();
    assert!(
        read.is_empty() || read.starts_with("HTTP/1.1 408"),
        "{read}"
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_checks_and_metrics_are_shown() {
    let running = start();
    let url = |path: &str| format!("http://{}{path}", running.monitor);
    client().get(running.url("/id")).send().await.unwrap();
    assert_eq!(
        client()
            .get(url("/health/live"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        client()
            .get(url("/health/ready"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    running
        .context
        .readiness
        .require("token", || async { Err("gone".to_owned()) });
    let answer = client().get(url("/health/ready")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("\"token\":\"gone\""));
    let page = client()
        .get(url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("romduol_http_request_duration_seconds"),
        "{page}"
    );
    running.end().await;
}

#[test]
fn a_taken_port_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listener = Listener::new("ca", ListenerConfig::at(address.clone()), |_| {});
    let error = bind(vec![listener], None).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("ca: cannot listen on {address}: another program uses this port")
    );
}
