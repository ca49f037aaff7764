//! The machine's TCP sockets, as the kernel lists them.
//!
//! Behind an nginx that does not keep its connections there are tens of thousands in TIME_WAIT, and
//! `/proc/net/tcp` prints every one of them at each read. The kernel's own query (`sock_diag(7)`) looks only at
//! the state and port that are asked for. A kernel or a container that has no such query still has the file.

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The states that matter here, by the kernel's numbers (`tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Connected.
    Established = 1,
    /// Waiting for connections.
    Listen = 10,
    /// Closed by this side within the last minute.
    TimeWait = 6,
}

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its own port.
    pub port: u16,
    /// The address of the other end; a listener has none, which is written with zeros.
    pub peer: IpAddr,
    /// What `/proc/PID/fd` calls it.
    pub inode: u64,
}

/// The sockets in that state, IPv4 and IPv6, on that port or on any.
///
/// # Errors
/// When the kernel gives neither answer.
pub fn sockets(state: State, port: Option<u16>) -> Result<Vec<Socket>> {
    asked(state, port, End::Own).or_else(|_| listed(state, port, End::Own))
}

/// The sockets in that state whose other end has that port.
///
/// # Errors
/// Those of [`sockets`].
pub fn sockets_to(state: State, port: u16) -> Result<Vec<Socket>> {
    asked(state, Some(port), End::Other).or_else(|_| listed(state, Some(port), End::Other))
}

/// The end of a connection that a port is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Own,
    Other,
}

/// The family of IPv4, as an answer has it.
const AF_INET: u8 = 2;

/// The query of `inet_diag_req`, the older one. It answers for IPv4 and IPv6 together (`inet_diag_dump_compat`); by the newer
/// one each would be a walk of its own through the table of all connections, which takes a millisecond on a large machine.
const TCPDIAG_GETSOCK: u16 = 18;
const REQUEST_AND_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Of `struct inet_diag_req`, and of the `struct inet_diag_msg` that answers it.
const QUESTION: usize = 60;
const ANSWER: usize = 72;

/// Where the states stand in a question, behind `struct inet_diag_sockid`.
const STATES: usize = 52;

/// How much of an answer is read at a time, in bytes: the kernel sends no more at once than it was ever asked for, and
/// 8 KiB at the least (`netlink(7)`).
const LEAST: usize = 8 * 1024;
const MOST: usize = 64 * 1024;

fn asked(state: State, port: Option<u16>, end: End) -> Result<Vec<Socket>> {
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)?;
    let mut netlink = File::from(netlink);
    let mut found = Vec::new();
    // Those of one port are few; and zeroing the room for a whole machine's takes longer than all the rest.
    let mut answer = vec![0; if port.is_some() { LEAST } else { MOST }];
    netlink.write_all(&question(state, port, end))?;
    loop {
        let count = netlink.read(&mut answer)?;
        ensure!(count >= HEADER, "half an answer from sock_diag");
        if take(&answer[..count], &mut found)? {
            return Ok(found);
        }
    }
}

fn question(state: State, port: Option<u16>, end: End) -> Vec<u8> {
    let length = u32::try_from(HEADER + QUESTION).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + QUESTION);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(TCPDIAG_GETSOCK.to_ne_bytes());
    bytes.extend(REQUEST_AND_DUMP.to_ne_bytes());
    // The rest of the header, and the family and lengths, which nobody reads.
    bytes.extend([0; 8 + 4]);
    // struct inet_diag_sockid begins with the source port and the other end's; 0 is any.
    if end == End::Other {
        bytes.extend([0; 2]);
    }
    bytes.extend(port.unwrap_or(0).to_be_bytes());
    bytes.resize(HEADER + STATES, 0);
    bytes.extend((1_u32 << state as u8).to_ne_bytes());
    bytes.resize(HEADER + QUESTION, 0);
    bytes
}

