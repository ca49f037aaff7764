//! A slot's port, as the kernel sees it: who listens, who is connected (`proc_pid_net(5)`, tcp and tcp6).

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Whether something on 127.0.0.1 takes connections on this port, as nginx would find out.
///
/// A listener too busy to take one within a second is still a listener.
#[must_use]
pub fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
        Ok(_) => true,
        Err(e) => e.kind() != std::io::ErrorKind::ConnectionRefused,
    }
}

/// The sockets that listen on a port, by inode.
///
/// # Errors
/// When `/proc/net/tcp` can't be read.
pub fn listeners(port: u16) -> Result<BTreeSet<u64>> {
    let rows = rows()?;
    Ok(rows.iter().filter(|row| row.state == LISTEN && row.port == port).map(|row| row.inode).collect())
}

/// How many connections to a port are established.
///
/// # Errors
/// When `/proc/net/tcp` can't be read.
pub fn established(port: u16) -> Result<usize> {
    Ok(rows()?.iter().filter(|row| row.state == ESTABLISHED && row.port == port).count())
}

/// The ports on which any of these processes listens.
///
/// # Errors
/// When `/proc/net/tcp` can't be read.
pub fn ports_of(pids: &[i32]) -> Result<BTreeSet<u16>> {
    let held: BTreeSet<u64> = pids.iter().flat_map(|pid| sockets_of(*pid)).collect();
    Ok(rows()?.iter().filter(|row| row.state == LISTEN && held.contains(&row.inode)).map(|row| row.port).collect())
}

/// The processes that hold any of these sockets, as far as this user may see.
///
/// # Errors
/// When `/proc` can't be read.
pub fn holders(inodes: &BTreeSet<u64>) -> Result<Vec<i32>> {
    let holds = |pid: &i32| sockets_of(*pid).iter().any(|inode| inodes.contains(inode));
    Ok(crate::process::pids()?.into_iter().filter(holds).collect())
}

/// The sockets that a process has open, by inode; none where this user may not look.
#[must_use]
pub fn sockets_of(pid: i32) -> Vec<u64> {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inode = |fd: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(fd.ok()?.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    fds.filter_map(inode).collect()
}

const ESTABLISHED: u8 = 0x01;
const LISTEN: u8 = 0x0a;

/// One socket of `/proc/net/tcp`.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    port: u16,
    state: u8,
    inode: u64,
}

fn rows() -> Result<Vec<Row>> {
    let mut text = std::fs::read_to_string("/proc/net/tcp").context("read /proc/net/tcp")?;
    // A kernel without IPv6 has no such file.
    text += &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Ok(text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    Some(Row {
        port: u16::from_str_radix(port, 16).ok()?,
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_line_of_proc_net_tcp() {
        let line =
            "   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0";
        assert_eq!(row(line), Some(Row { port: 8081, state: LISTEN, inode: 4711 }));
        assert_eq!(row("  sl  local_address rem_address   st tx_queue"), None);
        assert_eq!(row(""), None);
    }

    #[test]
    fn a_listener_and_its_connections_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holders(&listeners(port).unwrap()).unwrap(), [me]);
        assert!(ports_of(&[me]).unwrap().contains(&port));
        assert_eq!(established(port).unwrap(), 0);
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(established(port).unwrap(), 1, "the client's own end must not count");
        drop((client, listener));
        assert!(!listens(port));
        assert!(listeners(port).unwrap().is_empty());
    }
}
