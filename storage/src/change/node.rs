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
