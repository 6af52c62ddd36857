//! One application from first page to activated account, as a person without script does it.

use super::people::{Login, one_time_code};
use super::visitor::{File, Page, Visitor};

/// The end of validity of every card of the demo.
const EXPIRY: &str = "330101";
/// The size of the drawn pictures.
const PICTURE: (u32, u32) = (640, 400);
/// The password of the demo's one activated citizen: the account is made up and lives in this folder alone.
const PASSWORD: &str = "romduol flowers in april";

/// An invented person with an invented card.
#[derive(Clone, Debug)]
pub(crate) struct Applicant {
    pub(crate) number: &'static str,
    /// YYMMDD.
    pub(crate) birth: &'static str,
    pub(crate) sex: &'static str,
    pub(crate) family_km: &'static str,
    pub(crate) given_km: &'static str,
    pub(crate) family_la: &'static str,
    pub(crate) given_la: &'static str,
    pub(crate) contact: &'static str,
    /// Seed of the pictures, so that no two people hand in the same.
    pub(crate) picture: u8,
}

/// What the last page says.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) number: String,
    pub(crate) code: String,
}

impl Applicant {
    pub(crate) fn khmer(&self) -> String {
        format!("{} {}", self.family_km, self.given_km)
    }

    pub(crate) fn latin(&self) -> String {
        format!("{} {}", self.family_la, self.given_la)
    }

    /// The card's machine-readable zone (ICAO 9303-5, TD1).
    fn zone(&self) -> String {
        let first = format!(
            "IDKHM{}{}{:<<15}",
            self.number,
            check_digit(self.number),
            ""
        );
        let dates = format!(
            "{}{}{}{EXPIRY}{}KHM{:<<11}",
            self.birth,
            check_digit(self.birth),
            self.sex,
            check_digit(EXPIRY),
            ""
        );
        let over = [
            first.get(5..30),
            dates.get(0..7),
            dates.get(8..15),
            dates.get(18..29),
        ];
        let composite = check_digit(&over.into_iter().flatten().collect::<String>());
        let name = format!("{}<<{}", self.family_la, self.given_la);
        format!("{first}\n{dates}{composite}\n{name:<<30}")
    }

    /// A drawn picture; `salt` tells the sides of the card apart.
    fn picture(&self, salt: u8) -> Result<Vec<u8>, String> {
        let tint = self
            .picture
            .wrapping_mul(13)
            .wrapping_add(salt.wrapping_mul(61));
        let picture = image::RgbImage::from_fn(PICTURE.0, PICTURE.1, |x, y| {
            let stripe =
                u8::try_from((x / 40 + y / 40 + u32::from(salt)) % 2).unwrap_or_default() * 24;
            image::Rgb([
                tint.saturating_add(stripe),
                (tint ^ 0x55).saturating_add(stripe),
                200_u8.saturating_sub(stripe),
            ])
        });
        let mut out = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut out, image::ImageFormat::Png)
            .map_err(|e| e.to_string())?;
        Ok(out.into_inner())
    }
}

/// Weights 7, 3, 1 over the characters' values, modulo ten (ICAO 9303-3 §4.9).
fn check_digit(text: &str) -> u32 {
    let value = |character: char| character.to_digit(36).unwrap_or_default();
    text.chars()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(c, weight)| value(c) * weight)
        .sum::<u32>()
        % 10
}

fn expect(page: &Page, path: &str) -> Result<(), String> {
    if page.url.path() == path {
        Ok(())
    } else {
        Err(format!(
            "expected {path}, got {} ({}): {}",
            page.url.path(),
            page.status,
            page.gist()
        ))
    }
}

/// Fills every page up to the receipt.
pub(crate) async fn apply(visitor: &Visitor, who: &Applicant) -> Result<Receipt, String> {
    let page = visitor.open("/apply").await?;
    let page = visitor.submit(&page, "/apply", &[]).await?;
    expect(&page, "/apply/who")?;
    let page = visitor
        .submit(&page, "/apply/who", &[("choice", "national")])
        .await?;
    expect(&page, "/apply/document")?;
    let page = visitor
        .submit(&page, "/apply/document", &[("choice", "national_id_card")])
        .await?;
    expect(&page, "/apply/number")?;
    let zone = who.zone();
    let page = visitor
        .submit(
            &page,
            "/apply/number",
            &[("number", who.number), ("zone", &zone)],
        )
        .await?;
    expect(&page, "/apply/photos")?;
    let mut files = Vec::new();
    for (salt, field) in [(0, "front"), (1, "back"), (2, "portrait")] {
        files.push(File {
            field,
            name: "photo.png",
            kind: "image/png",
            content: who.picture(salt)?,
        });
    }
    let page = visitor
        .submit_files(&page, "/apply/photos", &[], files)
        .await?;
    expect(&page, "/apply/name")?;
    let names = [
        ("family_km", who.family_km),
        ("given_km", who.given_km),
        ("family_la", who.family_la),
        ("given_la", who.given_la),
    ];
    let page = visitor.submit(&page, "/apply/name", &names).await?;
    expect(&page, "/apply/contact")?;
    let page = visitor
        .submit(&page, "/apply/contact", &[("contact", who.contact)])
        .await?;
    expect(&page, "/apply/contact/code")?;
    let code = message(visitor, who.contact, "code is ").await?;
    let page = visitor
        .submit(&page, "/apply/contact/code", &[("code", &code)])
        .await?;
    expect(&page, "/apply/check")?;
    let page = visitor.submit(&page, "/apply/check", &[]).await?;
    expect(&page, "/apply/receipt")?;
    let number = page
        .text_of("case-number")
        .ok_or("the receipt has no number")?;
    let code = page
        .text_of("continuation-code")
        .ok_or("the receipt has no code")?;
    Ok(Receipt { number, code })
}

