use bg_tests::{World, http};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How an answer begins, what then comes for ever, and how often.
type Endless = (&'static str, &'static [u8], Duration);

const AT_ONCE: Duration = Duration::ZERO;

const ANSWERS: [Endless; 6] = [
    ("HTTP/1.1 200 OK\r\n\r\nset1", b"                                                                ", AT_ONCE),
    ("HTTP/1.1 200 OK\r\n", b"X-More: and more and more and more and more and more\r\n", AT_ONCE),
    ("HTTP/1.1 200 OK\r\nX: ", b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", AT_ONCE),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10\r\n                \r\n", AT_ONCE),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"00000000000000000000000000000000", AT_ONCE),
    // Never silent for long, and never done.
    ("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"status\":\"UP\"", b" ", Duration::from_millis(100)),
];

/// Answers like that until this process ends, or whoever asks has had enough.
fn server(answer: Endless) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || pour(stream, answer));
        }
    });
    port
}

fn pour(mut stream: TcpStream, (begin, then, pause): Endless) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request)?;
    stream.write_all(begin.as_bytes())?;
    let then = if pause.is_zero() { then.repeat(1000) } else { then.to_vec() };
    loop {
        // The pace of the one who answers, and no wait for anything.
        thread::park_timeout(pause);
        stream.write_all(&then)?;
    }
}

/// With no more memory than this, in KiB.
const LIMIT: &str = "ulimit -d 50000";

/// It must not be for want of memory that it ends.
const NO_MEMORY: &str = "out of memory";

#[test]
fn an_answer_without_an_end_is_cut_in_time_and_in_size() {
    let world = World::new().set1_running();
    for answer in ANSWERS {
        let port = server(answer);
        let began = Instant::now();
        let front =
            format!("{LIMIT}; bg-probe --timeout 1s --front http://127.0.0.1:{port}/profile --slot live --format name");
        world.run_line(&front).success().printed_only("set1\n").said("no slot is named at").never_said(NO_MEMORY);
        let slots = format!("set1={port},set2={}", world.port("set2"));
        let health = format!("{LIMIT}; bg-health --once --check-timeout 1s --slots {slots} --slot set1");
        let refused = world.run_line(&health).exit(4);
        refused.said("set1 is not healthy").never_said("UP after").never_said(NO_MEMORY);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{answer:?}: {took:?}");
    }
}

#[test]
fn an_endless_health_page_ends_the_wait_and_not_the_machine() {
    let world = World::new().serving();
    let deploy = format!("{LIMIT}; exec bg-deploy --health-timeout 1s -- fake-app --endless");
    world.run_line(&deploy).exit(4).said("200 and more than 64 KiB");
    assert_eq!(http::get(&world.nginx.front_url("/version")).expect("an answer").body, "1.0");
}

#[test]
fn a_report_shows_a_screen_of_a_huge_log() {
    let world = World::new();
    for (print, most) in [("head -c 30000000 /dev/zero", 100_000), ("yes 'what went wrong' | head -n 2000000", 10_000)]
    {
        let deploy = format!("{LIMIT}; exec bg-deploy -- sh -c \"{print} >&2; exit 1\"");
        let failed = world.run_line(&deploy).exit(8);
        let said = failed.stderr().len();
        assert!(said < most, "{said} bytes");
    }
}

#[test]
fn a_record_without_an_end_is_refused() {
    let world = World::new();
    for stage in ["bg-launch -- fake-app", "bg-health", "bg-switch"] {
        let line = format!("{LIMIT}; yes | {stage}; exec 2>&-; head -c 99999999 /dev/zero | {stage}");
        world.run_line(&line).exit(3).said("longer than 65536 bytes");
    }
    assert!(!world.dir().exists());
}
