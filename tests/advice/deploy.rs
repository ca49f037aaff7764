use super::{deploying, follow};
use bg_tests::World;

/// Deploys 1.0, 1.1 and 1.2 with these words before `--`, and goes back by the line that is printed.
#[track_caller]
fn back_by_the_line(world: &World, words: &str) {
    for version in ["1.0", "1.1", "1.2"] {
        let deploy = world.run_line(format!("bg-deploy {words} -- fake-app --version-text {version}")).success();
        if version != "1.0" {
            let back = follow(world, &deploy, "with: ").success();
            let forward = back.advice("goes forward again, to ");
            world.run_line(forward.split_once(": ").expect("a line").1).success();
        }
    }
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn the_way_back_that_a_deploy_prints_goes_back() {
    back_by_the_line(&World::new(), "");
}

#[test]
fn the_way_back_has_the_settings_file() {
    let (world, file) = World::new().by_file();
    back_by_the_line(&world, &format!("--env-file {file}"));
}

#[test]
fn the_way_back_has_what_was_typed() {
    let world = World::new().env("BG_DIR", "/nowhere").env("BG_NGINX", "/nowhere/nginx");
    let (dir, nginx) = (world.word("an other"), world.nginx.command_line());
    back_by_the_line(&world, &format!("--dir '{dir}' --nginx '{nginx}' --health-timeout 9s"));
}

#[test]
fn the_way_back_of_a_deploy_by_sudo_is_by_sudo() {
    let (world, file) = World::new().with_sudo().by_file();
    let deploy = world.run_line(format!(
        "sudo bg-deploy --env-file {file} -- fake-app --version-text 1.0; \
        sudo bg-deploy --env-file {file} -- fake-app --version-text 1.1"
    ));
    let back = deploy.advice("in set1 with: ");
    assert!(back.starts_with("sudo bg-deploy --env-file"), "{back}");
    world.run_line(back).success();
    assert_eq!(world.get("/version").body, "1.0");
}

/// Has nginx refuse 1.1, and goes on to it by the line that is printed for that.
#[track_caller]
fn forward_by_the_line(world: &World, words: &str) {
    let deploy = |version| world.run_line(format!("bg-deploy {words} -- fake-app --version-text {version}"));
    deploy("1.0").success();
    // Broken before, it would be refused before it begins.
    let (text, place) = (world.write("text", "this is no directive;\n"), world.path("nginx/http.d/broken.conf"));
    let breaks = format!("--before-switch 'cp {} {}'", text.display(), place.display());
    let refused = world.run_line(format!("bg-deploy {words} {breaks} -- fake-app --version-text 1.1")).exit(5);
    assert!(!refused.stderr().contains("--rollback"), "who wants to go on is not told to go back: {refused}");
    world.nginx.add_to_http("broken", "");
    follow(world, &refused, "when the cause is gone: ").success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn what_nginx_has_refused_is_moved_to_by_the_printed_line() {
    forward_by_the_line(&World::new(), "");
}

#[test]
fn the_way_on_has_the_settings_file() {
    let (world, file) = World::new().by_file();
    forward_by_the_line(&world, &format!("--env-file {file}"));
}

#[test]
fn the_way_on_has_what_was_typed() {
    let world = World::new().env("BG_DIR", "/nowhere").env("BG_NGINX", "/nowhere/nginx");
    let (dir, nginx) = (world.word("an other"), world.nginx.command_line());
    forward_by_the_line(&world, &format!("--dir '{dir}' --nginx '{nginx}' --switch-verify-timeout 9s"));
}

#[test]
fn a_word_that_is_a_flag_is_printed_as_one_with_what_was_typed() {
    let (world, file) = World::new().serving().by_file();
    // In a folder of its own: a word that is a file or a folder there is deployed.
    std::fs::create_dir(world.path("empty")).expect("a folder");
    let typed =
        |words: &str| world.run_line(format!("cd {}; bg-deploy --env-file {file} {words}", world.word("empty")));
    typed("-- fake-app --version-text 1.1").success();
    let rollback = typed("rollback").exit(2);
    follow(&world, &rollback, "If you meant the flag: ").exit(0);
    assert_eq!(world.get("/version").body, "1.0");
    for (word, part) in [("status", "LIVE"), ("history", "rollback"), ("check", "ok      ")] {
        let refused = typed(word).exit(2);
        let shown = follow(&world, &refused, "If you meant the flag: ");
        assert!(shown.stdout().to_lowercase().contains(&part.to_lowercase()), "{shown}");
    }
}

#[test]
fn who_is_turned_away_by_another_deploy_waits_for_it_by_the_printed_line() {
    let world = deploying(World::new(), "--boot-ms 700");
    let first = world.start("bg-deploy", &[]);
    bg_tests::until(super::SOON, "it deploys", || world.dir().join("slots/set1/process.json").exists());
    let refused = world.run("bg-deploy", &["--health-timeout", "20s"]).exit(6);
    assert_eq!(refused.advice("Wait for it: "), "bg-deploy --wait 60s --health-timeout 20s");
    follow(&world, &refused, "Wait for it: ").success();
    first.end().success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}
