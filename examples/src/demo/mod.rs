//! What the demo and the program with all services at once share: ports, the data folder, and the settings in it.

pub mod folder;
pub mod ports;
mod settings;

pub use settings::{Choices, MODULE, ONLINE_TOKEN, ROOT_TOKEN, Stage};
