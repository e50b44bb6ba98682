//! Whether HQ was restored from a backup. Its events come again because it asks for them; its pictures because we offer them:
//! it knows of no picture that it was offered after the backup was made.

use crate::{
    domain::Epoch,
    store::{Store, StoreError},
};
use tracing::warn;

#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Noticed, and not caught up yet: offered once for each restore.
    noticed: bool,
    /// An answer has named less than was acknowledged. One alone may be late: several receivers answer, each at its own pace.
    doubted: bool,
}

impl Restored {
    /// An answer says that HQ holds `epoch` up to `upto`. `false`: it is to be asked once more before that is believed.
    pub async fn stands(&mut self, store: &Store, epoch: Epoch, upto: u64) -> Result<bool, StoreError> {
        if upto >= store.acknowledged_upto(epoch).await? {
            (self.noticed, self.doubted) = (false, false);
            return Ok(true);
        }
        if !self.doubted {
            self.doubted = true;
            return Ok(false);
        }
        self.misses(store).await?;
        Ok(true)
    }

    /// HQ misses something that it had acknowledged. It answers an offer of what it has with one word.
    pub async fn misses(&mut self, store: &Store) -> Result<(), StoreError> {
        if !self.noticed {
            let pictures = store.owe_again().await?;
            warn!(pictures, "HQ was restored from a backup; the pictures it had verified are offered again");
            self.noticed = true;
        }
        Ok(())
    }
}
