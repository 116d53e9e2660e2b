//! `jettison analyze --tui`: layers beside the files that they make.
//!
//! - [`history`]: which node is there at which layer, from the recorded tree.
//! - [`model`]: what is selected, open and filtered; which rows that gives.
//! - [`view`]: drawing. [`keys`]: what a key does; as in dive where dive has one.
//! - [`mouse`]: what a click and the wheel do.
//!
//! Only open directories are laid out, so a tree of millions is no slower than a small one.

mod history;
mod keys;
mod model;
mod mouse;
mod view;

use image::{Image, Survey};
use jettison::analyze::{self, Findings, Options};
use ratatui::crossterm::event::{
    self, DisableMouseCapture, EnableMouseCapture, Event, KeyEventKind,
};
use ratatui::crossterm::execute;

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
    let mouse = Mouse::capture();
    let ended = run(&mut terminal, &mut model);
    drop(mouse);
    ratatui::restore();
    ended
}

/// The terminal says what the mouse does, for as long as this lives.
struct Mouse;

impl Mouse {
    /// A terminal without a mouse is explored by keys.
    fn capture() -> Self {
        let _ = execute!(std::io::stdout(), EnableMouseCapture);
        Self
    }
}

impl Drop for Mouse {
    fn drop(&mut self) {
        let _ = execute!(std::io::stdout(), DisableMouseCapture);
    }
}

fn run(terminal: &mut ratatui::DefaultTerminal, model: &mut Model<'_>) -> anyhow::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, model))?;
        loop {
            match event::read()? {
                Event::Key(key)
                    if key.kind != KeyEventKind::Release
                        && keys::press(model, key) == keys::Then::Leave =>
                {
                    return Ok(());
                }
                Event::Mouse(event) => mouse::act(model, event),
                _ => {}
            }
            // All that was typed meanwhile comes before the next picture.
            if !event::poll(std::time::Duration::ZERO)? {
                break;
            }
        }
    }
}
