//! The process that answers: what was launched, or one that was there before.
//!
//! An older process that holds the port answers as well as the new one would, and the switch would go to it.
//! A process that began before the launch can't belong to it, so its answers don't count.

use crate::check::Answer;
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::os::port;
use bg_probe::os::process::{Stat, command_line};
use bg_probe::site::slot::Slot;
use std::collections::BTreeSet;

/// The sockets that listen on the slot's port, and on that at which its health is asked for, as they were at the last
/// look.
#[derive(Default)]
pub(crate) struct Listeners {
    sockets: Vec<BTreeSet<u64>>,
    stranger: Option<(String, Slot)>,
}

impl Listeners {
    /// Looks up the listeners of `slots`; whether they are still those of the last look.
    ///
    /// Finding the holder of a socket means reading every process's descriptors, so that is done only when the
    /// sockets are others than before.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub(crate) fn look(&mut self, launch: &Launch, slots: &[Slot]) -> Result<bool> {
        let sockets = slots.iter().map(Slot::listeners).collect::<Result<Vec<_>>>()?;
        if sockets == self.sockets {
            return Ok(true);
        }
        self.stranger = None;
        for (slot, sockets) in slots.iter().zip(&sockets) {
            let found = stranger(launch, sockets)?.map(|who| (who, slot.clone()));
            self.stranger = self.stranger.take().or(found);
        }
        self.sockets = sockets;
        Ok(false)
    }

    /// The same answer, made out to be a stranger's where it is, and whether the listeners are still those of the look
    /// before: if not, it is not known which of them has answered.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub(crate) fn whose(&mut self, mut answer: Answer, launch: &Launch, slots: &[Slot]) -> Result<(Answer, bool)> {
        let same = self.look(launch, slots)?;
        if let Some((who, slot)) = &self.stranger {
            answer.text = format!("{} from {who}, which is older than the launch", answer.text);
            answer.kind = Kind::Stranger(who.clone(), slot.clone());
        }
        Ok((answer, same))
    }

    /// A listener that is older than the launch, as pid and command line. A process that this user may not see
    /// can't be told from a container's proxy, and is none.
    pub(crate) fn stranger(&self) -> Option<&str> {
        self.stranger.as_ref().map(|(who, _)| who.as_str())
    }
}

fn stranger(launch: &Launch, sockets: &BTreeSet<u64>) -> Result<Option<String>> {
    let members = launch.members()?;
    let ours: BTreeSet<u64> = members.into_iter().flat_map(port::sockets_of).collect();
    let others: BTreeSet<u64> = sockets.difference(&ours).copied().collect();
    if others.is_empty() {
        return Ok(None);
    }
    // One that began since is not in the session but came with it: a container's proxy.
    let is_older = |pid: &i32| Stat::of(*pid).is_some_and(|stat| stat.start_ticks < launch.process.start_ticks);
    let older = port::holders(&others)?.into_iter().find(is_older);
    Ok(older.map(|pid| format!("pid {pid} ({})", command_line(pid))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::os::process::Process;
    use std::net::TcpListener;

    fn launched_by_this(start_ticks: impl Fn(u64) -> u64) -> (Launch, TcpListener) {
        let this = Process::with_pid(i32::try_from(std::process::id()).unwrap()).unwrap();
        let launch = Launch {
            process: Process { start_ticks: start_ticks(this.start_ticks), ..this },
            release: "r".into(),
            artifact: None,
            sha256: None,
            log: None,
            unit: None,
            invocation: None,
            replaced: None,
            was_running: false,
            unchanged: false,
        };
        (launch, TcpListener::bind("127.0.0.1:0").unwrap())
    }

    #[test]
    fn only_a_listener_older_than_the_launch_is_a_stranger() {
        let (later, listener) = launched_by_this(|ticks| ticks + 1);
        let slot = Slot { name: "set1".parse().unwrap(), port: listener.local_addr().unwrap().port() };
        let mut listeners = Listeners::default();
        assert!(!listeners.look(&later, std::slice::from_ref(&slot)).unwrap(), "a listener where none was");
        assert!(listeners.stranger().unwrap().starts_with(&format!("pid {} (", std::process::id())));
        assert!(listeners.look(&later, std::slice::from_ref(&slot)).unwrap(), "the same listener");

        let (earlier, _) = launched_by_this(|ticks| ticks);
        let mut listeners = Listeners::default();
        listeners.look(&earlier, &[slot]).unwrap();
        assert_eq!(listeners.stranger(), None);
    }
}
