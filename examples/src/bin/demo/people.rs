//! The people of the demo: staff by command, citizens through the pages that people use, none of them real.

use examples::demo::folder::Folder;
use serde::{Deserialize, Serialize};

use super::application::{self, Applicant};
use super::programs::{Programs, read_json};
use super::visitor::{Site, Visitor};

/// The file that keeps the demo's people between two starts with the same folder.
const PEOPLE: &str = "secrets/people.json";

/// A person, as `demo.json` tells of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Person {
    /// operator, official or citizen.
    pub(crate) role: String,
    pub(crate) name: Name,
    /// Where they stand: active, waiting, second-check, asked, approved.
    pub(crate) state: String,
    /// What they sign in with; absent before they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Login>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) office: Option<String>,
    /// Number of their application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case_number: Option<String>,
    /// The code to come back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) continuation_code: Option<String>,
    /// The code to activate an approved account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) activation_code: Option<String>,
}

/// A name in both scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) km: String,
    pub(crate) latin: String,
}

/// The way in without script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) identifier: String,
    pub(crate) password: String,
    /// Base32 secret of the authenticator app (RFC 6238: SHA-1, 30 seconds, 6 digits).
    pub(crate) totp_secret: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) recovery_codes: Vec<String>,
}

/// What the file of `idp staff add` says.
#[derive(Deserialize)]
struct Handover {
    identifier: String,
    password: String,
    totp_secret: String,
}

struct Staff {
    file: &'static str,
    role: &'static str,
    khmer: &'static str,
    latin: &'static str,
    identifier: &'static str,
    office: &'static str,
}

const STAFF: [Staff; 3] = [
    Staff {
        file: "operator-1",
        role: "operator",
        khmer: "ចាន់ សុភាព",
        latin: "Chan Sopheap",
        identifier: "sopheap@desk.gov.kh",
        office: "Chamkar Mon office",
    },
    Staff {
        file: "operator-2",
        role: "operator",
        khmer: "គឹម វណ្ណា",
        latin: "Kim Vanna",
        identifier: "vanna@desk.gov.kh",
        office: "Battambang office",
    },
    Staff {
        file: "official",
        role: "official",
        khmer: "កែវ រិទ្ធី",
        latin: "Keo Rithy",
        identifier: "rithy@mptc.gov.kh",
        office: "Ministry of Post and Telecommunications",
    },
];

/// How far each citizen gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Active,
    Waiting,
    SecondCheck,
    Asked,
    Approved,
}

const CITIZENS: [(Applicant, Stage); 5] = [
    (
        Applicant {
            number: "104512348",
            birth: "880214",
            sex: "F",
            family_km: "ចន្ទ",
            given_km: "បុប្ផា",
            family_la: "CHAN",
            given_la: "BOPHA",
            contact: "bopha@example.org",
            picture: 11,
        },
        Stage::Active,
    ),
    (
        Applicant {
            number: "204512349",
            birth: "750611",
            sex: "M",
            family_km: "កែវ",
            given_km: "សុផល",
            family_la: "KEO",
            given_la: "SOPHAL",
            contact: "sophal@example.org",
            picture: 12,
        },
        Stage::Waiting,
    ),
    (
        Applicant {
            number: "304512350",
            birth: "991203",
            sex: "F",
            family_km: "មាស",
            given_km: "ស្រីមុំ",
            family_la: "MEAS",
            given_la: "SREYMOM",
            contact: "sreymom@example.org",
            picture: 13,
        },
        Stage::SecondCheck,
    ),
    (
        Applicant {
            number: "404512351",
            birth: "820930",
            sex: "M",
            family_km: "លឹម",
            given_km: "ចិន្តា",
            family_la: "LIM",
            given_la: "CHENDA",
            contact: "chenda@example.org",
            picture: 14,
        },
        Stage::Asked,
    ),
    (
        Applicant {
            number: "504512352",
            birth: "010505",
            sex: "F",
            family_km: "ហេង",
            given_km: "សុវណ្ណារី",
            family_la: "HENG",
            given_la: "SOVANNARY",
            contact: "sovannary@example.org",
            picture: 15,
        },
        Stage::Approved,
    ),
];

