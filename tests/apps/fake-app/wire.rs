//! HTTP/1.1 as far as this application needs it: a request comes in, a reply goes out.

use std::io::{self, BufRead, Read, Write};

/// A request, as far as this application looks at it.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) keep_alive: bool,
    /// The first line and the headers, as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next request of the connection; `None` at its end.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let target = first.split_whitespace().nth(1).unwrap_or("/");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            path: path.to_owned(),
            query: query.to_owned(),
            keep_alive: first.trim_end().ends_with("HTTP/1.1"),
            body: Vec::new(),
            head: String::new(),
        };
        request.head += &first;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            request.head += &line;
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(("connection", value)) => request.keep_alive = value.trim() != "close",
                Some(_) => {}
                None => break,
            }
        }
        reader.take(length).read_to_end(&mut request.body)?;
        Ok(Some(request))
    }

    /// The same request as an application below that path sees it; one that is not below it asks for nothing it has.
    pub(crate) fn below(mut self, path: &str) -> Self {
        self.path = self.path.strip_prefix(path).map_or("/outside".to_owned(), str::to_owned);
        self
    }

    pub(crate) fn is_health(&self) -> bool {
        matches!(self.path.as_str(), "/health" | "/actuator/health")
    }

    /// The N of `?ms=N`.
    pub(crate) fn milliseconds(&self) -> u64 {
        let value = self.query.strip_prefix("ms=");
        value.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

/// Takes the upgrade, and sends back what comes until the other side ends it.
pub(crate) fn echo(reader: &mut impl Read, mut writer: impl Write) -> io::Result<u64> {
    writer.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
    io::copy(reader, &mut writer)
}

/// What goes back: a status, one header of its own, and a body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, header: format!("Content-Type: {content_type}"), body }
    }

    pub(crate) fn text(body: &str) -> Self {
        Self::new(200, "text/plain;charset=UTF-8", body.into())
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::new(status, "application/json", body.into())
    }

    pub(crate) fn html(status: u16, body: &str) -> Self {
        Self::new(status, "text/html;charset=UTF-8", body.into())
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self { status: 302, header: format!("Location: {to}"), body: Vec::new() }
    }

    pub(crate) fn bytes(&self, keep_alive: bool) -> Vec<u8> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let mut bytes = format!(
            "HTTP/1.1 {} Fake\r\n{}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            self.status,
            self.header,
            self.body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
