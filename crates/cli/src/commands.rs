//! One file per sub-command, named as it is typed.

pub(crate) mod analyze;
pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod man;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod slim;
pub(crate) mod squash;
mod subject;
pub(crate) mod trace;
pub(crate) mod verify;
pub(crate) mod why;
pub(crate) mod why_not;

use crate::args::{Args, Command};
use crate::error;
use crate::session::Session;
use crate::ui::Ui;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, or the answer is yes.
    Yes,
    /// The answer is no: findings, a gate, a proof that failed.
    No,
    /// The exit code of a program that was run.
    Code(u8),
}

impl Answer {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => error::DONE,
            Self::No => error::NO,
            Self::Code(code) => code,
        }
    }
}

/// Runs the command that was asked for.
pub(crate) fn run(args: Args, ui: &Ui) -> anyhow::Result<Answer> {
    let session = || Session::new(&args.global, ui);
    match args.command {
        Command::Analyze(args) => analyze::run(&args, &session()?),
        Command::Diff(args) => diff::run(&args, &session()?),
        Command::Squash(args) => squash::run(&args, &session()?),
        Command::Copy(args) => copy::run(&args, &session()?),
        Command::Import(args) => import::run(&args, &session()?),
        Command::Pull(args) => pull::run(&args, &session()?),
        Command::Push(args) => push::run(&args, &session()?),
        Command::Images(args) => images::run(&args, &session()?),
        Command::Rm(args) => rm::run(&args, &session()?),
        Command::Run(args) => Ok(run::run(&args, session(), ui)),
        Command::Build(args) => build::run(&args, session, ui),
        Command::Builder(args) => builder::run(&args, session, ui),
        Command::Slim(args) => slim::run(&args, &session()?),
        Command::Trace(args) => Ok(trace::run(&args, session(), ui)),
        Command::Verify(args) => verify::run(&args, &session()?),
        Command::Why(args) => why::run(&args, &session()?),
        Command::WhyNot(args) => why_not::run(&args, &session()?),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Man(args) => man::run(&args, ui),
    }
}
