//! What peers ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use tandem_storage::types::{NodeGuid, PathGuid};
use tokio::sync::oneshot;

use super::super::message::{Answer, Attempt, BlobsHead, Envelope, Failure, HELLO_VIEWS, Request, Told};
use super::super::peers::NodeCard;
use super::super::receive::Declared;
use super::super::wire::{BlobStream, Caller, Handler, OtherProtocol, WireError, decode, encode};
use super::handle::PathHandle;
use super::hub::Hub;
use super::mail::{Mail, Order};
use crate::role::machine::{Command, Life, PathView};

/// How long a source is kept waiting for a landing before it asks again.
const LANDING: Duration = Duration::from_secs(5);

/// The listening end's answers.
pub(crate) struct Answers(pub Arc<Hub>);

impl Handler for Answers {
    async fn pair(&self, caller: &Caller, message: &[u8]) -> Option<Vec<u8>> {
        let answer = self.0.pairing.answer(caller, message).await;
        self.0.peers_changed.notify_one();
        answer
    }

    async fn call(&self, peer: NodeGuid, message: &[u8]) -> Option<Vec<u8>> {
        let envelope: Envelope = match decode(message) {
            Ok(envelope) => envelope,
            Err(error) => {
                if let WireError::Version(version) = error {
                    self.0.note_protocol(peer, OtherProtocol(version));
                }
                return None;
            }
        };
        if envelope.sender != peer {
            return None;
        }
        self.0.beat(peer);
        let answer = self.0.answer(peer, envelope.request).await.unwrap_or_else(Answer::Failed);
        encode(&answer).ok()
    }

    async fn blobs(&self, peer: NodeGuid, stream: BlobStream<Incoming>) -> Option<Vec<u8>> {
        self.take_blobs(peer, stream).await
    }
}

impl Answers {
    /// A stream of blobs, wherever it comes from.
    pub(in crate::replication) async fn take_blobs<B>(
        &self,
        peer: NodeGuid,
        mut stream: BlobStream<B>,
    ) -> Option<Vec<u8>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let head: BlobsHead = stream.head().await.ok()?;
        if head.sender != peer {
            return None;
        }
        let outcome = match self.0.shared(head.attempt.path, peer) {
            Some(handle) => handle.note_room(self.0.receiver.blobs(head.attempt, &mut stream).await),
            None => Err(Failure::NoPath),
        };
        encode(&outcome.unwrap_or_else(Answer::Failed)).ok()
    }
}

impl Hub {
    async fn answer(self: &Arc<Self>, peer: NodeGuid, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Hello(views) => Ok(Answer::Hello(self.hear(peer, views))),
            Request::Accept(view) => self.accepting(peer, &view, true).await,
            Request::MayAccept(view) => self.accepting(peer, &view, false).await,
            Request::Removed(path) => self.removed_by_peer(peer, path).await,
            Request::Here(card) => self.moved(peer, card).await,
            Request::Offer(offer) => {
                let handle = self.shared(offer.path, peer).ok_or(Failure::NoPath)?;
                let (sender, answer) = oneshot::channel();
                let stopping = |_| Failure::Internal("the node is stopping".into());
                handle.mail.send(Mail::Offer(offer, sender)).await.map_err(|_| Failure::NoPath)?;
                Ok(Answer::Taking(answer.await.map_err(stopping)?))
            }
            Request::Lacking { attempt, hashes } => {
                self.of(attempt, peer)?;
                self.receiver.lacking(attempt, hashes).await
            }
            Request::Rows { attempt, first, rows } => {
                self.of(attempt, peer)?.note_room(self.receiver.rows(attempt, first, rows).await)
            }
            Request::Complete { attempt, rows, digest, total } => {
                let handle = self.of(attempt, peer)?;
                let declared = Declared { rows, digest, total };
                let completed = self.receiver.complete(attempt, declared, LANDING).await;
                handle.tell(Mail::Look);
                let Some(to) = completed? else {
                    return Ok(Answer::Landing);
                };
                match handle.wait_for(LANDING, |published| published.visible() == Some(to)).await {
                    true => Ok(Answer::Landed),
                    false => Ok(Answer::Landing),
                }
            }
            Request::Shown { attempt, over, position } => {
                self.of(attempt, peer)?;
                self.receiver.shown(attempt, over, position).await
            }
            Request::Fetch(fetch) => self.give(peer, fetch).await,
        }
    }

    fn of(&self, attempt: Attempt, peer: NodeGuid) -> Result<Arc<PathHandle>, Failure> {
        self.shared(attempt.path, peer).ok_or(Failure::NoPath)
    }

    fn hear(&self, peer: NodeGuid, views: Vec<PathView>) -> Vec<Told> {
        views.into_iter().take(HELLO_VIEWS).map(|view| self.hear_one(peer, view)).collect()
    }

    fn hear_one(&self, peer: NodeGuid, view: PathView) -> Told {
        let path = view.path;
        // What makes no sense is not heard; the answer is what it would be anyway.
        let sane = view.is_sane();
        let Some(handle) = self.shared(path, peer) else {
            return if self.is_buried(path) { Told::Gone(path) } else { Told::Unknown(path) };
        };
        let published = handle.read();
        let age = match published.state.detail.life {
            Life::Source(_) => self.age_of_shown(&handle, &view),
            Life::Destination(_) | Life::Standalone(_) => None,
        };
        if sane {
            handle.tell(Mail::Heard { view: Box::new(view), asked: None, age: None });
        }
        Told::View { view: Box::new(published.view()), age }
    }

    /// A peer that started elsewhere, or under another name, says so; it is the same by its certificate.
    async fn moved(&self, peer: NodeGuid, card: NodeCard) -> Result<Answer, Failure> {
        if card.node != peer || !card.is_sane() || !card.is_reachable() {
            return Err(Failure::Refused("a card of another node, or one that nobody could dial".into()));
        }
        self.peers.relocate(card).await.map_err(|error| Failure::Internal(error.to_string()))?;
        self.bell(peer).notify_one();
        Ok(Answer::Done)
    }

    async fn accepting(self: &Arc<Self>, peer: NodeGuid, view: &PathView, for_good: bool) -> Result<Answer, Failure> {
        let peer = self.peers.by_node(peer).ok_or(Failure::NoPath)?;
        if !view.is_sane() {
            return Err(Failure::Refused("a path of an epoch, a policy or snapshots that cannot be".into()));
        }
        match for_good {
            true => self.accept(&peer, view).await?,
            false => self.may_accept(&peer, view).await?,
        }
        Ok(Answer::Done)
    }

    async fn removed_by_peer(&self, peer: NodeGuid, path: PathGuid) -> Result<Answer, Failure> {
        let Some(handle) = self.shared(path, peer) else { return Ok(Answer::Done) };
        let (sender, answer) = oneshot::channel();
        let _ = handle.mail.send(Mail::Order { order: Order::Role(Command::Remove), at: None, answer: sender }).await;
        match answer.await {
            Ok(Ok(())) | Err(_) => Ok(Answer::Done),
            Ok(Err(refused)) => Err(Failure::Refused(refused.to_string())),
        }
    }
}
