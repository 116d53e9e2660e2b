//! Small ELF objects: headers and tables only, enough for a loader to look at.
//!
//! Written out by hand, byte by byte, so that it shares nothing with the reader
//! under test.

/// The dynamic loader of glibc on x86-64.
pub const GLIBC_X86_64: &str = "/lib64/ld-linux-x86-64.so.2";
/// The dynamic loader of musl on x86-64.
pub const MUSL_X86_64: &str = "/lib/ld-musl-x86_64.so.1";

/// Difference between addresses and offsets in the file: not zero, so that
/// confusing the two is noticed.
const BASE: u64 = 0x10000;

/// How undefined and defined symbols can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// `DT_HASH`, the old table.
    SysV,
    /// `DT_GNU_HASH`.
    Gnu,
    /// Neither: only the next table bounds the symbols.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Import,
    WeakImport,
    Export,
}

/// Describes an object, then builds its bytes.
///
/// ```
/// let bytes = testkit::elf::Builder::program()
///     .interpreter(testkit::elf::GLIBC_X86_64)
///     .needed("libc.so.6")
///     .build();
/// assert!(bytes.starts_with(b"\x7fELF"));
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    wide: bool,
    big: bool,
    machine: u16,
    kind: u16,
    flags: u32,
    interpreter: Option<String>,
    /// Tag and string of dynamic entries.
    strings: Vec<(u64, String)>,
    /// Tag and value of dynamic entries.
    values: Vec<(u64, u64)>,
    symbols: Vec<(Symbol, String)>,
    versions: Vec<(String, Vec<String>)>,
    hash: Hash,
    notes: Vec<(String, u32, Vec<u8>)>,
    data: Vec<u8>,
    sections: bool,
}

impl Builder {
    /// Starts a library for x86-64.
    pub fn library() -> Self {
        Self {
            wide: true,
            big: false,
            machine: 62,
            kind: 3,
            flags: 0,
            interpreter: None,
            strings: Vec::new(),
            values: Vec::new(),
            symbols: Vec::new(),
            versions: Vec::new(),
            hash: Hash::Gnu,
            notes: Vec::new(),
            data: Vec::new(),
            sections: false,
        }
    }

    /// Starts a program for x86-64 with glibc's loader.
    pub fn program() -> Self {
        Self::library().interpreter(GLIBC_X86_64)
    }

    /// Makes it an object of 32 bits.
    #[must_use]
    pub fn narrow(mut self) -> Self {
        self.wide = false;
        self
    }

    /// Makes it big-endian.
    #[must_use]
    pub fn big_endian(mut self) -> Self {
        self.big = true;
        self
    }

    /// Sets the processor (`e_machine`).
    #[must_use]
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    /// Sets the type (`e_type`); 3, a shared object, where not set.
    #[must_use]
    pub fn kind(mut self, kind: u16) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the loader.
    #[must_use]
    pub fn interpreter(mut self, path: &str) -> Self {
        self.interpreter = Some(path.into());
        self
    }

    /// Adds a needed library.
    #[must_use]
    pub fn needed(self, name: &str) -> Self {
        self.string(1, name)
    }

    /// Sets the name of the library.
    #[must_use]
    pub fn soname(self, name: &str) -> Self {
        self.string(14, name)
    }

    /// Sets `DT_RPATH`.
    #[must_use]
    pub fn rpath(self, path: &str) -> Self {
        self.string(15, path)
    }

    /// Sets `DT_RUNPATH`.
    #[must_use]
    pub fn runpath(self, path: &str) -> Self {
        self.string(29, path)
    }

    /// Adds a dynamic entry whose value is a string.
    #[must_use]
    pub fn string(mut self, tag: u64, text: &str) -> Self {
        self.strings.push((tag, text.into()));
        self
    }

    /// Adds a dynamic entry.
    #[must_use]
    pub fn value(mut self, tag: u64, value: u64) -> Self {
        self.values.push((tag, value));
        self
    }

    /// Adds an undefined symbol.
    #[must_use]
    pub fn import(mut self, name: &str) -> Self {
        self.symbols.push((Symbol::Import, name.into()));
        self
    }

    /// Adds a symbol that may stay undefined.
    #[must_use]
    pub fn weak_import(mut self, name: &str) -> Self {
        self.symbols.push((Symbol::WeakImport, name.into()));
        self
    }

    /// Adds a defined symbol.
    #[must_use]
    pub fn export(mut self, name: &str) -> Self {
        self.symbols.push((Symbol::Export, name.into()));
        self
    }

    /// Requires versions of a library.
    #[must_use]
    pub fn versions(mut self, library: &str, versions: &[&str]) -> Self {
        let versions = versions.iter().map(|version| (*version).into()).collect();
        self.versions.push((library.into(), versions));
        self
    }

