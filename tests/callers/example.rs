//! The lines of an example file that a runner would run. No more of YAML than stands in ours.

/// What stands between each `begin` and the next `end`.
pub(crate) fn between(text: &str, begin: &str, end: &str) -> Vec<String> {
    text.split(begin).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())).collect()
}

/// What follows `key` on its line.
#[track_caller]
pub(crate) fn after(text: &str, key: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no line {key:?}")).to_owned()
}

/// The `run:` of each step of a workflow: a line, or a block after `|`.
pub(crate) fn runs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut runs = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some((before, command)) = line.split_once("run: ") else { continue };
        if !before.trim_matches([' ', '-']).is_empty() {
            continue;
        }
        if command != "|" {
            runs.push(command.to_owned());
            continue;
        }
        let block = lines[number + 1..].iter().take_while(|line| line.len() - line.trim_start().len() > before.len());
        let inner = before.len() + 2;
        runs.push(block.flat_map(|line| [&line[inner..], "\n"]).collect());
    }
    assert!(!runs.is_empty(), "no run: in\n{text}");
    runs
}

/// The commands of a crontab, without the times.
pub(crate) fn cron(text: &str) -> Vec<String> {
    let lines =
        text.lines().filter(|line| line.starts_with(['@', '*']) || line.starts_with(|c: char| c.is_ascii_digit()));
    let command = |line: &str| {
        let times = if line.starts_with('@') { 1 } else { 5 };
        (0..times).fold(line, |rest, _| rest.split_once(' ').map_or("", |(_, rest)| rest.trim_start())).to_owned()
    };
    lines.map(command).collect()
}

/// A hook of an appspec.yml.
pub(crate) struct Hook {
    pub(crate) event: String,
    pub(crate) location: String,
    pub(crate) runas: Option<String>,
}

/// The hooks, in their order.
pub(crate) fn hooks(appspec: &str) -> Vec<Hook> {
    let (_, hooks) = appspec.split_once("\nhooks:\n").expect("hooks:");
    let mut found: Vec<Hook> = Vec::new();
    let mut event = "";
    for line in hooks.lines() {
        match line.trim_start_matches([' ', '-']).split_once(':') {
            Some((name, "")) => event = name,
            Some(("location", path)) => {
                found.push(Hook { event: event.to_owned(), location: path.trim().to_owned(), runas: None });
            }
            Some(("runas", user)) => found.last_mut().expect("a hook").runas = Some(user.trim().to_owned()),
            _ => {}
        }
    }
    found
}
