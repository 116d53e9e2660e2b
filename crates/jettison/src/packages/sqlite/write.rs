//! A database file written from nothing: trees of entries in, pages out.
//!
//! Pages are filled one after another in the order of the trees, which is what
//! `VACUUM` does, and makes the bytes a function of the entries alone.

use super::{Entry, HEADER, Object, Value, local_length};

/// A table or an index to write, with its entries in order.
#[derive(Debug)]
pub(in crate::packages) struct Tree {
    pub(in crate::packages) object: Object,
    pub(in crate::packages) entries: Vec<Entry>,
}

/// Writes a database of these tables and indexes. `header` is that of the
/// database they come from, of which sizes and user versions stay.
pub(in crate::packages) fn write(header: &[u8], trees: Vec<Tree>) -> Vec<u8> {
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size => size as usize,
    };
    let mut pages = Pages {
        bytes: vec![0; page_size],
        page_size,
        usable: page_size - header[20] as usize,
    };
    let mut schema = Vec::new();
    for (row, mut tree) in (1..).zip(trees) {
        if tree.object.root != 0 {
            let index = tree.object.kind == b"index";
            tree.object.root = pages.tree(&tree.entries, index, None);
        }
        let object = tree.object;
        let record = record(&[
            Value::Text(object.kind),
            Value::Text(object.name),
            Value::Text(object.table),
            Value::Integer(object.root.into()),
            object.sql,
        ]);
        schema.push((row, record));
    }
    pages.tree(&schema, false, Some(1));
    let count = (pages.bytes.len() / page_size) as u32;
    let out = &mut pages.bytes;
    out[..HEADER].copy_from_slice(&header[..HEADER]);
    out[18..20].copy_from_slice(&[1, 1]); // rollback journal: no log file is needed to read it
    for (at, value) in [
        (24, 1),     // file change counter
        (28, count), // pages
        (32, 0),     // no free pages
        (36, 0),
        (52, 0), // no auto-vacuum: there are no pointer map pages
        (64, 0),
        (92, 1), // the counter for which the page count is right
    ] {
        out[at..at + 4].copy_from_slice(&u32::to_be_bytes(value));
    }
    pages.bytes
}

/// A cell without the page number of its left child.
struct Cell {
    row: i64,
    body: Vec<u8>,
}

/// A subtree, and the cell that comes after it; the last one has none.
struct Child {
    page: u32,
    after: Option<Cell>,
}

struct Pages {
    bytes: Vec<u8>,
    page_size: usize,
    usable: usize,
}

impl Pages {
    /// Writes a tree and returns its first page: a new one, or `root`.
    fn tree(&mut self, entries: &[Entry], index: bool, root: Option<u32>) -> u32 {
        // The file header takes its bytes from the first page.
        let room = self.usable - if root.is_some() { HEADER } else { 0 };
        let mut cells = Vec::with_capacity(entries.len());
        for (row, record) in entries {
            let body = self.cell(*row, record, index);
            cells.push(Cell { row: *row, body });
        }
        let leaves = leaves(cells, room - 8, index);
        let single = leaves.len() == 1;
        let mut level: Vec<Child> = Vec::new();
        for (cells, after) in leaves {
            let bodies: Vec<&[u8]> = cells.iter().map(|cell| cell.body.as_slice()).collect();
            let kind = if index { 0x0a } else { 0x0d };
            let page = self.node(kind, &bodies, None, root.filter(|_| single));
            level.push(Child { page, after });
        }
        while level.len() > 1 {
            let groups = groups(level, room - 12, index);
            let single = groups.len() == 1;
            level = Vec::new();
            for mut group in groups {
                // A group has two children at least.
                let Some(last) = group.pop() else { continue };
                let bodies: Vec<Vec<u8>> = group.iter().map(|c| interior_cell(c, index)).collect();
                let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
                let kind = if index { 0x02 } else { 0x05 };
                let page = self.node(kind, &bodies, Some(last.page), root.filter(|_| single));
                level.push(Child {
                    page,
                    after: last.after,
                });
            }
        }
        level.first().map_or(0, |top| top.page)
    }

    /// Returns a cell as a leaf has it; what does not fit goes to overflow pages.
    fn cell(&mut self, row: i64, record: &[u8], index: bool) -> Vec<u8> {
        let mut cell = Vec::new();
        push_varint(&mut cell, record.len() as u64);
        if !index {
            push_varint(&mut cell, row as u64);
        }
        let local = local_length(record.len(), self.usable, index);
        cell.extend_from_slice(&record[..local]);
        if local < record.len() {
            let chunks: Vec<&[u8]> = record[local..].chunks(self.usable - 4).collect();
            let first = self.next_number();
            cell.extend_from_slice(&first.to_be_bytes());
            for (at, chunk) in chunks.iter().enumerate() {
                let page = self.add();
                let next = if at + 1 < chunks.len() { page + 1 } else { 0 };
                let out = self.page(page);
                out[..4].copy_from_slice(&next.to_be_bytes());
                out[4..4 + chunk.len()].copy_from_slice(chunk);
            }
        }
        // A freed cell has to hold a free block.
        let least = cell.len().max(4);
        cell.resize(least, 0);
        cell
    }

