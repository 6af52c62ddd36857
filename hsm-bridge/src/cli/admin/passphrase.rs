//! Private keys of persons and of ceremonies: read from files that a passphrase opens, which is never an argument.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;

use clap::Args;
use hsm_bridge::KeyStoreError;
use openssl::pkey::{PKey, Private};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::files::{self, wrong};

/// No passphrase is longer.
const MAX_PASSPHRASE: usize = 1024;
/// What PEM says of a key that a passphrase opens (RFC 7468 §11, and the older form of OpenSSL).
const ENCRYPTED: &str = "ENCRYPTED";
const TERMINAL: &str = "/dev/tty";

/// Where the passphrase comes from.
#[derive(Args)]
pub(super) struct Passphrase {
    /// Number of an open file descriptor from which the passphrase is read up to its first line end; asked for at the terminal when
    /// absent.
    #[arg(long, value_name = "NUMBER")]
    passphrase_fd: Option<u32>,
}

/// Whether a file of a key is opened by a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// It must be.
    Required,
    /// It may be.
    Optional,
}

impl Passphrase {
    /// Reads a private key in PEM; PKCS#8 in DER is read where protection is optional.
    pub(super) fn open(
        &self,
        path: &Path,
        protection: Protection,
    ) -> Result<PKey<Private>, KeyStoreError> {
        let content = files::read(path)?;
        let is_pem = content.starts_with(b"-----BEGIN ");
        let encrypted = std::str::from_utf8(&content).is_ok_and(|text| text.contains(ENCRYPTED));
        if encrypted {
            let passphrase = self
                .ask(path)
                .map_err(|e| wrong(path, &format_args!("its passphrase: {e}")))?;
            return PKey::private_key_from_pem_passphrase(&content, &passphrase)
                .map_err(|_| wrong(path, &"does not open with this passphrase"));
        }
        if protection == Protection::Required {
            return Err(wrong(
                path,
                &"is not protected by a passphrase; write it anew with `openssl pkey -in FILE -aes256 -out NEW`",
            ));
        }
        let opened = if is_pem {
            // Without a callback a key that wants a passphrase after all is an error, and nothing is asked at the terminal.
            PKey::private_key_from_pem_callback(&content, |_| Ok(0))
        } else {
            PKey::private_key_from_der(&content)
        };
        opened.map_err(|_| wrong(path, &"is no private key in PEM, nor PKCS#8 in DER"))
    }

    fn ask(&self, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        match self.passphrase_fd {
            Some(number) => first_line(File::open(format!("/dev/fd/{number}"))?),
            None => at_terminal(path),
        }
    }
}

/// Bytes up to the first line end, read one by one: what follows belongs to others.
fn first_line(mut from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE));
    let mut byte = Zeroizing::new([0; 1]);
    while from.read(&mut *byte)? == 1 && *byte != [b'\n'] {
        if line.len() == MAX_PASSPHRASE {
            return Err(io::Error::other("is too long"));
        }
        line.extend_from_slice(&*byte);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn at_terminal(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(TERMINAL)
        .map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("{TERMINAL}: {e}; where there is no terminal, give --passphrase-fd"),
            )
        })?;
    write!(terminal, "Passphrase of {}: ", path.display())?;
    let silent = Silent::begin(terminal.try_clone()?)?;
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE));
    // The terminal hands a line over at a time, so that nothing of the next is read.
    BufReader::with_capacity(MAX_PASSPHRASE, &terminal)
        .take(MAX_PASSPHRASE as u64)
        .read_until(b'\n', &mut line)?;
    drop(silent);
    writeln!(terminal)?;
    while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        line.pop();
    }
    Ok(line)
}

/// A terminal that does not show what is typed, for as long as this value lives.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn begin(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(&self.terminal, OptionalActions::Now, &self.before) {
            tracing::warn!(%error, "the terminal stays silent; `stty echo` helps");
        }
    }
}
