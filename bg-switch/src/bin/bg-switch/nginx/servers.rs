//! Which server block answers at an address: the one with the name that was asked for, and for any other name the one
//! that says `default_server`, or else the first (`ngx_http_core_module`, `listen`).

use crate::nginx::tree::{Line, Tree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What listens where a server block names no address; run by another user than root, nginx takes 8000.
const UNSAID: &str = "80";

/// A server block.
struct Server<'a> {
    line: Line<'a>,
    file: &'a Path,
    /// The words of each `listen`.
    listens: Vec<Vec<&'a str>>,
    names: Vec<&'a str>,
    /// Whether it includes the upstream file.
    is_ours: bool,
}

/// Another server block, which answers who asks for no server's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rival {
    /// The file it stands in.
    pub(crate) file: PathBuf,
    /// The address, as in a `listen` directive.
    pub(crate) listen: String,
    /// Whether it says `default_server`; else its place alone makes it the one.
    pub(crate) says_so: bool,
}

impl Rival {
    /// What it does, in words.
    pub(crate) fn in_words(&self) -> String {
        let Rival { file, listen, says_so } = self;
        let why = if *says_so { "for it says default_server" } else { "where it comes first" };
        format!("the server in {} answers visitors on {listen}, {why}", file.display())
    }

    /// How it is removed: the distributions have their own site in a file that has nothing else.
    pub(crate) fn removal(&self) -> String {
        let file = self.file.display();
        if ["default", "default.conf"].iter().any(|name| self.file.ends_with(name)) {
            format!("remove it with sudo rm {file}")
        } else {
            format!("take that server out of {file}")
        }
    }
}

impl<'a> Server<'a> {
    fn of(line: Line<'a>, tree: &Tree<'a>, upstream: &[Line<'a>]) -> Server<'a> {
        let block = tree.block(line);
        let all = |name: &str| -> Vec<Vec<&'a str>> {
            block.iter().map(Line::texts).filter(|words| words.first() == Some(&name)).collect()
        };
        let is_ours = upstream.iter().any(|ours| block.iter().any(|own| std::ptr::eq(own.directive, ours.directive)));
        let mut listens = all("listen");
        if listens.is_empty() {
            listens.push(vec!["listen", UNSAID]);
        }
        let names = all("server_name").into_iter().flat_map(|words| words.into_iter().skip(1)).collect();
        Server { line, file: line.file, listens, names, is_ours }
    }

    fn listens_at(&self, address: &str) -> bool {
        self.listens.iter().any(|words| words.get(1).is_some_and(|own| full(own) == full(address)))
    }

    fn is_default_at(&self, address: &str) -> bool {
        let says_so = |words: &Vec<&str>| words.contains(&"default_server") || words.contains(&"default");
        self.listens.iter().any(|words| words.get(1).is_some_and(|own| full(own) == full(address)) && says_so(words))
    }

    /// Whether a visitor can ask for it by name.
    fn has_a_name(&self) -> bool {
        self.names.iter().any(|name| !["", "_"].contains(name))
    }
}

/// The server blocks of nginx, in its order.
fn servers<'a>(tree: &Tree<'a>, upstream: &Path) -> Vec<Server<'a>> {
    // A block on the way to the file is known by its first line, which is no other block's.
    let blocks_of_ways = tree.ways_to(upstream).into_iter().flatten();
    let ours: Vec<Line> = blocks_of_ways.filter_map(|block| block.first().copied()).collect();
    let blocks = |line: &Line, name: &str| line.texts() == [name];
    let http = tree.main().into_iter().filter(|line| blocks(line, "http")).flat_map(|line| tree.block(line));
    http.filter(|line| blocks(line, "server")).map(|line| Server::of(line, tree, &ours)).collect()
}

/// The servers that include the upstream file.
pub(crate) fn ours<'a>(tree: &Tree<'a>, upstream: &Path) -> Vec<Line<'a>> {
    servers(tree, upstream).into_iter().filter(|server| server.is_ours).map(|server| server.line).collect()
}

/// The server that may answer in place of one without a name that is still to come, and will have that `listen`.
pub(crate) fn rival_of(tree: &Tree, listen: &str, upstream: &Path) -> Option<Rival> {
    let mut words = listen.split(' ');
    let address = words.next().filter(|_| !words.any(|word| word == "default_server"))?;
    let others = servers(tree, upstream).into_iter().filter(|server| !server.is_ours && server.listens_at(address));
    let others: Vec<Server> = others.collect();
    let other = others.iter().find(|server| server.is_default_at(address)).or(others.first())?;
    let says_so = other.is_default_at(address);
    Some(Rival { file: other.file.to_owned(), listen: address.to_owned(), says_so })
}

