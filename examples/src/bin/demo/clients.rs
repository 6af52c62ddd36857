//! The demo's clients: two ministries and a machine of the certificate office, each with its grant.

use std::fmt::Write as _;

use super::children::{Children, Plan, Ready};
use super::programs::{Client, Programs};

use examples::demo::folder::Folder;
use examples::demo::{Choices, Stage};

use base64ct::{Base64UrlUnpadded, Encoding};
use openssl::pkey::PKey;

/// The machine that asks `ca` for certificates and their end.
const OFFICER: &str = r#"
id = "ca-officer"
kind = "machine"
name = { km = "ការិយាល័យវិញ្ញាបនបត្រ", en = "Certificate Office" }
organization = { km = "ក្រសួងប្រៃសណីយ៍ និងទូរគមនាគមន៍", en = "Ministry of Post and Telecommunications" }
mark = "CA"
auth_method = "client_secret_basic"
machine_scopes = ["ca.issue", "ca.revoke", "ca.read"]
resources = ["{ca}"]
"#;

/// The tax office: a secret, and e-mail as a choice.
const TAXATION: &str = r#"
id = "gdt"
name = { km = "អគ្គនាយកដ្ឋានពន្ធដារ", en = "General Department of Taxation" }
organization = { km = "អគ្គនាយកដ្ឋានពន្ធដារ", en = "General Department of Taxation" }
mark = "GDT"
auth_method = "client_secret_basic"
redirect_uris = ["{address}/callback"]
post_logout_redirect_uris = ["{address}/"]
sector = "tax.gov.kh"

[grant]
number = "2026-GDT-0141"
applicant = { km = "អគ្គនាយកដ្ឋានពន្ធដារ", en = "General Department of Taxation" }
granted_by = { km = "ក្រសួងមហាផ្ទៃ", en = "Ministry of Interior" }
legal_basis = { km = "មាត្រា ២៩ នៃច្បាប់ស្ដីពីរដ្ឋាភិបាលឌីជីថល", en = "article 29 of the Law on Digital Government" }
reason = { km = "ដើម្បីដាក់លិខិតប្រកាសពន្ធលើប្រាក់ចំណូលរបស់អ្នក", en = "To file your income declaration." }
not_after = "2031-12-31T23:59:59Z"
retention_days = 365

[[grant.data]]
id = "name"
scope = "profile"
claims = ["name", "name#km", "given_name", "given_name#km", "family_name", "family_name#km"]
purpose = { km = "សរសេរលើលិខិតប្រកាសរបស់អ្នក", en = "Goes on your declaration." }

[[grant.data]]
id = "birthdate"
scope = "profile"
claims = ["birthdate"]
purpose = { km = "សម្គាល់មនុស្សដែលមានឈ្មោះដូចគ្នា", en = "Tells two people of the same name apart." }

[[grant.data]]
id = "identity"
scope = "identity"
purpose = { km = "ការប្រកាសពន្ធត្រូវការអត្តសញ្ញាណដែលមន្ត្រីបានពិនិត្យ", en = "Filing asks for an identity checked by an officer." }

[[grant.data]]
id = "email"
scope = "email"
required = false
purpose = { km = "ផ្ញើបង្កាន់ដៃទៅអ្នក", en = "They send the receipt there." }
"#;

/// The social security fund: a key of its own.
const SOCIAL_SECURITY: &str = r#"
id = "nssf"
name = { km = "បេឡាជាតិសន្តិសុខសង្គម", en = "National Social Security Fund" }
organization = { km = "បេឡាជាតិសន្តិសុខសង្គម", en = "National Social Security Fund" }
mark = "NSSF"
auth_method = "private_key_jwt"
redirect_uris = ["{address}/callback"]
post_logout_redirect_uris = ["{address}/"]
sector = "nssf.gov.kh"

[[jwks.keys]]
kty = "OKP"
crv = "Ed25519"
alg = "EdDSA"
use = "sig"
x = "{key}"

[grant]
number = "2026-NSSF-0007"
applicant = { km = "បេឡាជាតិសន្តិសុខសង្គម", en = "National Social Security Fund" }
granted_by = { km = "ក្រសួងមហាផ្ទៃ", en = "Ministry of Interior" }
legal_basis = { km = "មាត្រា ២៩ នៃច្បាប់ស្ដីពីរដ្ឋាភិបាលឌីជីថល", en = "article 29 of the Law on Digital Government" }
reason = { km = "ដើម្បីបង្ហាញភាគទានសន្តិសុខសង្គមរបស់អ្នក", en = "To show your social security contributions." }
not_after = "2031-12-31T23:59:59Z"

[[grant.data]]
id = "name"
scope = "profile"
claims = ["name", "name#km", "given_name", "given_name#km", "family_name", "family_name#km"]
purpose = { km = "ស្វែងរកកំណត់ត្រារបស់អ្នក", en = "Finds your record." }

[[grant.data]]
id = "birthdate"
scope = "profile"
claims = ["birthdate"]
purpose = { km = "សម្គាល់មនុស្សដែលមានឈ្មោះដូចគ្នា", en = "Tells two people of the same name apart." }

[[grant.data]]
id = "identity"
scope = "identity"
purpose = { km = "កំណត់ត្រាភាគទានបើកឱ្យតែម្ចាស់", en = "Records are shown to their owner alone." }
"#;

