//! `jettison analyze --tui`: layers beside the files that they make.
//!
//! - [`history`]: which node is there at which layer, from the recorded tree.
//! - [`model`]: what is selected, open and filtered; which rows that gives.
//! - [`view`]: drawing. [`keys`]: what a key does; as in dive where dive has one.
//!
//! Only open directories are laid out, so a tree of millions is no slower than a small one.

mod history;
mod keys;
mod model;
mod view;

use image::{Image, Survey};
use jettison::analyze::{self, Findings, Options};
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use model::Model;

/// Shows an image until the user has seen enough.
pub(crate) fn explore(
    image: &Image,
    survey: &Survey,
    findings: &Findings,
    options: &Options,
) -> anyhow::Result<()> {
    let analysis = analyze::describe(image, survey, findings, options);
    let mut model = Model::new(&survey.files.tree, &analysis);
    let mut terminal = ratatui::try_init()?;
    let ended = run(&mut terminal, &mut model);
    ratatui::restore();
    ended
}

fn run(terminal: &mut ratatui::DefaultTerminal, model: &mut Model<'_>) -> anyhow::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, model))?;
        loop {
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && keys::press(model, key) == keys::Then::Leave
            {
                return Ok(());
            }
            // All that was typed meanwhile comes before the next picture.
            if !event::poll(std::time::Duration::ZERO)? {
                break;
            }
        }
    }
}
