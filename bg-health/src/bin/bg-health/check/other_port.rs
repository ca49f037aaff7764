//! The other slot's port: a release that listens there as well is sent a share of its visitors.
//!
//! Where two processes of one user both set `SO_REUSEPORT` (`socket(7)`), the kernel lets both listen on one port and
//! shares the connections out among them. So a release whose port is fixed takes visitors before it was found healthy.

use anyhow::Result;
use bg_launch::Launch;
use bg_probe::os::port;
use bg_probe::site::slot::Slot;
use std::collections::BTreeSet;

/// The sockets that listen on the other slot's port, as they were at the last look.
pub(crate) struct OtherPort<'a> {
    slot: &'a Slot,
    sockets: BTreeSet<u64>,
}

impl<'a> OtherPort<'a> {
    /// The port of that slot, not yet looked at.
    pub(crate) fn new(slot: &'a Slot) -> OtherPort<'a> {
        OtherPort { slot, sockets: BTreeSet::new() }
    }

    /// Whether what was launched listens on it.
    ///
    /// The kernel is asked for the listeners each time, which is one short query; whose they are is looked up only
    /// where one is new.
    ///
    /// # Errors
    /// When the kernel does not list its sockets, or `/proc` can't be read.
    pub(crate) fn is_taken_by(&mut self, launch: &Launch) -> Result<bool> {
        let sockets = self.slot.listeners()?;
        let is_new = |socket: &u64| sockets.contains(socket) && !self.sockets.contains(socket);
        let taken = !sockets.is_subset(&self.sockets)
            && launch.members()?.into_iter().flat_map(port::sockets_of).any(|socket| is_new(&socket));
        self.sockets = sockets;
        Ok(taken)
    }
}
