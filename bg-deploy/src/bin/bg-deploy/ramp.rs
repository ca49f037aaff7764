//! The ramp: a new release gets its visitors share by share, and is watched with each; where one step fails, it loses all
//! of them at once.

use crate::outcome::{End, Step};
use crate::run::Runner;
use crate::stage::{Calls, Name, Stage};
use crate::watch::how_it_ended;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use std::time::Duration;

/// The stages that stand before the last switch.
pub(crate) fn stages(calls: &Calls, steps: &[(u8, Duration)]) -> Vec<Stage> {
    let step = |(share, time): &(u8, Duration)| {
        let watch = format!("--watch={}", humantime::format_duration(*time));
        let stages = [(Name::Switch, format!("--share={share}")), (Name::Health, watch)];
        stages.map(|(name, word)| Stage { with_share: Some(*share), ..calls.stage(name, [word]) })
    };
    steps.iter().flat_map(step).collect()
}

/// The stage that takes all of them back. It reads no record, so it has the settings.
pub(crate) fn back(calls: &Calls) -> Stage {
    calls.stage(Name::Switch, calls.settings.iter().cloned().chain(["--share=0".to_owned()]))
}

/// Takes a share back that may be out when a run has failed.
pub(crate) fn take_back(site: &Site, runner: &Runner, end: &mut End) {
    let may_be_out = end.took.iter().any(|(step, _)| matches!(step, Step::Share(_)));
    let Some(failure) = end.failure.as_mut().filter(|_| may_be_out) else { return };
    let voice = runner.calls.voice;
    if failure.code == Exit::WentBad as u8 {
        let how = how_it_ended(&site.dir);
        voice.error(&format!("the release {how} at {}; its visitors are taken back", failure.at));
    }
    let ended = runner.run_undisturbed(&back(runner.calls), "");
    if ended.code != 0 {
        failure.code = ended.code;
        end.is_taken_back_unseen = true;
        // Where the link leads everybody back, bg-switch has said so, and what to do.
        if Route::of(&site.dir, &site.slots).is_some_and(|now| now.is_shared()) {
            let again = Advice::call(site, "bg-switch", &["--share", "0"]);
            let words =
                format!("the share could not be taken back: bg-switch says why. Once that can be done: {again}");
            voice.error(&words);
        }
    }
}
