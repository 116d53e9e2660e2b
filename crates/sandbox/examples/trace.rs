//! Runs a command in a root directory and prints which files it asked for.
//!
//! `trace [--off] [--quiet] ROOT COMMAND...`. `--off` does not trace, for comparison; `--quiet` prints only numbers.
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example shows its result

use std::error::Error;
use std::time::Instant;

use sandbox::{Caller, IdMapping, Network, Spec, Stdio, Streams, TraceOptions, spawn};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let mut flag = |name: &str| arguments.next_if(|one| one == name).is_some();
    let (off, quiet) = (flag("--off"), flag("--quiet"));
    let root = arguments.next().ok_or("no root directory given")?;
    let argv: Vec<_> = arguments.collect();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let spec = Spec {
        env: vec![("PATH".into(), path.into())],
        trace: (!off).then(TraceOptions::default),
        streams: Streams::all(Stdio::Inherit),
        network: Network::Host,
        ..Spec::new(root, argv, IdMapping::detect(&Caller::current()))
    };
    let begin = Instant::now();
    let mut container = spawn(&spec)?;
    let status = container.main.wait()?;
    let took = begin.elapsed();
    if let Some(trace) = container.take_trace() {
        for access in trace.accesses.iter().filter(|_| !quiet) {
            let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
            let links: Vec<_> = access.links.iter().map(|link| text(link)).collect();
            println!(
                "{:?} {:?} {} {} links={} by={}",
                access.outcome,
                access.kind,
                access.count,
                text(&access.path),
                links.join(","),
                text(&access.by)
            );
        }
        eprintln!(
            "{} events, {} accesses, complete: {}",
            trace.events,
            trace.accesses.len(),
            trace.complete
        );
    }
    eprintln!("{status:?} after {took:?}");
    Ok(())
}
