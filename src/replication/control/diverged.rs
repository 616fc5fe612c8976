//! What a rejoin set aside, by name.

use tandem_storage::meta::delta::DeltaEntry;
use tandem_storage::record::{ObjectRow, Record, RetentionMode, RowKey, Scope};
use tandem_storage::types::{EpochNumber, Timestamp};
use tandem_storage::{ReadError, Store};

use super::super::manifest::Aside;
use super::super::report::DivergedEntry;
use super::{Control, ControlError};

/// Lines that a manifest shows; the report has the whole count.
const LINES: usize = 100_000;

impl Control {
    pub(super) async fn manifest(&self, scope: &Scope, epoch: EpochNumber) -> Result<Vec<DivergedEntry>, ControlError> {
        let aside = self.aside(scope, epoch)?;
        self.blocking(move |store| {
            let mut all = Vec::new();
            aside.lines(store, |mut lines| {
                all.append(&mut lines);
                all.len() < LINES
            })?;
            Ok(all)
        })
        .await
    }

    /// Whether a retention or a legal hold lies on any version that was set aside.
    pub(super) async fn diverged_is_locked(&self, scope: &Scope, epoch: EpochNumber) -> Result<bool, ControlError> {
        let (aside, now) = (self.aside(scope, epoch)?, self.hub.clock.now());
        self.blocking(move |store| {
            let mut locked = false;
            aside.walk(store, |entry| {
                locked |= is_locked(entry, now)?;
                Ok(!locked)
            })?;
            Ok(locked)
        })
        .await
    }

    fn aside(&self, scope: &Scope, epoch: EpochNumber) -> Result<Aside, ControlError> {
        let published = self.handle(scope)?.read();
        let diverged = published.state.detail.diverged.iter().find(|diverged| diverged.epoch == epoch);
        let unknown = || ControlError::NotFound(format!("no diverged writes of epoch {epoch} are kept for {scope}"));
        let diverged = diverged.ok_or_else(unknown)?;
        let seq = |guid| match self.hub.store.snapshot(guid) {
            Ok(row) => row.map(|row| row.seq).ok_or_else(unknown),
            Err(error) => Err(ControlError::Internal(error.to_string())),
        };
        Ok(Aside { scope: scope.clone(), base: seq(diverged.base)?, to: seq(diverged.snapshot)? })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let store = self.hub.store.clone();
        let joined = tokio::task::spawn_blocking(move || work(&store)).await;
        let outcome = joined.map_err(|_| ControlError::Internal("the node is stopping".into()))?;
        outcome.map_err(|error| ControlError::Internal(error.to_string()))
    }
}

fn is_locked(entry: &DeltaEntry, now: Timestamp) -> Result<bool, ReadError> {
    let (RowKey::Object(..), Some(new)) = (&entry.key, &entry.new) else { return Ok(false) };
    let row = ObjectRow::decode(new)?;
    let lock = row.content().and_then(|content| content.lock);
    let retained = |(_, until): (RetentionMode, Timestamp)| until > now;
    Ok(lock.is_some_and(|lock| lock.legal_hold || lock.retention.is_some_and(retained)))
}
