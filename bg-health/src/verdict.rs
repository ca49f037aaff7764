//! The verdict: what an answer means.
//!
//! A pattern over the body would take a nested `"status":"UP"`, or a login page with the word in it, for health. So
//! the body is parsed as JSON, and only the `status` at its top counts; where the caller says what healthy is, by a text or a
//! code, not even that.

use bg_probe::os::http::{NoReply, Reply, Url};
use bg_probe::say::quoted;
use bg_probe::site::slot::Slot;
use serde_json::Value;

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The application is fit to serve.
    Healthy,
    /// Nothing listens.
    Silent,
    /// Its own status is this, not UP.
    Says(String),
    /// The right code at a path that was named, and a status of this kind, which is no usual word for well.
    OwnWord(Word),
    /// A redirect.
    Redirect,
    /// A redirect with this code to https, and there to this path.
    ToHttps(u16, String),
    /// 400 or 403, because of the host name that was asked for.
    WrongHost,
    /// 400.
    BadRequest,
    /// 401 or 403.
    Denied,
    /// A web page where a status should be.
    Page,
    /// 404.
    Missing,
    /// The right code without a status.
    NoStatus,
    /// Not what `--expect` or `--expect-status` asks for.
    Unexpected,
    /// A body past the limit, and nothing in its beginning that decides.
    TooLong,
    /// No whole answer in time.
    Slow,
    /// No HTTP, or half of it.
    Broken,
    /// Any other code.
    Fails,
    /// From this process at the port of this slot, which is older than the launch.
    Stranger(String, Slot),
    /// Well, but not listening on the slot's own port.
    Closed,
    /// A warm-up request failed.
    Cold,
}

/// A status that an application calls by a word of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word, as messages show it.
    pub says: String,
    /// The text to expect where it means well, as it stands in the body; `None` where that is not a plain one.
    pub text: Option<String>,
}

/// The words for well at a path that was named, in lower case.
const WELL: [&str; 5] = ["up", "ok", "pass", "healthy", "success"];

/// What frameworks answer to a host name that they do not know: Django, Rails, Vite and webpack, ASP.NET. In lower case.
const HOST_REFUSED: [&str; 5] =
    ["allowed_hosts", "disallowedhost", "blocked host", "invalid host", "invalid http_host"];

/// What is asked of an answer.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether there must be a status in the body, exactly UP; else one that is there must be a usual word for well. It is
    /// not looked at where there is a text or a code.
    pub status_needed: bool,
    /// What the body must contain.
    pub text: Option<String>,
    /// The codes that are healthy; none for any 2xx.
    pub codes: Vec<u16>,
}

impl Rules {
    /// What an answer means, or that there is none, and the answer in a few harmless words.
    #[must_use]
    pub fn judge(&self, reply: Result<Reply, NoReply>) -> (Kind, String) {
        match reply {
            Ok(reply) => (self.kind(&reply), in_words(&reply)),
            Err(why) => {
                let kind = match why {
                    NoReply::Refused => Kind::Silent,
                    NoReply::Slow => Kind::Slow,
                    NoReply::Broken(_) => Kind::Broken,
                };
                (kind, why.to_string())
            }
        }
    }

    fn kind(&self, reply: &Reply) -> Kind {
        if !self.will_do(reply.status) {
            return self.refusal(reply);
        }
        if self.text.is_some() || !self.codes.is_empty() {
            return match self.contains_text(&reply.body) {
                true => Kind::Healthy,
                false if reply.whole => Kind::Unexpected,
                false => Kind::TooLong,
            };
        }
        let status = status_in(&reply.body);
        if self.status_needed { by_status(reply, status.as_ref()) } else { by_word(reply.status, status.as_ref()) }
    }

    fn will_do(&self, code: u16) -> bool {
        if self.codes.is_empty() { (200..300).contains(&code) } else { self.codes.contains(&code) }
    }

    /// What a code means that is not healthy.
    fn refusal(&self, reply: &Reply) -> Kind {
        match (reply.status, status_in(&reply.body)) {
            (code @ 300..=399, _) => redirect(code, reply.location.as_deref()),
            (400 | 403, _) if refuses_the_host(&reply.body) => Kind::WrongHost,
            (401 | 403, _) => Kind::Denied,
            (404, _) => Kind::Missing,
            // A number is the code once more, in the JSON of an error page.
            (_, Some(Value::String(word))) if word != "UP" => Kind::Says(quoted(&word)),
            (500.., _) => Kind::Fails,
            _ if !self.codes.is_empty() => Kind::Unexpected,
            (400, _) => Kind::BadRequest,
            _ => Kind::Fails,
        }
    }

    fn contains_text(&self, body: &[u8]) -> bool {
        self.text.as_ref().is_none_or(|text| String::from_utf8_lossy(body).contains(text.as_str()))
    }
}

