//! A page of the site, asked again and again until it is as it should be.

use crate::proof::IN_A_ROW;
use anyhow::Result;
use bg_probe::nginx::call;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::http::{Get, NoReply, Reply, Url};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::{FrontSetting, Site};
use std::fmt::Display;
use std::time::Duration;

/// How often to ask again.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The failure to see what a page says, for there was no answer; `now` is how things are, a sentence.
pub(crate) fn unanswered(url: &impl Display, why: &NoReply, within: Duration, now: &str) -> anyhow::Error {
    let within = say::seconds(within);
    let what = format!("{url} was not answered within {within} ({why}), so nothing was seen. {now}");
    match why {
        NoReply::Refused => Exit::NotMoved.refuse(what, format!("start nginx: {}", call::start())),
        NoReply::Slow | NoReply::Broken(_) => Exit::NotMoved.because(what),
    }
}

/// A page, at the address of the front.
pub(crate) struct Page {
    /// Its URL.
    pub(crate) url: Url,
    get: Get,
}

impl Page {
    /// The page at that path; `None` where there is no front by which the site is known.
    ///
    /// # Errors
    /// When no request can be made of it.
    pub(crate) fn of(site: &Site, path: &str) -> Result<Option<Page>> {
        let FrontSetting::At(front) = &site.front else { return Ok(None) };
        let Some(url) = front.on(front.scheme(), front.port(), path) else { return Ok(None) };
        let get = Get::new(&url, site.front_host.as_deref())?;
        Ok(Some(Page { url, get }))
    }

    /// What it answers.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) fn ask(&self, saying: &[(&str, &str)]) -> Result<Reply, NoReply> {
        self.get.send_with(saying, ANSWER_WITHIN)
    }

    /// Asks until it was found so several times running; `Err` has the last answer where that did not come in time.
    pub(crate) fn is_seen(
        &self,
        saying: &[(&str, &str)],
        within: Duration,
        is_found: impl Fn(&Result<Reply, NoReply>) -> bool,
    ) -> Result<(), Result<Reply, NoReply>> {
        let (deadline, mut in_a_row) = (Deadline::within(within), 0);
        loop {
            let reply = self.ask(saying);
            in_a_row = if is_found(&reply) { in_a_row + 1 } else { 0 };
            if in_a_row == IN_A_ROW {
                return Ok(());
            }
            if in_a_row == 0 && !deadline.pause(ASK_EVERY) {
                return Err(reply);
            }
        }
    }
}
