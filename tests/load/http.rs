//! A signed S3 client of one keep-alive connection. It shares no code with the server and parses what it needs alone.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use md5::{Digest, Md5};
use tandem::clock::{Clock, SystemClock};

pub const ACCESS_KEY: &str = "AKIATANDEMLOADTEST01";
pub const SECRET_KEY: &str = "the-secret-key-of-the-load-tests-00001";
const REGION: &str = "us-east-1";
/// How long a node may take to answer a request.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What is asked, beside the bucket and the key.
#[derive(Clone, Default)]
pub struct Ask {
    /// In canonical form: sorted and percent-encoded.
    pub query: String,
    /// `x-amz-*` and other headers, names in lower case. All of them are signed.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn query(query: impl Into<String>) -> Ask {
        Ask { query: query.into(), ..Ask::default() }
    }

    pub fn body(body: Vec<u8>) -> Ask {
        Ask { body, ..Ask::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Ask {
        self.headers.push((name, value.into()));
        self
    }

    /// With the Content-MD5 that lists of keys and tags need.
    pub fn digested(self) -> Ask {
        use base64::Engine as _;
        let sum = base64::engine::general_purpose::STANDARD.encode(Md5::digest(&self.body));
        self.header("content-md5", sum)
    }
}

pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// What came after the answer before.
    read: Vec<u8>,
    clock: SystemClock,
    day: String,
    key: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        let (day, key) = (String::new(), Vec::new());
        Client { address, stream: None, read: Vec::new(), clock: SystemClock::new(), day, key }
    }

    /// Speaks to this node from now on.
    pub fn turn_to(&mut self, address: SocketAddr) {
        if self.address != address {
            self.address = address;
            self.stream = None;
        }
    }

    /// Sends one request and reads the whole answer. `target` is `/BUCKET` or `/BUCKET/KEY`, in characters that need no
    /// encoding.
    ///
    /// # Errors
    /// The connection broke. Whether the node has carried the request out is then unknown.
    pub fn send(&mut self, method: &str, target: &str, ask: &Ask) -> io::Result<Answer> {
        let head = self.head(method, target, ask);
        let outcome = self.exchange(method, &head, &ask.body);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    fn exchange(&mut self, method: &str, head: &str, body: &[u8]) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.read.clear();
            self.stream = Some(stream);
        }
        let mut message = Vec::with_capacity(head.len() + body.len());
        message.extend_from_slice(head.as_bytes());
        message.extend_from_slice(body);
        self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?.write_all(&message)?;
        let mut answer = loop {
            let answer = self.answer_head()?;
            // 100 Continue is no answer.
            if answer.status >= 200 {
                break answer;
            }
        };
        let chunked = answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        answer.body = match (method == "HEAD" || answer.status == 204, chunked, length) {
            (true, _, _) => Vec::new(),
            (_, true, _) => self.chunks()?,
            (_, false, Some(length)) => self.take(length)?,
            (_, false, None) => return Err(io::ErrorKind::InvalidData.into()),
        };
        if answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Ok(answer)
    }

    fn answer_head(&mut self) -> io::Result<Answer> {
        let text = self.through(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Ok(Answer { status, headers, body: Vec::new() })
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.through(b"\r\n")?;
            let size =
                String::from_utf8_lossy(&line).trim().split(';').next().map(|hex| usize::from_str_radix(hex, 16));
            let Some(Ok(size)) = size else { return Err(io::ErrorKind::InvalidData.into()) };
            body.extend(self.take(size)?);
            self.through(b"\r\n")?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Bytes up to and with `end`.
    fn through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.read[looked..].windows(end.len()).position(|window| window == end) {
                return Ok(self.read.drain(..looked + at + end.len()).collect());
            }
            looked = self.read.len().saturating_sub(end.len() - 1);
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            self.more()?;
        }
        Ok(self.read.drain(..length).collect())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?.read(&mut chunk)?;
        self.read.extend_from_slice(&chunk[..read]);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The request line and the headers, signed by SigV4. The body is not signed.
    fn head(&mut self, method: &str, target: &str, ask: &Ask) -> String {
        let micros = u64::try_from(self.clock.now().as_micros()).unwrap_or(0);
        let now = Duration::from_micros(micros);
        let second = i64::try_from(now.as_secs()).unwrap_or(0);
        let date = jiff::Timestamp::from_second(second).unwrap().strftime("%Y%m%dT%H%M%SZ").to_string();
        if self.day != date[..8] {
            self.day = date[..8].to_owned();
            let key = generate_signing_key(SECRET_KEY, SystemTime::UNIX_EPOCH + now, REGION, "s3");
            self.key = key.as_ref().to_vec();
        }
        let mut headers = ask.headers.clone();
        headers.push(("host", self.address.to_string()));
        headers.push(("x-amz-content-sha256", "UNSIGNED-PAYLOAD".to_owned()));
        headers.push(("x-amz-date", date.clone()));
        headers.sort();
        let listed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let query = &ask.query;
        let request = format!("{method}\n{target}\n{query}\n{listed}\n{names}\nUNSIGNED-PAYLOAD");
        let scope = format!("{}/{REGION}/s3/aws4_request", self.day);
        let hashed = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, request.as_bytes()));
        let signature =
            calculate_signature(&self.key, format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}").as_bytes());
        let mark = if query.is_empty() { "" } else { "?" };
        let mut head = format!("{method} {target}{mark}{query} HTTP/1.1\r\n");
        for (name, value) in &headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length = ask.body.len();
        head +=
            &format!("content-length: {length}\r\nauthorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},");
        head + &format!("SignedHeaders={names},Signature={signature}\r\n\r\n")
    }
}

/// Percent-encodes a value of a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