    /// Sets how the symbols can be counted.
    #[must_use]
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, owner: &str, kind: u32, payload: impl AsRef<[u8]>) -> Self {
        self.notes
            .push((owner.into(), kind, payload.as_ref().to_vec()));
        self
    }

    /// Adds read-only data.
    #[must_use]
    pub fn data(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.data.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds section headers, for the data only.
    #[must_use]
    pub fn sections(mut self) -> Self {
        self.sections = true;
        self
    }

    /// Returns the bytes of the object.
    pub fn build(&self) -> Vec<u8> {
        let mut output = Output {
            wide: self.wide,
            big: self.big,
            bytes: Vec::new(),
        };
        self.layout(&mut output);
        output.bytes
    }

    fn layout(&self, out: &mut Output) {
        let word = if self.wide { 8 } else { 4 };
        let (header, segment) = if self.wide { (64, 56) } else { (52, 32) };
        let dynamic =
            !self.strings.is_empty() || !self.values.is_empty() || !self.symbols.is_empty();
        let segments = 2
            + usize::from(self.interpreter.is_some())
            + usize::from(dynamic)
            + usize::from(!self.notes.is_empty());
        out.bytes.resize(header + segments * segment, 0);
        let mut headers: Vec<(u32, u32, u64, u64)> = Vec::new();
        if let Some(path) = &self.interpreter {
            let start = out.at();
            out.raw(path.as_bytes());
            out.raw(&[0]);
            headers.push((3, 4, start, out.at() - start));
        }
        if !self.notes.is_empty() {
            out.align(4);
            let start = out.at();
            self.write_notes(out);
            headers.push((4, 4, start, out.at() - start));
        }
        if dynamic {
            let entries = self.write_tables(out);
            out.align(word);
            let start = out.at();
            for (tag, value) in entries {
                out.word(tag);
                out.word(value);
            }
            headers.push((2, 6, start, out.at() - start));
        }
        out.align(16);
        let code_end = out.at();
        out.raw(&self.data);
        let data_end = out.at();
        // The tables are in a segment with code, as some linkers have it, so
        // that strings are looked for in the data alone.
        headers.push((1, 5, 0, code_end));
        headers.push((1, 4, code_end, data_end - code_end));
        let sections = self.sections.then(|| self.write_sections(out, code_end));
        self.write_header(out, headers.len(), sections);
        for (index, (kind, flags, start, size)) in headers.into_iter().enumerate() {
            let at = header + index * segment;
            let mut entry = out.empty();
            entry.half(kind);
            if self.wide {
                entry.half(flags);
            }
            for value in [start, start + BASE, start + BASE, size, size] {
                entry.word(value);
            }
            if !self.wide {
                entry.half(flags);
            }
            entry.word(if kind == 4 { 4 } else { 0 });
            out.bytes[at..][..entry.bytes.len()].copy_from_slice(&entry.bytes);
        }
    }

    fn write_header(&self, out: &mut Output, segments: usize, sections: Option<(u64, u16)>) {
        let (size, segment, section) = if self.wide {
            (64, 56, 64)
        } else {
            (52, 32, 40)
        };
        let mut header = out.empty();
        header.raw(b"\x7fELF");
        header.raw(&[1 + u8::from(self.wide), 1 + u8::from(self.big), 1]);
        header.raw(&[0; 9]);
        header.short(self.kind);
        header.short(self.machine);
        header.half(1);
        header.word(0);
        header.word(size.into());
        header.word(sections.map_or(0, |(at, _)| at));
        header.half(self.flags);
        for value in [size, segment, segments as u16, section] {
            header.short(value);
        }
        let count = sections.map_or(0, |(_, count)| count);
        header.short(count);
        header.short(count.saturating_sub(1));
        out.bytes[..header.bytes.len()].copy_from_slice(&header.bytes);
    }

    fn write_notes(&self, out: &mut Output) {
        for (owner, kind, payload) in &self.notes {
            out.half(owner.len() as u32 + 1);
            out.half(payload.len() as u32);
            out.half(*kind);
            out.raw(owner.as_bytes());
            out.raw(&[0]);
            out.align(4);
            out.raw(payload);
            out.align(4);
        }
    }

    /// Writes symbols, hash table, versions and strings; returns the dynamic entries.
    fn write_tables(&self, out: &mut Output) -> Vec<(u64, u64)> {
        let mut names = vec![0];
        let mut name = |text: &str| {
            let at = names.len() as u64;
            names.extend_from_slice(text.as_bytes());
            names.push(0);
            at
        };
        let mut entries: Vec<(u64, u64)> = self.values.clone();
        for (tag, text) in &self.strings {
            entries.push((*tag, name(text)));
        }
        let mut symbols: Vec<(Symbol, u64)> = self
            .symbols
            .iter()
            .map(|(symbol, text)| (*symbol, name(text)))
            .collect();
        symbols.sort_by_key(|(symbol, _)| *symbol == Symbol::Export);
        let versions: Vec<(u64, Vec<u64>)> = self
            .versions
            .iter()
            .map(|(library, versions)| {
                let versions = versions.iter().map(|version| name(version)).collect();
                (name(library), versions)
            })
            .collect();
        let exports = symbols.iter().filter(|s| s.0 == Symbol::Export).count();
        if !symbols.is_empty() {
            out.align(8);
            entries.push((6, out.at() + BASE));
            out.symbol(0, 0, 0);
            for (symbol, name) in &symbols {
                let bind = if *symbol == Symbol::WeakImport { 2 } else { 1 };
                let section = u16::from(*symbol == Symbol::Export);
                out.symbol(*name as u32, bind << 4, section);
            }
            self.write_hash(out, &mut entries, symbols.len() - exports, exports);
        }
        if !versions.is_empty() {
            out.align(8);
            entries.push((0x6fff_fffe, out.at() + BASE));
            entries.push((0x6fff_ffff, versions.len() as u64));
            for (index, (library, names)) in versions.iter().enumerate() {
                let last = index + 1 == versions.len();
                out.version_records(*library as u32, names, last);
            }
        }
        entries.push((5, out.at() + BASE));
        entries.push((10, names.len() as u64));
        out.raw(&names);
        entries.push((0, 0));
        entries
    }

    fn write_hash(
        &self,
        out: &mut Output,
        entries: &mut Vec<(u64, u64)>,
        imports: usize,
        exports: usize,
    ) {
        let total = 1 + imports + exports;
        match self.hash {
            Hash::Absent => {}
            Hash::SysV => {
                out.align(8);
                entries.push((4, out.at() + BASE));
                out.half(1);
                out.half(total as u32);
                out.half(0);
                (0..total).for_each(|_| out.half(0));
            }
            Hash::Gnu => {
                out.align(8);
                entries.push((0x6fff_fef5, out.at() + BASE));
                // As GNU ld: an empty table says that it begins at symbol 1.
                let first = if exports == 0 { 1 } else { 1 + imports };
                for value in [1, first as u32, 1, 0] {
                    out.half(value);
                }
                out.word(0);
                out.half(if exports == 0 { 0 } else { first as u32 });
                (0..exports).for_each(|index| out.half(u32::from(index + 1 == exports)));
            }
        }
    }

    fn write_sections(&self, out: &mut Output, data: u64) -> (u64, u16) {
        let size = self.data.len() as u64;
        let names_at = out.at();
        let names = b"\0.rodata\0.shstrtab\0";
        out.raw(names);
        out.align(8);
        let start = out.at();
        for (name, kind, flags, offset, size) in [
            (0, 0, 0, 0, 0),
            (1, 1, 2, data, size),
            (9, 3, 0, names_at, names.len() as u64),
        ] {
            out.half(name);
            out.half(kind);
            for value in [flags, offset + BASE, offset, size] {
                out.word(value);
            }
            out.half(0);
            out.half(0);
            out.word(1);
            out.word(0);
        }
        (start, 3)
    }
}

