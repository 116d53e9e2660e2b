//! SQLite database files, as far as rpm databases need them: every table and
//! index read in order, and written again without some of their rows.
//!
//! This is the file format of <https://www.sqlite.org/fileformat2.html>, section
//! 1.5 and 1.6, and nothing of SQL. Our own code, since an image's database is
//! untrusted, is in memory already, and has to be written with the same bytes
//! for the same input. The write-ahead log is applied.
//!
//! - [`mod@write`]: a database made of trees of rows.

pub(super) mod write;

use std::collections::HashMap;

/// Deepest b-tree. Pages hold four entries at least, and there are 2^32 pages at most.
const MAX_DEPTH: usize = 20;

const HEADER: usize = 100;

/// Why a file is not a database that can be read.
pub(super) type Damage = &'static str;

/// A database file in memory.
#[derive(Debug)]
pub(super) struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Bytes of each page that are in use.
    usable: usize,
    /// Pages of the write-ahead log.
    newer: HashMap<u32, &'a [u8]>,
}

/// A row of the schema table.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// The table that it belongs to; its own name for a table.
    pub(super) table: Vec<u8>,
    /// First page of its tree; 0 for none.
    pub(super) root: u32,
    pub(super) sql: Value,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    /// Kept as its eight bytes; nothing here computes with it.
    Real([u8; 8]),
    Blob(Vec<u8>),
    Text(Vec<u8>),
}

impl Value {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Blob(bytes) | Self::Text(bytes) => bytes,
            _ => &[],
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

/// An entry of a b-tree: the number of the row (0 in an index), and its record.
pub(super) type Entry = (i64, Vec<u8>);

impl<'a> Database<'a> {
    /// Takes the bytes of the database and of its write-ahead log, which may be empty.
    pub(super) fn new(bytes: &'a [u8], log: &'a [u8]) -> Result<Self, Damage> {
        if bytes.len() < HEADER || !bytes.starts_with(b"SQLite format 3\0") {
            return Err("it does not begin with an SQLite header");
        }
        let page_size = match u16_at(bytes, 16) {
            Some(1) => 65536,
            Some(size) if size >= 512 && size.is_power_of_two() => size as usize,
            _ => return Err("its page size is impossible"),
        };
        let usable = page_size - bytes[20] as usize;
        if usable < 480 {
            return Err("its page size is impossible");
        }
        if u32_at(bytes, 56).is_some_and(|encoding| encoding > 1) {
            return Err("its text is not UTF-8");
        }
        Ok(Self {
            bytes,
            page_size,
            usable,
            newer: log_pages(log, page_size),
        })
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.page(1).unwrap_or(self.bytes)[..HEADER]
    }

    /// Returns the schema, in the order of its table.
    pub(super) fn schema(&self) -> Result<Vec<Object>, Damage> {
        let rows = self.entries(1)?;
        rows.iter()
            .map(|(_, record)| match parse_record(record)?.as_slice() {
                [kind, name, table, root, sql] => Ok(Object {
                    kind: kind.bytes().to_vec(),
                    name: name.bytes().to_vec(),
                    table: table.bytes().to_vec(),
                    root: root
                        .integer()
                        .and_then(|root| u32::try_from(root).ok())
                        .unwrap_or(0),
                    sql: sql.clone(),
                }),
                _ => Err("its schema table has other columns than SQLite's"),
            })
            .collect()
    }

    /// Returns all entries of the b-tree that begins at page `root`, in order.
    pub(super) fn entries(&self, root: u32) -> Result<Vec<Entry>, Damage> {
        let mut walk = Walk {
            database: self,
            entries: Vec::new(),
            // A page has one place in one tree; a second visit is a loop.
            pages_left: self.bytes.len() / self.page_size + self.newer.len(),
        };
        walk.page(root, 0)?;
        Ok(walk.entries)
    }

    fn page(&self, number: u32) -> Result<&'a [u8], Damage> {
        if let Some(page) = self.newer.get(&number) {
            return Ok(page);
        }
        let start = (number as usize)
            .checked_sub(1)
            .ok_or("a page number is zero")?
            * self.page_size;
        self.bytes
            .get(start..start + self.page_size)
            .ok_or("it is shorter than its pages say")
    }
}

struct Walk<'d, 'a> {
    database: &'d Database<'a>,
    entries: Vec<Entry>,
    pages_left: usize,
}

