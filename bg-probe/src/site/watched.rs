//! What nginx says of each answer to whoever watches, and where: a datagram for each to `DIR/watch/socket`, while the file
//! `DIR/watch/gate` is there.
//!
//! The gate is a link to a file of `/proc` that is there while a thread of the watch lives, and goes with it however that
//! ends. The printed site has these lines, and `bg-health --watch` reads them.

use crate::site::address::{backed_group_of, group_of};
use crate::site::dir::Dir;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use serde_json::Value;
use std::path::PathBuf;

/// The header by which a watch marks a request of its own, to know the process that says so for nginx.
pub const HEADER: &str = "X-Bg-Watch";

/// What nginx says of a request, in the words of a `log_format`. What came from outside is last.
pub const FORMAT: &str = "$upstream_addr|$upstream_status|$upstream_header_time|$upstream_response_time|$status|\
                          $connection|$connection_requests|$http_x_bg_watch";

/// What stands before it in a datagram (`ngx_syslog`): the tag, and `: `.
pub const TAG: &str = "bg";

/// The folder of the watch; nginx's workers must be able to look inside.
#[must_use]
pub fn folder(dir: &Dir) -> PathBuf {
    dir.root().join("watch")
}

/// The file while which is there nginx says anything.
#[must_use]
pub fn gate(dir: &Dir) -> PathBuf {
    folder(dir).join("gate")
}

/// The socket that it sends it to.
#[must_use]
pub fn socket(dir: &Dir) -> PathBuf {
    folder(dir).join("socket")
}

/// The file with what the last watch of visitors has seen.
#[must_use]
pub fn verdict(dir: &Dir) -> PathBuf {
    folder(dir).join("verdict.json")
}

/// What the last watch has seen of the visitors; `None` where it did not look at them.
#[must_use]
pub fn last_verdict(dir: &Dir) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(verdict(dir)).ok()?).ok()
}

/// Whether the last watch has ended for want of answers to judge by alone: nothing was seen to be bad.
#[must_use]
pub fn has_proven_nothing(dir: &Dir) -> bool {
    last_verdict(dir).is_some_and(|seen| seen["visitors"]["went_bad"] == true && seen["visitors"]["proven"] == false)
}

/// What nginx has said of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The slots that were asked for it, mostly one, in their order.
    pub answers: Vec<Answered>,
    /// The number of the visitor's connection.
    pub connection: u64,
    /// Which of its requests it was, from 1 on.
    pub request: u64,
    /// What a watch has marked it with.
    pub mark: String,
}

/// How a slot has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which of the two slots, 0 or 1.
    pub slot: usize,
    /// The status; 502 or 504 where there was no answer. `None` where the visitor went away before there was one.
    pub status: Option<u16>,
    /// After how many milliseconds its answer began, or the visitor went away.
    pub after_ms: Option<u32>,
}

impl Said {
    /// Understands a datagram; `None` for what is none of these.
    #[must_use]
    pub fn parse(datagram: &[u8], site: &Site) -> Option<Said> {
        let text = String::from_utf8_lossy(datagram);
        let (_, line) = text.split_once(&format!(" {TAG}: "))?;
        let parts: Vec<&str> = line.splitn(8, '|').collect();
        let &[addresses, statuses, begun, done, _, connection, request, mark] = parts.as_slice() else { return None };
        let [statuses, begun, done] = [statuses, begun, done].map(|list| each(list).collect::<Vec<_>>());
        let answer = |(n, address): (usize, &str)| {
            let ms = |list: &[&str]| list.get(n).and_then(|text| millis(text));
            let after_ms = ms(&begun).or_else(|| ms(&done));
            let status = statuses.get(n).and_then(|status| status.parse().ok());
            Some(Answered { slot: slot_at(address, site)?, status, after_ms })
        };
        Some(Said {
            answers: each(addresses).enumerate().filter_map(answer).collect(),
            connection: connection.parse().ok()?,
            request: request.parse().ok()?,
            mark: mark.trim_end().to_owned(),
        })
    }
}

