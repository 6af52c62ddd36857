//! The columns of both databases, as diesel sees them; a test compares them with what the migrations make.

pub(crate) mod audit;
pub(crate) mod ca;
pub(crate) mod accounts;
pub(crate) mod openid;
pub(crate) mod identity;
