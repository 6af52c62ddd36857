//! Answers of the ministry that need no provider.

use actix_web::App;
use actix_web::http::{Method, StatusCode, header};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::Data;

use super::config::{Config, Credential};
use super::provider::Provider;
use super::sessions::Sessions;
use super::{Ministry, routes, view};

fn ministry() -> Data<Ministry> {
    let config = Config {
        issuer: "http://localhost:1".to_owned(),
        client_id: "gdt".to_owned(),
        credential: Credential::Secret("secret".to_owned()),
        bind: "127.0.0.1".to_owned(),
        port: 1,
        base_url: "http://localhost:1".to_owned(),
        tls: None,
        root_ca_file: None,
        name_en: "Taxation".to_owned(),
        name_km: "ពន្ធដារ".to_owned(),
        mark: "GDT".to_owned(),
        scope: "openid".to_owned(),
        acr_values: "urn:kh:vdia:2".to_owned(),
    };
    Data::new(Ministry {
        provider: Provider::new(&config).unwrap(),
        config,
        sessions: Sessions::default(),
    })
}

#[actix_web::test]
async fn every_answer_carries_the_headers_and_no_style_is_inline() {
    let app = App::new()
        .app_data(ministry())
        .wrap(view::headers())
        .configure(routes);
    let site = init_service(app).await;
    for (method, path, status) in [
        (Method::GET, "/", StatusCode::OK),
        (Method::HEAD, "/", StatusCode::OK),
        (Method::GET, "/style.css", StatusCode::OK),
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::POST, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/callback", StatusCode::BAD_REQUEST),
        (Method::GET, "/logout", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/logout", StatusCode::SEE_OTHER),
    ] {
        let request = TestRequest::default().method(method.clone()).uri(path);
        let answer = call_service(&site, request.to_request()).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        let value = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        let policy = value(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(value(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(value(header::REFERRER_POLICY), "no-referrer");
        assert!(!value(header::CACHE_CONTROL).is_empty());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(value(header::ALLOW), "POST");
        }
        let body = read_body(answer).await;
        let text = String::from_utf8_lossy(&body);
        assert!(
            !text.contains("<style") && !text.contains("style=\""),
            "{path}"
        );
    }
}
