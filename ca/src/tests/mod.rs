//! The authority as a whole, on a real token and a database in memory.
