//! The front: what nginx answers when it is asked which slot it serves.

use crate::live::pace::Pace;
use crate::os::deadline::Deadline;
use crate::os::http::{Get, NoReply, Reply};
use crate::say::quoted;
use crate::site::settings::{FrontSetting, Site};
use crate::site::slot::{Name, Slot, Slots};
use crate::site::stand_in;
use crate::site::visitor::{HEADER, Visitor};
use anyhow::Result;
use std::cell::Cell;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

/// What an answer of a limit's means, and what to do about it.
pub const LIMITED: &str = "a rate limit answers so (limit_req): if the site has one, let --front be /_bg/slot, \
                           the page of bg-switch --print-site, which no limit reaches";

/// How often a question is repeated that was refused.
const REPEATED: u32 = 3;

/// How long the front may take for one answer, where nothing else is said.
pub const FRONT_WITHIN: Duration = Duration::from_secs(2);

/// The page of the printed site (`bg-switch --print-site`) that names the slot nginx is set to serve.
pub const SLOT_PAGE: &str = "/_bg/slot";

/// The front of a site, ready to be asked.
pub struct Front {
    get: Get,
    app: Name,
    slots: Slots,
    pace: Pace,
    /// Whether it has ever named a slot.
    has_named: Cell<bool>,
    /// Whether its last answer said that the other slot stands in where the live one does not answer.
    has_stand_in: Cell<bool>,
}

/// What the front answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It named this slot.
    Slot(Slot),
    /// It named none.
    NoSlot(Silence),
    /// A limit of nginx's has refused the question, which proves nothing, for or against: `429`, or `503` in nginx's own
    /// words, or where there was none before (`limit_req_status`).
    Limited(u16),
}

/// Why the front named no slot. It reads as a few words: `502`, `302 to /login`, `connection refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// An answer of this status.
    Status(u16),
    /// A redirect: its status, and where to.
    Redirect(u16, String),
    /// 200 and this text, which is no slot's name.
    Text(String),
    /// No answer.
    NoReply(NoReply),
}

impl Silence {
    /// What the front did, as the rest of a sentence: `answered 502`, `did not answer (connection refused)`.
    #[must_use]
    pub fn said(&self) -> String {
        match self {
            Silence::NoReply(why) => format!("did not answer ({why})"),
            answer => format!("answered {answer}"),
        }
    }
}

impl Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Silence::Status(status) => status.fmt(f),
            Silence::Redirect(status, to) => write!(f, "{status} to {}", quoted(to)),
            Silence::Text(text) => write!(f, "200 \"{}\"", quoted(text)),
            Silence::NoReply(why) => why.fmt(f),
        }
    }
}

impl Front {
    /// The front of `site`; `None` where it has none.
    ///
    /// # Errors
    /// When its host can't be looked up.
    pub fn of(site: &Site) -> Result<Option<Front>> {
        let FrontSetting::At(url) = &site.front else { return Ok(None) };
        let get = Get::new(url, site.front_host.as_deref())?;
        Ok(Some(Front {
            get,
            app: site.app.clone(),
            slots: site.slots.clone(),
            pace: Pace::default(),
            has_named: Cell::default(),
            has_stand_in: Cell::default(),
        }))
    }

    /// Asks, on a fresh connection, as soon as it is decent to ask again: questions that come too fast take from the
    /// visitors what a limit would let through. A question that is refused is repeated after a while, `within` in all.
    #[must_use]
    pub fn ask(&self, within: Duration) -> Answer {
        self.ask_as(&Visitor::Prober, within)
    }

    /// The same as this kind of visitor. A site that was printed before there were kinds, and one that is asked from
    /// another machine, take it for a visitor like any other.
    #[must_use]
    pub fn ask_as(&self, visitor: &Visitor, within: Duration) -> Answer {
        let (name, value) = visitor.header(&self.app);
        self.ask_saying((name, &value), within)
    }

    /// The same with this header, by which nginx knows a visitor: a cookie.
    #[must_use]
    pub fn ask_saying(&self, header: (&str, &str), within: Duration) -> Answer {
        let deadline = Deadline::within(within);
        for _ in 0..REPEATED {
            let answer = self.ask_in_turn(header, within);
            let wait = self.pace.wait(Instant::now());
            if !matches!(answer, Answer::Limited(_)) || wait >= deadline.left() {
                return answer;
            }
        }
        self.ask_in_turn(header, within)
    }

