//! What bg-probe prints for shells and for people.

use bg_tests::World;

use super::{refusal, until};

/// What bg-probe prints.
#[track_caller]
fn printed(world: &World, flags: &[&str]) -> String {
    let run = world.cmd("bg-probe").args(flags).assert().success();
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

#[test]
fn one_word_for_shells() {
    let world = World::new();
    world.start_fake("set1", &[]);
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
    world
        .shell("LIVE=$(bg-probe --slot live --format name) && echo $LIVE")
        .assert()
        .success()
        .stdout("set1\n")
        .stderr("");
}

#[test]
fn a_table_for_people() {
    let world = World::new();
    world.shell("bg-probe -q | bg-launch -q -- fake-app").assert().success();
    until(super::SOON, "set1 answers", || world.live().as_deref() == Some("set1"));
    let table = printed(&world, &["--format", "table"]);
    let lines: Vec<&str> = table.lines().collect();
    let [header, set1, set2] = lines.as_slice() else { panic!("{table}") };

    assert_eq!(*header, "SLOT              PORT  LIVE      PID  UP SINCE              LISTENING  RELEASE");
    let port = world.port("set2");
    assert_eq!(*set2, format!("set2             {port:>5}  -           -  -                     no         -"));

    let words: Vec<&str> = set1.split_whitespace().collect();
    let [_, _, _, pid, since, _, release] = words.as_slice() else { panic!("{table}") };
    let port = world.port("set1");
    assert_eq!(*set1, format!("set1             {port:>5}  live  {pid:>7}  {since:<20}  yes        {release}"));
    assert_eq!(environment(&world, "BG_RELEASE"), *release);
    let process = std::fs::read_to_string(world.dir().join("slots/set1/process.json")).expect("a launched slot");
    assert!(process.contains(&format!(r#""pid":{pid},"#)), "{process} {pid}");
    // 2026-11-21T19:30:00Z
    assert_eq!(since.replace(|c: char| c.is_ascii_digit(), "0"), "0000-00-00T00:00:00Z");
}

#[test]
fn the_table_shows_who_holds_a_port_also_where_nobody_knows_what_is_live() {
    let world = World::new();
    let pid = world.start_fake("set2", &[]);
    std::fs::remove_file(world.nginx.upstream_file()).expect("the upstream file");
    let run = world.cmd("bg-probe").args(["--format", "table"]).assert().code(7);
    let table = String::from_utf8_lossy(&run.get_output().stdout);
    let (set1, set2) = (world.port("set1"), world.port("set2"));
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows[0], format!("set1             {set1:>5}  ?           -  -                     no         -"));
    assert!(rows[1].starts_with(&format!("set2             {set2:>5}  ?     {pid:>7}  20")), "{table}");
    assert!(rows[1].ends_with("Z  yes        -"), "{table}");
}

#[test]
fn the_table_comes_with_its_warning() {
    let world = World::new();
    world.start_fake("set2", &[]);
    let run = world.cmd("bg-probe").args(["--format", "table"]).assert().success();
    let stderr = String::from_utf8_lossy(&run.get_output().stderr);
    assert!(stderr.contains("set1 is live but nothing listens on its port"), "{stderr}");
}

#[test]
fn a_reader_that_has_gone_is_an_error_and_not_a_crash() {
    let world = World::new();
    let run = world.shell("bg-probe | true").assert().success();
    let stderr = String::from_utf8_lossy(&run.get_output().stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let run = world.shell("bg-probe -q >/dev/full").assert().code(1);
    let stderr = String::from_utf8_lossy(&run.get_output().stderr);
    assert_eq!(stderr, "bg-probe: write stdout: No space left on device (os error 28)\n");
    world.shell("bg-probe 2>/dev/full").assert().success();
}

#[test]
fn quiet_leaves_errors_alone() {
    let world = World::new();
    world.cmd("bg-probe").arg("-q").assert().success().stderr("");
    world.start_fake("set2", &[]);
    world.cmd("bg-probe").arg("-q").assert().success().stderr("");
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
