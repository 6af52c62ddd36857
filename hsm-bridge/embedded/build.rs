//! Makes the token's three entry points visible to the dynamic loader, and nothing else.
//!
//! With every symbol exported (`--export-dynamic`) another module that is loaded beside would be bound to this program's OpenSSL in
//! place of its own.

/// What a PKCS#11 module exports (PKCS#11 3.2 §5.4): the loader finds the other functions through these.
const ENTRY_POINTS: [&str; 3] = ["C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for entry in ENTRY_POINTS {
        for target in ["bins", "tests"] {
            // Nobody calls them in the program itself: they are asked for, and kept.
            println!("cargo::rustc-link-arg-{target}=-Wl,--undefined={entry}");
            println!("cargo::rustc-link-arg-{target}=-Wl,--export-dynamic-symbol={entry}");
        }
    }
}
