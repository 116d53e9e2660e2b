//! What a key does. Those that dive has do here what they do there.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::history::Mark;
use super::model::{Mode, Model, Pane};

/// What comes after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Leave,
}

/// All keys and what they do, for the help.
pub(super) const HELP: &[(&str, &str)] = &[
    ("Tab", "between layers and files"),
    ("↑ ↓  j k", "one line"),
    ("PgUp PgDn  u d", "one page"),
    ("Home End  g G", "first and last line"),
    ("Space Enter", "open or close a directory"),
    ("← →  h l", "close, open"),
    ("Ctrl+Space  z", "open or close all directories"),
    ("/  Ctrl+F", "filter paths; Enter keeps it, Esc ends it"),
    ("Ctrl+O  s", "sort by size or by name"),
    ("Ctrl+L", "layers: show what the selected layer did"),
    ("Ctrl+A", "layers: show what all layers so far did"),
    ("Ctrl+A", "files: added ones on and off"),
    ("Ctrl+R", "files: removed ones on and off"),
    ("Ctrl+M  m", "files: changed ones on and off"),
    ("Ctrl+U", "files: unchanged ones on and off"),
    ("Ctrl+B  b", "attributes on and off"),
    (
        "Mouse",
        "click selects, again opens; wheel; Shift marks text",
    ),
    ("?", "this help"),
    ("q  Ctrl+C", "leave"),
];

/// Does what a key asks for.
pub(super) fn press(model: &mut Model<'_>, key: KeyEvent) -> Then {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return Then::Leave;
    }
    match model.mode {
        Mode::Help => model.mode = Mode::Browse,
        Mode::Filter => filter(model, key.code),
        Mode::Browse if control => with_control(model, key.code),
        Mode::Browse => return browse(model, key.code),
    }
    Then::Stay
}

fn filter(model: &mut Model<'_>, code: KeyCode) {
    let mut text = model.filter.clone();
    match code {
        KeyCode::Enter => {
            model.mode = Mode::Browse;
            model.pane = Pane::Files;
            model.arrange();
        }
        KeyCode::Esc => {
            model.mode = Mode::Browse;
            model.filter.clear();
            model.arrange();
        }
        KeyCode::Backspace => {
            text.pop();
            model.set_filter(text);
        }
        KeyCode::Char(c) => {
            text.push(c);
            model.set_filter(text);
        }
        _ => {}
    }
}

fn with_control(model: &mut Model<'_>, code: KeyCode) {
    match (code, model.pane) {
        (KeyCode::Char('f'), _) => model.mode = Mode::Filter,
        (KeyCode::Char('o'), _) => model.toggle_order(),
        (KeyCode::Char(' '), _) => model.toggle_all(),
        (KeyCode::Char('b'), _) => model.attributes = !model.attributes,
        (KeyCode::Char('l'), _) => model.aggregate(false),
        (KeyCode::Char('a'), Pane::Layers) => model.aggregate(true),
        (KeyCode::Char('a'), Pane::Files) => model.toggle_mark(Mark::Added),
        (KeyCode::Char('r'), _) => model.toggle_mark(Mark::Removed),
        (KeyCode::Char('m'), _) => model.toggle_mark(Mark::Changed),
        (KeyCode::Char('u'), _) => model.toggle_mark(Mark::Unchanged),
        _ => {}
    }
}

fn browse(model: &mut Model<'_>, code: KeyCode) -> Then {
    let page = isize::try_from(model.page).unwrap_or(isize::MAX).max(1);
    match code {
        KeyCode::Char('q') => return Then::Leave,
        KeyCode::Esc if model.filter.is_empty() => {}
        KeyCode::Esc => {
            model.filter.clear();
            model.arrange();
        }
        KeyCode::Char('?') | KeyCode::F(1) => model.mode = Mode::Help,
        KeyCode::Char('/') => model.mode = Mode::Filter,
        KeyCode::Tab | KeyCode::BackTab => {
            model.pane = match model.pane {
                Pane::Layers => Pane::Files,
                Pane::Files => Pane::Layers,
            };
        }
        KeyCode::Char('s') => model.toggle_order(),
        KeyCode::Char('z') => model.toggle_all(),
        KeyCode::Char('b') => model.attributes = !model.attributes,
        KeyCode::Char('m') => model.toggle_mark(Mark::Changed),
        KeyCode::Up | KeyCode::Char('k') => step(model, -1),
        KeyCode::Down | KeyCode::Char('j') => step(model, 1),
        KeyCode::PageUp | KeyCode::Char('u') => step(model, -page),
        KeyCode::PageDown | KeyCode::Char('d') => step(model, page),
        KeyCode::Home | KeyCode::Char('g') => step(model, isize::MIN),
        KeyCode::End | KeyCode::Char('G') => step(model, isize::MAX),
        KeyCode::Char(' ') | KeyCode::Enter if model.pane == Pane::Files => model.toggle(),
        KeyCode::Right | KeyCode::Char('l') if model.pane == Pane::Files => model.enter(),
        KeyCode::Left | KeyCode::Char('h') if model.pane == Pane::Files => model.leave(),
        _ => {}
    }
    Then::Stay
}

fn step(model: &mut Model<'_>, by: isize) {
    match model.pane {
        Pane::Layers => model.select_layer(model.layer.saturating_add_signed(by)),
        Pane::Files => model.move_row(by),
    }
}
