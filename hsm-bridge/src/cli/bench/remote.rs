//! The gate beside the socket: the same calls over mutual TLS on this host.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hsm_bridge::KeyStoreError;
use hsm_bridge::client::{RemoteBridge, Transport};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use super::failed;
use super::place::{Place, Serving};

/// The name in the certificate, which serves both sides and certifies itself.
const NAME: &str = "bench.example";

/// Starts a gate to the daemon that serves.
pub(super) fn open(place: &Place) -> Result<Serving, KeyStoreError> {
    let wrong = |e: std::io::Error| failed("gate", e);
    write_identity(&place.folder)?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = free.map_err(wrong)?.to_string();
    let path = |name: &str| place.folder.join(name);
    let text = format!(
        "[gate]\nlisten = '{address}'\ncertificate = '{certificate}'\nkey = '{}'\nclient_ca = '{certificate}'\n\
         [[gate.caller]]\nname = 'bench'\ndns_name = '{NAME}'\nsocket = '{}'\n",
        path("tls.key").display(),
        path("bench.sock").display(),
        certificate = path("tls.pem").display(),
    );
    fs::write(path("gate.toml"), text).map_err(wrong)?;
    let child = place
        .command("gate")
        .arg("--config")
        .arg(path("gate.toml"))
        .spawn()
        .map_err(wrong)?;
    Ok(Serving {
        child,
        transport: Transport::Tls(RemoteBridge {
            address,
            server_name: NAME.to_owned(),
            server_ca: path("tls.pem"),
            certificate: path("tls.pem"),
            key: path("tls.key"),
        }),
    })
}

/// A certificate of a day and its key.
fn write_identity(folder: &Path) -> Result<(), KeyStoreError> {
    let made = || -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, NAME)?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(1)?)?;
        let names = SubjectAlternativeName::new()
            .dns(NAME)
            .build(&builder.x509v3_context(None, None))?;
        builder.append_extension(names)?;
        let purposes = ExtendedKeyUsage::new()
            .client_auth()
            .server_auth()
            .build()?;
        builder.append_extension(purposes)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok((builder.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
    };
    let (certificate, key) = made().map_err(|e| failed("certificate", e))?;
    let wrong = |e: std::io::Error| failed("certificate", e);
    fs::write(folder.join("tls.pem"), certificate).map_err(wrong)?;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join("tls.key"))
        .and_then(|mut file| file.write_all(&key))
        .map_err(wrong)
}
