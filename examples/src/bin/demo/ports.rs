//! Which port is whose. All follow from one base, so that two demos can run side by side.

use std::net::{Ipv4Addr, TcpListener};

/// The ports of one demo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    base: u16,
}

/// Offsets from the base; with the default base 8080 these are the documented development ports.
const IDP: u16 = 0;
const CA: u16 = 1;
const OCSP: u16 = 2;
const TSA: u16 = 3;
const TAXATION: u16 = 10;
const SOCIAL_SECURITY: u16 = 11;
const IDP_ADMIN: u16 = 20;
const CA_ADMIN: u16 = 21;
const OCSP_ADMIN: u16 = 22;
/// The largest offset, for the check of the range.
const LAST: u16 = OCSP_ADMIN;

impl Ports {
    /// Ports from `base` on; refuses a base that leaves the range.
    pub(crate) fn new(base: u16) -> Result<Self, String> {
        if base == 0 || base.checked_add(LAST).is_none() {
            return Err(format!("--port-base {base} leaves no room for {LAST} ports above it"));
        }
        Ok(Self { base })
    }

    pub(crate) fn idp(self) -> u16 {
        self.base + IDP
    }
    pub(crate) fn ca(self) -> u16 {
        self.base + CA
    }
    pub(crate) fn ocsp(self) -> u16 {
        self.base + OCSP
    }
    pub(crate) fn tsa(self) -> u16 {
        self.base + TSA
    }
    pub(crate) fn taxation(self) -> u16 {
        self.base + TAXATION
    }
    pub(crate) fn social_security(self) -> u16 {
        self.base + SOCIAL_SECURITY
    }
    pub(crate) fn idp_admin(self) -> u16 {
        self.base + IDP_ADMIN
    }
    pub(crate) fn ca_admin(self) -> u16 {
        self.base + CA_ADMIN
    }
    pub(crate) fn ocsp_admin(self) -> u16 {
        self.base + OCSP_ADMIN
    }

    /// Says in one line which port somebody else uses.
    pub(crate) fn check_free(self) -> Result<(), String> {
        let offsets =
            [IDP, CA, OCSP, TSA, TAXATION, SOCIAL_SECURITY, IDP_ADMIN, CA_ADMIN, OCSP_ADMIN];
        for port in offsets.map(|offset| self.base + offset) {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| {
                format!("port {port} is in use or not allowed ({e}); stop what uses it, or choose other ports with --port-base")
            })?;
        }
        Ok(())
    }
}
