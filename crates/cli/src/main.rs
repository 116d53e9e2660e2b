//! The binary `jettison`: arguments in, results and exit code out.
//!
//! Each sub-command is a file of its own under [`commands`], named as it is
//! typed; the work is in the library crates. Only this crate reads the
//! environment and talks to the terminal (through [`ui`]).

// Doc comments of arguments are help texts, in which brackets mean "optional".
#![allow(rustdoc::broken_intra_doc_links)]

mod args;
mod attach;
mod build_input;
mod build_options;
mod build_output;
mod commands;
mod container_flags;
mod environment;
mod error;
mod proof;
mod render;
mod rootless;
mod session;
mod size;
mod tui;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

/// musl's allocator is slow with several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let usage = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if usage { error::INPUT } else { error::DONE });
        }
    };
    let ui = ui::Ui::new(&args.global);
    // A panic is a bug; everything else is an answer or an error.
    let outcome = std::panic::catch_unwind(|| commands::run(args, &ui));
    match outcome {
        Ok(Ok(answer)) => ExitCode::from(answer.code()),
        Ok(Err(error)) => ui.failure(&error),
        Err(_) => ui.bug(),
    }
}
