//! All that is said to people: results on stdout, everything else on stderr.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the one place for it

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use image::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::Global;
use crate::error;

/// The terminal, as the user wants it used.
#[derive(Debug)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
    colour: bool,
    bar: Mutex<Option<ProgressBar>>,
    animate: bool,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        #[expect(clippy::disallowed_methods, reason = "no-color.org")]
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal();
        let level = match global.verbose {
            0 => "warn",
            1 => "info",
            // What libraries say while they work is not about the image.
            _ => "info,jettison=debug,image=debug,layer=debug,sandbox=debug,dockerfile=debug",
        };
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(level))
            .with_writer(std::io::stderr)
            .with_ansi(terminal && !plain)
            .with_timer(tracing_subscriber::fmt::time::uptime())
            .with_target(false)
            .try_init();
        Self {
            json: global.json,
            quiet: global.quiet,
            colour: terminal && !plain,
            bar: Mutex::new(None),
            animate: terminal && !global.quiet && global.verbose == 0,
        }
    }

    /// Prints a result: `value` as JSON if that is wanted, else `text`.
    pub(crate) fn result(&self, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
        let mut output = std::io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut output, value)
                .map_err(std::io::Error::from)
                .and_then(|()| output.write_all(b"\n"))
        } else {
            output.write_all(text.as_bytes())
        };
        match written.and_then(|()| output.flush()) {
            // Whoever closed the pipe has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Returns whether nothing but results is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns whether something may move at the bottom of the terminal.
    pub(crate) fn animates(&self) -> bool {
        self.animate
    }

    /// Shows at the bottom of the terminal what is being done; nothing if `text` is empty.
    pub(crate) fn busy(&self, text: &str) {
        if !self.animate {
            return;
        }
        if text.is_empty() {
            return self.end();
        }
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        if let Ok(mut current) = self.bar.lock()
            && let Some(old) = current.replace(bar)
        {
            old.finish_and_clear();
        }
    }

    /// Tells how the work goes.
    pub(crate) fn status(&self, text: &str) {
        if !self.quiet && !self.json {
            self.line(text);
        }
    }

    /// Tells what may be wrong.
    pub(crate) fn warning(&self, text: &str) {
        if !self.quiet {
            self.line(&format!(
                "{} {text}",
                self.paint("warning:", AnsiColor::Yellow)
            ));
        }
    }

    fn line(&self, text: &str) {
        let bar = self.bar.lock().ok().and_then(|bar| bar.clone());
        match bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    fn paint(&self, text: &str, colour: AnsiColor) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = Style::new().bold().fg_color(Some(colour.into()));
        format!("{style}{text}{style:#}")
    }

    /// Says why the answer is no, and what could be done about it.
    pub(crate) fn refusal(&self, text: &str, hint: &str) {
        if !self.quiet {
            self.line(text);
            self.line(&format!("{} {hint}", self.paint("hint:", AnsiColor::Cyan)));
        }
    }

    /// Reports a failure with its causes and a hint, and returns its exit code.
    pub(crate) fn failure(&self, failure: &anyhow::Error) -> ExitCode {
        self.end();
        if error::is_broken_pipe(failure) {
            return ExitCode::from(error::DONE);
        }
        let mut causes = failure.chain().map(ToString::to_string);
        let first = causes.next().unwrap_or_default();
        eprintln!("{} {first}", self.paint("error:", AnsiColor::Red));
        let mut previous = first;
        for cause in causes {
            // Some libraries repeat their cause in their own words.
            if !previous.contains(&cause) {
                eprintln!("  caused by: {cause}");
            }
            previous = cause;
        }
        if let Some(hint) = error::hint(failure) {
            eprintln!("{} {hint}", self.paint("hint:", AnsiColor::Cyan));
        }
        ExitCode::from(error::code(failure))
    }

    /// Reports a bug. The panic itself was printed when it happened.
    pub(crate) fn bug(&self) -> ExitCode {
        self.end();
        eprintln!(
            "{} internal error; please report it with the lines above and `jettison --version`",
            self.paint("error:", AnsiColor::Red)
        );
        ExitCode::from(error::BUG)
    }
}

impl Progress for Ui {
    fn begin(&self, stage: &str, total: Option<u64>) {
        tracing::info!("{stage}");
        if !self.animate {
            return;
        }
        let template = match total {
            Some(_) => "{msg:<12} {wide_bar} {bytes:>10} of {total_bytes:<10} {bytes_per_sec}",
            None => "{msg:<12} {spinner} {bytes} {elapsed}",
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_style(style);
        bar.set_message(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        if let Ok(mut current) = self.bar.lock()
            && let Some(old) = current.replace(bar)
        {
            old.finish_and_clear();
        }
    }

    fn advance(&self, bytes: u64) {
        if self.animate
            && let Some(bar) = self.bar.lock().ok().and_then(|bar| bar.clone())
        {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar.lock().ok().and_then(|mut bar| bar.take()) {
            bar.finish_and_clear();
        }
    }
}

/// Lays out rows in columns, as docker does: no lines, three spaces between.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let text = table.to_string();
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