impl<'a> Walk<'_, 'a> {
    fn next_page(&mut self, number: u32) -> Result<&'a [u8], Damage> {
        let left = self.pages_left.checked_sub(1);
        self.pages_left = left.ok_or("a tree of pages has a loop")?;
        self.database.page(number)
    }

    fn page(&mut self, number: u32, depth: usize) -> Result<(), Damage> {
        const CUT: Damage = "a page ends early";
        if depth > MAX_DEPTH {
            return Err("a tree of pages is too deep");
        }
        let page = self.next_page(number)?;
        let at = if number == 1 { HEADER } else { 0 };
        let kind = page[at];
        let (interior, index) = match kind {
            0x02 => (true, true),
            0x05 => (true, false),
            0x0a => (false, true),
            0x0d => (false, false),
            _ => return Err("a page is of an unknown kind"),
        };
        let cells = u16_at(page, at + 3).ok_or(CUT)?;
        let pointers = at + if interior { 12 } else { 8 };
        for cell in 0..cells as usize {
            let mut cell = u16_at(page, pointers + 2 * cell).ok_or(CUT)? as usize;
            if interior {
                let child = u32_at(page, cell).ok_or(CUT)?;
                self.page(child, depth + 1)?;
                cell += 4;
            }
            if interior && !index {
                continue; // the key of a table only guides searches
            }
            let (length, width) = varint(page, cell).ok_or(CUT)?;
            cell += width;
            let mut row = 0;
            if !index {
                let (number, width) = varint(page, cell).ok_or(CUT)?;
                row = number as i64;
                cell += width;
            }
            let length = usize::try_from(length).map_err(|_| CUT)?;
            let record = self.payload(page, cell, length, index)?;
            self.entries.push((row, record));
        }
        if interior {
            let last = u32_at(page, at + 8).ok_or(CUT)?;
            self.page(last, depth + 1)?;
        }
        Ok(())
    }

    fn payload(
        &mut self,
        page: &[u8],
        at: usize,
        length: usize,
        index: bool,
    ) -> Result<Vec<u8>, Damage> {
        const CUT: Damage = "a row ends early";
        if length > self.database.bytes.len() + self.database.newer.len() * self.database.page_size
        {
            return Err("a row is larger than the database");
        }
        let usable = self.database.usable;
        let local = local_length(length, usable, index);
        let mut payload = page.get(at..at + local).ok_or(CUT)?.to_vec();
        if local < length {
            let mut next = u32_at(page, at + local).ok_or(CUT)?;
            while payload.len() < length {
                let page = self.next_page(next)?;
                next = u32_at(page, 0).ok_or(CUT)?;
                let take = (length - payload.len()).min(usable - 4);
                payload.extend_from_slice(&page[4..4 + take]);
            }
        }
        Ok(payload)
    }
}

/// How many bytes of a record stay on the page of its cell (section 1.6, "overflow").
fn local_length(length: usize, usable: usize, index: bool) -> usize {
    let most = if index {
        (usable - 12) * 64 / 255 - 23
    } else {
        usable - 35
    };
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

/// Parses a record (section 2.1).
pub(super) fn parse_record(record: &[u8]) -> Result<Vec<Value>, Damage> {
    const BAD: Damage = "a row has an impossible column";
    let (header, mut at) = varint(record, 0).ok_or(BAD)?;
    let header = usize::try_from(header)
        .ok()
        .filter(|&end| end <= record.len())
        .ok_or(BAD)?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header {
        let (serial, width) = varint(record, at).ok_or(BAD)?;
        at += width;
        let length = match serial {
            0 | 8 | 9 => 0,
            1..=4 => serial as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(BAD),
            _ => usize::try_from((serial - 12) / 2).map_err(|_| BAD)?,
        };
        let end = body.checked_add(length).ok_or(BAD)?;
        let bytes = record.get(body..end).ok_or(BAD)?;
        body = end;
        values.push(match serial {
            0 => Value::Null,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            7 => Value::Real(bytes.try_into().map_err(|_| BAD)?),
            1..=6 => {
                let negative = bytes.first().is_some_and(|&b| b >= 0x80);
                let start = if negative { -1 } else { 0 };
                Value::Integer(bytes.iter().fold(start, |n: i64, &b| n << 8 | i64::from(b)))
            }
            _ if serial % 2 == 0 => Value::Blob(bytes.to_vec()),
            _ => Value::Text(bytes.to_vec()),
        });
    }
    Ok(values)
}

/// Returns the last column of a record, by which an index names the row.
pub(super) fn last_integer(record: &[u8]) -> Option<i64> {
    parse_record(record).ok()?.last()?.integer()
}

/// Returns the pages that a write-ahead log changes: those of its complete
/// transactions, the last copy of each (section 4).
fn log_pages(log: &[u8], page_size: usize) -> HashMap<u32, &[u8]> {
    const LOG_HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let mut committed = HashMap::new();
    let mut pending: Vec<(u32, &[u8])> = Vec::new();
    if u32_at(log, 8) != Some(page_size as u32) {
        return committed;
    }
    let salt = log.get(16..24);
    for frame in log[LOG_HEADER.min(log.len())..].chunks_exact(FRAME_HEADER + page_size) {
        if frame.get(8..16) != salt {
            break; // left over from before the last checkpoint
        }
        let number = u32_at(frame, 0).unwrap_or(0);
        pending.push((number, &frame[FRAME_HEADER..]));
        if u32_at(frame, 4).is_some_and(|pages| pages > 0) {
            committed.extend(pending.drain(..));
        }
    }
    committed
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Returns a variable-length integer and its width (section 1.6).
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for width in 0..8 {
        let byte = *bytes.get(at + width)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, width + 1));
        }
    }
    let byte = *bytes.get(at + 8)?;
    Some((value << 8 | u64::from(byte), 9))
}