impl Programs {
    /// Registers the clients that are not registered yet.
    pub(crate) async fn register_clients(
        &self,
        folder: &Folder,
        choices: &Choices,
    ) -> Result<Vec<Client>, String> {
        let address = |port: u16| choices.site(port);
        let ports = choices.ports;
        let taxation = TAXATION.replace("{address}", &address(ports.taxation()));
        let key = own_key(folder, "secrets/nssf-key.pem")?;
        let social = SOCIAL_SECURITY
            .replace("{address}", &address(ports.social_security()))
            .replace("{key}", &key);
        self.register(folder, Stage::Service, "gdt", &taxation, true)
            .await?;
        self.register(folder, Stage::Service, "nssf", &social, false)
            .await?;
        let office = self
            .register_office(folder, choices, Stage::Service)
            .await?;
        let callback = |port: u16| vec![format!("{}/callback", address(port))];
        Ok(vec![
            Client {
                id: "gdt".to_owned(),
                name: "General Department of Taxation",
                method: "client_secret_basic",
                redirect_uris: callback(ports.taxation()),
                credential: folder.path("secrets/gdt.secret"),
                relying_party: Some("taxation"),
            },
            Client {
                id: "nssf".to_owned(),
                name: "National Social Security Fund",
                method: "private_key_jwt",
                redirect_uris: callback(ports.social_security()),
                credential: folder.path("secrets/nssf-key.pem"),
                relying_party: Some("social_security"),
            },
            office,
        ])
    }

    /// Registers the machine of the certificate office if it is not yet.
    pub(crate) async fn register_office(
        &self,
        folder: &Folder,
        choices: &Choices,
        stage: Stage,
    ) -> Result<Client, String> {
        let officer = OFFICER.replace("{ca}", &choices.ca());
        self.register(folder, stage, "ca-officer", &officer, true)
            .await?;
        Ok(Client {
            id: "ca-officer".to_owned(),
            name: "Certificate Office",
            method: "client_secret_basic",
            redirect_uris: Vec::new(),
            credential: folder.path("secrets/ca-officer.secret"),
            relying_party: None,
        })
    }

    async fn register(
        &self,
        folder: &Folder,
        stage: Stage,
        id: &str,
        registration: &str,
        has_secret: bool,
    ) -> Result<(), String> {
        let done = format!("secrets/{id}.registered");
        if folder.path(&done).exists() {
            return Ok(());
        }
        let file = folder
            .write(&format!("secrets/{id}.toml"), registration)?
            .display()
            .to_string();
        let (settings, secret) = (
            folder.text(stage.file()),
            folder.text(&format!("secrets/{id}.secret")),
        );
        let mut arguments = vec!["client", "add", "--config", &settings, "--file", &file];
        if has_secret {
            arguments.extend(["--secret-file", &secret]);
        }
        self.run("idp", &arguments, &[]).await?;
        folder.write(&done, "").map(drop)
    }

    /// Starts the two ministries.
    pub(crate) async fn start_ministries(
        &self,
        folder: &Folder,
        choices: &Choices,
        children: &mut Children,
        clients: &[Client],
    ) -> Result<(), String> {
        let issuer = choices.idp();
        let ports = [choices.ports.taxation(), choices.ports.social_security()];
        let names = [
            (
                "taxation",
                "អគ្គនាយកដ្ឋានពន្ធដារ",
                "GDT",
                "openid profile identity email",
            ),
            (
                "social-security",
                "បេឡាជាតិសន្តិសុខសង្គម",
                "NSSF",
                "openid profile identity",
            ),
        ];
        for ((client, port), (name, khmer, mark, scope)) in clients.iter().zip(ports).zip(names) {
            let mut settings = format!(
                "issuer = \"{issuer}\"\nclient_id = \"{}\"\nauth_method = \"{}\"\n{} = \"{}\"\nport = {port}\n\
                 name_en = \"{}\"\nname_km = \"{khmer}\"\nmark = \"{mark}\"\nscope = \"{scope}\"\n",
                client.id,
                client.method,
                if client.method == "private_key_jwt" {
                    "key_file"
                } else {
                    "secret_file"
                },
                client.credential.display(),
                client.name,
            );
            if choices.tls {
                // Writing to a string does not fail.
                for (key, file) in [
                    ("tls_certificate_file", format!("tls/{name}.pem")),
                    ("tls_key_file", format!("tls/{name}.key")),
                    ("root_ca_file", "tls/root.pem".to_owned()),
                ] {
                    let _ = writeln!(settings, "{key} = \"{}\"", folder.text(&file));
                }
            }
            let file = folder.write(&format!("{name}.toml"), &settings)?;
            children
                .start(Plan {
                    name,
                    program: self.path("ministry"),
                    arguments: vec!["--config".to_owned(), file.display().to_string()],
                    environment: Vec::new(),
                    ready: Ready::Http(format!("{}/", choices.site(port))),
                })
                .await?;
        }
        Ok(())
    }
}

/// Makes the ministry's own key (Ed25519, PKCS#8) once; returns its public half, base64url.
fn own_key(folder: &Folder, name: &str) -> Result<String, String> {
    let path = folder.path(name);
    let key = if path.exists() {
        let pem = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        PKey::private_key_from_pem(&pem)
    } else {
        PKey::generate_ed25519()
    }
    .map_err(|e| format!("{name}: {e}"))?;
    if !path.exists() {
        let pem = key
            .private_key_to_pem_pkcs8()
            .map_err(|e| format!("{name}: {e}"))?;
        folder.write_secret(name, &String::from_utf8_lossy(&pem))?;
    }
    let public = key.raw_public_key().map_err(|e| format!("{name}: {e}"))?;
    Ok(Base64UrlUnpadded::encode_string(&public))
}
