//! Peers paired and removed.

use std::time::Duration;

use super::super::config::SecretPairing;
use super::super::pairing::{InvalidToken, JoinError, Secret, Token, join};
use super::super::peers::{KeepError, name_is_sane};
use super::super::report::PeerReport;
use super::super::wire::{Dialer, Link, LinkError};
use super::{Control, ControlError};

/// Between two attempts to pair by secret.
const AGAIN: Duration = Duration::from_secs(2);

impl Control {
    /// Pairs with the configured peer, as often as it takes. Once paired there is nothing to do: the other side may start later, or
    /// be made anew and call here.
    pub(in crate::replication) async fn join_by_secret(&self, pairing: SecretPairing) {
        let SecretPairing { peer_address, peer_name, .. } = pairing;
        let (Some(address), Some(secret)) = (peer_address, self.hub.pairing.configured().cloned()) else { return };
        let mut told = String::new();
        if let Err(error) = self.reachable() {
            return tracing::error!(%error, "not pairing");
        }
        loop {
            let dialer = Dialer { address: address.clone(), expected: None };
            let link = Link::new(self.identity.clone(), self.hub.clock.clone(), dialer);
            let card = self.hub.pairing.card();
            let error = match join(&link, &*self.hub.clock, &secret, card, self.identity.fingerprint()).await {
                Ok((card, certificate)) => {
                    match self.hub.peers.keep(card, certificate, peer_name.as_deref(), None).await {
                        Ok(_) => return self.hub.peers_changed.notify_one(),
                        Err(error) => error.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            if error != told {
                tracing::warn!(%address, %error, "not paired yet; trying on");
                told = error;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(super) async fn pair_by_token(&self, token: &str, name: &str) -> Result<PeerReport, ControlError> {
        self.reachable()?;
        let token: Token = token.parse().map_err(|error: InvalidToken| ControlError::Refused(error.to_string()))?;
        if !name_is_sane(name) {
            let text = "a peer's name has 1 to 64 letters, digits, dots, hyphens and underscores";
            return Err(ControlError::Refused(text.into()));
        }
        if token.fingerprint == self.identity.fingerprint() {
            return Err(ControlError::Refused("this token is this node's own; carry it to the other node".into()));
        }
        let dialer = Dialer { address: token.address.clone(), expected: Some(token.fingerprint) };
        let link = Link::new(self.identity.clone(), self.hub.clock.clone(), dialer);
        let secret = Secret::of_token(&token.secret);
        let card = self.hub.pairing.card();
        let joined = join(&link, &*self.hub.clock, &secret, card, self.identity.fingerprint()).await;
        let (card, certificate) = joined.map_err(|error| match error {
            JoinError::Link(error @ LinkError::Protocol(_)) => ControlError::Refused(error.to_string()),
            JoinError::Link(error) => {
                let address = &token.address;
                ControlError::PeerUnreachable(format!(
                    "{error}; can this node reach {address}, and is the token fresh?"
                ))
            }
            other => ControlError::Refused(other.to_string()),
        })?;
        // Who names a peer that is known means that one, and says that it may have a new key.
        let replaced = self.hub.peers.by_name(name).map(|peer| peer.row.card.node);
        let kept = self.hub.peers.keep(card, certificate, Some(name), replaced).await;
        let peer = kept.map_err(|error| match error {
            KeepError::NameTaken(_) | KeepError::Known { .. } | KeepError::KeyTaken(_) => {
                ControlError::Conflict(error.to_string())
            }
            KeepError::Vanished | KeepError::Commit(_) => ControlError::Internal(error.to_string()),
        })?;
        self.hub.peers_changed.notify_one();
        Ok(self.show_peer(&peer))
    }

    /// # Errors
    /// `Refused`, when peers could not dial this node.
    pub(super) fn reachable(&self) -> Result<(), ControlError> {
        if self.hub.pairing.card().is_reachable() {
            return Ok(());
        }
        let text = "the replication port listens on every address, and peers need one to dial: set replication_address (host:port)";
        Err(ControlError::Refused(text.into()))
    }

    pub(super) async fn unpair(&self, name: &str) -> Result<(), ControlError> {
        let peer = self.peer(name)?;
        let node = peer.row.card.node;
        if let Some(handle) = self.hub.handles().iter().find(|handle| handle.peer == node) {
            let scope = handle.read().state.scope.clone();
            let text = format!("the path {scope} replicates with {name}: remove the path first (tandem path remove)");
            return Err(ControlError::Refused(text));
        }
        let forgotten = self.hub.peers.forget(node).await;
        forgotten.map_err(|error| ControlError::Internal(error.to_string()))?;
        self.hub.peers_changed.notify_one();
        Ok(())
    }
}
