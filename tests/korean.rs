//! The page in Korean: it has no command of its own, and whoever moves over from the two scripts by it is served all
//! the while.

use std::path::Path;

use bg_tests::{Traffic, World, pages};

/// README, the page of each program, and that of the application.
fn in_english() -> String {
    let application = pages::read(Path::new("bg-launch/APPLICATION.md"));
    pages::PROGRAMS.into_iter().map(pages::of).chain([pages::readme(), application]).collect()
}

/// The lines in blocks of code, and the commands of ours within the text.
fn code(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, part) in page.split("\n```").enumerate() {
        if at % 2 == 1 {
            found.extend(part.lines().skip(1).map(|line| line.trim_start_matches("$ ")));
        } else {
            let spans = part.split('`').skip(1).step_by(2);
            found.extend(spans.filter(|span| span.starts_with("bg-") && span.contains(' ')));
        }
    }
    found
}

/// So what is tested of those pages is tested of this one.
#[test]
fn every_command_of_the_korean_page_stands_in_the_english_ones() {
    let (page, english) = (pages::korean(), in_english());
    let lines = code(&page);
    assert!(lines.len() > 30, "{lines:?}");
    let own: Vec<&str> = lines.into_iter().filter(|line| !english.contains(line)).collect();
    assert!(own.is_empty(), "no other page has these lines:\n{}", own.join("\n"));
}

#[test]
fn the_readme_and_the_korean_page_lead_to_each_other_in_their_first_lines() {
    let has = |page: &str, link: &str| page.lines().take(3).any(|line| line.contains(link));
    assert!(has(&pages::readme(), "](bg-deploy/README.ko.md)"));
    assert!(has(&pages::korean(), "](../README.md)"));
}

#[test]
fn who_moves_over_from_the_scripts_by_the_korean_page_is_served_all_the_while() {
    let page = pages::korean();
    let part = pages::part(&page, "## deploy.sh와 switch.sh에서 옮겨 오기");
    let [_, lines] = pages::blocks(part, "sh").try_into().expect("the settings, and the way over");
    let world = World::new().both_running();
    // The settings are the world's own, there is no java, and nobody but root.
    world.write("web.env", "");
    let lines = lines.replace("/etc/bg/web.env", &world.word("web.env")).replace("sudo ", "");
    let of = |version: &str| lines.replace("app-1.1.jar", &format!("-- fake-app --version-text {version}"));
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    for (slot, version) in [("set2", "1.1"), ("set1", "1.2")] {
        world.run_line(format!("set -e\n{}", of(version))).success().said("(adopted)");
        assert_eq!((world.live().as_deref(), world.get("/version").body), (Some(slot), version.to_owned()));
    }
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
}
