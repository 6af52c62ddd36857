//! What every HTTP service needs: configuration, clock and randomness, problems, telemetry, listeners, limits, TLS,
//! background work, calls between services, command line.
//!
//! Nothing here knows certificates' meaning or identities. This crate is the only home of the system's clock,
//! randomness and environment.

pub mod background;
mod blocking;
pub mod cli;
pub mod client_address;
pub mod config;
pub mod http_client;
mod methods;
pub mod middleware;
pub mod peer;
pub mod problem;
pub mod rate_limit;
pub mod server;
pub mod shutdown;
mod sources;
pub mod telemetry;
pub mod tls;

pub use background::Tasks;
pub use blocking::{BlockingError, BlockingPool, blocking};
pub use http_client::{HttpClient, HttpClientConfig, http_client};
pub use middleware::{ClientAddress, RequestId};
pub use problem::{Problem, ProblemType};
pub use shutdown::Shutdown;
pub use sources::{Clock, Entropy, Sources, SystemClock, SystemEntropy, TestClock, TestEntropy};
