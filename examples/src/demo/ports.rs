//! Which port is whose. All follow from one base, so that two demos can run side by side.

use std::net::{Ipv4Addr, TcpListener};

/// The ports of one demo.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    base: u16,
    idp: u16,
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
/// The provider with TLS: 8443 where the base is 8080.
const IDP_TLS: u16 = 363;

impl Ports {
    /// Ports from `base` on; refuses a base that leaves the range.
    pub fn new(base: u16, tls: bool) -> Result<Self, String> {
        let (idp, last) = if tls {
            (IDP_TLS, IDP_TLS)
        } else {
            (IDP, OCSP_ADMIN)
        };
        if base == 0 || base.checked_add(last).is_none() {
            return Err(format!(
                "--port-base {base} leaves no room for {last} ports above it"
            ));
        }
        Ok(Self { base, idp })
    }

    /// What all others follow from.
    pub fn base(self) -> u16 {
        self.base
    }
    /// The provider.
    pub fn idp(self) -> u16 {
        self.base + self.idp
    }
    /// The certificate authority.
    pub fn ca(self) -> u16 {
        self.base + CA
    }
    /// Status answers and revocation lists.
    pub fn ocsp(self) -> u16 {
        self.base + OCSP
    }
    /// Time-stamps.
    pub fn tsa(self) -> u16 {
        self.base + TSA
    }
    /// The first ministry.
    pub fn taxation(self) -> u16 {
        self.base + TAXATION
    }
    /// The second ministry.
    pub fn social_security(self) -> u16 {
        self.base + SOCIAL_SECURITY
    }
    /// Health and metrics of the provider.
    pub fn idp_admin(self) -> u16 {
        self.base + IDP_ADMIN
    }
    /// Health and metrics of the certificate authority.
    pub fn ca_admin(self) -> u16 {
        self.base + CA_ADMIN
    }
    /// Health and metrics of the status service.
    pub fn ocsp_admin(self) -> u16 {
        self.base + OCSP_ADMIN
    }

    /// Says in one line which port somebody else uses.
    pub fn check_free(self) -> Result<(), String> {
        let offsets = [
            self.idp,
            CA,
            OCSP,
            TSA,
            TAXATION,
            SOCIAL_SECURITY,
            IDP_ADMIN,
            CA_ADMIN,
            OCSP_ADMIN,
        ];
        for port in offsets.map(|offset| self.base + offset) {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| {
                format!("port {port} is in use or not allowed ({e}); stop what uses it, or choose other ports with --port-base")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_ports_come_from_the_default_base() {
        let (plain, tls) = (
            Ports::new(8080, false).unwrap(),
            Ports::new(8080, true).unwrap(),
        );
        assert_eq!(
            (plain.idp(), plain.ca(), plain.ocsp(), plain.tsa()),
            (8080, 8081, 8082, 8083)
        );
        assert_eq!((tls.idp(), tls.ca(), tls.taxation()), (8443, 8081, 8090));
    }

    #[test]
    fn a_base_that_leaves_the_range_is_refused() {
        assert!(Ports::new(65_520, false).is_err() && Ports::new(65_300, true).is_err());
        assert!(Ports::new(0, false).is_err() && Ports::new(65_513, false).is_ok());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let words = Ports::new(port, false).unwrap().check_free().unwrap_err();
        assert!(words.contains(&port.to_string()), "{words}");
    }
}
