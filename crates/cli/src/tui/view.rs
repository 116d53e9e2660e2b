//! Drawing. Every part copes with no room at all.

use layer::{NodeId, NodeKind, display};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::history::Mark;
use super::keys;
use super::model::{Mode, Model, Pane, Row};
use crate::size::human;

/// Below this width only one pane is shown.
const NARROW: u16 = 70;
/// Below this width of theirs files are shown without mode and owner.
const ATTRIBUTES: u16 = 60;
/// Below this height details give way to lists.
const LOW: u16 = 16;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model<'_>) {
    let [main, bottom] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    // What is not drawn cannot be clicked.
    model.areas = super::mouse::Areas::default();
    if main.width < NARROW {
        match model.pane {
            Pane::Layers => draw_left(frame, model, main),
            Pane::Files => draw_files(frame, model, main),
        }
    } else {
        let left = Constraint::Percentage(if main.width < 120 { 42 } else { 38 });
        let [left, right] = Layout::horizontal([left, Constraint::Min(0)]).areas(main);
        draw_left(frame, model, left);
        draw_files(frame, model, right);
    }
    draw_status(frame, model, bottom);
    if model.mode == Mode::Help {
        draw_help(frame, main);
    }
}

fn draw_left(frame: &mut Frame<'_>, model: &mut Model<'_>, area: Rect) {
    if area.height < LOW {
        draw_layers(frame, model, area);
        return;
    }
    let wanted = model.analysis.layers.len() as u16 + 3;
    let layers = wanted.min(area.height / 2);
    let [layers, layer, image] = Layout::vertical([
        Constraint::Length(layers),
        Constraint::Percentage(30),
        Constraint::Min(0),
    ])
    .areas(area);
    draw_layers(frame, model, layers);
    draw_layer(frame, model, layer);
    draw_image(frame, model, image);
}

fn block(title: &str, active: bool) -> Block<'static> {
    let style = if active {
        Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    Block::bordered()
        .title(format!(" {title} "))
        .border_style(style)
}

/// An area without its first lines.
fn below(area: Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    Rect {
        y: area.y + lines,
        height: area.height - lines,
        ..area
    }
}

fn draw_layers(frame: &mut Frame<'_>, model: &mut Model<'_>, area: Rect) {
    let title = if model.aggregated {
        "Layers, all changes so far"
    } else {
        "Layers"
    };
    let block = block(title, model.pane == Pane::Layers);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = vec![Line::styled(
        format!("{:>3} {:>8}  INSTRUCTION", "#", "SIZE"),
        Style::new().add_modifier(Modifier::DIM),
    )];
    let room = usize::from(inner.height.saturating_sub(1)).max(1);
    let first = model.layer.saturating_sub(room - 1);
    model.areas.first_layer = first;
    model.areas.layers = below(inner, 1);
    for layer in model.analysis.layers.iter().skip(first).take(room) {
        let text = format!(
            "{:>3} {:>8}  {}",
            layer.index,
            human(layer.unpacked),
            layer
                .instruction
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        );
        let at = layer.index as usize;
        let style = if at == model.layer {
            Style::new().add_modifier(Modifier::REVERSED)
        } else if model.aggregated && at < model.layer {
            Style::new().fg(Color::Magenta)
        } else {
            Style::new()
        };
        lines.push(Line::styled(text, style));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn draw_layer(frame: &mut Frame<'_>, model: &Model<'_>, area: Rect) {
    let block = block("Layer", false);
    let Some(layer) = model.analysis.layers.get(model.layer) else {
        frame.render_widget(block, area);
        return;
    };
    let mut lines = vec![
        Line::raw(format!(
            "+{} ~{} -{} files",
            layer.added, layer.changed, layer.removed
        )),
        Line::raw(match layer.compressed {
            Some(compressed) => format!(
                "{} unpacked, {} compressed",
                human(layer.unpacked),
                human(compressed)
            ),
            None => format!("{} unpacked", human(layer.unpacked)),
        }),
    ];
    if layer.hidden > 0 {
        lines.push(Line::styled(
            format!("{} hidden by upper layers", human(layer.hidden)),
            Style::new().fg(Color::Red),
        ));
    }
    if layer.hides > 0 {
        lines.push(Line::styled(
            format!("hides {} of lower layers", human(layer.hides)),
            Style::new().fg(Color::Red),
        ));
    }
    lines.push(Line::raw(layer.instruction.clone()));
    lines.push(Line::raw(layer.diff_id.to_string()));
    let text = Paragraph::new(lines).block(block).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}

fn draw_image(frame: &mut Frame<'_>, model: &Model<'_>, area: Rect) {
    let analysis = model.analysis;
    let mut lines = vec![
        Line::raw(analysis.image.name.clone()),
        Line::raw(format!(
            "{} unpacked, {} visible",
            human(analysis.sizes.unpacked),
            human(analysis.sizes.visible)
        )),
        Line::raw(format!(
            "efficiency {:.1}%, {} wasted, {} reclaimable",
            analysis.efficiency * 100.0,
            human(analysis.wasted),
            human(analysis.reclaimable)
        )),
    ];
    let mut causes: Vec<_> = analysis.causes.iter().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.bytes));
    for cause in causes {
        lines.push(Line::from(vec![
            Span::styled(
                format!("{:>8} ", human(cause.bytes)),
                Style::new().fg(Color::Yellow),
            ),
            Span::raw(cause.title.clone()),
        ]));
    }
    frame.render_widget(Paragraph::new(lines).block(block("Image", false)), area);
}

