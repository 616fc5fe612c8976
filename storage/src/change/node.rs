use super::Refusal;
use crate::meta::Tx;
use crate::meta::engine::Table;
use crate::store::Change;

/// A row of the node's own: peers, identities, settings. Not covered by any path's gate.
#[derive(Clone, Debug)]
pub struct NodeWrite {
    pub key: Vec<u8>,
    /// None deletes.
    pub value: Option<Vec<u8>>,
    /// `Some(x)`: refuse with `Stale` unless the present value is `x` (`Some(None)`: absent).
    pub expected: Option<Option<Vec<u8>>>,
}

/// All rows or none. Output: `()`. Refusals: `Stale`.
#[derive(Clone, Debug)]
pub struct WriteNodeRows(pub Vec<NodeWrite>);

impl Change for WriteNodeRows {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        for NodeWrite { key, value, expected } in self.0 {
            if let Some(expected) = expected
                && tx.table_get(Table::Node, &key)? != expected
            {
                return Err(Refusal::Stale);
            }
            match value {
                Some(value) => tx.table_put(Table::Node, key, value),
                None => tx.table_delete(Table::Node, key),
            }
        }
        Ok(())
    }
}
