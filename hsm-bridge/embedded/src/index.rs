//! An index that the token's file lacks.
//!
//! kryoptic looks each object up by the value of an attribute, for every signature too, in a table that is indexed by object alone:
//! with a thousand key pairs a signature takes two milliseconds. An index changes what SQLite reads and nothing that it answers.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// The table of objects, which a token has once it is initialised.
const HAS_OBJECTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'objects')";
const INDEX: &str = "CREATE INDEX IF NOT EXISTS objects_by_value ON objects (attr, val)";

/// Gives the file of an initialised token its index; a file without a token stays as it is.
pub fn make_index(file: &Path) -> Result<(), String> {
    add(file).map_err(|e| e.to_string())
}

fn add(file: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(PATIENCE)?;
    if connection.query_row(HAS_OBJECTS, [], |row| row.get(0))? {
        connection.execute(INDEX, [])?;
    }
    Ok(())
}
