//! HTTP/1.1 (RFC 9112) as far as a load generator needs it: one connection, one request at a time, answers with a
//! length. It costs little, because it runs on the same cores as what it measures.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head and body that are read.
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;
/// Octets asked for at once.
const CHUNK: usize = 16 * 1024;

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: String,
    /// What was read and not yet used.
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; an error when the status is not the expected one.
    pub fn json(&self, endpoint: &str, status: u16) -> Result<Value, String> {
        if self.status != status {
            let words = String::from_utf8_lossy(&self.body).into_owned();
            return Err(format!("{endpoint} answered {}: {words}", self.status));
        }
        serde_json::from_slice(&self.body).map_err(|e| format!("{endpoint}: {e}"))
    }
}

/// A text member of an answer.
pub fn member(answer: &Value, name: &str) -> Result<String, String> {
    answer
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("an answer without {name}"))
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    location: Option<String>,
    length: usize,
    closes: bool,
}

impl Connection {
    /// Connects to an address and port.
    pub fn open(address: &str) -> Result<Self, String> {
        Ok(Self {
            stream: connect(address)?,
            address: address.to_owned(),
            buffer: Vec::new(),
        })
    }

    /// Sends a whole request and reads its answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.stream
            .write_all(request)
            .map_err(|e| format!("{}: {e}", self.address))?;
        let end = self.fill_until(find_end_of_head, MAX_HEAD)?;
        let head = parse_head(self.buffer.get(..end).unwrap_or_default())?;
        let whole = end.saturating_add(head.length.min(MAX_BODY));
        self.fill_until(
            |buffer| (buffer.len() >= whole).then_some(whole),
            whole.saturating_add(1),
        )?;
        let body = self.buffer.get(end..whole).unwrap_or_default().to_vec();
        self.buffer.drain(..whole);
        if head.closes {
            self.stream = connect(&self.address)?;
            self.buffer.clear();
        }
        Ok(Answer {
            status: head.status,
            location: head.location,
            body,
        })
    }

    /// Reads until `ready` finds what it looks for.
    fn fill_until(
        &mut self,
        ready: impl Fn(&[u8]) -> Option<usize>,
        limit: usize,
    ) -> Result<usize, String> {
        let mut chunk = [0; CHUNK];
        loop {
            if let Some(found) = ready(&self.buffer) {
                return Ok(found);
            }
            if self.buffer.len() >= limit {
                return Err("an answer is too long".to_owned());
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(read) => self
                    .buffer
                    .extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{}: {error}", self.address)),
            }
        }
    }
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let failed = |e: std::io::Error| format!("{address}: {e}");
    let stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
    Ok(stream)
}

/// Where the body begins.
fn find_end_of_head(buffer: &[u8]) -> Option<usize> {
    buffer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn parse_head(head: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(head).map_err(|_| "the head of an answer is not text")?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("no status line: {status_line}"))?;
    let bodiless = matches!(status, 100..=199 | 204 | 304);
    let mut parsed = Head {
        status,
        location: None,
        length: 0,
        closes: false,
    };
    let mut has_length = bodiless;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                parsed.length = value
                    .parse()
                    .map_err(|_| format!("content-length: {value}"))?;
                has_length = true;
            }
            "location" => parsed.location = Some(value.to_owned()),
            "connection" => parsed.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    if has_length {
        Ok(parsed)
    } else {
        Err("an answer without content-length".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = b"HTTP/1.1 303 See Other\r\nLocation: /x?code=1\r\ncontent-length: 12\r\nConnection: close\r\n\r\n";
        let expected = Head {
            status: 303,
            location: Some("/x?code=1".to_owned()),
            length: 12,
            closes: true,
        };
        assert_eq!(parse_head(head), Ok(expected));
        assert_eq!(find_end_of_head(head), Some(head.len()));
        assert_eq!(find_end_of_head(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn answers_without_a_length_are_refused() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_head(b"nonsense").is_err());
        assert_eq!(
            parse_head(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap()
                .length,
            0
        );
    }
}
