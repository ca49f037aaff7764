//! What is fed: each parser, with what must hold whatever it is given.

use crate::server;
use bg_health::verdict::Rules;
use bg_launch::jar;
use bg_probe::cli::lines::{self, Variable};
use bg_probe::live::front::Answer;
use bg_probe::live::pending::Pending;
use bg_probe::nginx::conf::{self, Directive};
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::link::{self, Looks, Spelling};
use bg_probe::os::http::{MOST_BODY, NoReply, Reply, Url, host};
use bg_probe::os::process::Stat;
use bg_probe::os::sockets::{self, State};
use bg_probe::os::span::Span;
use bg_probe::record::Record;
use bg_probe::say::{self, clean, quoted};
use bg_probe::site::address::Address;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::settings::{Site, path};
use bg_probe::site::slot::{Choice, Name, Slots};
use bg_probe::site::watched::Said;
use std::fmt::Display;
use std::io::Cursor;

/// One parser: its name, which is also that of its folder in the corpus, and what feeds it. What that returns says
/// which way through the parser the input took, as far as can be told from outside.
pub(crate) type Target = (&'static str, fn(&[u8]) -> String);

/// All of them.
pub(crate) const TARGETS: [Target; 16] = [
    ("record", record),
    ("conf", conf),
    ("upstream", upstream),
    ("slots", slots),
    ("process", process),
    ("switching", switching),
    ("stat", stat),
    ("tcp", tcp),
    ("sock_diag", sock_diag),
    ("health", health),
    ("front", front),
    ("http", http),
    ("jar", jar),
    ("variables", variables),
    ("settings", settings),
    ("watched", watched),
];

/// A message for people: whatever it quotes, it is one short line that moves no cursor.
fn way(result: Result<(), impl Display>) -> String {
    let Err(why) = result else { return "ok".into() };
    let text = format!("{why:#}");
    assert!(text.chars().count() < 1000, "a message of {} bytes", text.len());
    text.chars().filter(char::is_ascii_alphabetic).take(80).collect()
}

fn harmless(text: &str) {
    let moves = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(moves), "{text:?}");
}

fn site() -> Site {
    Site {
        app: "web".parse().expect("a name"),
        slots: "set1=8081,set2=8082".parse().expect("two slots"),
        address: Address::default(),
        front: FrontSetting::Unset,
        front_host: None,
        dir: bg_probe::site::dir::Dir::new("/nowhere".into()),
        upstream_file: "/nowhere/f".into(),
    }
}

/// What was understood is written and understood again as the same.
fn record(input: &[u8]) -> String {
    let record = Record::parse(input);
    if let Ok(record) = &record {
        for path in [record.site.dir.root(), &record.site.upstream_file] {
            assert!(path.is_absolute(), "{}", path.display());
            assert!(!path.to_str().expect("UTF-8").contains(char::is_control), "{}", path.display());
        }
        // Numbers and escapes may be written longer than they came.
        if let Ok(line) = record.to_line() {
            let again = Record::parse(line.as_bytes()).expect("our own line");
            assert_eq!(again.to_line().expect("as long"), line);
        }
        for stage in ["launch", "health", "probe"] {
            let _ = record.get::<bg_launch::Launch>(stage).map_err(|why| harmless(&format!("{why:#}")));
        }
    }
    way(record.map(drop).inspect_err(|why| harmless(&format!("{why:#}"))))
}

/// Every word is where it says it is.
fn conf(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let parsed = conf::parse(&text);
    assert_in_place(&text, parsed.as_deref().unwrap_or_default());
    way(parsed.map(drop))
}

fn assert_in_place(text: &str, directives: &[Directive]) {
    for directive in directives {
        for word in &directive.words {
            assert!(text.get(word.span.clone()).is_some(), "{word:?}");
        }
        assert_in_place(text, directive.block.as_deref().unwrap_or_default());
    }
}

/// A switch changes the address and nothing else, and what it wrote points at the slot.
fn upstream(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input).into_owned();
    let site = site();
    let parsed = Upstream::parse(text.clone());
    if let Ok(upstream) = &parsed {
        let _ = upstream.points_at(&site);
        let [first, slot] = site.slots.both();
        if let Ok(moved) = upstream.moved_to(&site, slot) {
            let again = Upstream::parse(moved).expect("our own text");
            assert_eq!(again.points_at(&site).as_ref(), Some(slot));
            let found = |upstream: &Upstream| upstream.found(&site).map(|found| (found.by, found.address));
            assert_eq!(found(&again), found(upstream), "all but the slot stays");
            let back = again.moved_to(&site, first).expect("a slot's address");
            let forth = Upstream::parse(back).expect("our own text").moved_to(&site, slot).expect("a slot's address");
            assert_eq!(forth, again.text);
        }
    }
    // A folder of any name either stands in the configuration as the one path it is, or is refused.
    let site = Site { dir: bg_probe::site::dir::Dir::new(format!("/{text}").into()), ..site };
    if let Ok(written) = link::text(&site, Spelling::Group, Looks::ForKind, site.slots.first()) {
        let parsed = Upstream::parse(written).expect("our own text");
        assert_eq!(parsed.flag(), Some(site.dir.live().join("set2.$bg_web_bucket").as_path()), "{parsed:?}");
    }
    way(parsed.map(drop))
}