/// What a usual page means, which must answer with a status of exactly UP.
fn by_status(reply: &Reply, status: Option<&Value>) -> Kind {
    match status {
        _ if !reply.whole => Kind::TooLong,
        Some(status) if *status == "UP" => Kind::Healthy,
        Some(other) => Kind::Says(in_a_word(other)),
        None if is_page(&reply.body) => Kind::Page,
        None => Kind::NoStatus,
    }
}

/// What a page means that was named: its code decides, unless it has a status of another word than those for well. A
/// number that is the code once more is none.
fn by_word(code: u16, status: Option<&Value>) -> Kind {
    match status {
        None => Kind::Healthy,
        Some(Value::String(word)) if WELL.iter().any(|well| word.eq_ignore_ascii_case(well)) => Kind::Healthy,
        Some(Value::Number(number)) if number.as_u64() == Some(code.into()) => Kind::Healthy,
        Some(other) => Kind::OwnWord(Word { says: in_a_word(other), text: plain_text(other) }),
    }
}

/// A status as it stands in the body, where that can be typed between quotes.
fn plain_text(status: &Value) -> Option<String> {
    let text = match status {
        Value::String(word) if word.is_empty() => return None,
        Value::Array(_) | Value::Object(_) => return None,
        other => other.to_string(),
    };
    (quoted(&text) == text && !text.contains(['\'', '\\'])).then_some(text)
}

fn redirect(code: u16, to: Option<&str>) -> Kind {
    let to = to.filter(|to| to.starts_with("https://")).and_then(|to| to.parse::<Url>().ok());
    to.map_or(Kind::Redirect, |to| Kind::ToHttps(code, to.path().to_owned()))
}

fn refuses_the_host(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_lowercase();
    HOST_REFUSED.iter().any(|sign| body.contains(sign))
}

/// A body without the mark that some servers write before UTF-8.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// The `status` at the top of a JSON object.
fn status_in(body: &[u8]) -> Option<Value> {
    match serde_json::from_slice(without_mark(body)).ok()? {
        Value::Object(mut fields) => fields.remove("status"),
        _ => None,
    }
}

fn in_a_word(status: &Value) -> String {
    quoted(&status.as_str().map_or_else(|| status.to_string(), str::to_owned))
}

fn is_page(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().starts_with(b"<")
}