/// Introduces everybody, or finds those of an earlier start.
pub(crate) async fn seed(
    folder: &Folder,
    site: &Site,
    programs: &Programs,
) -> Result<Vec<Person>, String> {
    let kept = folder.path(PEOPLE);
    if kept.exists() {
        return read_json(&kept);
    }
    let mut people = Vec::new();
    for staff in &STAFF {
        people.push(add_staff(folder, programs, staff).await?);
    }
    let first = desk_of(site, people.first()).await?;
    let second = desk_of(site, people.get(1)).await?;
    for (applicant, stage) in &CITIZENS {
        people.push(citizen(site, applicant, *stage, &first, &second).await?);
    }
    let text = serde_json::to_string_pretty(&people).map_err(|e| e.to_string())?;
    folder.write_secret(PEOPLE, &text)?;
    Ok(people)
}

async fn add_staff(folder: &Folder, programs: &Programs, staff: &Staff) -> Result<Person, String> {
    let file = folder.path(&format!("secrets/{}.json", staff.file));
    let (path, settings) = (file.display().to_string(), folder.text("romduol.toml"));
    let arguments = [
        "staff",
        "add",
        "--config",
        &settings,
        "--name",
        staff.latin,
        "--identifier",
        staff.identifier,
        "--role",
        staff.role,
        "--office",
        staff.office,
        "--secret-file",
        &path,
    ];
    if !file.exists() {
        programs.run("idp", &arguments, &[]).await?;
    }
    let handover: Handover = read_json(&file)?;
    Ok(Person {
        role: staff.role.to_owned(),
        name: Name {
            km: staff.khmer.to_owned(),
            latin: staff.latin.to_owned(),
        },
        state: "active".to_owned(),
        login: Some(Login {
            identifier: handover.identifier,
            password: handover.password,
            totp_secret: handover.totp_secret,
            recovery_codes: Vec::new(),
        }),
        office: Some(staff.office.to_owned()),
        case_number: None,
        continuation_code: None,
        activation_code: None,
    })
}

/// Signs an operator in.
async fn desk_of(site: &Site, operator: Option<&Person>) -> Result<Visitor, String> {
    let login = operator
        .and_then(|person| person.login.as_ref())
        .ok_or("no operator")?;
    let visitor = Visitor::new(site)?;
    let page = visitor.open("/sign-in?return_to=/desk").await?;
    let page = visitor
        .submit(&page, "/sign-in", &[("identifier", &login.identifier)])
        .await?;
    let code = one_time_code(&login.totp_secret)?;
    let values = [
        ("password", login.password.as_str()),
        ("code", code.as_str()),
    ];
    let page = visitor.submit(&page, "/sign-in/password", &values).await?;
    if page.url.path() == "/desk" {
        Ok(visitor)
    } else {
        Err(format!(
            "operator {} cannot sign in: {}",
            login.identifier,
            page.gist()
        ))
    }
}

/// The code that an authenticator app shows now.
pub(crate) fn one_time_code(secret: &str) -> Result<String, String> {
    let secret = totp_rs::Secret::try_from_base32(secret).map_err(|e| e.to_string())?;
    let made = totp_rs::Builder::new()
        .with_secret(secret)
        .build()
        .map_err(|e| e.to_string())?;
    Ok(made.generate_current().to_string())
}

async fn citizen(
    site: &Site,
    applicant: &Applicant,
    stage: Stage,
    first: &Visitor,
    second: &Visitor,
) -> Result<Person, String> {
    let visitor = Visitor::new(site)?;
    let receipt = application::apply(&visitor, applicant).await?;
    let mut person = Person {
        role: "citizen".to_owned(),
        name: Name {
            km: applicant.khmer(),
            latin: applicant.latin(),
        },
        state: "waiting".to_owned(),
        login: None,
        office: None,
        case_number: Some(receipt.number.clone()),
        continuation_code: Some(receipt.code),
        activation_code: None,
    };
    match stage {
        Stage::Waiting => {}
        Stage::Asked => {
            application::ask_for_more(first, &receipt.number).await?;
            "asked".clone_into(&mut person.state);
        }
        Stage::SecondCheck => {
            application::approve(first, &receipt.number).await?;
            "second-check".clone_into(&mut person.state);
        }
        Stage::Approved | Stage::Active => {
            application::approve(first, &receipt.number).await?;
            application::approve(second, &receipt.number).await?;
            let code = application::activation_code(&visitor, applicant.contact).await?;
            "approved".clone_into(&mut person.state);
            if stage == Stage::Active {
                let login = application::activate(&visitor, &code, applicant.contact).await?;
                person.login = Some(login);
                "active".clone_into(&mut person.state);
            } else {
                person.activation_code = Some(code);
            }
        }
    }
    Ok(person)
}
