//! JOSE, OCSP, CMS and time-stamps with real keys in a token, judged by OpenSSL where it is installed.

mod cms;
mod fixture;
mod jose;
mod ocsp;
mod tsp;
