//! One variable of the environment, laid over the file's table.

use toml::{Table, Value};

/// Sets `path` in `table` to `text`, read as the type `defaults` has there; where there is no default, as a TOML
/// value if it is a flag or number, else as a string.
pub(super) fn apply(
    table: &mut Table,
    defaults: &Table,
    path: &[String],
    text: &str,
) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        return Err("names no key".to_owned());
    };
    let default = defaults.get(key);
    if rest.is_empty() {
        let value = match default {
            Some(Value::String(_)) => Value::String(text.to_owned()),
            Some(_) => parse(text).ok_or("is not a TOML value")?,
            None => parse(text)
                .filter(|v| v.is_integer() || v.is_bool() || v.is_float() || v.is_array())
                .unwrap_or_else(|| Value::String(text.to_owned())),
        };
        table.insert(key.clone(), value);
        return Ok(());
    }
    let empty = Table::new();
    let deeper = default.and_then(Value::as_table).unwrap_or(&empty);
    match table
        .entry(key.clone())
        .or_insert_with(|| Value::Table(Table::new()))
    {
        Value::Table(inner) => apply(inner, deeper, rest, text),
        _ => Err("goes below a key that has no keys".to_owned()),
    }
}

fn parse(text: &str) -> Option<Value> {
    format!("value = {text}")
        .parse::<Table>()
        .ok()?
        .remove("value")
}
