//! On a terminal: colours and widths there, and plain lines everywhere else.

use bg_tests::World;

/// What a terminal of this many columns shows of the messages of a shell line, as it is sent to it.
#[track_caller]
fn shown(world: &World, columns: u32, line: &str) -> String {
    let line = format!("stty rows 24 cols {columns}; {line}");
    let mut script = world.command(&bg_tests::programs::of_the_system("script"));
    let shown = script.args(["-qec", &line, "/dev/null"]).env_remove("COLUMNS").env_remove("NO_COLOR");
    let shown = shown.env("TERM", "xterm").output().expect("script(1)");
    String::from_utf8(shown.stdout).expect("UTF-8").replace("\r\n", "\n")
}

#[test]
fn names_are_bold_and_errors_red() {
    let world = World::new().set1_running();
    assert!(shown(&world, 80, "bg-probe >/dev/null").starts_with("\u{1b}[1mprobe\u{1b}[0m   set1 is live on "));
    let error = shown(&world, 80, "bg-probe --by front --front -");
    assert!(error.starts_with("\u{1b}[1;31mbg-probe:\u{1b}[0m --by front: there is no front"), "{error:?}");
    let warning = shown(&world, 80, "bg-probe --front http://127.0.0.1:1/ >/dev/null");
    assert!(warning.starts_with("\u{1b}[1;33mbg-probe:\u{1b}[0m warning: no slot is named"), "{warning:?}");
}

#[test]
fn no_colour_where_it_is_not_wanted_or_not_a_terminal() {
    let world = World::new().set1_running();
    for line in [
        "NO_COLOR=1 bg-probe >/dev/null",
        "TERM=dumb bg-probe >/dev/null",
        "bg-probe 2>&1 >/dev/null | cat",
        "env -u TERM bg-probe >/dev/null",
    ] {
        assert!(shown(&world, 80, line).starts_with("probe   set1 is live on "), "{line}");
    }
    assert!(shown(&world, 80, "NO_COLOR= bg-probe >/dev/null").contains('\u{1b}'), "set to nothing is not set");
}

/// A world with names as long as they may be, and a history.
fn long_names() -> World {
    let world = World::new().env("BG_APP", &"a".repeat(32)).env("SUDO_USER", &"u".repeat(32));
    let world = world.env("CI_JOB_URL", &format!("https://ci.example/{}", "x".repeat(100)));
    let program = world.copy(bg_tests::programs::ours("fake-app"), format!("{}-1.0.bin", "long-name".repeat(8)));
    for _ in 0..2 {
        world.run("bg-deploy", &[&program.display().to_string(), "--", "{artifact}"]).success();
    }
    world.run("bg-deploy", &["--before-switch", "false", "--", "fake-app"]).exit(4);
    world
}

#[test]
fn tables_fit_eighty_columns_and_a_pipe_has_all() {
    let world = long_names();
    for (line, rows) in [("bg-probe --format table", 2), ("bg-probe --history", 3)] {
        let table = shown(&world, 80, line);
        assert!(table.lines().all(|line| line.chars().count() < 80), "{table}");
        assert_eq!(table.lines().count(), 2 * (rows + 1), "{table}");
        let piped = shown(&world, 80, &format!("{line} | cat"));
        assert_eq!(piped.lines().count(), rows + 1);
        assert!(piped.contains(&"long-name".repeat(8)) && !piped.contains('…'), "{piped}");
        assert!(shown(&world, 400, line).lines().all(|line| !line.contains('…')));
    }
    let rows = shown(&world, 80, "bg-probe --history");
    assert!(
        rows.lines().nth(2).is_some_and(|line| line.contains("  4 at before-switch  deploy  set2 -> set1")),
        "{rows}"
    );
}

#[test]
fn a_check_breaks_its_lines_between_words_and_leaves_a_remedy_whole() {
    let world = long_names().env("BG_HEALTH_PAHT", "/health");
    let check = shown(&world, 80, "bg-deploy --check -- fake-app");
    let remedy = "\n        write BG_HEALTH_PATH if that is meant, or unset it\n";
    assert!(check.contains(&format!("warn    no program knows the variable BG_HEALTH_PAHT:{remedy}")), "{check}");
    // A word may be longer than a line, as a path is.
    let long = |line: &&str| line.chars().count() >= 80 && line.trim().contains(' ');
    let is_remedy = |line: &str| line.starts_with("        ");
    assert_eq!(check.lines().filter(|line| !is_remedy(line)).find(long), None, "{check}");
    let piped = shown(&world, 80, "bg-deploy --check -- fake-app | cat");
    assert!(piped.lines().all(|line| !line.starts_with(' ')), "{piped}");
}

#[test]
fn a_time_stands_at_the_right_edge_or_follows_the_text() {
    let world = World::new().set1_running();
    // The end of its line, and how long that is without its colours.
    let line = |columns, variables: &str| {
        let line = format!("NO_COLOR=1 {variables} bg-launch --slot set2 -- fake-app >/dev/null");
        let text = shown(&world, columns, &line);
        text.lines().find(|line| line.contains("release ")).expect("a line with a time").to_owned()
    };
    for (columns, length) in [(80, 79), (70, 69), (200, 79)] {
        assert_eq!(line(columns, "").len(), length);
    }
    let narrow = line(50, "");
    assert!(
        narrow.contains(" as pid ") && narrow.rsplit("  ").next().is_some_and(|time| time.ends_with('s')),
        "{narrow}"
    );
    assert_eq!(narrow.matches("  ").count(), 2, "after the name, and before the time: {narrow}");
    assert_eq!(line(80, "COLUMNS=70").len(), 69);
}
