//! The likely cause of a slot that is not healthy, in one sentence that says what to do.

use crate::args::Args;
use crate::check::Answer;
use crate::report::answers::Answers;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::live::front::{Answer as Served, LIMITED, Silence};
use bg_probe::os::http::NoReply;
use bg_probe::os::port;
use bg_probe::os::process::command_line;
use bg_probe::record::Record;
use bg_probe::say::seconds;
use bg_probe::site::slot::Slot;
use std::time::Duration;

/// What applications write when they can't go on, and what it means. In lower case.
const SIGNS: [(&str, &str); 5] = [
    ("outofmemoryerror", "it ran out of memory: give it more (-Xmx in JAVA_OPTS); two releases run during a deploy"),
    ("address already in use", "a port it needs is already in use: its log says which"),
    ("was already in use", "a port it needs is already in use: its log says which"),
    ("unsupportedclassversionerror", "it was built for a newer Java than the one that runs it"),
    ("no space left on device", "the disk is full"),
];

/// What an application writes that could not have a port.
const TAKEN: [&str; 2] = ["address already in use", "was already in use"];

/// How a slot turned out not to be healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The time was up.
    Late,
    /// The launched process ended, after that time.
    Died(Duration),
    /// What was launched listens on the other slot's port.
    OnOtherPort,
    /// It went bad within the watch, after that time; and what nginx answered, where that was what was bad.
    WentBad(Duration, Option<Served>),
}

/// Everything a cause is judged by.
pub(crate) struct Case<'a> {
    pub(crate) args: &'a Args,
    pub(crate) record: &'a Record,
    pub(crate) launch: Option<&'a Launch>,
    /// The slot in question.
    pub(crate) slot: &'a Slot,
    /// The slot that it is not.
    pub(crate) other: &'a Slot,
    pub(crate) answers: &'a Answers,
    pub(crate) failure: Failure,
    /// Whether the launched process is gone.
    died: bool,
    /// Whether a launch is known at all.
    launched: bool,
    /// Whether something listens now that did not at the last check.
    came_late: bool,
    /// The ports on which the application listens.
    ports: Vec<u16>,
    /// Who holds the slot's port after the application has died.
    holder: Option<i32>,
    /// What is left of the application after its first process has gone.
    survivor: Option<i32>,
}

