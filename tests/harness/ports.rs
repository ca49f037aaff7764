//! Free TCP ports that no other test, in this run or another one beside it, is given too.
//!
//! The numbers lie below those that the kernel hands to clients (`ip_local_port_range`, from 32768
//! on), so no connection can occupy one between the choice and its use. A UDP socket on the same
//! number marks it as taken, for every run on the machine and exactly as long as it is in use.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// A port on 127.0.0.1 where nothing listens, kept for its owner until it is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Takes a free port.
    #[must_use]
    pub fn free() -> Self {
        // Runs beside each other start at different places; within one, no number comes twice.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = process::id().wrapping_mul(7919);
        (0..COUNT)
            .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)))
            .find_map(|step| Self::claim(u16::try_from(FIRST + step % COUNT).ok()?))
            .expect("a free port between 10000 and 30000")
    }

    /// The number to listen on.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    fn claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
        Some(Self { number, _claim: claim })
    }
}