/// The word after `before` in the newest message to an address, as the development outbox shows it.
async fn message(visitor: &Visitor, to: &str, before: &str) -> Result<String, String> {
    let page = visitor.open("/outbox").await?;
    let mark = format!("data-to=\"{to}\"");
    let words = page
        .body
        .split("<article")
        .filter(|article| article.contains(&mark))
        .find_map(|article| {
            let (_, after) = article.split_once(before)?;
            after
                .split(|c: char| c.is_whitespace() || c == '.' || c == '<')
                .next()
                .map(ToOwned::to_owned)
        });
    words.ok_or_else(|| format!("no message with \"{before}\" for {to} in the outbox"))
}

/// The code that invites an approved person.
pub(crate) async fn activation_code(visitor: &Visitor, to: &str) -> Result<String, String> {
    message(visitor, to, "Code: ").await
}

/// Chooses a password and an authenticator app, confirms a recovery code.
pub(crate) async fn activate(
    visitor: &Visitor,
    code: &str,
    contact: &str,
) -> Result<Login, String> {
    let page = visitor.open("/account/activate").await?;
    let page = visitor
        .submit(&page, "/account/activate", &[("code", code)])
        .await?;
    expect(&page, "/account/activate/choose")?;
    let page = visitor.open("/account/activate/password").await?;
    let page = visitor
        .submit(
            &page,
            "/account/activate/password",
            &[("password", PASSWORD)],
        )
        .await?;
    expect(&page, "/account/activate/app")?;
    let secret = page
        .text_of("app-secret")
        .ok_or("no authenticator secret")?
        .replace(' ', "");
    let one_time = one_time_code(&secret)?;
    let page = visitor
        .submit(&page, "/account/activate/app", &[("code", &one_time)])
        .await?;
    expect(&page, "/account/activate/recovery")?;
    let list = page
        .body
        .split("id=\"recovery-codes\"")
        .nth(1)
        .unwrap_or_default();
    let list = list.split("</ol>").next().unwrap_or_default();
    let codes: Vec<String> = list
        .split("<li>")
        .skip(1)
        .filter_map(|item| item.split('<').next())
        .map(|item| item.trim().to_owned())
        .collect();
    let confirmed = codes.first().ok_or("no recovery codes")?;
    let page = visitor
        .submit(&page, "/account/activate/recovery", &[("code", confirmed)])
        .await?;
    expect(&page, "/account/activate/done")?;
    Ok(Login {
        identifier: contact.to_owned(),
        password: PASSWORD.to_owned(),
        totp_secret: secret,
        recovery_codes: codes,
    })
}

/// Takes a case and opens it.
async fn take(desk: &Visitor, number: &str) -> Result<Page, String> {
    let queue = desk.open("/desk").await?;
    let row = queue
        .body
        .split("<tr id=\"case-")
        .find(|row| row.contains(number));
    let id = row
        .and_then(|row| row.split('"').next())
        .ok_or_else(|| format!("case {number} is not in the queue: {}", queue.gist()))?
        .to_owned();
    let case = format!("/desk/cases/{id}");
    let page = desk.submit(&queue, &format!("{case}/lease"), &[]).await?;
    expect(&page, &case)?;
    Ok(page)
}

/// Decides that the case is right.
pub(crate) async fn approve(desk: &Visitor, number: &str) -> Result<(), String> {
    let page = take(desk, number).await?;
    let ticks = [
        ("document_genuine", "yes"),
        ("face_matches", "yes"),
        ("verdict", "approve"),
    ];
    let page = desk.submit(&page, "/decision", &ticks).await?;
    if page.status == 200 && !page.has("refusal") && !page.has("error-summary") {
        Ok(())
    } else {
        Err(format!(
            "case {number} could not be approved: {}",
            page.gist()
        ))
    }
}

/// Asks the applicant for a better picture.
pub(crate) async fn ask_for_more(desk: &Visitor, number: &str) -> Result<(), String> {
    let page = take(desk, number).await?;
    let values = [
        ("reason", "picture_unreadable"),
        ("verdict", "ask_for_more"),
    ];
    let page = desk.submit(&page, "/decision", &values).await?;
    if page.status == 200 && !page.has("refusal") && !page.has("error-summary") {
        Ok(())
    } else {
        Err(format!(
            "case {number} could not be sent back: {}",
            page.gist()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_the_one_of_the_handbook() {
        let who = Applicant {
            number: "123456789",
            birth: "900101",
            sex: "F",
            family_km: "",
            given_km: "",
            family_la: "SOK",
            given_la: "DARA",
            contact: "",
            picture: 1,
        };
        assert_eq!(
            who.zone(),
            "IDKHM1234567897<<<<<<<<<<<<<<<\n9001011F3301018KHM<<<<<<<<<<<2\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<"
        );
    }
}
