use std::path::Path;

use actix_web::{HttpRequest, web};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::*;
use crate::cli::Context;
use crate::server::{Listener, ListenerConfig, bind};
use crate::{HttpClient, HttpClientConfig, Sources, http_client};

struct Signed {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate called `name`, signed by `by` or by itself as an authority.
fn certificate(name: &str, serial: u32, by: Option<&Signed>) -> Signed {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(by.map_or(&subject, |by| by.certificate.subject_name()))
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    if by.is_none() {
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
    } else {
        let names = SubjectAlternativeName::new()
            .dns(name)
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
    }
    builder
        .sign(by.map_or(&key, |by| &by.key), MessageDigest::sha256())
        .unwrap();
    Signed {
        certificate: builder.build(),
        key,
    }
}

fn write(folder: &Path, name: &str, signed: &Signed) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let (pem, key) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    );
    std::fs::write(&pem, signed.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(&key, signed.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    (pem, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_prove_their_name_by_certificate_and_old_protocols_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = certificate("root", 1, None);
    let stranger = certificate("stranger root", 2, None);
    let (root_pem, _) = write(folder.path(), "root", &root);
    let (server_pem, server_key) = write(
        folder.path(),
        "server",
        &certificate("localhost", 3, Some(&root)),
    );
    let client = write(folder.path(), "client", &certificate("idp", 4, Some(&root)));
    write(
        folder.path(),
        "caller",
        &certificate("before", 6, Some(&root)),
    );
    let unknown = write(
        folder.path(),
        "unknown",
        &certificate("idp", 5, Some(&stranger)),
    );
    let tls = TlsConfig {
        certificate_file: server_pem,
        key_file: server_key,
        client_certificates: ClientCertificates::Required,
        client_ca_file: Some(root_pem.clone()),
    };
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let context = Context::new(Sources::test(now, 1).0);
    let config = ListenerConfig {
        tls: Some(tls),
        workers: 1,
        ..ListenerConfig::at("127.0.0.1:0")
    };
    let listener = Listener::new("test", config, |services| {
        services.route(
            "/",
            web::get().to(|request: HttpRequest| async move {
                let shown = request.conn_data::<ClientCertificate>().unwrap();
                format!(
                    "{}:{}",
                    shown.common_name.as_deref().unwrap_or_default(),
                    shown.dns_names.join(",")
                )
            }),
        );
    });
    let bound = bind(vec![listener], None).unwrap();
    let address = bound.addresses()[0];
    let inner = context.clone();
    let running = tokio::spawn(async move { bound.run(&inner, "https://h").await });

    let get = |identity: Option<(PathBuf, PathBuf)>| {
        let (certificate, key) = identity.unzip();
        let client = http_client(&HttpClientConfig {
            root_ca_file: Some(root_pem.clone()),
            client_certificate_file: certificate,
            client_key_file: key,
            ..HttpClientConfig::default()
        })
        .unwrap();
        async move { client.get(format!("https://{address}/")).send().await }
    };
    let answer = get(Some(client)).await.unwrap();
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert_eq!(answer.text().await.unwrap(), "idp:idp");
    assert!(get(None).await.is_err(), "no certificate");
    a_renewed_client_shows_itself(&folder, &root, &root_pem, address).await;
    assert!(
        get(Some(unknown)).await.is_err(),
        "a certificate of another authority"
    );
    for arguments in [
        &["-tls1_1"][..],
        &["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"],
    ] {
        let mut command = std::process::Command::new("openssl");
        command
            .args(["s_client", "-brief", "-connect", &address.to_string()])
            .args(arguments);
        command.stdin(std::process::Stdio::null());
        let out = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(
            !text.contains("CONNECTION ESTABLISHED"),
            "{arguments:?}: {text}"
        );
    }
    context.tasks.shutdown().trigger();
    running.await.unwrap().unwrap();
}

/// A client with renewed files shows the new name, without being made anew; broken files change nothing.
async fn a_renewed_client_shows_itself(
    folder: &tempfile::TempDir,
    root: &Signed,
    root_pem: &Path,
    address: std::net::SocketAddr,
) {
    let file = |end: &str| folder.path().join(format!("caller.{end}"));
    let client = HttpClient::new(&HttpClientConfig {
        root_ca_file: Some(root_pem.to_owned()),
        client_certificate_file: Some(file("pem")),
        client_key_file: Some(file("key")),
        ..HttpClientConfig::default()
    })
    .unwrap();
    let name = || async {
        let call = client.current().get(format!("https://{address}/"));
        call.send().await.unwrap().text().await.unwrap()
    };
    let changed = |minutes: u64| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_mins(minutes);
        let pem = std::fs::File::options().append(true).open(file("pem"));
        pem.unwrap().set_modified(at).unwrap();
    };
    assert_eq!(name().await, "before:before");
    std::fs::write(file("pem"), "rubbish").unwrap();
    changed(1);
    assert_eq!(name().await, "before:before");
    write(
        folder.path(),
        "caller",
        &certificate("after", 7, Some(root)),
    );
    changed(2);
    assert_eq!(name().await, "after:after");
}

#[test]
fn a_renewed_certificate_is_noticed_and_a_broken_one_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let root = certificate("root", 1, None);
    let (pem, key) = write(
        folder.path(),
        "server",
        &certificate("localhost", 3, Some(&root)),
    );
    let config = TlsConfig {
        certificate_file: pem.clone(),
        key_file: key,
        ..TlsConfig::default()
    };
    let mut follower = Follower::new(config, Arc::default());
    assert!(!follower.look(), "nothing changed");
    std::fs::remove_file(&pem).unwrap();
    std::fs::write(&pem, "rubbish").unwrap();
    assert!(!follower.look(), "not usable");
    write(
        folder.path(),
        "server",
        &certificate("localhost", 4, Some(&root)),
    );
    assert!(follower.look(), "renewed");
    assert!(follower.renewed.read().unwrap().is_some());
    assert!(!follower.look(), "renewed once");
}
