//! Which variables of an environment tell who has called, and are of no meaning to an application.

/// The variables by which a shell, ssh, sudo, systemd and a CI say who calls, from where, and which job that is: an application
/// that went by them would differ with each deploy.
const OF_THE_CALL: [&str; 27] = [
    "_",
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DEPLOYMENT_ID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LIFECYCLE_EVENT",
    "LINES",
    "LS_COLORS",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "SSH_AUTH_SOCK",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "SUDO_COMMAND",
    "SUDO_GID",
    "SUDO_UID",
    "SUDO_USER",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TMUX",
    "TMUX_PANE",
    "WORKSPACE",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_ID",
];

/// How those of a CI's job begin.
const OF_A_JOB: [&str; 8] = ["ANSIBLE_", "BUILD_", "CI_", "GITHUB_", "GITLAB_", "JENKINS_", "JOB_", "RUNNER_"];

/// Whether a variable tells of the call by which something was started, and not of what is started.
pub(crate) fn is_of_the_call(name: &str) -> bool {
    // A shell hands no other names on.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    !is_name || OF_THE_CALL.contains(&name) || OF_A_JOB.iter().any(|begin| name.starts_with(begin))
}