/// Takes the sockets out of one datagram of `sock_diag(7)`; whether it was the last.
///
/// # Errors
/// When it is not whole, or is an error of the kernel's.
pub fn take(mut bytes: &[u8], found: &mut Vec<Socket>) -> Result<bool> {
    while let Some((length, kind)) = header(bytes) {
        ensure!(length >= HEADER && length <= bytes.len(), "half an answer from sock_diag");
        let body = &bytes[HEADER..length];
        match kind {
            DONE => return Ok(true),
            ERROR => {
                return Err(Errno::from_raw(number(body, 0).map_or(0, u32::cast_signed).wrapping_neg()))
                    .context("sock_diag");
            }
            TCPDIAG_GETSOCK if body.len() >= ANSWER => found.extend(socket_in(body)),
            _ => {}
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

fn header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    Some((length, u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?)))
}

fn socket_in(answer: &[u8]) -> Option<Socket> {
    let port = u16::from_be_bytes(answer.get(4..6)?.try_into().ok()?);
    // struct inet_diag_sockid: both ports, then both addresses, in network order.
    let peer: [u8; 16] = answer.get(24..40)?.try_into().ok()?;
    let peer = match *answer.first()? {
        AF_INET => IpAddr::V4(Ipv4Addr::new(peer[0], peer[1], peer[2], peer[3])),
        _ => Ipv6Addr::from(peer).to_canonical(),
    };
    Some(Socket { port, peer, inode: number(answer, 68)?.into() })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The same from `/proc/net/tcp` (`proc_pid_net(5)`).
fn listed(state: State, port: Option<u16>, end: End) -> Result<Vec<Socket>> {
    let mut text = std::fs::read_to_string("/proc/net/tcp").context("read /proc/net/tcp")?;
    // A kernel without IPv6 has no such file.
    text += &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let wanted = |line: &&str| port.is_none_or(|port| port_in(line, end) == Some(port));
    Ok(text.lines().filter(wanted).filter_map(|line| row(line, state)).collect())
}

/// The socket of a line of `/proc/net/tcp`, if it is one in that state.
#[must_use]
pub fn row(line: &str, state: State) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let is = u8::from_str_radix(fields.get(3)?, 16).ok()?;
    let (peer, _) = fields.get(2)?.split_once(':')?;
    let socket = Socket { port: port_in(line, End::Own)?, peer: address(peer)?, inode: fields.get(9)?.parse().ok()? };
    (is == state as u8).then_some(socket)
}

/// `0100007F`: each four bytes are one number of this machine's.
fn address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).to_canonical())
        }
        _ => None,
    }
}

fn port_in(line: &str, end: End) -> Option<u16> {
    let address = line.split_ascii_whitespace().nth(if end == End::Own { 1 } else { 2 })?;
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn both_ways_of_asking_agree() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        for state in [State::Listen, State::Established] {
            let asked = asked(state, Some(port), End::Own).unwrap();
            assert_eq!(asked.len(), 1, "{state:?}: the client's own end must not count");
            assert_eq!(asked, listed(state, Some(port), End::Own).unwrap());
        }
        let to = asked(State::Established, Some(port), End::Other).unwrap();
        assert_eq!((to.len(), to[0].port), (1, client.local_addr().unwrap().port()));
        assert_eq!(to, listed(State::Established, Some(port), End::Other).unwrap());
        assert!(asked(State::Listen, None, End::Own).unwrap().iter().any(|socket| socket.port == port));
        let accepted = listener.accept().unwrap();
        drop(client);
        drop((accepted, listener));
        assert_eq!(asked(State::Listen, Some(port), End::Own).unwrap(), []);
        assert_eq!(sockets_to(State::TimeWait, port).unwrap().len(), 1, "the client has closed first");
    }

    #[test]
    fn a_line_of_proc_net_tcp() {
        let line =
            "   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0";
        assert_eq!(row(line, State::Listen), Some(Socket { port: 8081, peer: [0; 4].into(), inode: 4711 }));
        assert_eq!(row(line, State::Established), None);
        assert_eq!(row("  sl  local_address rem_address   st tx_queue", State::Listen), None);
        assert_eq!(row("", State::Listen), None);
    }

    #[test]
    fn the_address_of_the_other_end() {
        let own = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        assert_eq!(address(&own([10, 1, 2, 3])), Some([10, 1, 2, 3].into()));
        let mapped = [[0; 4], [0; 4], [0, 0, 255, 255], [10, 1, 2, 3]].map(own).concat();
        assert_eq!(address(&mapped), Some([10, 1, 2, 3].into()), "IPv4 that came to a socket of IPv6");
        assert_eq!(address(&[[0; 4], [0; 4], [0; 4], [0, 0, 0, 1]].map(own).concat()), "::1".parse().ok());
        for bad in ["", "0", "0100007G", "é100007F"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_that_lies_about_its_length_is_an_error() {
        let mut found = Vec::new();
        let message = |length: u32| [length.to_ne_bytes().as_slice(), &[18, 0], &[0; 10]].concat();
        assert!(take(&message(0), &mut found).is_err());
        assert!(take(&message(17), &mut found).is_err());
        assert!(!take(&message(16), &mut found).unwrap());
        assert!(!take(&[1, 2, 3], &mut found).unwrap());
        assert_eq!(found, []);
    }
}
