//! The recipe on the page of bg-launch, as it stands there.

use super::{SOON, machine, main_pid, units};
use bg_tests::{pages, until};

#[test]
fn the_recipe_of_the_page_works_line_by_line() {
    let Some(mut machine) = machine() else { return };
    let page = pages::of("bg-launch");
    let [deploy, boot] =
        pages::blocks(pages::part(&page, "### systemd"), "sh").try_into().expect("two blocks of shell");
    // There is no java in that machine, and nobody but root.
    let deploy = deploy.replace("web.env app.jar", "web.env -- fake-app");
    assert!(deploy.contains("-- fake-app"), "{deploy}");
    machine.ok(&format!("mkdir -p /var/lib/bg/web; sudo() {{ \"$@\"; }}\n{deploy}{boot}"));
    assert_eq!(machine.ok("stat -c %U /var/lib/bg/web /var/lib/bg/web/slots/set1/work"), "root\nwww-data");
    let pid = main_pid(&machine, "set1");
    assert_eq!(machine.ok(&format!("grep NoNewPrivs /proc/{pid}/status")), "NoNewPrivs:\t1");
    assert!(machine.get_slot("set1", "/env").lines().any(|line| line.starts_with("SPRING_DATASOURCE_URL=")));

    machine.shut_down();
    machine.start();
    until(SOON, "it serves", || !machine.get("/version").is_empty());
    assert_eq!(units(&machine), ["bg-web-set1.service"]);
    assert_eq!(machine.ok("stat -c %U /proc/$(systemctl show -P MainPID bg-web-set1)"), "www-data");
}