fn draw_files(frame: &mut Frame<'_>, model: &mut Model<'_>, area: Rect) {
    let order = if model.by_size { "by size" } else { "by name" };
    let block = block(&format!("Files, {order}"), model.pane == Pane::Files);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let attributes = model.attributes && inner.width >= ATTRIBUTES;
    let head = u16::from(attributes && inner.height > 2);
    let room = usize::from(inner.height - head.min(inner.height));
    model.areas.files = below(inner, head);
    model.page = room.max(1);
    if model.row < model.top {
        model.top = model.row;
    } else if model.row >= model.top + model.page {
        model.top = model.row + 1 - model.page;
    }
    let mut lines = Vec::new();
    if head > 0 {
        let title = format!("  {:<10} {:>11} {:>8}  PATH", "MODE", "OWNER", "SIZE");
        lines.push(Line::styled(
            title,
            Style::new().add_modifier(Modifier::DIM),
        ));
    }
    for (at, row) in model.rows.iter().enumerate().skip(model.top).take(room) {
        let line = file_line(model, row, attributes);
        let selected = at == model.row && model.pane == Pane::Files;
        lines.push(if selected {
            line.style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// The lines that connect a row with those above it.
fn branches(model: &Model<'_>, row: &Row) -> String {
    let mut parts = vec![if row.last { "└ " } else { "├ " }];
    let mut at = row.parent;
    while let Some(above) = at {
        let above = &model.rows[above as usize];
        parts.push(if above.last { "  " } else { "│ " });
        at = above.parent;
    }
    parts.reverse();
    parts.concat()
}

fn file_line(model: &Model<'_>, row: &Row, attributes: bool) -> Line<'static> {
    let tree = model.tree;
    let node = row.node;
    let mark = model.moment.marks[node.index()];
    let (sign, style) = match mark {
        Mark::Unchanged => (' ', Style::new()),
        Mark::Changed => ('~', Style::new().fg(Color::Yellow)),
        Mark::Added => ('+', Style::new().fg(Color::Green)),
        Mark::Removed => ('-', Style::new().fg(Color::Red)),
    };
    let mut text = format!("{sign} ");
    if attributes {
        let (uid, gid) = tree.owner(node);
        text.push_str(&format!(
            "{} {:>11} {:>8}  ",
            permissions(model, node),
            format!("{uid}:{gid}"),
            human(model.moment.bytes[node.index()]),
        ));
    } else {
        text.push_str(&format!("{:>8}  ", human(model.moment.bytes[node.index()])));
    }
    let mut name = display(tree.name(node)).into_owned();
    match tree.kind(node) {
        NodeKind::Directory if model.is_open(node) => name.push('/'),
        NodeKind::Directory => name.push_str("/ ⊕"),
        NodeKind::Symlink(target) => name.push_str(&format!(" → {}", display(target))),
        _ => {}
    }
    Line::from(vec![
        Span::styled(text, style),
        Span::styled(
            branches(model, row),
            Style::new().add_modifier(Modifier::DIM),
        ),
        Span::styled(name, style),
    ])
}

/// As `ls -l` shows them.
fn permissions(model: &Model<'_>, node: NodeId) -> String {
    let kind = match model.tree.kind(node) {
        NodeKind::File(_) => '-',
        NodeKind::Directory => 'd',
        NodeKind::Symlink(_) => 'l',
        NodeKind::CharDevice { .. } => 'c',
        NodeKind::BlockDevice { .. } => 'b',
        NodeKind::Fifo => 'p',
    };
    let mode = model.tree.mode(node);
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn draw_status(frame: &mut Frame<'_>, model: &Model<'_>, area: Rect) {
    let line = match model.mode {
        Mode::Filter => Line::raw(format!("filter: {}▏", model.filter)),
        _ if !model.filter.is_empty() => Line::raw(format!(
            "filter: {}  ({} rows; Esc ends it)",
            model.filter,
            model.rows.len()
        )),
        _ => {
            let hidden: Vec<&str> = [
                (Mark::Added, "added"),
                (Mark::Removed, "removed"),
                (Mark::Changed, "changed"),
                (Mark::Unchanged, "unchanged"),
            ]
            .iter()
            .filter(|(mark, _)| model.without.contains(&(*mark as u8)))
            .map(|(_, name)| *name)
            .collect();
            let hidden = if hidden.is_empty() {
                String::new()
            } else {
                format!("  without {}", hidden.join(", "))
            };
            Line::raw(format!(
                "Tab pane  / filter  Space open  s sort  Ctrl+A all layers  ? help  q leave{hidden}"
            ))
        }
    };
    frame.render_widget(line.style(Style::new().add_modifier(Modifier::DIM)), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(64);
    let height = area.height.min(keys::HELP.len() as u16 + 2);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = keys::HELP
        .iter()
        .map(|(keys, does)| Line::raw(format!(" {keys:<16} {does}")))
        .collect();
    frame.render_widget(Clear, place);
    let text = Paragraph::new(lines).block(block("Help; any key closes it", true));
    frame.render_widget(text, place);
}
