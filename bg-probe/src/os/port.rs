//! A slot's port, as the kernel sees it: its listeners and its connections.

use crate::os::sockets::{State, sockets, sockets_to};
use anyhow::Result;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Whether something holds this port, at whatever address: it may be what serves, for nginx can have any.
///
/// A connection that is taken counts as well: what takes it may be a rule of the kernel's (a container's published
/// port), and then there is no listener.
#[must_use]
pub fn listens(port: u16) -> bool {
    is_reachable((Ipv4Addr::LOCALHOST, port).into()) || listeners(port).is_ok_and(|sockets| !sockets.is_empty())
}

/// Whether something takes connections at this address, as nginx would find out.
///
/// A listener too busy to take one within a second is still a listener. A connection to itself is none: where nothing
/// listens on a port that outgoing connections are given, the kernel may give it to this very one.
#[must_use]
pub fn is_reachable(address: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        Ok(stream) => !is_its_own_peer(&stream),
        Err(e) => e.kind() != std::io::ErrorKind::ConnectionRefused,
    }
}

/// Whether a connection is one to itself (a simultaneous open of RFC 9293, 3.5).
fn is_its_own_peer(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// Those of these ports that the kernel may give to outgoing connections: in its range for them, and not reserved
/// (`net.ipv4.ip_local_port_range` and `ip_local_reserved_ports` of `ip(7)`).
#[must_use]
pub fn given_away(ports: &[u16]) -> Option<GivenAway> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
    let (range, reserved) = (read("ip_local_port_range").ok()?, read("ip_local_reserved_ports").ok()?);
    GivenAway::among(ports, &range, reserved.trim())
}

/// Ports that the kernel may give to outgoing connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAway {
    /// The ports.
    pub ports: Vec<u16>,
    /// The first and the last of those that are given.
    pub range: (u16, u16),
    /// What would have to be reserved: what is already, and these.
    pub to_reserve: String,
}

impl GivenAway {
    fn among(ports: &[u16], range: &str, reserved: &str) -> Option<GivenAway> {
        let mut ends = range.split_ascii_whitespace().map(str::parse::<u16>);
        let range = (ends.next()?.ok()?, ends.next()?.ok()?);
        let has = |part: &str, port: u16| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse().is_ok_and(|first: u16| first <= port) && last.parse().is_ok_and(|last: u16| port <= last)
        };
        let is_reserved = |port: u16| reserved.split(',').any(|part| has(part, port));
        let given = |port: &u16| (range.0..=range.1).contains(port) && !is_reserved(*port);
        let ports: Vec<u16> = ports.iter().copied().filter(given).collect();
        let texts = (!reserved.is_empty()).then(|| reserved.to_owned()).into_iter();
        let to_reserve = texts.chain(ports.iter().map(u16::to_string)).collect::<Vec<_>>().join(",");
        (!ports.is_empty()).then_some(GivenAway { ports, range, to_reserve })
    }
}

/// The sockets that listen on a port, by inode.
///
/// # Errors
/// When the kernel does not list its sockets.
pub fn listeners(port: u16) -> Result<BTreeSet<u64>> {
    Ok(sockets(State::Listen, Some(port))?.iter().map(|socket| socket.inode).collect())
}

/// How many connections to a port are established.
///
/// # Errors
/// When the kernel does not list its sockets.
pub fn established(port: u16) -> Result<usize> {
    Ok(sockets(State::Established, Some(port))?.len())
}

/// Whether anybody is connected to a port, or was within the last minute: whichever end closes first has the connection in
/// TIME_WAIT for so long (`tcp(7)`). A client in another network namespace is seen only while it is connected, or where the
/// server closes first.
///
/// # Errors
/// When the kernel does not list its sockets.
pub fn was_visited(port: u16) -> Result<bool> {
    Ok(established(port)? > 0
        || !sockets(State::TimeWait, Some(port))?.is_empty()
        || !sockets_to(State::TimeWait, port)?.is_empty())
}

/// The ports on which any of these processes listens.
///
/// # Errors
/// When the kernel does not list its sockets.
pub fn ports_of(pids: &[i32]) -> Result<BTreeSet<u16>> {
    let held: BTreeSet<u64> = pids.iter().flat_map(|pid| sockets_of(*pid)).collect();
    let listening = sockets(State::Listen, None)?;
    Ok(listening.iter().filter(|socket| held.contains(&socket.inode)).map(|socket| socket.port).collect())
}

/// The processes that hold any of these sockets, as far as this user may see.
///
/// # Errors
/// When `/proc` can't be read.
pub fn holders(inodes: &BTreeSet<u64>) -> Result<Vec<i32>> {
    let holds = |pid: &i32| sockets_of(*pid).any(|inode| inodes.contains(&inode));
    Ok(crate::os::process::pids()?.into_iter().filter(holds).collect())
}

/// Whether these processes have all of these sockets open among them, as far as this user may see. A listener is among the
/// first descriptors of a process, and those after the last one that is needed are not read.
#[must_use]
pub fn hold_all(pids: &[i32], inodes: &BTreeSet<u64>) -> bool {
    let mut left = inodes.clone();
    let mut held = pids.iter().flat_map(|pid| sockets_of(*pid));
    left.is_empty() || held.any(|inode| left.remove(&inode) && left.is_empty())
}

/// The sockets that a process has open, by inode, read as they are asked for; none where this user may not look.
pub fn sockets_of(pid: i32) -> impl Iterator<Item = u64> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let inode = |fd: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(fd.ok()?.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    fds.filter_map(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_is_given_away_where_it_is_in_the_range_and_not_reserved() {
        let among = |ports: &[u16], reserved| GivenAway::among(ports, "32768\t60999\n", reserved);
        assert_eq!(among(&[8081, 8082, 32767, 61000], ""), None);
        assert_eq!(among(&[40001, 40002], "8080,40000-40010"), None);
        let given = among(&[40001, 8082, 60999], "50000").unwrap();
        assert_eq!(
            (given.ports, given.range, given.to_reserve.as_str()),
            (vec![40001, 60999], (32768, 60999), "50000,40001,60999")
        );
    }

    #[test]
    fn a_listener_and_its_connections_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holders(&listeners(port).unwrap()).unwrap(), [me]);
        assert!(ports_of(&[me]).unwrap().contains(&port));
        let second = TcpListener::bind(("127.0.0.3", port)).unwrap();
        let two = listeners(port).unwrap();
        assert!(two.len() == 2 && hold_all(&[me], &two) && hold_all(&[], &BTreeSet::new()));
        assert!(!hold_all(&[], &two) && !hold_all(&[me], &two.iter().copied().chain([1]).collect()));
        drop(second);
        assert_eq!(established(port).unwrap(), 0);
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(established(port).unwrap(), 1, "the client's own end must not count");
        drop((client, listener));
        assert!(!listens(port));
        let elsewhere = TcpListener::bind(("127.0.0.2", port)).unwrap();
        assert!(listens(port) && !is_reachable((Ipv4Addr::LOCALHOST, port).into()));
        drop(elsewhere);
        assert!(listeners(port).unwrap().is_empty());
    }
}