    /// Whether visitors of the live slot are answered by the other one where it is down; `said` is what it answered last. A
    /// page of nginx's own says so. Any other is asked as a visitor.
    #[must_use]
    pub fn has_stand_in(&self, site: &Site, other: &Slot, said: &Answer, within: Duration) -> bool {
        let named = |answer: &Answer| *answer == Answer::Slot(other.clone());
        if is_nginx_own(&site.front) {
            return self.has_stand_in.get() && !named(said);
        }
        named(said) || named(&self.ask_as(&Visitor::Number(1), within))
    }

    /// Asks once, on a fresh connection, and without waiting: to see whether that is refused.
    #[must_use]
    pub fn ask_at_once(&self, within: Duration) -> Answer {
        self.send((HEADER, &Visitor::Prober.to_string()), within)
    }

    fn send(&self, header: (&str, &str), within: Duration) -> Answer {
        self.pace.asked(Instant::now());
        let reply = self.get.send_with(&[header], within);
        let tells = |reply: &Reply| reply.headers.iter().any(|name| name.eq_ignore_ascii_case(stand_in::HEADER));
        self.has_stand_in.set(reply.as_ref().is_ok_and(tells));
        // Where it has named a slot, a 503 in whatever words (error_page) is more likely a limit's.
        let is_new = self.has_named.get() && reply.as_ref().is_ok_and(|reply| reply.status == 503);
        let answer = if is_new { Answer::Limited(503) } else { Answer::of(reply, &self.slots) };
        if matches!(answer, Answer::Slot(_)) {
            self.has_named.set(true);
        }
        self.pace.answered(matches!(answer, Answer::Limited(_)), Instant::now());
        answer
    }

    /// Asks once more; the header by which a cache says that the answer is its own, where one does.
    #[must_use]
    pub fn cache_that_answers(&self, within: Duration) -> Option<String> {
        std::thread::sleep(self.pace.wait(Instant::now()));
        self.pace.asked(Instant::now());
        self.get.cache_that_answers(within)
    }

    fn ask_in_turn(&self, header: (&str, &str), within: Duration) -> Answer {
        std::thread::sleep(self.pace.wait(Instant::now()));
        self.send(header, within)
    }
}

/// Whether the front is the page of the printed site that nginx answers by itself, so that it names the slot that nginx
/// is set to serve, whether or not anything is there.
#[must_use]
pub fn is_nginx_own(front: &FrontSetting) -> bool {
    matches!(front, FrontSetting::At(url) if url.path() == SLOT_PAGE)
}

impl Answer {
    /// An answer names a slot only if it is 200 and its whole body, trimmed, is that slot's name: an error page
    /// that happens to contain `set1` names none.
    #[must_use]
    pub fn of(reply: Result<Reply, NoReply>, slots: &Slots) -> Answer {
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => return Answer::NoSlot(Silence::NoReply(why)),
        };
        let text = String::from_utf8_lossy(&reply.body);
        match (reply.status, slots.named(text.trim())) {
            (200, Ok(slot)) if reply.whole => Answer::Slot(slot.clone()),
            (200, _) => Answer::NoSlot(Silence::Text(text.trim().to_owned())),
            (429, _) => Answer::Limited(429),
            (503, _) if is_nginx_s_own(&text) => Answer::Limited(503),
            (status, _) => Answer::NoSlot(match reply.location {
                Some(to) => Silence::Redirect(status, to),
                None => Silence::Status(status),
            }),
        }
    }
}

/// Whether nginx has made the page itself (`ngx_http_special_response`): a 503 from it is that of a limit. An
/// application's own 503 is its word.
fn is_nginx_s_own(page: &str) -> bool {
    page.contains("<center><h1>503 Service Temporarily Unavailable</h1></center>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let slots = "set1=8081,set2=8082".parse().unwrap();
        Answer::of(Ok(Reply { status, body: body.into(), whole: true, location: None, headers: Vec::new() }), &slots)
    }

    #[test]
    fn only_a_whole_200_names_a_slot() {
        assert!(matches!(answer(200, " set2\n"), Answer::Slot(slot) if slot.name.as_str() == "set2"));
        for (status, body) in
            [(200, ""), (200, "set1 set2"), (200, "real"), (200, "\"set1\""), (502, "set1"), (302, "set1")]
        {
            assert!(matches!(answer(status, body), Answer::NoSlot(_)), "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_applications_own_word() {
        let page = "<html>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</html>";
        assert_eq!(answer(503, page), Answer::Limited(503));
        assert_eq!(answer(429, ""), Answer::Limited(429));
        for (status, body) in [(503, "starting"), (503, ""), (502, page)] {
            assert_eq!(answer(status, body), Answer::NoSlot(Silence::Status(status)), "{status} {body}");
        }
    }
}