fn slots(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let _ = text.parse::<Choice>();
    if let Ok(name) = text.parse::<Name>() {
        assert!(name.as_str().bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'), "{name}");
    }
    let parsed = text.parse::<Slots>();
    if let Ok(slots) = &parsed {
        assert_eq!(slots.to_string().parse::<Slots>().expect("our own text"), *slots);
    }
    way(parsed.map(drop).inspect_err(|why| harmless(&format!("{why:#}"))))
}

fn process(input: &[u8]) -> String {
    let parsed = Launched::parse(&String::from_utf8_lossy(input));
    if let Ok(launched) = &parsed {
        let process = &launched.process;
        let _ = (process.is_alive(), process.is_recycled(), process.started());
    }
    way(parsed.map(drop))
}

fn switching(input: &[u8]) -> String {
    way(Pending::parse(&String::from_utf8_lossy(input)).map(drop))
}

fn stat(input: &[u8]) -> String {
    format!("{:?}", Stat::parse(&String::from_utf8_lossy(input)).map(|stat| stat.parent.signum()))
}

fn tcp(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let rows = |state| text.lines().filter_map(|line| sockets::row(line, state)).count();
    format!("{} {}", rows(State::Listen).min(3), rows(State::Established).min(3))
}

fn sock_diag(input: &[u8]) -> String {
    let mut found = Vec::new();
    let last = sockets::take(input, &mut found);
    assert!(found.len() <= input.len() / 16, "more sockets than there is room for");
    format!("{} {:?}", way(last.as_ref().map(drop)), last.ok())
}

/// Healthy is only what a reader of JSON, who is not ours, finds UP at the top.
fn health(input: &[u8]) -> String {
    let reply = |status| Reply { status, body: input.to_vec(), whole: true, location: None, headers: Vec::new() };
    let rules = Rules { status_needed: true, ..Rules::default() };
    let (kind, text) = rules.judge(Ok(reply(200)));
    harmless(&text);
    assert!(text.len() < 1000, "{text}");
    if kind == bg_health::verdict::Kind::Healthy {
        let body = String::from_utf8_lossy(input);
        assert!(body.trim_start().starts_with('{') && body.contains("UP"), "{body}");
    }
    let loose = Rules { text: Some("UP".into()), codes: vec![200, 503], ..Rules::default() };
    let (other, _) = loose.judge(Ok(reply(503)));
    format!("{kind:?} {other:?}").chars().filter(char::is_ascii_alphabetic).take(60).collect()
}

/// A front names a slot with its name alone.
fn front(input: &[u8]) -> String {
    let site = site();
    let reply = Reply { status: 200, body: input.to_vec(), whole: true, location: None, headers: Vec::new() };
    let answer = Answer::of(Ok(reply), &site.slots);
    let redirect = Reply {
        status: 302,
        body: Vec::new(),
        whole: true,
        location: Some(String::from_utf8_lossy(input).into_owned()),
        headers: Vec::new(),
    };
    let broken = NoReply::Broken(quoted(&String::from_utf8_lossy(input)));
    for said in [&answer, &Answer::of(Ok(redirect), &site.slots), &Answer::of(Err(broken), &site.slots)] {
        match said {
            Answer::Slot(slot) => assert_eq!(String::from_utf8_lossy(input).trim(), slot.name.as_str()),
            Answer::NoSlot(said) => harmless(&said.to_string()),
            Answer::Limited(status) => panic!("{status} was not said"),
        }
    }
    format!("{:?}", matches!(answer, Answer::Slot(_)))
}

/// Whatever a server sends, an answer is cut at its limit, and why there is none can be said.
fn http(input: &[u8]) -> String {
    match server::ask(input) {
        Ok(reply) => {
            assert!(reply.body.len() <= MOST_BODY);
            format!("{} {} {}", reply.status / 100, reply.whole, reply.location.is_some())
        }
        Err(why) => {
            harmless(&why.to_string());
            way(Err(why))
        }
    }
}

fn jar(input: &[u8]) -> String {
    let found = jar::Manifest::of(Cursor::new(input)).map(|manifest| manifest.has_main_class);
    format!("{} {:?}", way(found.as_ref().map(drop)), found.ok())
}

/// A name is one that a shell would take too.
fn variables(input: &[u8]) -> String {
    let parsed = lines::parse(&String::from_utf8_lossy(input));
    for Variable { name, .. } in parsed.iter().flatten() {
        assert!(name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') && !name.is_empty(), "{name:?}");
    }
    way(parsed.map(drop))
}

/// What is typed: a URL, a host, a path, a duration; and what is said of all of them.
fn settings(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    harmless(&clean(&text));
    assert!(quoted(&text).len() < 1000);
    if let Ok(path) = path(&text) {
        assert!(path.is_absolute(), "{}", path.display());
    }
    if let Ok(name) = host(&text) {
        assert!(!name.contains(char::is_whitespace) && !name.contains('/'), "{name:?}");
    }
    let lasts = text.parse::<Span>();
    if let Ok(duration) = &lasts {
        harmless(&say::seconds(**duration));
    }
    let url = text.parse::<Url>();
    if let Ok(url) = &url {
        harmless(&url.to_string());
    }
    format!("{} {}", lasts.is_ok(), way(url.map(drop)))
}

/// What is said in nginx's place is of the two slots, with a number for each request.
fn watched(input: &[u8]) -> String {
    let Some(said) = Said::parse(input, &site()) else { return "nothing".into() };
    assert!(said.answers.len() <= input.len() && said.answers.iter().all(|answer| answer.slot < 2), "{said:?}");
    let told = said.answers.iter().map(|answer| (answer.slot, answer.status.is_some(), answer.after_ms.is_some()));
    format!("{:?}", told.take(3).collect::<Vec<_>>())
}
