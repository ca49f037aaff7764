//! Who is connected from another machine.

use crate::os::sockets::{State, sockets};
use anyhow::{Context, Result};
use nix::ifaddrs::getifaddrs;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The addresses of other machines that are connected to one of these ports, one for each connection.
///
/// # Errors
/// When the kernel does not list its sockets, or this machine's addresses.
pub fn connected(ports: &BTreeSet<u16>) -> Result<Vec<IpAddr>> {
    let mut peers = Vec::new();
    for port in ports {
        peers.extend(sockets(State::Established, Some(*port))?.into_iter().map(|socket| socket.peer));
    }
    if !peers.is_empty() {
        let own = own_addresses()?;
        peers.retain(|peer| !peer.is_loopback() && !own.contains(peer));
    }
    Ok(peers)
}

/// The addresses of this machine (`getifaddrs(3)`).
fn own_addresses() -> Result<BTreeSet<IpAddr>> {
    let addresses = getifaddrs().context("getifaddrs")?.filter_map(|interface| interface.address);
    let v4 = |address: &nix::sys::socket::SockaddrStorage| Some(IpAddr::V4(address.as_sockaddr_in()?.ip()));
    let v6 = |address: &nix::sys::socket::SockaddrStorage| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip()));
    Ok(addresses.filter_map(|address| v4(&address).or_else(|| v6(&address))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn who_is_connected_from_this_machine_is_not_counted() {
        let own = own_addresses().unwrap();
        assert!(own.contains(&[127, 0, 0, 1].into()), "{own:?}");
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let clients: Vec<TcpStream> =
            own.iter().filter(|own| own.is_ipv4()).map(|own| TcpStream::connect((*own, port)).unwrap()).collect();
        assert!(!clients.is_empty());
        assert_eq!(connected(&BTreeSet::from([port])).unwrap(), Vec::<IpAddr>::new());
    }
}
