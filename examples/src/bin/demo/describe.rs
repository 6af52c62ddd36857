//! `demo.json` for scripts, and the words for people.

use examples::demo::folder::Folder;
use examples::demo::{Choices, ONLINE_TOKEN, ROOT_TOKEN};
use serde_json::{Value, json};

use super::people::Person;
use super::programs::{Client, read_json};

/// The version of the shape of `demo.json`.
const SHAPE: u32 = 1;

/// Writes `demo.json`. It holds secrets of invented people and is readable by its owner alone.
pub(crate) fn write(
    folder: &Folder,
    choices: &Choices,
    clients: &[Client],
    people: &[Person],
) -> Result<(), String> {
    let address = |port: u16| format!("http://localhost:{port}");
    let ports = choices.ports;
    let hierarchy: Value = read_json(&folder.path("ceremony/hierarchy.json"))?;
    let file = |entry: &Value| {
        let name = entry
            .get("certificate")
            .and_then(Value::as_str)
            .unwrap_or_default();
        folder.text(&format!("ceremony/{name}"))
    };
    let empty = Vec::new();
    let issuing: Vec<Value> = hierarchy
        .get("issuing")
        .and_then(Value::as_array)
        .unwrap_or(&empty)
        .iter()
        .map(|entry| json!({ "key": entry.get("key"), "certificate": file(entry) }))
        .collect();
    let parties: serde_json::Map<String, Value> = clients
        .iter()
        .filter_map(|client| {
            let callback = client.redirect_uris.first()?.strip_suffix("/callback")?;
            Some((client.relying_party?.to_owned(), json!(callback)))
        })
        .collect();
    let clients: Vec<Value> = clients
        .iter()
        .map(|client| describe_client(folder, choices, client))
        .collect::<Result<_, _>>()?;
    let demo = json!({
        "version": SHAPE,
        "environment": "development",
        "data": folder.text(""),
        "supervisor_pid": std::process::id(),
        "tls": choices.tls,
        "issuer": choices.idp(),
        "endpoints": {
            "idp": choices.idp(),
            "ca": choices.ca(),
            "ocsp": format!("{}/ocsp", address(ports.ocsp())),
            "crl": format!("{}/crl", address(ports.ocsp())),
            "tsa": format!("{}/tsa", address(ports.tsa())),
            "outbox": format!("{}/outbox", choices.idp()),
            "relying_parties": parties,
        },
        "health": {
            "idp": address(ports.idp_admin()),
            "ca": address(ports.ca_admin()),
            "ocsp": address(ports.ocsp_admin()),
        },
        "root": file(hierarchy.get("root").unwrap_or(&Value::Null)),
        "issuing": issuing,
        "hierarchy": folder.text("ceremony/hierarchy.json"),
        "tokens": [
            { "label": ONLINE_TOKEN, "softhsm_conf": folder.text("token/softhsm2.conf"), "pin_file": folder.text("secrets/online.pin") },
            { "label": ROOT_TOKEN, "softhsm_conf": folder.text("root-token/softhsm2.conf"), "pin_file": folder.text("secrets/root.pin") },
        ],
        "processes": folder.text("run"),
        "clients": clients,
        "people": people,
    });
    let text = serde_json::to_string_pretty(&demo).map_err(|e| e.to_string())?;
    folder.write_secret("demo.json", &text).map(drop)
}

fn describe_client(folder: &Folder, choices: &Choices, client: &Client) -> Result<Value, String> {
    let mut value = json!({
        "id": client.id,
        "name": client.name,
        "authentication_method": client.method,
        "redirect_uris": client.redirect_uris,
    });
    let mut set = |name: &str, content: Value| {
        if let Some(entries) = value.as_object_mut() {
            entries.insert(name.to_owned(), content);
        }
    };
    if client.method == "private_key_jwt" {
        set("key_file", json!(client.credential.display().to_string()));
    } else {
        set("secret", json!(client.secret()?));
    }
    if choices.tls && client.relying_party.is_none() {
        // Machines reach the authority with a client certificate.
        set(
            "client_certificate_file",
            json!(folder.text(&format!("tls/{}.pem", client.id))),
        );
        set(
            "client_key_file",
            json!(folder.text(&format!("tls/{}.key", client.id))),
        );
    }
    Ok(value)
}

/// Says where to go and what to try.
pub(crate) fn tell(folder: &Folder, choices: &Choices, people: &[Person]) {
    let idp = choices.idp();
    println!(
        "\nRomduol is running.\n\n  \
         {idp}/            open an account (Khmer; English by the link at the top)\n  \
         {}/            a ministry: General Department of Taxation\n  \
         {}/            another one: National Social Security Fund\n  \
         {idp}/desk        the desk where operators decide\n  \
         {idp}/sign        officials sign documents\n  \
         {idp}/outbox      the messages that would have been sent\n",
        choices.site(choices.ports.taxation()),
        choices.site(choices.ports.social_security()),
    );
    if choices.tls {
        tell_trust(&folder.text("tls/root.pem"));
    }
    println!(
        "  People you can be (passwords and one-time-code secrets: {}):",
        folder.text("demo.json")
    );
    for person in people {
        let way = match (&person.login, &person.case_number) {
            (Some(login), _) => format!("signs in as {}", login.identifier),
            (None, Some(number)) => format!("case {number}"),
            (None, None) => String::new(),
        };
        println!(
            "    {:<9} {:<22} {:<13} {way}",
            person.role, person.name.latin, person.state
        );
    }
    println!(
        "\n  Try: apply with the card IDKHM1234567897, approve it at the desk as two different operators, activate the\n  \
         account with the code from the outbox, then sign in to the ministry. Ctrl-C stops everything."
    );
}

/// Browsers do not know this demo's root: says how they learn it, and that they should forget it again.
fn tell_trust(root: &str) {
    println!(
        "  Your browser does not trust this demo's root yet. For Chromium and Chrome on Linux:\n    \
         certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n romduol-demo -i {root}\n  \
         For Firefox: Settings, Certificates, View Certificates, Authorities, Import, and this file. Its key lies in\n  \
         this data folder, so take it out again when you are done:\n    \
         certutil -d sql:$HOME/.pki/nssdb -D -n romduol-demo\n  \
         With curl: curl --cacert {root} ...\n"
    );
}
