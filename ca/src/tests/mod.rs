//! The authority as a whole, on a real token and a database in memory, judged by OpenSSL and pyHanko.

mod ceremony;
mod documents;
mod fixture;
mod issuance;
mod judges;
mod malformed;
mod revocation;
mod roles;
mod time_stamps;
