//! What the ministry learns about a person.

use serde_json::Value;

/// A logged-in person: verified claims, never merely stated ones, where both exist.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// The identifier of the person at this ministry and nowhere else.
    pub(super) subject: String,
    /// Name in Latin letters.
    pub(super) name: String,
    /// Name in Khmer.
    pub(super) name_khmer: String,
    /// Birth date.
    pub(super) birthdate: String,
    /// E-mail, where it was shared.
    pub(super) email: String,
    /// The level reached, as number.
    pub(super) level: String,
    /// Everything that was received, for engineers.
    pub(super) raw: String,
    /// For logging out at the provider.
    pub(super) id_token: String,
}

impl Person {
    /// Reads what was received, after both were checked.
    pub(super) fn new(id_token: &str, claims: &Value, userinfo: &Value) -> Self {
        let verified = match userinfo.get("verified_claims") {
            Some(Value::Array(list)) => list.first(),
            other => other,
        };
        let text = |name: &str| {
            verified
                .and_then(|verified| verified.get("claims")?.get(name)?.as_str())
                .or_else(|| userinfo.get(name)?.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let acr = claims
            .get("acr")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let both = serde_json::json!({ "id_token": claims, "userinfo": userinfo });
        Self {
            subject: claims
                .get("sub")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            name: text("name"),
            name_khmer: text("name#km"),
            birthdate: text("birthdate"),
            email: text("email"),
            level: acr.rsplit(':').next().unwrap_or_default().to_owned(),
            raw: serde_json::to_string_pretty(&both).unwrap_or_default(),
            id_token: id_token.to_owned(),
        }
    }
}
