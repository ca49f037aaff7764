//! The ways nginx is moved, one a form of the upstream file, and the change from one to another.
//!
//! Each form has a file with everything that `bg-switch` does in it, as [`Rules`]. A further form is a further file, and
//! a further line in [`rules_of`].

pub(crate) mod change;
pub(crate) mod convert;
mod hidden;
mod link;
mod obstacle;
mod permission;
mod reload;
mod rewrite;
pub(crate) mod rules;
pub(crate) mod settle;
pub(crate) mod share;
mod stay;

use crate::form::link::Link;
use crate::form::reload::Reload;
pub(crate) use crate::form::rewrite::tell;
use crate::form::rules::Rules;
use bg_probe::nginx::upstream::Form;

/// The rules of this form.
pub(crate) fn rules_of(form: Form) -> &'static dyn Rules {
    match form {
        Form::Link => &Link,
        Form::Reload => &Reload,
    }
}