/// The parts of a list of nginx's: `, ` is between two servers of a group, ` : ` between two groups.
fn each(list: &str) -> impl Iterator<Item = &str> {
    list.split(" : ").flat_map(|part| part.split(", "))
}

/// `0.013` in milliseconds.
fn millis(text: &str) -> Option<u32> {
    let (seconds, millis) = text.split_once('.')?;
    seconds.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(millis.parse().ok()?)
}

/// The slot that nginx has asked at this address: `127.0.0.1:8081`, or the name of its group where it could ask none.
fn slot_at(address: &str, site: &Site) -> Option<usize> {
    let is_its = |slot: &Slot| {
        let by_port = || address.rsplit_once(':').is_some_and(|(_, port)| port.parse() == Ok(slot.port));
        let host = site.address.server(slot);
        let is_a_name = !host.starts_with(|c: char| c.is_ascii_digit() || c == '[');
        let groups = [group_of(&site.app, slot), backed_group_of(&site.app, slot.name.as_str())];
        address == host || groups.iter().any(|group| group == address) || (is_a_name && by_port())
    };
    site.slots.both().iter().position(is_its)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn said(line: &str) -> Option<Said> {
        let record = br#"{"bg":1,"app":"web","slot":"set2","port":8082,"live":"set1","slots":{"set1":8081,"set2":8082},"dir":"/d","front":null,"upstream_file":"/u"}"#;
        let site = Record::parse(record).unwrap().site;
        Said::parse(format!("<190>Nov 25 22:43:36 bg: {line}").as_bytes(), &site)
    }

    fn answer(slot: usize, status: impl Into<Option<u16>>, after_ms: impl Into<Option<u32>>) -> Answered {
        Answered { slot, status: status.into(), after_ms: after_ms.into() }
    }

    #[test]
    fn each_slot_that_was_asked_has_an_answer() {
        let one = said("127.0.0.1:8082|200|0.013|2.000|200|7|3|").unwrap();
        assert_eq!((one.answers, one.connection, one.request), (vec![answer(1, 200, 13)], 7, 3));
        for separator in [", ", " : "] {
            let list = |parts: [&str; 2]| parts.join(separator);
            let (addresses, statuses) = (list(["127.0.0.1:8081", "127.0.0.1:8082"]), list(["502", "200"]));
            let (begun, done) = (list(["-", "0.001"]), list(["0.000", "0.002"]));
            let both = said(&format!("{addresses}|{statuses}|{begun}|{done}|200|7|1|")).unwrap().answers;
            assert_eq!(both, [answer(0, 502, 0), answer(1, 200, 1)]);
        }
        assert_eq!(said("web_set2|502|-|0.000|502|1|1|-").unwrap().answers, [answer(1, 502, 0)]);
        assert_eq!(said("web_set1.backed|502|-|0.000|502|1|1|-").unwrap().answers, [answer(0, 502, 0)]);
        // The visitor went away; and what is no slot's, or asked none.
        assert_eq!(said("127.0.0.1:8081|-|-|3.010|499|1|1|-").unwrap().answers, [answer(0, None, 3010)]);
        for other in ["10.0.0.7:8081|200|0.1|0.1|200|1|1|x", "-|-|-|-|200|1|1|x"] {
            let said = said(other).unwrap();
            assert_eq!((said.answers, said.mark.as_str()), (vec![], "x"));
        }
    }

    #[test]
    fn what_is_none_of_these_lines_says_nothing() {
        for bad in ["", "|", "127.0.0.1:8081|200|0.0|0.0|200|x|1|-", "a|b|c"] {
            assert_eq!(said(bad), None, "{bad:?}");
        }
        assert_eq!(said("a|b|c|d|e|1|1|f|g").unwrap().mark, "f|g");
    }
}
