//! A gate, what stands behind it, and who comes to it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{fs, io};

use hsm_bridge::KeyStoreError;
use hsm_bridge::client::{Client, ClientOptions, RemoteBridge, Transport};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslStream, SslVerifyMode,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::pki::{Authority, Files, Pair, Wanted};
use crate::support::{House, Running};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A house with an authority, a gate's certificate and the caller `ca` known as `remote.example`.
pub struct Stage {
    pub house: House,
    pub authority: Authority,
    pub gate: Files,
    /// More lines for the section, and more callers.
    pub settings: String,
    pub callers: String,
    pub listen: SocketAddr,
}

impl Stage {
    pub fn build() -> Self {
        let house = House::build();
        let authority = Authority::new("test authority");
        fs::create_dir(house.path("tls")).unwrap();
        fs::write(
            house.path("tls/ca.pem"),
            authority.certificate.to_pem().unwrap(),
        )
        .unwrap();
        let gate = server(&authority, 3).write(&house.path("tls"), "gate", &[]);
        Self {
            house,
            authority,
            gate,
            settings: String::new(),
            callers:
                "[[gate.caller]]\nname = 'ca'\ndns_name = 'Remote.Example'\nsocket = 'ca.sock'\n"
                    .to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
        }
    }

    pub fn configure(&self) {
        let text = format!(
            "[gate]\nlisten = '{}'\ncertificate = 'tls/gate.pem'\nkey = 'tls/gate.key'\nclient_ca = 'tls/ca.pem'\n{}\n{}\n",
            self.listen, self.settings, self.callers
        );
        fs::write(self.house.path("gate.toml"), text).unwrap();
    }

    /// Starts the gate and waits until it listens.
    pub fn open(&self) -> Gate {
        self.open_with(&[])
    }

    /// The same, with variables in its environment.
    pub fn open_with(&self, variables: &[(&str, &OsStr)]) -> Gate {
        self.configure();
        let mut command = self
            .house
            .command("gate", &["--log", "debug", "--config", "gate.toml"]);
        let mut child = command
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (said, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                println!("gate: {line}");
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        let mut gate = Gate {
            process: Running(child),
            log,
            address: self.listen,
        };
        let line = gate.says("listening");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        gate.address = line["fields"]["address"].as_str().unwrap().parse().unwrap();
        gate
    }

    /// Certificate and key of a client, as files.
    pub fn client_files(&self, title: &str, wanted: &Wanted) -> Files {
        self.authority
            .issue(wanted)
            .write(&self.house.path("tls"), title, &[])
    }

    pub fn remote(&self, address: SocketAddr, files: &Files) -> RemoteBridge {
        RemoteBridge {
            address: address.to_string(),
            server_name: "gate.example".to_owned(),
            server_ca: self.house.path("tls/ca.pem"),
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }
    }

    pub fn client(&self, gate: &Gate) -> Client {
        let files = self.client_files("client", &Wanted::default());
        open(self.remote(gate.address, &files)).unwrap()
    }

    /// A bridge that does what the test does, in the place of the real one.
    pub fn play_bridge(&self) -> UnixListener {
        UnixListener::bind(self.house.path("ca.sock")).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.house.path(name)
    }
}

/// A gate's certificate.
pub fn server(authority: &Authority, serial: u32) -> Pair {
    authority.issue(&Wanted {
        serial,
        dns: vec!["gate.example"],
        ips: vec!["127.0.0.1"],
        client: false,
        server: true,
        ..Wanted::default()
    })
}

pub fn open(remote: RemoteBridge) -> Result<Client, KeyStoreError> {
    Client::open(Transport::Tls(remote), ClientOptions::default())
}

pub struct Gate {
    pub process: Running,
    pub address: SocketAddr,
    log: Receiver<String>,
}

impl Gate {
    /// Waits for a line of its log.
    pub fn says(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(_) => {}
                Err(error) => panic!("the gate did not say '{words}': {error}"),
            }
        }
    }
}

/// A client below the level of the library's.
pub fn context(files: Option<&Files>) -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_verify(SslVerifyMode::NONE);
    context.set_alpn_protos(b"\x0dromduol-hsm/2").unwrap();
    if let Some(files) = files {
        context
            .set_certificate_chain_file(&files.certificate)
            .unwrap();
        context
            .set_private_key_file(&files.key, SslFiletype::PEM)
            .unwrap();
    }
    context
}

pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn shake(
    address: SocketAddr,
    context: SslContextBuilder,
) -> Result<SslStream<TcpStream>, String> {
    let ssl = Ssl::new(&context.build()).unwrap();
    ssl.connect(tcp(address)).map_err(|e| e.to_string())
}

/// The first request of a connection: what it is for, and the time that its caller waits.
pub fn attach(id: u64) -> Vec<u8> {
    let mut content = vec![2];
    content.extend(id.to_be_bytes());
    content.extend(20_000_u32.to_be_bytes());
    content.extend([11, 1, 0, 0, 0, 0]);
    frame(&content)
}

/// The bridge's answer to it.
pub fn attached(id: &[u8]) -> Vec<u8> {
    let mut content = vec![2];
    content.extend(id);
    content.extend([9, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame(&content)
}

pub fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(content);
    frame
}

pub fn read_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut content = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut content)?;
    Ok(content)
}

/// Greets a connection as the bridge does.
pub fn greet(listener: &UnixListener) -> UnixStream {
    let limit = Timespec::try_from(PATIENCE).unwrap();
    let came = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit));
    assert_eq!(came, Ok(1), "nobody came to the bridge");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let greeting = read_frame(&mut stream).unwrap();
    stream.write_all(&attached(&greeting[1..9])).unwrap();
    stream
}
