//! What the mouse does; everything can be done by keys too.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::model::{Mode, Model, Pane};

/// Rows of files that one step of the wheel goes.
const STEP: isize = 3;

/// Where the lists were drawn last, without their borders and headings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Areas {
    pub(super) layers: Rect,
    /// The layer on the first line.
    pub(super) first_layer: usize,
    pub(super) files: Rect,
}

/// Does what an event of the mouse asks for: a click selects, one on what is
/// selected opens or closes it, the wheel goes through the list that it is over.
pub(super) fn act(model: &mut Model<'_>, event: MouseEvent) {
    let Areas {
        layers,
        first_layer,
        files,
    } = model.areas;
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) if model.mode == Mode::Help => {
            model.mode = Mode::Browse;
        }
        _ if model.mode == Mode::Help => {}
        MouseEventKind::Down(MouseButton::Left) if layers.contains(at) => {
            model.pane = Pane::Layers;
            let layer = first_layer + usize::from(at.y - layers.y);
            if layer < model.analysis.layers.len() {
                model.select_layer(layer);
            }
        }
        MouseEventKind::Down(MouseButton::Left) if files.contains(at) => {
            let row = model.top + usize::from(at.y - files.y);
            let again = model.pane == Pane::Files && model.row == row;
            model.pane = Pane::Files;
            if again {
                model.toggle();
            } else if row < model.rows.len() {
                model.row = row;
            }
        }
        MouseEventKind::ScrollDown => scroll(model, at, 1),
        MouseEventKind::ScrollUp => scroll(model, at, -1),
        _ => {}
    }
}

fn scroll(model: &mut Model<'_>, at: Position, by: isize) {
    if model.areas.layers.contains(at) {
        model.select_layer(model.layer.saturating_add_signed(by));
    } else if model.areas.files.contains(at) {
        model.move_row(by * STEP);
    }
}
