//! The user of a program: by name, by the name before `sudo(8)`, and by the job of a CI that ran it.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// The longest address of a job that is kept, in bytes.
const MOST_URL: usize = 500;

/// The user of a program, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    user: Option<String>,
    /// The user that became this one by `sudo(8)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sudo_user: Option<String>,
    /// Where the CI's job can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl Who {
    /// The user of this process.
    #[must_use]
    pub fn now() -> Who {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
        Who::of(user, |name| std::env::var(name).ok())
    }

    fn of(user: Option<String>, variable: impl Fn(&str) -> Option<String>) -> Who {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty() && value.len() <= MOST_URL);
        let github = || {
            let [server, repository, run] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(&given);
            Some(format!("{}/{}/actions/runs/{}", server?, repository?, run?))
        };
        // GitLab's and Jenkins's own words for it.
        let job = github().or_else(|| given("CI_JOB_URL")).or_else(|| given("BUILD_URL"));
        let is_url = |text: &String| {
            ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
                && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        Who { user, sudo_user: given("SUDO_USER"), job: job.filter(is_url) }
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or("-"))?;
        self.sudo_user.as_ref().map_or(Ok(()), |user| write!(f, " ({user})"))?;
        self.job.as_ref().map_or(Ok(()), |job| write!(f, " {job}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> Option<String> {
        let variable =
            |name: &str| variables.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        Who::of(None, variable).job
    }

    #[test]
    fn a_job_is_found_by_the_variables_of_each_ci() {
        let github =
            [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")];
        assert_eq!(job(&github).unwrap(), "https://github.com/a/b/actions/runs/7");
        assert_eq!(job(&github[..2]), None);
        assert_eq!(
            job(&[("CI_JOB_URL", "https://gitlab.example/a/-/jobs/7")]).unwrap(),
            "https://gitlab.example/a/-/jobs/7"
        );
        assert_eq!(job(&[("BUILD_URL", "http://ci.example/job/a/7/")]).unwrap(), "http://ci.example/job/a/7/");
        for no_address in ["", "javascript:x", "https://a b", "https://a\nb"] {
            assert_eq!(job(&[("BUILD_URL", no_address)]), None, "{no_address:?}");
        }
    }
}
