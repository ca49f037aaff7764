//! The likely cause of a slot that is not healthy, in one sentence with what to do.
//!
//! An application's log and answers are text, and reading them is the subject here.

use crate::check::Answer;
use crate::report::case::{Case, Failure};
use crate::report::remedy::twice;
use crate::report::signs;
use crate::wait::pace::Pace;
use bg_health::verdict::Kind;
use bg_probe::live::front::{Answer as Served, LIMITED, Silence};
use bg_probe::nginx::call;
use bg_probe::os::http::{NoReply, Url};
use bg_probe::say::seconds;
use bg_probe::site::advice::{Advice, flag_of};
use bg_probe::site::slot::Slot;

impl Case<'_> {
    /// The likely cause, where this is the end of the application's log.
    pub(crate) fn likely(&self, log: &str) -> String {
        match &self.failure {
            Failure::OnOtherPort => {
                return format!("its port is fixed, in its code or its settings: {}", self.remedy());
            }
            Failure::WentBad(_, Some(served)) => return self.of_front(served),
            Failure::Once | Failure::Late(_) | Failure::Died(_) | Failure::WentBad(_, None) | Failure::Visitors(..) => {
            }
        }
        let Some(mut last) = self.answers.last() else { return "it was never asked".into() };
        // Of an application that is healthy now and then, the other times are to be explained.
        if let (Kind::Healthy, Some(relapse)) = (&last.kind, self.answers.relapse()) {
            last = relapse;
        }
        match &last.kind {
            _ if self.died => self.of_death(log),
            Kind::Silent | Kind::Slow | Kind::Broken | Kind::Fails | Kind::Cold => {
                // An application that answers properly knows better than its log.
                self.in_the_log(log).unwrap_or_else(|| self.of_answer(last))
            }
            _ => self.of_answer(last),
        }
    }

    pub(super) fn in_the_log(&self, log: &str) -> Option<String> {
        let Slot { name, port } = self.other;
        if signs::is_taken(log, *port) {
            return Some(format!("it wanted port {port}, which is that of {name} and taken: {}", self.remedy()));
        }
        signs::cause(log).map(str::to_owned)
    }

    /// The other slot's port, and whose it is.
    pub(crate) fn port_of_the_other(&self) -> String {
        format!("{}, the port of {}", self.other.port, self.other)
    }

    /// What to do about an application that does not listen on its slot's port.
    fn remedy(&self) -> String {
        format!("let it listen on $PORT, {} here (Spring Boot: server.port)", self.slot.port)
    }

    fn of_front(&self, served: &Served) -> String {
        match served {
            Served::Slot(_) => "somebody else has moved it".to_owned(),
            Served::Limited(_) => LIMITED.to_owned(),
            Served::NoSlot(Silence::NoReply(NoReply::Refused)) => {
                format!("nginx does not run any more; start it: {}", call::start())
            }
            Served::NoSlot(_) => format!(
                "nginx fails, or {} has no page for the front: see nginx's error log, and what {} answers there",
                self.slot.name, self.slot.port
            ),
        }
    }

    fn of_answer(&self, answer: &Answer) -> String {
        let url = &answer.url;
        match &answer.kind {
            Kind::Silent => self.of_silence(),
            Kind::Says(what) => format!("the application runs and says {what}; its own reasons: {url}"),
            Kind::OwnWord(word) => self.of_own_word(word, url),
            Kind::ToHttps(code, path) if url.parse::<Url>().is_ok_and(|url| url.path() == path) => format!(
                "the application sends whoever comes by http to https; where it believes a proxy: {}; or where that \
                 answer will do: {}; or where it speaks https itself: {}",
                self.setting("header", "X-Forwarded-Proto: https"),
                self.setting("expect-status", &code.to_string()),
                self.speaks_https()
            ),
            Kind::Redirect | Kind::ToHttps(..) => {
                let path = flag_of("health", "path");
                format!("a login in front of {url}: let that path through without one, or name another with {path}")
            }
            Kind::WrongHost => {
                format!("the application does not take {} for its host name; {}", self.host(), self.name_the_host())
            }
            Kind::BadRequest => format!(
                "the application refuses the request for {url}: see its log; if it does not take {} for its host name, \
                 {}",
                self.host(),
                self.name_the_host()
            ),
            Kind::Denied => format!(
                "{url} asks for a login: let that path through, or name another with {}; if it does not take {} for its \
                 host name, {}",
                flag_of("health", "path"),
                self.host(),
                self.name_the_host()
            ),
            Kind::Page => format!(
                "a web page answers at {url}, as a login or a single-page application does: \
                 name the real health path with {}",
                flag_of("health", "path")
            ),
            Kind::Missing if self.listens_elsewhere() => self.of_another_port(),
            Kind::Missing if self.expectation.path.is_none() => {
                let path = flag_of("health", "path");
                format!("the application has no health page at /actuator/health or /health: name one with {path}")
            }
            Kind::Missing => {
                format!("the application has no page at {url}: name another with {}", flag_of("health", "path"))
            }
            Kind::NoStatus => {
                let path = url.parse::<Url>().map_or_else(|_| "/".to_owned(), |url| url.path().to_owned());
                let path = self.setting("path", &path);
                format!("{url} answers without a JSON \"status\"; if any 2xx will do: {path}")
            }
            Kind::Unexpected => format!(
                "{url} answers, but not what {} and {} ask for",
                flag_of("health", "expect"),
                flag_of("health", "expect-status")
            ),
            Kind::TooLong if self.expectation.text.is_some() => {
                format!(
                    "the text that is expected is not in the first 64 KiB of {url}: name another text, or another page"
                )
            }
            Kind::TooLong => format!("{url} is no health page: name another with {}", flag_of("health", "path")),
            Kind::Slow => format!(
                "the application hangs, or takes longer than {} for one answer; if it may: {}",
                seconds(self.expectation.within),
                self.setting("check-timeout", &twice(self.expectation.within))
            ),
            Kind::Broken => format!("what listens on {} breaks off, or does not speak HTTP", self.asked.port),
            Kind::Fails => format!("the application runs and fails at {url}: see its log"),
            Kind::Stranger(who, slot) => self.held_by(slot, who),
            Kind::Closed => format!(
                "the application is well on {}, but does not listen on {}, to which nginx would send the visitors: {}",
                self.asked.port,
                self.slot.port,
                self.remedy()
            ),
            Kind::Cold => format!("the application says UP, but fails at {url}: see its log"),
            Kind::Healthy => match &self.failure {
                Failure::Late(Pace { successes, .. }) => {
                    format!("it said UP at last, but not {successes} times in a row; give it longer: {}", self.longer())
                }
                _ => "it said UP, but another process began to listen meanwhile: check it again".into(),
            },
        }
    }

    /// The host that the application is asked for.
    pub(super) fn host(&self) -> &str {
        let site = &self.record.site;
        self.expectation.manner.host(site).unwrap_or_else(|| site.address.asked())
    }

    /// Whether the application has another port, at which its health was not asked for.
    fn listens_elsewhere(&self) -> bool {
        self.other_ports().next().is_some()
    }

    /// The ports at which its health was not asked for, and that are no slot's.
    pub(super) fn other_ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().copied().filter(|port| ![self.asked.port, self.slot.port, self.other.port].contains(port))
    }

    fn of_silence(&self) -> String {
        let port = self.asked.port;
        if self.came_late {
            return format!("it began to listen when the time was up; give it longer: {}", self.longer());
        }
        if self.answers.any_reply() {
            return "the application answered for a while and then stopped listening: see its log".into();
        }
        match self.ports.as_slice() {
            [] if self.launched => {
                let longer = self.longer();
                format!(
                    "the application runs but listens on no port: it is stuck (see its log), or still booting: {longer}"
                )
            }
            [] => {
                let table = Advice::call(&self.record.site, "bg-probe", &["--format", "table"]);
                format!("nothing runs in the slot, or not on port {port}: {table}")
            }
            ports if ports.contains(&port) => {
                format!(
                    "the application listens on {port}, but not on {}: see its server.address, or set BG_SLOT_URL to where it \
                     listens",
                    self.record.site.address.asked()
                )
            }
            ports if self.asked != *self.slot && ports.contains(&self.slot.port) => format!(
                "the application listens on {}, but not on {port}, where its health is asked for; ask on its own: {}",
                self.slot.port,
                self.setting("port", &self.record.site.slots.to_string())
            ),
            ports => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!(
                    "the application listens on {}, not {port}: the profile's properties did not load?",
                    ports.join(" and ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Expectation;
    use crate::report::answers::Answers;
    use crate::report::case::{End, Holder};
    use bg_probe::record::Record;
    use bg_probe::site::slot::Slots;
    use std::time::Duration;

    /// The cause after these answers, in a case that is changed as the test likes.
    fn likely(kinds: &[Kind], log: &str, change: impl FnOnce(&mut Case)) -> String {
        let line = br#"{"bg":1,"app":"web","slot":"set2","port":8082,"live":"set1","slots":{"set1":8081,"set2":8082},
            "dir":"/d","front":null,"upstream_file":"/u"}"#;
        let record = Record::parse(&line.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<_>>()).unwrap();
        let expectation = Expectation { within: Duration::from_secs(2), ..Expectation::default() };
        let pace = Pace { timeout: Duration::from_secs(110), successes: 2, interval: None };
        let mut answers = Answers::default();
        for kind in kinds {
            let answer = Answer { kind: kind.clone(), text: String::new(), url: "http://h/".into() };
            answers.add(&answer, Duration::ZERO);
        }
        let mut case = Case {
            record: &record,
            launch: None,
            slot: &record.slot,
            asked: record.slot.clone(),
            other: record.site.slots.first(),
            expectation: &expectation,
            answers: &answers,
            failure: Failure::Late(pace),
            died: false,
            launched: true,
            came_late: false,
            ports: Vec::new(),
            holder: None,
            survivor: None,
            end: End::Unknown,
        };
        change(&mut case);
        case.likely(log)
    }

    #[test]
    fn what_the_application_answers_comes_before_its_log() {
        let log = "java.net.BindException: Address already in use";
        let said = likely(&[Kind::Silent, Kind::Says("DOWN".into())], log, |_| {});
        assert_eq!(said, "the application runs and says DOWN; its own reasons: http://h/");
    }

    #[test]
    fn an_application_that_comes_and_goes_is_explained_by_its_going() {
        let down = Kind::Says("DOWN".into());
        assert!(likely(&[Kind::Healthy, down.clone(), Kind::Healthy], "", |_| {}).contains("says DOWN"));
        assert!(likely(&[down, Kind::Healthy], "", |_| {}).contains("it said UP at last"));
    }

    #[test]
    fn a_silent_application_is_explained_by_where_it_listens() {
        let on = |ports: &[u16]| likely(&[Kind::Silent], "", |case| case.ports = ports.to_vec());
        assert_eq!(on(&[8080]), "the application listens on 8080, not 8082: the profile's properties did not load?");
        assert!(on(&[8080, 9090]).contains("listens on 8080 and 9090, not 8082"));
        assert!(on(&[8082]).contains("not on 127.0.0.1"));
        assert!(on(&[]).contains("listens on no port"));
        assert!(likely(&[Kind::Slow, Kind::Silent], "", |_| {}).contains("stopped listening"));
        assert!(likely(&[Kind::Silent], "", |case| case.came_late = true).contains("when the time was up"));
    }

    #[test]
    fn a_silent_or_dead_application_is_explained_by_its_log() {
        let log = "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space";
        assert!(likely(&[Kind::Silent], log, |_| {}).contains("out of memory"));
        let dead = |log| likely(&[Kind::Silent], log, |case| case.died = true);
        assert!(dead("Web server failed to start. Port 8082 was already in use.").contains("already in use"));
        assert!(dead("").starts_with("it ended without a word in its log"));
        assert!(dead("Started").starts_with("it ended, or somebody ended it"));
        let other = dead("Web server failed to start. Port 8081 was already in use.");
        assert!(
            other.starts_with("it wanted port 8081, which is that of set1 and taken: let it listen on $PORT, 8082")
        );
        assert!(!dead("18081 bind: Address already in use").contains("set1"));
    }

    #[test]
    fn a_death_is_explained_by_a_process_that_is_still_there() {
        let background = likely(&[Kind::Silent], "", |case| {
            case.died = true;
            case.survivor = Some(4711);
        });
        assert!(background.contains("pid 4711 goes on"), "{background}");
        let holder = likely(&[Kind::Silent], "Address already in use", |case| {
            case.died = true;
            case.holder = Some(Holder { pid: 4711, is_younger: false });
        });
        assert!(holder.starts_with("port 8082 is held by pid 4711 ("), "{holder}");
        let stranger = likely(
            &[
                Kind::Stranger("pid 1 (x)".into(), "set2=8082,set1=1".parse::<Slots>().unwrap().first().clone()),
                Kind::Silent,
            ],
            "",
            |case| case.died = true,
        );
        assert_eq!(stranger, "port 8082 is held by pid 1 (x); stop it: kill 1");
    }
}
