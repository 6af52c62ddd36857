//! The columns of both databases, as diesel sees them; a test compares them with what the migrations make.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod ca;
pub(crate) mod identity;
pub(crate) mod openid;
