//! The command line of `bench`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Compare the programs with the two shell scripts, other proxies and curl, and print a table
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The rows to measure [default: all]
    #[arg(value_enum, value_name = "ROW")]
    rows: Vec<Row>,
    /// Fewer repetitions: to see that it works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write every sample to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw one deploy under load, by the scripts and by bg-deploy, into this file; takes another minute
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Measure no row, only what --svg draws
    #[arg(long, requires = "svg", conflicts_with = "rows")]
    only_svg: bool,
}

/// One row of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Deploy time beyond the application's own boot
    Deploy,
    /// Requests failed and connections cut by switches under load
    Lost,
    /// Requests a second through each kind of site
    Throughput,
    /// Switch to first new answer, with other TLS sites in the same nginx
    Switch,
    /// One process against one curl: time, memory, size
    Cost,
    /// Old answers after the switch has ended with success
    Stale,
    /// Requests lost where the live process is killed, and those that meet a bad release
    Visitors,
}

impl Row {
    /// Its name on the command line and in the output.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Args {
    /// The rows to measure, each once.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let asked = |row: &&Row| !self.only_svg && (self.rows.is_empty() || self.rows.contains(row));
        Row::value_variants().iter().filter(asked).copied().collect()
    }

    /// How often to repeat.
    pub(crate) fn times(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}
