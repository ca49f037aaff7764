//! What must happen once although two releases run: jobs, migrations, the companion, and the signals that quiet a release.

mod companion;
mod jobs;
mod migration;
mod quiet;
