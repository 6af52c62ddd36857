//! Load for document signing: a PDF handed in, its challenge answered by the holder's passkey, the signed PDF back.
//!
//! It speaks to `ca` as `idp` does, with a token of the peer `idp` for each request, signed through the bridge. What to
//! sign comes as JSON on standard input; the figures go to standard output as JSON.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use conformance::load::{Shape, measure, read_order};
use hsm_bridge::client::Client;
use hsm_bridge::{KeyLabel, KeyStore};
use serde::Deserialize;
use service::Sources;
use service::peer::PeerSigner;

mod holder;

use holder::{Holder, Place};

/// The peer in whose name documents are handed in, and its key.
const PEER: &str = "idp";
const PEER_KEY: &str = "idp/peer/g1";

/// What to sign and how long.
#[derive(Debug, Deserialize)]
struct Order {
    #[serde(flatten)]
    place: Place,
    /// Socket of the bridge that holds the peer's key.
    bridge_socket: PathBuf,
    /// The document in base64.
    document: String,
    #[serde(flatten)]
    shape: Shape,
}

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("document-signing: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let order: Order = read_order()?;
    let document = Base64::decode_vec(&order.document).map_err(|e| format!("document: {e}"))?;
    let peer = peer(&order)?;
    let sources = Sources::system();
    let figures = measure(order.shape, |_| {
        Holder::enrol(&order.place, &document, peer.clone(), sources.clone())
    })?;
    serde_json::to_string(&figures).map_err(|e| e.to_string())
}

fn peer(order: &Order) -> Result<PeerSigner, String> {
    let bridge = Client::connect(&order.bridge_socket).map_err(|e| e.to_string())?;
    let label = KeyLabel::parse(PEER_KEY).map_err(|e| e.to_string())?;
    let key = bridge
        .find(&label)
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("there is no key {PEER_KEY}"))?;
    let signer = bridge.signer(key, None).map_err(|e| e.to_string())?;
    PeerSigner::new(PEER, Arc::from(signer)).map_err(|e| e.to_string())
}
