//! The migrations of both backends make exactly the columns that the diesel schema names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::prelude::*;

use crate::{Schema, Store, StoreConfig};

/// Column to (type as diesel names it, nullable), by table.
type Tables = BTreeMap<String, BTreeMap<String, (String, bool)>>;

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table_name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column_name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    nullable: String,
}

/// Reads the `diesel::table!` blocks of the schema files of one database: `audit.rs` is of both, `ca.rs` of the
/// authority, all others of the provider.
fn declared(schema: Schema) -> Tables {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema");
    let mut tables = Tables::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let of_both = path.ends_with("audit.rs");
        if !of_both && path.ends_with("ca.rs") != (schema == Schema::Ca) {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let mut table: Option<String> = None;
        let mut sql_name: Option<String> = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("#[sql_name = \"") {
                sql_name = Some(name.trim_end_matches("\"]").to_owned());
            } else if let (None, true, Some((name, _))) =
                (&table, line.ends_with(") {"), line.split_once(" ("))
            {
                tables.insert(name.to_owned(), BTreeMap::new());
                table = Some(name.to_owned());
            } else if let (Some(table), Some((name, kind))) = (&table, line.split_once(" -> ")) {
                let kind = kind.trim_end_matches(',');
                let inner = kind
                    .strip_prefix("Nullable<")
                    .map(|k| k.trim_end_matches('>'));
                let name = sql_name.take().unwrap_or_else(|| name.to_owned());
                let column = (inner.unwrap_or(kind).to_owned(), inner.is_some());
                tables.get_mut(table).unwrap().insert(name, column);
            } else if line == "}" {
                table = None;
            }
        }
    }
    tables
}

fn collect(columns: Vec<Made>) -> Tables {
    let mut tables = Tables::new();
    for column in columns {
        tables
            .entry(column.table_name)
            .or_default()
            .insert(column.column_name, (column.kind, column.nullable == "yes"));
    }
    tables
}

fn sqlite(schema: Schema) -> Tables {
    let store = Store::in_memory(schema).unwrap();
    let mut connection = store.0.pools.writer().unwrap();
    let columns = diesel::sql_query(
        "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind,
                CASE WHEN c.\"notnull\" = 1 THEN 'no' ELSE 'yes' END AS nullable
         FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'",
    )
    .load::<Made>(&mut **connection)
    .unwrap();
    let loose: Vec<Made> = diesel::sql_query(
        "SELECT name AS table_name, '' AS column_name, '' AS kind, '' AS nullable FROM sqlite_master
         WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
           AND upper(sql) NOT LIKE '%STRICT%'",
    )
    .load(&mut **connection)
    .unwrap();
    let loose: Vec<_> = loose.iter().map(|c| c.table_name.as_str()).collect();
    assert!(loose.is_empty(), "not STRICT: {loose:?}");
    collect(columns)
}

/// How SQLite stores what diesel calls so.
fn sqlite_kind(kind: &str) -> &'static str {
    match kind {
        "BigInt" | "Integer" | "SmallInt" | "Bool" => "INTEGER",
        "Text" => "TEXT",
        "Binary" => "BLOB",
        "Double" => "REAL",
        other => panic!("{other} has no counterpart in SQLite"),
    }
}

/// How PostgreSQL names what diesel calls so.
fn postgres_kind(kind: &str) -> &'static str {
    match kind {
        "BigInt" => "bigint",
        "Integer" => "integer",
        "SmallInt" => "smallint",
        "Bool" => "boolean",
        "Text" => "text",
        "Binary" => "bytea",
        "Double" => "double precision",
        other => panic!("{other} has no counterpart in PostgreSQL"),
    }
}

/// Declared and made tables are the same, column by column.
fn compare(schema: Schema, actual: &Tables, kind: impl Fn(&str) -> &'static str) {
    let declared = declared(schema);
    let names = |tables: &Tables| tables.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        names(actual),
        names(&declared),
        "declared and made tables differ"
    );
    for (table, columns) in actual {
        let wanted = declared
            .get(table)
            .unwrap_or_else(|| panic!("table {table} is not in the schema"));
        let wanted: BTreeMap<_, _> = wanted
            .iter()
            .map(|(name, (diesel, nullable))| (name.clone(), (kind(diesel).to_owned(), *nullable)))
            .collect();
        assert_eq!(*columns, wanted, "table {table}");
    }
}

#[test]
fn sqlite_has_the_declared_columns_and_strict_tables() {
    for schema in [Schema::Ca, Schema::Idp] {
        compare(schema, &sqlite(schema), sqlite_kind);
    }
}

#[test]
fn postgres_has_the_declared_columns() {
    // The environment names a server on which databases may be created and dropped.
    let Some(server) = std::env::var_os("ROMDUOL_TEST_POSTGRES") else {
        println!("not run: ROMDUOL_TEST_POSTGRES names no server");
        return;
    };
    let server = server.into_string().unwrap();
    for (schema, name) in [
        (Schema::Ca, "romduol_schema_ca"),
        (Schema::Idp, "romduol_schema_idp"),
    ] {
        let mut admin = PgConnection::establish(&format!("{server}/postgres")).unwrap();
        diesel::sql_query(format!("DROP DATABASE IF EXISTS {name}"))
            .execute(&mut admin)
            .unwrap();
        diesel::sql_query(format!("CREATE DATABASE {name}"))
            .execute(&mut admin)
            .unwrap();
        let config = StoreConfig {
            url: format!("{server}/{name}"),
            pool_size: 2,
        };
        let store = Store::open(&config, schema).unwrap();
        store.migrate_blocking().unwrap();
        let columns = diesel::sql_query(
            "SELECT table_name::text, column_name::text, data_type::text AS kind,
                    lower(is_nullable)::text AS nullable
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'",
        )
        .load::<Made>(&mut **store.0.pools.writer().unwrap())
        .unwrap();
        compare(schema, &collect(columns), postgres_kind);
    }
}
