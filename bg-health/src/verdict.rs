//! The verdict: what an answer means.
//!
//! A pattern over the body would take a nested `"status":"UP"`, or a login page with the word in it, for health. So
//! the body is parsed as JSON, and only the `status` at its top counts.

use bg_probe::os::http::{NoReply, Reply};
use bg_probe::say::quoted;
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
    /// A redirect.
    Redirect,
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
    /// A body past the limit.
    TooLong,
    /// No whole answer in time.
    Slow,
    /// No HTTP, or half of it.
    Broken,
    /// Any other code.
    Fails,
    /// From this process, which is older than the launch.
    Stranger(String),
    /// A warm-up request failed.
    Cold,
}

/// What is asked of an answer.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether there must be a status in the body. One that is there must be UP in any case.
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
        let status = status_in(&reply.body);
        let says = status.as_ref().filter(|status| **status != "UP");
        if !self.will_do(reply.status) {
            return self.refusal(reply.status, says);
        }
        match (says, status.is_some()) {
            _ if !reply.whole => Kind::TooLong,
            (Some(other), _) => Kind::Says(in_a_word(other)),
            (None, false) if self.status_needed && is_page(&reply.body) => Kind::Page,
            (None, false) if self.status_needed => Kind::NoStatus,
            _ if !self.contains_text(&reply.body) => Kind::Unexpected,
            _ => Kind::Healthy,
        }
    }

    fn will_do(&self, code: u16) -> bool {
        if self.codes.is_empty() { (200..300).contains(&code) } else { self.codes.contains(&code) }
    }

    /// What a code means that is not healthy.
    fn refusal(&self, code: u16, says: Option<&Value>) -> Kind {
        match (code, says) {
            (300..=399, _) => Kind::Redirect,
            (401 | 403, _) => Kind::Denied,
            (404, _) => Kind::Missing,
            // A number is the code once more, in the JSON of an error page.
            (_, Some(status @ Value::String(_))) => Kind::Says(in_a_word(status)),
            (500.., _) => Kind::Fails,
            _ if !self.codes.is_empty() => Kind::Unexpected,
            _ => Kind::Fails,
        }
    }

    fn contains_text(&self, body: &[u8]) -> bool {
        self.text.as_ref().is_none_or(|text| String::from_utf8_lossy(body).contains(text.as_str()))
    }
}

/// The `status` at the top of a JSON object.
fn status_in(body: &[u8]) -> Option<Value> {
    match serde_json::from_slice(body).ok()? {
        Value::Object(mut fields) => fields.remove("status"),
        _ => None,
    }
}

fn in_a_word(status: &Value) -> String {
    quoted(&status.as_str().map_or_else(|| status.to_string(), str::to_owned))
}

fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
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
        Reply { status, body: body.into(), whole: true, location: None }
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
        assert_eq!(with_path(200, r#"{"status":"DOWN"}"#), Kind::Says("DOWN".into()));
        assert_eq!(with_path(302, ""), Kind::Redirect);
    }

    #[test]
    fn what_is_expected_must_be_there() {
        let rules = Rules { text: Some("ready".into()), codes: vec![200, 302], ..Rules::default() };
        assert_eq!(rules.kind(&reply(302, "all ready")), Kind::Healthy);
        assert_eq!(rules.kind(&reply(200, "READY")), Kind::Unexpected);
        assert_eq!(rules.kind(&reply(204, "ready")), Kind::Unexpected);
        assert_eq!(rules.kind(&reply(503, "ready")), Kind::Fails);
        assert_eq!(rules.kind(&reply(200, r#"{"status":"DOWN","a":"ready"}"#)), Kind::Says("DOWN".into()));
    }

    #[test]
    fn half_a_body_is_not_judged() {
        let megabyte = " ".repeat(1 << 20);
        let cut = &megabyte[..bg_probe::os::http::MOST_BODY];
        let reply = Reply { whole: false, ..reply(200, &format!(r#"{{"status":"UP"}}{cut}"#)) };
        let rules = Rules { status_needed: true, ..Rules::default() };
        assert_eq!(rules.kind(&reply), Kind::TooLong);
        assert_eq!(Rules::default().kind(&reply), Kind::TooLong);
        assert_eq!(in_words(&reply), "200 and more than 64 KiB");
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