/// Bytes in the class and byte order of the object.
struct Output {
    wide: bool,
    big: bool,
    bytes: Vec<u8>,
}

impl Output {
    fn empty(&self) -> Self {
        Self {
            wide: self.wide,
            big: self.big,
            bytes: Vec::new(),
        }
    }

    fn at(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn align(&mut self, to: usize) {
        let length = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(length, 0);
    }

    fn short(&mut self, value: u16) {
        let bytes = if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.raw(&bytes);
    }

    fn half(&mut self, value: u32) {
        let bytes = if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.raw(&bytes);
    }

    /// An address, size or offset: as wide as the class.
    fn word(&mut self, value: u64) {
        if !self.wide {
            return self.half(value as u32);
        }
        let bytes = if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.raw(&bytes);
    }

    fn symbol(&mut self, name: u32, info: u8, section: u16) {
        self.half(name);
        if self.wide {
            self.raw(&[info, 0]);
            self.short(section);
            self.word(0);
            self.word(0);
        } else {
            self.word(0);
            self.word(0);
            self.raw(&[info, 0]);
            self.short(section);
        }
    }

    fn version_records(&mut self, library: u32, names: &[u64], last: bool) {
        self.short(1);
        self.short(names.len() as u16);
        self.half(library);
        self.half(16);
        self.half(if last {
            0
        } else {
            16 + 16 * names.len() as u32
        });
        for (index, name) in names.iter().enumerate() {
            self.half(0);
            self.short(0);
            self.short(2);
            self.half(*name as u32);
            self.half(if index + 1 == names.len() { 0 } else { 16 });
        }
    }
}