impl<'a> Case<'a> {
    /// The case as it is now. What `/proc` does not tell stays unknown: a report is made of what there is.
    pub(crate) fn new(
        args: &'a Args,
        record: &'a Record,
        launch: Option<&'a Launch>,
        answers: &'a Answers,
        failure: Failure,
    ) -> Case<'a> {
        let (slot, slots) = (&record.slot, &record.site.slots);
        let port = slot.port;
        let members = launch.and_then(|launch| launch.members().ok()).unwrap_or_default();
        let is_a_look = args.once || matches!(failure, Failure::WentBad(..));
        // A monitor does not wait for that, but sees it as well.
        let died = matches!(failure, Failure::Died(_)) || (is_a_look && launch.is_some() && members.is_empty());
        // What a unit has after its first process is what systemd has started in its place.
        let is_unit = launch.is_some_and(|launch| launch.unit.is_some());
        let was_silent = answers.last().is_some_and(|last| last.kind == Kind::Silent);
        Case {
            args,
            record,
            launch,
            slot,
            other: slots.other(&slot.name),
            answers,
            failure,
            died,
            launched: launch.is_some(),
            came_late: !died && was_silent && record.site.address.is_reachable(&record.slot),
            ports: if was_silent && !died { ports_of(&members) } else { Vec::new() },
            holder: if died { holder_of(port) } else { None },
            survivor: members.first().copied().filter(|_| died && !is_unit),
        }
    }

    /// The likely cause, where this is the end of the application's log.
    pub(crate) fn likely(&self, log: &str) -> String {
        match &self.failure {
            Failure::OnOtherPort => {
                return format!("its port is fixed, in its code or its settings: {}", self.remedy());
            }
            Failure::WentBad(_, Some(served)) => return self.of_front(served),
            _ => {}
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

    fn in_the_log(&self, log: &str) -> Option<String> {
        let log = log.to_lowercase();
        let Slot { name, port } = self.other;
        if TAKEN.iter().any(|sign| log.contains(sign)) && has_number(&log, *port) {
            return Some(format!("it wanted port {port}, which is that of {name} and taken: {}", self.remedy()));
        }
        SIGNS.iter().find(|(sign, _)| log.contains(sign)).map(|(_, cause)| (*cause).to_owned())
    }

    /// What to do about an application that does not listen where it is told to.
    fn remedy(&self) -> String {
        format!("let it listen on $PORT, {} here (Spring Boot: server.port)", self.slot.port)
    }

    fn of_front(&self, served: &Served) -> String {
        match served {
            Served::Slot(_) => "somebody else has moved it".to_owned(),
            Served::Limited(_) => LIMITED.to_owned(),
            Served::NoSlot(Silence::NoReply(NoReply::Refused)) => {
                "nginx does not run any more: systemctl status nginx".to_owned()
            }
            Served::NoSlot(_) => format!(
                "nginx fails, or {} has no page for the front: see nginx's error log, and what {} answers there",
                self.slot.name, self.slot.port
            ),
        }
    }

    fn of_death(&self, log: &str) -> String {
        if let Some(Kind::Stranger(who)) = self.answers.of_a_stranger() {
            return self.held_by(who);
        }
        if let Some(pid) = self.survivor {
            return format!(
                "the command went into the background (pid {pid} goes on): it must stay in the foreground, \
                 as docker run does without -d"
            );
        }
        if let Some(pid) = self.holder {
            return self.held_by(&format!("pid {pid} ({})", command_line(pid)));
        }
        self.in_the_log(log).unwrap_or_else(|| {
            "it ended or was killed; where its log does not say why, the kernel may have killed it for its memory \
             (journalctl -k)"
                .into()
        })
    }

    fn held_by(&self, who: &str) -> String {
        format!(
            "port {} is held by {who}: stop it, or let bg-launch take it over with --adopt (bg-deploy --launch-adopt)",
            self.slot.port
        )
    }

    fn of_answer(&self, answer: &Answer) -> String {
        let url = &answer.url;
        match &answer.kind {
            Kind::Silent => self.of_silence(),
            Kind::Says(what) => format!("the application runs and says {what}; its own reasons: {url}"),
            Kind::Redirect => {
                format!("a login in front of {url}: let that path through without one, or name another with --path")
            }
            Kind::Denied => format!("{url} asks for a login: let that path through, or name another with --path"),
            Kind::Page => format!(
                "a web page answers at {url}, as a login or a single-page application does: \
                 name the real health path with --path"
            ),
            Kind::Missing if self.args.path.is_none() => {
                "the application has no health page at /actuator/health or /health: name one with --path".into()
            }
            Kind::Missing => format!("the application has no page at {url}: name another with --path"),
            Kind::NoStatus => {
                format!("{url} answers without a JSON \"status\": if any 2xx will do, name the path with --path")
            }
            Kind::Unexpected => format!("{url} answers, but not what --expect and --expect-status ask for"),
            Kind::TooLong => format!("{url} is no health page: name another with --path"),
            Kind::Slow => format!(
                "the application hangs, or takes longer than {} for one answer (--check-timeout)",
                seconds(*self.args.check_timeout)
            ),
            Kind::Broken => format!("what listens on {} breaks off, or does not speak HTTP", self.slot.port),
            Kind::Fails => format!("the application runs and fails at {url}: see its log"),
            Kind::Stranger(who) => self.held_by(who),
            Kind::Cold => format!("the application says UP, but fails at {url}: see its log"),
            Kind::Healthy => {
                format!("it said UP at last, but not {} times in a row: a longer --timeout", self.args.successes)
            }
        }
    }

    fn of_silence(&self) -> String {
        let port = self.slot.port;
        if self.came_late {
            return "it began to listen when the time was up: a longer --timeout".into();
        }
        if self.answers.any_reply() {
            return "the application answered for a while and then stopped listening: see its log".into();
        }
        match self.ports.as_slice() {
            [] if self.launched => {
                "the application runs but listens on no port: still booting (a longer --timeout), or stuck: see its log"
                    .into()
            }
            [] => format!("nothing runs in the slot, or not on port {port}: see bg-probe --format table"),
            ports if ports.contains(&port) => {
                format!(
                    "the application listens on {port}, but not on {}: see its server.address, or say with BG_SLOT_URL where \
                     it listens",
                    self.record.site.address.asked()
                )
            }
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

/// Whether a text has this number in it, and not as a part of a longer one.
fn has_number(text: &str, number: u16) -> bool {
    let number = number.to_string();
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number)
}

/// The ports on which these processes listen, as far as this user may see.
fn ports_of(members: &[i32]) -> Vec<u16> {
    port::ports_of(members).map(Vec::from_iter).unwrap_or_default()
}

/// A process that holds the port, as far as this user may see.
fn holder_of(port: u16) -> Option<i32> {
    let sockets = port::listeners(port).ok().filter(|sockets| !sockets.is_empty())?;
    port::holders(&sockets).ok()?.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// The cause after these answers, in a case that is changed as the test likes.
    fn likely(kinds: &[Kind], log: &str, change: impl FnOnce(&mut Case)) -> String {
        let line = br#"{"bg":1,"app":"web","slot":"set2","port":8082,"live":"set1","slots":{"set1":8081,"set2":8082},
            "dir":"/d","front":null,"upstream_file":"/u"}"#;
        let record = Record::parse(&line.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<_>>()).unwrap();
        let args = Args::try_parse_from(["bg-health"]).unwrap();
        let mut answers = Answers::default();
        for kind in kinds {
            let answer = Answer { kind: kind.clone(), text: String::new(), url: "http://h/".into() };
            answers.add(&answer, Duration::ZERO);
        }
        let mut case = Case {
            args: &args,
            record: &record,
            launch: None,
            slot: &record.slot,
            other: record.site.slots.first(),
            answers: &answers,
            failure: Failure::Late,
            died: false,
            launched: true,
            came_late: false,
            ports: Vec::new(),
            holder: None,
            survivor: None,
        };
        change(&mut case);
        case.likely(log)
    }

    #[test]
    fn what_the_application_says_comes_first() {
        let log = "java.net.BindException: Address already in use";
        let said = likely(&[Kind::Silent, Kind::Says("DOWN".into())], log, |_| {});
        assert_eq!(said, "the application runs and says DOWN; its own reasons: http://h/");
    }

    #[test]
    fn of_an_application_that_comes_and_goes_the_going_is_told() {
        let down = Kind::Says("DOWN".into());
        assert!(likely(&[Kind::Healthy, down.clone(), Kind::Healthy], "", |_| {}).contains("says DOWN"));
        assert!(likely(&[down, Kind::Healthy], "", |_| {}).contains("it said UP at last"));
    }

    #[test]
    fn where_the_silent_application_listens() {
        let on = |ports: &[u16]| likely(&[Kind::Silent], "", |case| case.ports = ports.to_vec());
        assert_eq!(on(&[8080]), "the application listens on 8080, not 8082: the profile's properties did not load?");
        assert!(on(&[8080, 9090]).contains("listens on 8080 and 9090, not 8082"));
        assert!(on(&[8082]).contains("not on 127.0.0.1"));
        assert!(on(&[]).contains("listens on no port"));
        assert!(likely(&[Kind::Slow, Kind::Silent], "", |_| {}).contains("stopped listening"));
        assert!(likely(&[Kind::Silent], "", |case| case.came_late = true).contains("when the time was up"));
    }

    #[test]
    fn the_log_tells_why_it_is_silent_or_dead() {
        let log = "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space";
        assert!(likely(&[Kind::Silent], log, |_| {}).contains("out of memory"));
        let dead = |log| likely(&[Kind::Silent], log, |case| case.died = true);
        assert!(dead("Web server failed to start. Port 8082 was already in use.").contains("already in use"));
        assert!(dead("").contains("journalctl -k"));
        let other = dead("Web server failed to start. Port 8081 was already in use.");
        assert!(
            other.starts_with("it wanted port 8081, which is that of set1 and taken: let it listen on $PORT, 8082")
        );
        assert!(!dead("18081 bind: Address already in use").contains("set1"));
    }

    #[test]
    fn a_death_is_explained_by_who_is_still_there() {
        let background = likely(&[Kind::Silent], "", |case| {
            case.died = true;
            case.survivor = Some(4711);
        });
        assert!(background.contains("pid 4711 goes on"), "{background}");
        let holder = likely(&[Kind::Silent], "Address already in use", |case| {
            case.died = true;
            case.holder = Some(4711);
        });
        assert!(holder.starts_with("port 8082 is held by pid 4711 ("), "{holder}");
        let stranger = likely(&[Kind::Stranger("pid 1 (x)".into()), Kind::Silent], "", |case| case.died = true);
        assert_eq!(
            stranger,
            "port 8082 is held by pid 1 (x): stop it, or let bg-launch take it over with --adopt (bg-deploy --launch-adopt)"
        );
    }
}
