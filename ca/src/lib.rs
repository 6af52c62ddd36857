//! Certificate authority, key ceremony, document signing and time-stamping.
