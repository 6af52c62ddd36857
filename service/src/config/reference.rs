//! The reference page of a section, from the doc comments of its structs and the values of its default.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::ConfigError;

/// One field as its source says it.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    kind: String,
    doc: String,
}

/// The page of `section`, whose root struct is `root`. `sources` are the files (`include_str!`) that declare it and
/// the structs it contains. Every field must be documented.
pub fn reference<T: Serialize + Default>(
    section: &str,
    root: &str,
    sources: &[&str],
) -> Result<String, ConfigError> {
    let defaults = toml::Value::try_from(T::default())
        .map_err(|error| ConfigError::Value(error.to_string()))?;
    let mut page = format!(
        "# Configuration of `{section}`\n\nGenerated from the code; a test keeps it current. Section `[{section}]` of \
         `romduol.toml`; each key may be given as variable `ROMDUOL__{}__KEY` (`__` between levels).\n\n\
         | key | default | meaning |\n|---|---|---|\n",
        section.to_uppercase()
    );
    describe(&mut page, "", root, Some(&defaults), sources)?;
    Ok(page)
}

fn describe(
    page: &mut String,
    prefix: &str,
    name: &str,
    defaults: Option<&toml::Value>,
    sources: &[&str],
) -> Result<(), ConfigError> {
    let fields = sources
        .iter()
        .find_map(|source| fields(source, name))
        .unwrap_or_default();
    for field in fields {
        let key = format!("{prefix}{}", field.name);
        if field.doc.is_empty() {
            return Err(ConfigError::Value(format!("{key} is not documented")));
        }
        let default = defaults.and_then(|value| value.get(&field.name));
        let inner = innermost(&field.kind);
        let nested = sources.iter().any(|source| fields_exist(source, inner));
        let shown = match default {
            Some(value) if !nested => format!("`{}`", value.to_string().trim()),
            Some(_) => String::new(),
            None => "none".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{key}` | {} | {} |",
            shown.replace('|', "\\|"),
            field.doc.replace('|', "\\|")
        );
        if nested {
            let mark = if field.kind.contains("Vec<") {
                "[]."
            } else {
                "."
            };
            describe(page, &format!("{key}{mark}"), inner, default, sources)?;
        }
    }
    Ok(())
}

/// The type inside `Option<…>`, `Vec<…>` and a path.
fn innermost(kind: &str) -> &str {
    let inner = kind
        .rsplit('<')
        .next()
        .unwrap_or(kind)
        .trim_end_matches('>');
    inner.rsplit("::").next().unwrap_or(inner)
}

fn fields_exist(source: &str, name: &str) -> bool {
    source.contains(&format!("pub struct {name} {{"))
}

/// The public fields of `struct name` in `source`.
fn fields(source: &str, name: &str) -> Option<Vec<Field>> {
    let (_, body) = source.split_once(&format!("pub struct {name} {{"))?;
    let (body, _) = body.split_once("\n}")?;
    let mut doc = String::new();
    let mut found = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text.trim());
        } else if let Some((name, kind)) = line
            .strip_prefix("pub ")
            .and_then(|rest| rest.split_once(": "))
        {
            found.push(Field {
                name: name.to_owned(),
                kind: kind.trim_end_matches(',').to_owned(),
                doc: std::mem::take(&mut doc),
            });
        }
    }
    Some(found)
}

/// Compares `docs/FILE` with `text`, for a test; writes it instead when `ROMDUOL_UPDATE_DOCS` is set.
pub fn document_is_current(file: &str, text: &str) -> Result<(), ConfigError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file);
    let bad = |reason: String| ConfigError::File {
        path: path.clone(),
        reason,
    };
    if std::env::var_os("ROMDUOL_UPDATE_DOCS").is_some() {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| bad(e.to_string()))?;
        }
        return std::fs::write(&path, text).map_err(|e| bad(e.to_string()));
    }
    let current = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
    if current == text {
        return Ok(());
    }
    Err(bad(
        "is out of date; run this test with ROMDUOL_UPDATE_DOCS=1".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
/// A.
pub struct A {
    /// The
    /// address.
    pub address: String,
    #[serde(default)]
    /// Inner things.
    pub inner: Option<b::B>,
}
pub struct B {
    /// Deep.
    pub deep: u32,
}
";

    #[derive(Serialize, Default)]
    struct A {
        address: String,
    }

    #[test]
    fn fields_are_listed_with_default_and_doc() {
        let page = reference::<A>("a", "A", &[SOURCE]).unwrap();
        assert!(
            page.contains("| `address` | `\"\"` | The address. |"),
            "{page}"
        );
        assert!(
            page.contains("| `inner` | none | Inner things. |"),
            "{page}"
        );
        assert!(page.contains("| `inner.deep` | none | Deep. |"), "{page}");
    }

    #[test]
    fn an_undocumented_field_is_an_error() {
        assert!(
            reference::<A>("a", "A", &["pub struct A {\n    pub address: String,\n}\n"]).is_err()
        );
    }
}
