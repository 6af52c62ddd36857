//! Black-box suites: the floor plan's own test, journeys over running services, external judges, benchmarks.
//!
//! Nothing here imports a service's internals. The journey, the longer suites and the benchmarks are programs under
//! `journey/`, `suites/` and `bench/`, called by `./dev`.

pub mod floor_plan;
pub mod load;