fn in_words(reply: &Reply) -> String {
    let code = reply.status;
    if let (300..=399, Some(to)) = (code, &reply.location) {
        return format!("{code} to {}", quoted(to));
    }
    if !reply.whole {
        return format!("{code} and more than 64 KiB");
    }
    let body = String::from_utf8_lossy(&reply.body);
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if body.is_empty() { code.to_string() } else { format!("{code} {}", quoted(&body)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), whole: true, location: None, headers: Vec::new() }
    }

    fn by_default(status: u16, body: &str) -> Kind {
        Rules { status_needed: true, ..Rules::default() }.kind(&reply(status, body))
    }

    fn with_path(status: u16, body: &str) -> Kind {
        Rules::default().kind(&reply(status, body))
    }

    #[test]
    fn up_at_the_top_and_nothing_else_is_healthy() {
        for body in [r#"{"status":"UP"}"#, " {\"components\":{\"db\":{\"status\":\"DOWN\"}},\n\"status\" : \"UP\" }\n"]
        {
            assert_eq!(by_default(200, body), Kind::Healthy, "{body}");
        }
        for status in ["DOWN", "UPWARD", "up", " UP", "UP ", "", "OUT_OF_SERVICE"] {
            let body = serde_json::json!({ "status": status, "components": { "db": { "status": "UP" } } });
            assert_eq!(by_default(200, &body.to_string()), Kind::Says(status.into()), "{status:?}");
        }
        for body in [
            "",
            "UP",
            "\"UP\"",
            "null",
            "{}",
            r#"["status","UP"]"#,
            r#"[{"status":"UP"}]"#,
            r#"{"db":{"status":"UP"}}"#,
            r#"{"Status":"UP"}"#,
            r#"{"status":"UP"} and more"#,
            r#"{"status":"UP""#,
        ] {
            assert_eq!(by_default(200, body), Kind::NoStatus, "{body}");
        }
        for (body, says) in [(r#"{"status":["UP"]}"#, r#"["UP"]"#), (r#"{"status":null}"#, "null")] {
            assert_eq!(by_default(200, body), Kind::Says(says.into()), "{body}");
        }
    }

    #[test]
    fn the_code_counts_as_much_as_the_body() {
        let up = r#"{"status":"UP"}"#;
        assert_eq!(by_default(204, up), Kind::Healthy);
        for (code, kind) in [
            (302, Kind::Redirect),
            (401, Kind::Denied),
            (403, Kind::Denied),
            (404, Kind::Missing),
            (418, Kind::Fails),
            (503, Kind::Fails),
        ] {
            assert_eq!(by_default(code, up), kind, "{code}");
        }
        assert_eq!(by_default(503, r#"{"status":"DOWN"}"#), Kind::Says("DOWN".into()));
        assert_eq!(by_default(500, r#"{"timestamp":"now","status":500}"#), Kind::Fails);
    }

    #[test]
    fn a_web_page_is_told_apart_from_other_bodies() {
        assert_eq!(by_default(200, "\n<!DOCTYPE html><p>UP to now: nobody"), Kind::Page);
    }

    #[test]
    fn with_a_path_2xx_is_enough_unless_the_body_says_otherwise() {
        for body in ["", "ok", "<html>", r#"{"a":1}"#, r#"{"status":"UP"}"#] {
            assert_eq!(with_path(200, body), Kind::Healthy, "{body}");
        }
        for status in ["\"ok\"", "\"Healthy\"", "\"pass\"", "\"SUCCESS\"", "200"] {
            assert_eq!(with_path(200, &format!("\u{feff}{{\"status\":{status}}}")), Kind::Healthy, "{status}");
        }
        for (status, says, text) in [
            ("\"DOWN\"", "DOWN", Some("\"DOWN\"")),
            ("\"not ok\"", "not ok", Some("\"not ok\"")),
            ("201", "201", Some("201")),
            ("true", "true", Some("true")),
            ("\"it's\"", "it's", None),
            ("[\"UP\"]", "[\"UP\"]", None),
            ("\"\"", "", None),
        ] {
            let word = Word { says: says.into(), text: text.map(str::to_owned) };
            assert_eq!(with_path(200, &format!("{{\"status\":{status}}}")), Kind::OwnWord(word), "{status}");
        }
        assert_eq!(with_path(302, ""), Kind::Redirect);
    }

    #[test]
    fn what_is_expected_must_be_there() {
        let rules = Rules { text: Some("ready".into()), codes: vec![200, 302], ..Rules::default() };
        assert_eq!(rules.kind(&reply(302, "all ready")), Kind::Healthy);
        assert_eq!(rules.kind(&reply(200, "READY")), Kind::Unexpected);
        assert_eq!(rules.kind(&reply(204, "ready")), Kind::Unexpected);
        assert_eq!(rules.kind(&reply(503, "ready")), Kind::Fails);
        assert_eq!(rules.kind(&reply(200, r#"{"status":"DOWN","a":"ready"}"#)), Kind::Healthy);
        let code = Rules { status_needed: true, codes: vec![404], ..Rules::default() };
        assert_eq!(code.kind(&reply(404, r#"{"status":404}"#)), Kind::Healthy);
    }

    #[test]
    fn half_a_body_is_not_judged() {
        let megabyte = " ".repeat(1 << 20);
        let cut = &megabyte[..bg_probe::os::http::MOST_BODY];
        let reply = Reply { whole: false, ..reply(200, &format!(r#"{{"status":"UP"}}{cut}"#)) };
        let rules = Rules { status_needed: true, ..Rules::default() };
        assert_eq!(rules.kind(&reply), Kind::TooLong);
        assert_eq!(Rules::default().kind(&reply), Kind::Healthy, "the code decides");
        let text = |text: &str| Rules { text: Some(text.into()), ..Rules::default() }.kind(&reply);
        assert_eq!((text("\"UP\""), text("ready")), (Kind::Healthy, Kind::TooLong));
        assert_eq!(in_words(&reply), "200 and more than 64 KiB");
    }

    #[test]
    fn a_refusal_is_for_its_host_name_where_it_says_so() {
        assert_eq!(by_default(400, "You may need to add '127.0.0.1' to ALLOWED_HOSTS."), Kind::WrongHost);
        assert_eq!(by_default(403, "<h1>Blocked hosts: 127.0.0.1</h1>"), Kind::WrongHost);
        assert_eq!((by_default(400, ""), by_default(403, "")), (Kind::BadRequest, Kind::Denied));
    }

    #[test]
    fn a_redirect_to_https_is_known_with_its_path() {
        let to = |to: &str| Rules::default().kind(&Reply { location: Some(to.into()), ..reply(301, "") });
        assert_eq!(to("https://a/b?c"), Kind::ToHttps(301, "/b".into()));
        assert_eq!((to("http://a/b"), to("/login"), to("https://")), (Kind::Redirect, Kind::Redirect, Kind::Redirect));
    }

    #[test]
    fn nested_beyond_reason_is_no_status() {
        assert_eq!(by_default(200, &"[".repeat(60_000)), Kind::NoStatus);
    }

    #[test]
    fn an_answer_is_shown_in_a_few_harmless_words() {
        assert_eq!(in_words(&reply(200, "")), "200");
        assert_eq!(in_words(&reply(503, "{\n  \"status\" : \"DOWN\"\n}\n")), r#"503 { "status" : "DOWN" }"#);
        assert_eq!(in_words(&reply(500, "\u{1b}[2Jx")), "500 \\u{1b}[2Jx");
        assert!(in_words(&reply(500, &"y".repeat(999))).len() < 100);
        let login = Reply { location: Some("/login\r\n".into()), ..reply(302, "moved") };
        assert_eq!(in_words(&login), "302 to /login\\r\\n");
    }
}
