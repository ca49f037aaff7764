use super::{NOBODY, as_nobody, give_to_nobody, needs_root, nobodys_dir, nobodys_link, owners};
use bg_tests::{Run, World};
use std::fs;
use std::path::PathBuf;

/// A file that no deploy may touch.
fn victim(world: &World) -> PathBuf {
    world.write("victim", "mine\n")
}

#[track_caller]
fn assert_untouched(victim: &PathBuf, what: &str) {
    assert_eq!(fs::read_to_string(victim).expect("the victim"), "mine\n", "{what}");
}

#[test]
fn a_link_at_a_temporary_name_is_removed_and_not_followed() {
    for world in [World::new(), World::new().link_form()] {
        let victim = victim(&world);
        world.deploy(&[]).success();
        let inside = world.make_dir("folder");
        world.write(inside.join("kept"), "mine\n");
        let names = [
            "slots/set2/.process.json.bg-new",
            "slots/set2/.current.bg-new",
            "slots/set2/logs/.app.log.bg-new",
            "routes/set2/.set2.bg-new",
            ".live.bg-new",
            ".switching.json.bg-new",
        ];
        for name in names {
            world.link(&victim, world.dir().join(name));
        }
        world.link(&victim, "nginx/.service-url.inc.bg-new");
        world.link(&inside, world.dir().join("releases/.incoming"));
        world.deploy(&["--version-text", "1.1"]).success();
        assert_eq!(world.get("/version").body, "1.1");
        assert_untouched(&victim, "a temporary name");
        assert_untouched(&inside.join("kept"), ".incoming");
    }
}

#[test]
fn a_link_in_place_of_a_file_of_ours_is_not_written_through() {
    for (name, code) in [("lock", 1), ("deploys.jsonl", 0)] {
        let world = World::new();
        let victim = victim(&world);
        world.deploy(&[]).success();
        world.remove(world.dir().join(name));
        world.link(&victim, world.dir().join(name));
        world.deploy(&[]).exit(code).said(format!("{name}: "));
        assert_untouched(&victim, name);
    }
}

#[test]
fn root_follows_no_link_of_the_user_in_whose_folder_it_works() {
    needs_root();
    for name in ["routes", "routes/set2", "routes/set2/set2"] {
        let world = World::new().link_form();
        let dir = nobodys_dir(&world);
        let world = world.both_running();
        let elsewhere = world.make_dir("elsewhere");
        let link = dir.join(name);
        // The last one leads to a file that is not there yet.
        let target = if name.ends_with("set2/set2") { elsewhere.join("new") } else { elsewhere.clone() };
        nobodys_link(&world, &link, &target);
        let refused = world.switch("set2").exit(1);
        refused.said(format!("{} is a link that another user (uid {NOBODY}) has made", link.display()));
        assert_eq!(owners(&elsewhere), [], "{name}");
        assert_eq!(world.live().as_deref(), Some("set1"));
    }
}

#[test]
fn a_deploy_of_roots_follows_no_link_of_another_user_either() {
    needs_root();
    for name in ["releases", "slots", "slots/set2", "slots/set2/logs", "slots/set2/process.json"] {
        let world = World::new().env("BG_SHARED_DIR", "1");
        let dir = nobodys_dir(&world);
        world.deploy(&["--version-text", "1.0"]).success();
        let victim = victim(&world);
        let elsewhere = world.make_dir("elsewhere");
        let link = dir.join(name);
        if link.exists() {
            fs::rename(&link, world.path("aside")).expect("a folder of ours");
        }
        nobodys_link(&world, &link, if name.contains("process") { &victim } else { &elsewhere });
        world.deploy(&[]).exit(1);
        assert_eq!(owners(&elsewhere), [], "{name}");
        assert_untouched(&victim, name);
        assert_eq!(world.get("/version").body, "1.0");
    }
}

#[test]
fn root_makes_no_configuration_of_a_users_note() {
    needs_root();
    let world = World::new();
    let dir = nobodys_dir(&world);
    let world = world.both_running();
    let before = world.nginx.read_upstream();
    for (from, to) in [("set1", "set1"), ("set1", "set2"), ("set2", "set1")] {
        let note = dir.join("switching.json");
        let evil = r#""before":"set $service_url http://127.0.0.1:1;\nlocation /etc { root /; }\n""#;
        world.write(&note, format!(r#"{{"from":"{from}","to":"{to}",{evil}}}"#));
        give_to_nobody(&note);
        for words in [["--to", "set2"], ["--to", "set1"], ["--convert", "link"]] {
            world.run("bg-switch", &words).exit(1).said(format!("switching.json is another user's (uid {NOBODY})"));
            assert_eq!(world.nginx.read_upstream(), before);
        }
    }
    // And what that user's own command makes of it is for that user's rights to say.
    as_nobody(&world, "bg-switch").args(["--to", "set2"]).ran().exit(1);
    assert_eq!(world.nginx.read_upstream(), before);
}