    /// Writes a page of a tree: cells from its end, pointers to them from its beginning.
    fn node(&mut self, kind: u8, cells: &[&[u8]], right: Option<u32>, at: Option<u32>) -> u32 {
        let number = at.unwrap_or_else(|| self.add());
        let usable = self.usable;
        let page = self.page(number);
        let start = if number == 1 { HEADER } else { 0 };
        let mut content = usable;
        let mut pointer = start + if right.is_some() { 12 } else { 8 };
        for cell in cells {
            content -= cell.len();
            page[content..content + cell.len()].copy_from_slice(cell);
            page[pointer..pointer + 2].copy_from_slice(&(content as u16).to_be_bytes());
            pointer += 2;
        }
        page[start] = kind;
        page[start + 3..start + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
        // 65536 is written as 0.
        page[start + 5..start + 7].copy_from_slice(&(content as u16).to_be_bytes());
        if let Some(right) = right {
            page[start + 8..start + 12].copy_from_slice(&right.to_be_bytes());
        }
        number
    }

    fn next_number(&self) -> u32 {
        (self.bytes.len() / self.page_size) as u32 + 1
    }

    fn add(&mut self) -> u32 {
        let number = self.next_number();
        self.bytes.resize(self.bytes.len() + self.page_size, 0);
        number
    }

    fn page(&mut self, number: u32) -> &mut [u8] {
        let start = (number as usize - 1) * self.page_size;
        &mut self.bytes[start..start + self.page_size]
    }
}

/// Distributes cells over leaves. Of an index, the cell between two leaves
/// goes up; of a table, all stay and the parent repeats the row number.
fn leaves(cells: Vec<Cell>, room: usize, index: bool) -> Vec<(Vec<Cell>, Option<Cell>)> {
    let mut leaves = Vec::new();
    let mut leaf: Vec<Cell> = Vec::new();
    let mut used = 0;
    let mut left = cells.len();
    for cell in cells {
        left -= 1;
        let size = cell.body.len() + 2;
        if used + size <= room {
            used += size;
            leaf.push(cell);
            continue;
        }
        if index && left > 0 {
            leaves.push((std::mem::take(&mut leaf), Some(cell)));
            used = 0;
            continue;
        }
        // A table, or the last cell of an index, which must not leave an empty leaf behind it.
        let after = if index {
            leaf.pop()
        } else {
            leaf.last().map(|last| Cell {
                row: last.row,
                body: Vec::new(),
            })
        };
        leaves.push((std::mem::take(&mut leaf), after));
        used = size;
        leaf.push(cell);
    }
    leaves.push((leaf, None));
    leaves
}

/// Distributes children over interior pages, two at least on each.
fn groups(children: Vec<Child>, room: usize, index: bool) -> Vec<Vec<Child>> {
    let mut groups: Vec<Vec<Child>> = Vec::new();
    let mut group: Vec<Child> = Vec::new();
    let mut used = 0;
    for child in children {
        // The last child of a page is a pointer in its header and takes no cell.
        let size = 2 + interior_cell(&child, index).len();
        group.push(child);
        used += size;
        if used > room && group.len() >= 2 {
            groups.push(std::mem::take(&mut group));
            used = 0;
        }
    }
    match (group.len(), groups.last_mut()) {
        (0, _) => {}
        (1, Some(previous)) if previous.len() > 2 => {
            let moved = previous.pop();
            group.splice(0..0, moved);
            groups.push(group);
        }
        _ => groups.push(group),
    }
    groups
}

fn interior_cell(child: &Child, index: bool) -> Vec<u8> {
    let mut cell = child.page.to_be_bytes().to_vec();
    if let Some(after) = &child.after {
        if index {
            cell.extend_from_slice(&after.body);
        } else {
            push_varint(&mut cell, after.row as u64);
        }
    }
    cell
}

/// Encodes a record.
pub(in crate::packages) fn record(values: &[Value]) -> Vec<u8> {
    let mut types = Vec::new();
    let mut body = Vec::new();
    for value in values {
        match value {
            Value::Null => push_varint(&mut types, 0),
            Value::Integer(value) => {
                let bytes = value.to_be_bytes();
                let widths = [(1, 1), (2, 2), (3, 3), (4, 4), (6, 5), (8, 6)];
                let fitting = widths.into_iter().find(|(width, _)| {
                    let bits = 64 - 8 * width;
                    (value << bits) >> bits == *value
                });
                let (width, serial) = fitting.unwrap_or((8, 6));
                push_varint(&mut types, serial);
                body.extend_from_slice(&bytes[8 - width..]);
            }
            Value::Real(bytes) => {
                push_varint(&mut types, 7);
                body.extend_from_slice(bytes);
            }
            Value::Blob(bytes) => {
                push_varint(&mut types, 12 + 2 * bytes.len() as u64);
                body.extend_from_slice(bytes);
            }
            Value::Text(bytes) => {
                push_varint(&mut types, 13 + 2 * bytes.len() as u64);
                body.extend_from_slice(bytes);
            }
        }
    }
    // The length counts itself.
    let mut length = types.len() + 1;
    if length > 127 {
        length += 1;
    }
    let mut record = Vec::new();
    push_varint(&mut record, length as u64);
    record.extend(types);
    record.extend(body);
    record
}

fn push_varint(out: &mut Vec<u8>, value: u64) {
    if value >> 56 != 0 {
        for shift in (0..8).rev() {
            out.push(((value >> (8 + 7 * shift)) & 0x7f) as u8 | 0x80);
        }
        out.push(value as u8);
        return;
    }
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push(((value >> (7 * group)) & 0x7f) as u8 | more);
    }
}
