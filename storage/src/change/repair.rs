use super::Refusal;
use crate::blob::StagedBody;
use crate::meta::Tx;
use crate::store::Change;

/// Gives a blob that was found to be damaged the bytes that were received of it. Output: whether they took the place of what is stored; not so
/// if that is distrusted no more, or if nothing refers to the blob any more: bytes that nobody misses are not kept.
pub struct RepairBlob(pub StagedBody);

impl Change for RepairBlob {
    type Output = bool;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<bool, Refusal> {
        let Some(root) = self.0.body().root() else { return Ok(false) };
        if tx.blob(root)?.is_none() || !tx.wants_again(root) {
            return Ok(false);
        }
        tx.stage(self.0)?;
        Ok(true)
    }
}