/// The servers that have this name, but for those in that file, each with whether it includes the upstream file.
pub(crate) fn named<'a>(tree: &Tree<'a>, name: &str, upstream: &Path, but_in: &Path) -> Vec<(Line<'a>, bool)> {
    let servers = servers(tree, upstream).into_iter();
    let others = servers.filter(|server| server.file != but_in && server.names.contains(&name));
    others.map(|server| (server.line, server.is_ours)).collect()
}

/// The server that answers in place of the one that includes the upstream file, where that has no name that visitors
/// could ask for.
pub(crate) fn rival(tree: &Tree, upstream: &Path) -> Option<Rival> {
    let servers = servers(tree, upstream);
    if servers.iter().any(|server| server.is_ours && server.has_a_name()) {
        return None;
    }
    let addresses = servers.iter().filter(|server| server.is_ours).flat_map(|server| &server.listens);
    addresses.filter_map(|words| words.get(1)).find_map(|address| {
        let here = || servers.iter().filter(|server| server.listens_at(address));
        let first = here().find(|server| server.is_default_at(address)).or_else(|| here().next())?;
        let says_so = first.is_default_at(address);
        (!first.is_ours).then(|| Rival { file: first.file.to_owned(), listen: (*address).to_owned(), says_so })
    })
}

/// The ports of the servers that include the upstream file.
pub(crate) fn ports_of(tree: &Tree, upstream: &Path) -> BTreeSet<u16> {
    let servers = servers(tree, upstream);
    let addresses = servers.iter().filter(|server| server.is_ours).flat_map(|server| &server.listens);
    let port = |address: &&str| full(address).rsplit_once(':')?.1.parse().ok();
    addresses.filter_map(|words| words.get(1)).filter(|at| !at.starts_with("unix:")).filter_map(port).collect()
}

/// An address with its port, as nginx has it: `*:80`, `[::]:80`.
pub(crate) fn full(address: &str) -> String {
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
    match address {
        _ if address.starts_with("unix:") => address.to_owned(),
        port if port.bytes().all(|c| c.is_ascii_digit()) => format!("*:{port}"),
        _ if has_port => address.replacen("0.0.0.0:", "*:", 1),
        _ => format!("{address}:80").replacen("0.0.0.0:", "*:", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::dump::Dump;

    fn rival_among(servers: &str) -> Option<(String, bool)> {
        let dump = Dump::parse(&format!(
            "# configuration file /n/nginx.conf:\nhttp {{ include c/*; }}\n\n\
             # configuration file /n/u.inc:\nset $a b;\n\n{servers}"
        ));
        let rival = rival(&Tree::of(&dump), Path::new("/n/u.inc"))?;
        Some((rival.file.display().to_string(), rival.says_so))
    }

    fn file(name: &str, server: &str) -> String {
        format!("# configuration file /n/c/{name}:\nserver {{ {server} }}\n\n")
    }

    #[test]
    fn who_has_no_name_and_does_not_come_first_has_a_rival() {
        let ours = "listen 80; server_name _; include u.inc;";
        for (other, of) in [
            (file("z", "listen 80 default_server;"), Some(true)),
            (file("a", "listen 0.0.0.0:80; server_name localhost;"), Some(false)),
            (file("a", "server_name x;"), Some(false)),
            (file("z", "listen 80;"), None),
            (file("a", "listen 81 default_server; listen [::]:80 default_server;"), None),
        ] {
            let found = rival_among(&(other.clone() + &file("web", ours)));
            assert_eq!(found.map(|(_, says_so)| says_so), of, "{other}");
        }
    }

    #[test]
    fn a_name_or_the_word_default_server_is_enough() {
        let other = file("a", "listen 80;");
        for ours in ["server_name b.example;", "listen 80 default_server;", "listen 80; server_name _ b.example;"] {
            assert_eq!(rival_among(&(other.clone() + &file("web", &format!("{ours} include u.inc;")))), None, "{ours}");
        }
    }

    #[test]
    fn the_ports_at_which_visitors_come_are_those_of_the_servers_that_include_the_file() {
        let ours = "listen 80; listen [::]:80; listen 127.0.0.1:8443 ssl; listen unix:/a:81; include u.inc;";
        let dump = Dump::parse(&format!(
            "# configuration file /n/nginx.conf:\nhttp {{ server {{ {ours} }} server {{ listen 82; }} }}\n\n\
             # configuration file /n/u.inc:\nset $a b;\n"
        ));
        assert_eq!(ports_of(&Tree::of(&dump), Path::new("/n/u.inc")), BTreeSet::from([80, 8443]));
    }

    #[test]
    fn an_address_has_a_port() {
        let fulls = ["80", "0.0.0.0:80", "*:80", "127.0.0.1", "[::]:80", "[::1]", "unix:/a:1"].map(full);
        assert_eq!(fulls, ["*:80", "*:80", "*:80", "127.0.0.1:80", "[::]:80", "[::1]:80", "unix:/a:1"]);
    }
}
