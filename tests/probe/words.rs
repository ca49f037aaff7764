//! What bg-probe prints for shells and for people.

use bg_tests::World;

use super::{refusal, until};

/// What bg-probe prints.
#[track_caller]
fn printed(world: &World, flags: &[&str]) -> String {
    world.run("bg-probe", flags).success().stdout()
}

/// What a program prints for one flag.
#[track_caller]
fn printed_by(world: &World, program: &str, flag: &str) -> String {
    let run = world.cmd(program).arg(flag).assert().success();
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

#[test]
fn probe_prints_one_word_with_format_name_or_port() {
    let world = World::new().set1_running();
    let (set1, set2) = (world.port("set1"), world.port("set2"));
    for (slot, name, port) in
        [("idle", "set2", set2), ("live", "set1", set1), ("set1", "set1", set1), ("set2", "set2", set2)]
    {
        assert_eq!(printed(&world, &["--slot", slot, "--format", "name"]), format!("{name}\n"));
        assert_eq!(printed(&world, &["--slot", slot, "--format", "port"]), format!("{port}\n"));
        assert!(
            printed(&world, &["--slot", slot]).contains(&format!(r#""slot":"{name}","port":{port},"live":"set1""#))
        );
    }
    let run = world.run_line("LIVE=$(bg-probe --slot live --format name) && echo $LIVE").success();
    run.printed_only("set1\n").said_nothing();
}

#[test]
fn probe_prints_a_table_with_format_table() {
    let world = World::new();
    world.run_line("bg-probe -q | bg-launch -q -- fake-app").success();
    until(super::SOON, "set1 answers", || world.live().as_deref() == Some("set1"));
    let table = printed(&world, &["--format", "table"]);
    let lines: Vec<&str> = table.lines().collect();
    let [header, set1, set2] = lines.as_slice() else { panic!("{table}") };

    let columns = header.split_ascii_whitespace().collect::<Vec<_>>();
    assert_eq!(columns, ["SLOT", "PORT", "LIVE", "SHARE", "PID", "UP", "SINCE", "LISTENING", "RELEASE"]);
    let port = world.port("set2");
    assert_eq!(set2.split_whitespace().collect::<Vec<_>>(), ["set2", &port.to_string(), "-", "-", "-", "-", "no", "-"]);

    let words: Vec<&str> = set1.split_whitespace().collect();
    let [_, _, _, "100%", pid, since, _, release] = words.as_slice() else { panic!("{table}") };
    let port = world.port("set1");
    assert_eq!(*set1, format!("set1  {port}  live  100%   {pid}  {since}  yes        {release}"));
    assert_eq!(environment(&world, "BG_RELEASE"), *release);
    let process = std::fs::read_to_string(world.process_file("set1")).expect("a launched slot");
    assert!(process.contains(&format!(r#""pid":{pid},"#)), "{process} {pid}");
    // 2026-11-21T19:30:00Z
    assert_eq!(since.replace(|c: char| c.is_ascii_digit(), "0"), "0000-00-00T00:00:00Z");
}

#[test]
fn the_table_shows_who_holds_a_port_also_where_nobody_knows_what_is_live() {
    let world = World::new();
    let pid = world.start_fake("set2", &[]);
    world.remove(world.nginx.upstream_file());
    let table = world.run("bg-probe", &["--format", "table"]).exit(7).stdout();
    let (set1, set2) = (world.port("set1"), world.port("set2"));
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(
        rows[0].split_whitespace().collect::<Vec<_>>(),
        ["set1", &set1.to_string(), "?", "?", "-", "-", "no", "-"]
    );
    assert!(rows[1].starts_with(&format!("set2  {set2}  ?     ?      {pid}  20")), "{table}");
    assert!(rows[1].ends_with("Z  yes        -"), "{table}");
}

#[test]
fn the_table_comes_with_its_warning() {
    let world = World::new();
    world.start_fake("set2", &[]);
    let stderr = world.run("bg-probe", &["--format", "table"]).success().stderr();
    assert!(stderr.contains("set1 is live but nothing listens on its port"), "{stderr}");
}

#[test]
fn probe_exits_1_when_stdout_can_not_be_written() {
    let world = World::new();
    let stderr = world.run_line("bg-probe | true").success().stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
    let stderr = world.run_line("bg-probe -q >/dev/full").exit(1).stderr();
    assert_eq!(stderr, "bg-probe: write stdout: No space left on device (os error 28)\n");
    world.run_line("bg-probe 2>/dev/full").success();
}

#[test]
fn probe_says_errors_alone_with_quiet() {
    let world = World::new();
    world.run("bg-probe", &["-q"]).success().said_nothing();
    world.start_fake("set2", &[]);
    world.run("bg-probe", &["-q"]).success().said_nothing();
    world.nginx.write_upstream("");
    assert!(refusal(&world, &["-q"], 7).starts_with("bg-probe: can't tell which slot is live"));
}

/// One variable of the environment that the live application has.
#[track_caller]
fn environment(world: &World, name: &str) -> String {
    let body = world.get("/env").body;
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name} in {body}")).to_owned()
}

#[test]
fn each_program_prints_its_help_without_blank_lines_between_its_flags() {
    let world = World::new();
    for program in ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"] {
        let help = printed_by(&world, program, "--help");
        let flags = help.split_once("\nOptions:\n").expect("its flags").1;
        let flags = flags.split("\n\n").next().unwrap_or_default();
        assert!(flags.contains("--version"), "{program}: {flags}");
    }
}
