//! Stand-ins until each change has its own code; every one is replaced.
use super::*;
use crate::meta::Tx;
use crate::record::{ObjectRow, PartRow};
use crate::store::Change;

macro_rules! change {
    ($($type:ty => $output:ty),* $(,)?) => { $(
        impl Change for $type {
            type Output = $output;
            fn carry_out(self, _tx: &mut Tx<'_>) -> Result<$output, Refusal> { todo!() }
        }
    )* };
}

change! {
    CreateBucket => (), DeleteBucket => (), SetBucketSetting => (), SetVersioning => (), WriteNodeRows => (),
    PutObject => PutOutcome, DeleteObject => Deleted, ReplaceObjectSlots => ObjectRow,
    CreateUpload => (), PutPart => PartRow, CompleteUpload => PutOutcome, AbortUpload => (),
}
