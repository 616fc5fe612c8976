//! A TCP link between two nodes that can be cut, closed, muted and slowed down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::world::instant;

const NO_CUT: u64 = u64::MAX;

/// A TCP link that breaks after a number of bytes, and again.
pub struct CutLink {
    pub address: SocketAddr,
    target: Arc<std::sync::Mutex<Option<SocketAddr>>>,
    wire: Wire,
    runtime: Option<tokio::runtime::Runtime>,
}

impl CutLink {
    pub fn new() -> CutLink {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let link = CutLink {
            address: listener.local_addr().unwrap(),
            target: Arc::default(),
            wire: Wire {
                budget: Arc::new(AtomicU64::new(NO_CUT)),
                open: Arc::new(AtomicBool::new(true)),
                ..Wire::default()
            },
            runtime: Some(runtime),
        };
        let wire = link.wire.clone();
        let target = link.target.clone();
        link.runtime.as_ref().unwrap().spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let Some(address) = *target.lock().unwrap() else { continue };
                let wire = wire.clone();
                tokio::spawn(async move {
                    if !wire.open.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(server) = tokio::net::TcpStream::connect(address).await {
                        wire.carry(client, server).await;
                    }
                });
            }
        });
        link
    }

    pub fn lead_to(&self, address: SocketAddr) {
        *self.target.lock().unwrap() = Some(address);
    }

    /// The next `bytes` pass, then whatever connection carries them breaks.
    pub fn cut_after(&self, bytes: u64) {
        self.wire.budget.store(bytes, Ordering::SeqCst);
    }

    /// The next `bytes` pass, then nothing does until the link is opened.
    pub fn die_after(&self, bytes: u64) {
        self.wire.fatal.store(true, Ordering::SeqCst);
        self.cut_after(bytes);
    }

    /// Nothing comes back from the server any more; what is on its way back is lost.
    pub fn set_mute(&self, mute: bool) {
        self.wire.mute.store(mute, Ordering::SeqCst);
    }

    pub fn set_open(&self, open: bool) {
        self.wire.fatal.store(false, Ordering::SeqCst);
        self.wire.open.store(open, Ordering::SeqCst);
    }

    pub fn is_open(&self) -> bool {
        self.wire.open.load(Ordering::SeqCst)
    }

    /// What the server says arrives so much later.
    pub fn set_delay(&self, delay: Duration) {
        self.wire.delay_micros.store(delay.as_micros() as u64, Ordering::SeqCst);
    }

    pub fn cuts(&self) -> u64 {
        self.wire.cuts.load(Ordering::SeqCst)
    }

    /// Bytes that have been carried, both ways.
    pub fn carried(&self) -> u64 {
        self.wire.carried.load(Ordering::SeqCst)
    }
}

impl Drop for CutLink {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

#[derive(Clone, Default)]
struct Wire {
    /// Bytes until the next cut.
    budget: Arc<AtomicU64>,
    /// The next cut closes the link.
    fatal: Arc<AtomicBool>,
    open: Arc<AtomicBool>,
    mute: Arc<AtomicBool>,
    delay_micros: Arc<AtomicU64>,
    cuts: Arc<AtomicU64>,
    carried: Arc<AtomicU64>,
}

impl Wire {
    async fn carry(&self, client: TcpStream, server: TcpStream) {
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        tokio::select! {
            () = self.pump(client_read, server_write, false) => {}
            () = self.pump(server_read, client_write, true) => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, to: OwnedWriteHalf, back: bool) {
        let (chunks, waiting) = mpsc::channel(64);
        let writing = self.write(waiting, to, back);
        let reading = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = tokio::time::timeout(Duration::from_millis(50), from.read(&mut buffer)).await;
                if !self.open.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(read) = read else { continue };
                let Ok(count @ 1..) = read else { return };
                let delay = if back { self.delay_micros.load(Ordering::SeqCst) } else { 0 };
                let due = instant() + Duration::from_micros(delay);
                if chunks.send((due, buffer[..count].to_vec())).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    }

    async fn write(&self, mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf, back: bool) {
        while let Some((due, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if back && self.mute.load(Ordering::SeqCst) {
                continue;
            }
            let left = self.budget.load(Ordering::SeqCst);
            let pass = chunk.len().min(usize::try_from(left).unwrap());
            if left != NO_CUT {
                self.budget.fetch_sub(pass as u64, Ordering::SeqCst);
            }
            self.carried.fetch_add(pass as u64, Ordering::SeqCst);
            if to.write_all(&chunk[..pass]).await.is_err() {
                return;
            }
            if pass < chunk.len() {
                self.budget.store(NO_CUT, Ordering::SeqCst);
                if self.fatal.load(Ordering::SeqCst) {
                    self.open.store(false, Ordering::SeqCst);
                }
                self.cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }
}
