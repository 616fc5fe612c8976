//! Blobs as frames, behind a head (`length u16 | message`) that says what they are for: `tag u8 | hash 32 | kind u8 | encoding u8 | length u32 | stored length u32 | stored bytes`, numbers little-endian;
//! a frame of tag 0 ends the stream, so that a cut one is never taken for a whole one.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::Body;
use tandem_storage::blob::PIECE_BYTES;
use tandem_storage::record::BlobKind;
use tandem_storage::types::ContentHash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::Incoming;
use super::codec::{WireError, decode, encode};

const END: u8 = 0;
const BLOB: u8 = 1;
const RAW: u8 = 0;
const LZ4: u8 = 1;
const HEAD_BYTES: usize = 32 + 1 + 1 + 4 + 4;
/// The longest head of a stream.
const STREAM_HEAD_MAX: usize = 1024;
/// A recipe lists at most 1,024 children of some 45 bytes.
const RECIPE_MAX: usize = 128 * 1024;
/// Shorter blobs do not gain from compression.
const COMPRESS_FROM: usize = 256;
/// What of a long blob is compressed first, to see whether it helps.
const SAMPLE: usize = 64 * 1024;
/// A peer that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// A blob as it came: decompressed, its length as declared; its hash is for storage to verify.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReceivedBlob {
    pub hash: ContentHash,
    pub kind: BlobKind,
    pub bytes: Bytes,
}

/// Appends a blob's frame, compressed if that helps. Returns how many bytes of it travel.
pub(crate) fn encode_blob(out: &mut BytesMut, hash: ContentHash, kind: BlobKind, bytes: &[u8]) -> usize {
    let packed = pack(bytes);
    let (encoding, stored) = packed.as_deref().map_or((RAW, bytes), |packed| (LZ4, packed));
    out.reserve(1 + HEAD_BYTES + stored.len());
    out.put_u8(BLOB);
    out.put_slice(hash.as_bytes());
    out.put_u8(match kind {
        BlobKind::Data => 0,
        BlobKind::Recipe => 1,
    });
    out.put_u8(encoding);
    out.put_u32_le(u32::try_from(bytes.len()).expect("a blob is at most a piece long"));
    out.put_u32_le(u32::try_from(stored.len()).expect("a blob is at most a piece long"));
    out.put_slice(stored);
    1 + HEAD_BYTES + stored.len()
}

/// Heads a stream with what it is for.
pub(crate) fn encode_head<M: Serialize>(out: &mut BytesMut, message: &M) -> Result<(), WireError> {
    let bytes = encode(message)?;
    if bytes.len() > STREAM_HEAD_MAX {
        return Err(WireError::TooLong);
    }
    out.put_u16_le(u16::try_from(bytes.len()).expect("checked"));
    out.put_slice(&bytes);
    Ok(())
}

pub(crate) fn encode_end(out: &mut BytesMut) {
    out.put_u8(END);
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let helps = |packed: &[u8], raw: &[u8]| packed.len() < raw.len() - raw.len() / 16;
    if bytes.len() < COMPRESS_FROM {
        return None;
    }
    if bytes.len() > SAMPLE {
        let sample = &bytes[..SAMPLE];
        if !helps(&lz4_flex::block::compress(sample), sample) {
            return None;
        }
    }
    Some(lz4_flex::block::compress(bytes)).filter(|packed| helps(packed, bytes))
}

struct Head {
    hash: ContentHash,
    kind: BlobKind,
    encoding: u8,
    len: usize,
    stored: usize,
}

impl Head {
    /// Checks every declared length before a byte is reserved for it.
    fn parse(bytes: &[u8; HEAD_BYTES]) -> Result<Head, WireError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[..32]);
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let (len, stored) = (number(34), number(38));
        let (kind, max) = match bytes[32] {
            0 => (BlobKind::Data, PIECE_BYTES),
            1 => (BlobKind::Recipe, RECIPE_MAX),
            other => return Err(WireError::Malformed(format!("blob kind {other}"))),
        };
        let fits = match bytes[33] {
            RAW => stored == len,
            LZ4 => stored < len,
            other => return Err(WireError::Malformed(format!("blob encoding {other}"))),
        };
        if !fits || len > max || len == 0 {
            return Err(WireError::Malformed(format!("a blob of {stored} bytes for {len}")));
        }
        Ok(Head { hash: ContentHash::from_bytes(hash), kind, encoding: bytes[33], len, stored })
    }
}

/// The receiving end. Memory: one blob and what the transport hands over at once.
pub(crate) struct BlobStream<B> {
    incoming: Incoming<B>,
    buffer: BytesMut,
    ended: bool,
}

impl<B> BlobStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    pub(crate) fn new(body: B) -> Self {
        BlobStream { incoming: Incoming { body, silence: SILENCE }, buffer: BytesMut::new(), ended: false }
    }

    /// What the stream is for. Asked once, first.
    pub(crate) async fn head<M: DeserializeOwned>(&mut self) -> Result<M, WireError> {
        self.fill(2).await?;
        let head = self.buffer.split_to(2);
        let len = usize::from(u16::from_le_bytes([head[0], head[1]]));
        if len > STREAM_HEAD_MAX {
            return Err(WireError::TooLong);
        }
        self.fill(len).await?;
        decode(&self.buffer.split_to(len))
    }

    /// The next blob; none at the declared end.
    pub(crate) async fn next(&mut self) -> Result<Option<ReceivedBlob>, WireError> {
        if self.ended {
            return Ok(None);
        }
        self.fill(1).await?;
        match self.buffer.split_to(1)[0] {
            END => {
                self.ended = true;
                return Ok(None);
            }
            BLOB => {}
            other => return Err(WireError::Malformed(format!("frame tag {other}"))),
        }
        self.fill(HEAD_BYTES).await?;
        let mut bytes = [0; HEAD_BYTES];
        bytes.copy_from_slice(&self.buffer.split_to(HEAD_BYTES));
        let head = Head::parse(&bytes)?;
        self.fill(head.stored).await?;
        let stored = self.buffer.split_to(head.stored).freeze();
        let bytes = match head.encoding {
            LZ4 => unpack(&stored, head.len)?,
            _ => stored,
        };
        Ok(Some(ReceivedBlob { hash: head.hash, kind: head.kind, bytes }))
    }

    /// True once the end was declared and nothing came behind it.
    pub(crate) fn ended(&self) -> bool {
        self.ended && self.buffer.is_empty()
    }

    async fn fill(&mut self, len: usize) -> Result<(), WireError> {
        while self.buffer.len() < len {
            match self.incoming.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err(WireError::Truncated),
            }
        }
        Ok(())
    }
}

/// Never writes more than the declared length, whatever the compressed bytes say.
fn unpack(stored: &[u8], len: usize) -> Result<Bytes, WireError> {
    let mut out = vec![0; len];
    match lz4_flex::block::decompress_into(stored, &mut out) {
        Ok(written) if written == len => Ok(out.into()),
        Ok(written) => Err(WireError::Malformed(format!("{written} bytes under a declared {len}"))),
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}
