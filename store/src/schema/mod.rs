//! The columns of both databases, as diesel sees them; a test compares them with what the migrations make.

pub(crate) mod audit;
