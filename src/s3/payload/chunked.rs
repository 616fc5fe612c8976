//! The aws-chunked framing, incrementally. Pure: bytes in, decoded bytes out, split wherever the network split them.
//!
//! ```text
//! SIZE[;chunk-signature=SIGNATURE]\r\n DATA \r\n ... 0[;chunk-signature=SIGNATURE]\r\n [name:value\r\n ...] \r\n
//! ```

use bytes::{Buf, Bytes};

use super::chain::ChunkChain;
use super::trailer::{Trailer, TrailerPlan};
use crate::s3::error::{ErrorCode, S3Error};

/// Only the last chunk may be shorter.
const CHUNK_MIN: u64 = 8192;
/// The longest size line: 16 digits, the extension's name and a signature fit well.
const LINE_MAX: usize = 128;

/// Where the decoder stands. Every state but `Done` wants more bytes.
enum State {
    SizeLine(Vec<u8>),
    Data {
        left: u64,
        signature: Option<String>,
    },
    /// The line end after a chunk's data; how much of it was seen.
    DataEnd {
        seen: usize,
        signature: Option<String>,
    },
    Trailer(Trailer),
    /// One line end too many is forgiven: some clients send it.
    Done {
        surplus: usize,
    },
}

pub struct ChunkDecoder {
    state: State,
    chain: Option<ChunkChain>,
    trailer: TrailerPlan,
    /// `x-amz-decoded-content-length`
    length: u64,
    announced: u64,
    last_size: Option<u64>,
    checksum: Option<String>,
}

impl ChunkDecoder {
    /// `chain`: chunks (and the trailer, if one is announced) are signed.
    pub fn new(length: u64, chain: Option<ChunkChain>, trailer: TrailerPlan) -> Self {
        let state = State::SizeLine(Vec::new());
        ChunkDecoder { state, chain, trailer, length, announced: 0, last_size: None, checksum: None }
    }

    /// The next decoded bytes out of `input`, which loses what was taken from it; none: it is used up.
    ///
    /// # Errors
    /// Any flaw of framing, signature or trailer, at the byte where it shows.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, S3Error> {
        while !input.is_empty() {
            match &mut self.state {
                State::SizeLine(line) => {
                    if take_line(line, input, LINE_MAX)? {
                        let line = std::mem::take(line);
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data { left, signature } => {
                    let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                    let data = input.split_to(take);
                    *left -= take as u64;
                    if *left == 0 {
                        let signature = signature.take();
                        self.state = State::DataEnd { seen: 0, signature };
                    }
                    if let Some(chain) = &mut self.chain {
                        chain.update(&data);
                    }
                    return Ok(Some(data));
                }
                State::DataEnd { seen, signature } => {
                    if input.get_u8() != b"\r\n"[*seen] {
                        return Err(flaw("a chunk's data does not end where its size says"));
                    }
                    *seen += 1;
                    if *seen == 2 {
                        if let (Some(chain), Some(signature)) = (&mut self.chain, signature.take()) {
                            chain.verify_chunk(&signature)?;
                        }
                        self.state = State::SizeLine(Vec::new());
                    }
                }
                State::Trailer(trailer) => {
                    if trailer.take(input)? {
                        self.checksum = trailer.finish(&self.trailer, self.chain.as_mut())?;
                        self.state = State::Done { surplus: 0 };
                    }
                }
                State::Done { surplus } => {
                    if b"\r\n".get(*surplus) != Some(&input.get_u8()) {
                        return Err(flaw("there is data after the last chunk"));
                    }
                    *surplus += 1;
                }
            }
        }
        Ok(None)
    }

    /// To be asked when the body has ended.
    ///
    /// # Errors
    /// `IncompleteBody`.
    pub fn end(&self) -> Result<(), S3Error> {
        match self.state {
            State::Done { .. } => Ok(()),
            _ => Err(flaw("the body ends before its last chunk")),
        }
    }

    /// The value of the announced checksum trailer, in Base64.
    pub fn checksum(&self) -> Option<&str> {
        self.checksum.as_deref()
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), S3Error> {
        let line = std::str::from_utf8(line).map_err(|_| flaw("a chunk's size line is not text"))?;
        let (size, signature) = match line.split_once(';') {
            None => (line, None),
            Some((size, extension)) => (size, Some(extension)),
        };
        let size = parse_size(size)?;
        let signature = self.chunk_signature(signature)?;
        if self.last_size.is_some_and(|last| last < CHUNK_MIN) && size > 0 {
            return Err(S3Error::of(ErrorCode::InvalidChunkSizeError).closing());
        }
        self.announced = self.announced.checked_add(size).filter(|sum| *sum <= self.length).ok_or_else(too_much)?;
        if size > 0 {
            self.last_size = Some(size);
            self.state = State::Data { left: size, signature };
            return Ok(());
        }
        if let (Some(chain), Some(signature)) = (&mut self.chain, signature) {
            chain.verify_chunk(&signature)?;
        }
        if self.announced < self.length {
            return Err(flaw("the decoded body is shorter than x-amz-decoded-content-length"));
        }
        self.state = State::Trailer(Trailer::new(&self.trailer));
        Ok(())
    }

    fn chunk_signature(&self, extension: Option<&str>) -> Result<Option<String>, S3Error> {
        match (&self.chain, extension) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(flaw("a chunk of an unsigned body has an extension")),
            (Some(_), extension) => match extension.and_then(|text| text.strip_prefix("chunk-signature=")) {
                Some(signature) => Ok(Some(signature.to_owned())),
                None => Err(S3Error::of(ErrorCode::SignatureDoesNotMatch).closing()),
            },
        }
    }
}

/// Moves bytes of `input` to `line` up to a line end, which is dropped. `true`: the line is complete.
pub(super) fn take_line(line: &mut Vec<u8>, input: &mut Bytes, max: usize) -> Result<bool, S3Error> {
    let end = input.iter().position(|byte| *byte == b'\n');
    let part = input.split_to(end.map_or(input.len(), |end| end + 1));
    if line.len() + part.len() > max {
        return Err(flaw("a line of the body's framing is too long"));
    }
    line.extend_from_slice(&part);
    if end.is_none() {
        return Ok(false);
    }
    line.pop();
    match line.pop() {
        Some(b'\r') => Ok(true),
        _ => Err(flaw("a line of the body's framing does not end with CR LF")),
    }
}

fn parse_size(digits: &str) -> Result<u64, S3Error> {
    let shaped = (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    shaped.then(|| u64::from_str_radix(digits, 16).ok()).flatten().ok_or_else(|| flaw("a chunk's size is not a number"))
}

fn too_much() -> S3Error {
    flaw("the decoded body is longer than x-amz-decoded-content-length")
}

fn flaw(reason: &'static str) -> S3Error {
    S3Error::of(ErrorCode::IncompleteBody).detail("Reason", reason).closing()
}
