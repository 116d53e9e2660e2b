//! Headers, dynamic section, symbols and notes, for both classes and byte orders.

mod data;

use object::Endianness;
use object::elf;
use object::pod::Pod;
use object::read::elf::{Dyn, FileHeader, NoteIterator, ProgramHeader, Sym};
use object::read::{ReadCache, ReadRef};

use super::source::Blocks;
use super::{
    Class, DlopenNote, Endian, Error, Filter, Kind, Names, Object, ReadAt, RequiredVersion, dlopen,
};

/// Segments of one object. The kernel takes 64 KiB of headers, some 1170.
const MAX_SEGMENTS: u64 = 4096;
/// Bytes of the dynamic section; the largest seen are some 10 KiB.
const MAX_DYNAMIC: u64 = 1 << 20;
/// Bytes of dynamic strings; large C++ programs have some 10 MiB.
const MAX_STRINGS: u64 = 64 << 20;
/// Symbols read while looking for undefined ones.
const MAX_SYMBOLS: u64 = 1 << 20;
/// Bytes of notes.
const MAX_NOTES: u64 = 1 << 20;
/// Bytes of the interpreter's path (`PATH_MAX`, as in the kernel's loader).
const MAX_INTERPRETER: u64 = 4096;
/// Records of required versions.
const MAX_VERSIONS: usize = 64 << 10;

/// The note in which the Go linker puts its build id (`.note.go.buildid`).
const GO_BUILD_ID: u32 = 4;
/// Reads the facts of an object; nothing where the bytes are not ELF.
///
/// # Errors
/// [`Error::Read`] when the source fails; the others where the loader, too,
/// would refuse the object.
pub fn parse<S: ReadAt>(source: S) -> Result<Option<Object>, Error> {
    let cache = ReadCache::new(Blocks::new(source));
    let parsed = parse_either(&cache);
    match cache.into_inner().into_failure() {
        Some(failure) => Err(failure),
        None => parsed,
    }
}

fn parse_either<'d, R: ReadRef<'d>>(data: R) -> Result<Option<Object>, Error> {
    let Ok(ident) = data.read_bytes_at(0, 16) else {
        return Ok(None);
    };
    if !ident.starts_with(&elf::ELFMAG) {
        return Ok(None);
    }
    match elf::FileClass(ident[4]) {
        elf::ELFCLASS32 => parse_class::<elf::FileHeader32<Endianness>, R>(data, Class::Bits32),
        elf::ELFCLASS64 => parse_class::<elf::FileHeader64<Endianness>, R>(data, Class::Bits64),
        _ => Err(malformed("its class is neither 32 nor 64 bits")),
    }
    .map(Some)
}

fn parse_class<'d, H, R>(data: R, class: Class) -> Result<Object, Error>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'d>,
{
    let header = H::parse(data).map_err(|_| malformed("its header is incomplete"))?;
    let endian = header
        .endian()
        .map_err(|_| malformed("its byte order is unknown"))?;
    let kind = match header.e_type(endian) {
        elf::ET_EXEC => Kind::Executable,
        elf::ET_DYN => Kind::SharedObject,
        elf::ET_REL => Kind::Relocatable,
        elf::ET_CORE => Kind::Core,
        other => Kind::Other(other.0),
    };
    let mut object = Object {
        class,
        endian: match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        },
        machine: header.e_machine(endian).0,
        flags: header.e_flags(endian).0,
        kind,
        declared_pie: false,
        interpreter: None,
        needed: Vec::new(),
        filters: Vec::new(),
        audit: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        no_default_libraries: false,
        dlopen: Vec::new(),
        imports: Names::default(),
        weak_imports: Names::default(),
        versions: Vec::new(),
        go: false,
        data: Vec::new(),
        defects: Vec::new(),
    };
    if !matches!(kind, Kind::Executable | Kind::SharedObject) {
        return Ok(object);
    }
    let image = Image::<H, R>::of(data)?;
    object.interpreter = image.interpreter()?;
    image.notes(&mut object);
    image.dynamic(&mut object)?;
    image.data_ranges(&mut object);
    Ok(object)
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

fn bounded(what: &'static str, value: u64, limit: u64) -> Result<u64, Error> {
    if value > limit {
        return Err(Error::LimitExceeded { what, value, limit });
    }
    Ok(value)
}

fn segments<'d, H, R>(
    header: &H,
    endian: Endianness,
    data: R,
) -> Result<&'d [H::ProgramHeader], Error>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'d>,
{
    const OUTSIDE: &str = "its program headers lie outside of the file";
    let count = header.phnum(endian, data).map_err(|_| malformed(OUTSIDE))?;
    bounded("segments", count.into(), MAX_SEGMENTS)?;
    header
        .program_headers(endian, data)
        .map_err(|_| malformed(OUTSIDE))
}

/// The entries of the dynamic section that lead to tables.
#[derive(Default)]
struct Tables {
    symbols: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
    versions: Option<u64>,
    version_count: u64,
    /// Every address in the section: a table ends before the next one.
    addresses: Vec<u64>,
}

/// An object as the loader sees it: segments, no sections.
pub(super) struct Image<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>> {
    data: R,
    pub(super) endian: Endianness,
    pub(super) header: &'d H,
    segments: &'d [H::ProgramHeader],
    length: u64,
}

impl<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>> Image<'d, H, R> {
    pub(super) fn of(data: R) -> Result<Self, Error> {
        let header = H::parse(data).map_err(|_| malformed("its header is incomplete"))?;
        let endian = header
            .endian()
            .map_err(|_| malformed("its byte order is unknown"))?;
        Ok(Self {
            data,
            endian,
            header,
            segments: segments(header, endian, data)?,
            length: data.len().unwrap_or(0),
        })
    }

    pub(super) fn of_type(
        &self,
        kind: elf::ProgramType,
    ) -> impl Iterator<Item = &'d H::ProgramHeader> {
        let endian = self.endian;
        self.segments
            .iter()
            .filter(move |segment| segment.p_type(endian) == kind)
    }

    /// Returns where an address is in the file, and how many bytes of its segment follow.
    pub(super) fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.of_type(elf::PT_LOAD).find_map(|segment| {
            let start: u64 = segment.p_vaddr(self.endian).into();
            let (offset, size) = segment.file_range(self.endian);
            let skipped = address.checked_sub(start)?;
            (skipped < size).then_some(())?;
            let offset = offset.checked_add(skipped)?;
            let left = self.length.checked_sub(offset)?;
            Some((offset, left.min(size - skipped)))
        })
    }

    pub(super) fn read_array<T: Pod>(&self, address: u64, count: u64) -> Option<&'d [T]> {
        let (offset, left) = self.locate(address)?;
        let bytes = count.checked_mul(size_of::<T>() as u64)?;
        (bytes <= left).then_some(())?;
        self.data.read_slice_at(offset, count as usize).ok()
    }

    fn read_word(&self, address: u64) -> Option<u32> {
        let word = self.read_array::<object::U32<Endianness>>(address, 1)?;
        Some(word[0].get(self.endian))
    }

    fn interpreter(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(segment) = self.of_type(elf::PT_INTERP).next() else {
            return Ok(None);
        };
        let size = segment.p_filesz(self.endian).into();
        bounded("bytes of interpreter path", size, MAX_INTERPRETER)?;
        segment
            .interpreter(self.endian, self.data)
            .map(|path| path.map(<[u8]>::to_vec))
            .map_err(|_| malformed("the path of its interpreter is incomplete"))
    }

    fn notes(&self, object: &mut Object) {
        let mut left = MAX_NOTES;
        for segment in self.of_type(elf::PT_NOTE) {
            let (offset, size) = segment.file_range(self.endian);
            let Some(rest) = left.checked_sub(size) else {
                object.defects.push("its notes are too large");
                return;
            };
            left = rest;
            let read = self.data.read_bytes_at(offset, size).ok();
            let notes = read.and_then(|bytes| {
                NoteIterator::<H>::new(self.endian, segment.p_align(self.endian), bytes).ok()
            });
            let Some(mut notes) = notes else {
                object.defects.push("its notes lie outside of the file");
                continue;
            };
            loop {
                match notes.next() {
                    Ok(Some(note)) => {
                        let kind = note.n_type(self.endian).0;
                        match (note.name(), kind) {
                            (b"Go", GO_BUILD_ID) => object.go = true,
                            (b"FDO", dlopen::NOTE_TYPE) => {
                                add_dlopen(object, dlopen::parse(note.desc()));
                            }
                            _ => {}
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        object.defects.push("a note is incomplete");
                        break;
                    }
                }
            }
        }
    }

    fn dynamic(&self, object: &mut Object) -> Result<(), Error> {
        let Some(segment) = self.of_type(elf::PT_DYNAMIC).next() else {
            return Ok(());
        };
        let (offset, size) = segment.file_range(self.endian);
        bounded("bytes of dynamic section", size, MAX_DYNAMIC)?;
        let count = size as usize / size_of::<H::Dyn>();
        let entries: &[H::Dyn] = self
            .data
            .read_slice_at(offset, count)
            .map_err(|_| malformed("its dynamic section lies outside of the file"))?;
        let entries: Vec<(elf::DynamicTag, u64)> = entries
            .iter()
            .map(|entry| (entry.d_tag(self.endian), entry.d_val(self.endian).into()))
            .take_while(|(tag, _)| *tag != elf::DT_NULL)
            .collect();
        let strings = self.strings(&entries)?;
        let string = |at: u64| {
            string_at(strings, at)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| malformed("a name in its dynamic section is not a string"))
        };
        let mut tables = Tables::default();
        for (tag, value) in entries {
            match tag {
                elf::DT_NEEDED => object.needed.push(string(value)?),
                elf::DT_SONAME => object.soname = Some(string(value)?),
                elf::DT_RPATH => object.rpath = Some(string(value)?),
                elf::DT_RUNPATH => object.runpath = Some(string(value)?),
                elf::DT_AUDIT | elf::DT_DEPAUDIT => object.audit.push(string(value)?),
                elf::DT_FILTER | elf::DT_AUXILIARY => object.filters.push(Filter {
                    name: string(value)?,
                    optional: tag == elf::DT_AUXILIARY,
                }),
                elf::DT_FLAGS_1 => {
                    object.no_default_libraries = value & elf::DF_1_NODEFLIB.0 != 0;
                    object.declared_pie = value & elf::DF_1_PIE.0 != 0;
                }
                elf::DT_SYMTAB => tables.symbols = Some(value),
                elf::DT_HASH => tables.hash = Some(value),
                elf::DT_GNU_HASH => tables.gnu_hash = Some(value),
                elf::DT_VERNEED => tables.versions = Some(value),
                elf::DT_VERNEEDNUM => tables.version_count = value,
                _ => {}
            }
            if is_table(tag) {
                tables.addresses.push(value);
            }
        }
        if tables.symbols.is_some() && self.symbols(&tables, strings, object).is_none() {
            object.defects.push("its dynamic symbols cannot be read");
        }
        if tables.versions.is_some() && self.versions(&tables, strings, object).is_none() {
            object.defects.push("its required versions cannot be read");
        }
        Ok(())
    }

    /// Returns the dynamic string table; empty where there is none.
    fn strings(&self, entries: &[(elf::DynamicTag, u64)]) -> Result<&'d [u8], Error> {
        let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|e| e.1);
        let Some(address) = value(elf::DT_STRTAB) else {
            return Ok(&[]);
        };
        let outside = || malformed("its dynamic strings lie outside of the file");
        let (offset, left) = self.locate(address).ok_or_else(outside)?;
        let size = value(elf::DT_STRSZ).unwrap_or(left).min(left);
        bounded("bytes of dynamic strings", size, MAX_STRINGS)?;
        self.data
            .read_bytes_at(offset, size)
            .map_err(|()| outside())
    }

    fn symbols(&self, tables: &Tables, strings: &[u8], object: &mut Object) -> Option<()> {
        let start = tables.symbols?;
        let count = self.imported_symbols(start, tables)?;
        let symbols = self.read_array::<H::Sym>(start, count)?;
        let undefined = |weak: Option<bool>| -> Names {
            symbols
                .iter()
                .filter(|symbol| symbol.st_shndx(self.endian) == elf::SHN_UNDEF)
                .filter(|symbol| {
                    weak.is_none_or(|weak| weak == (symbol.st_bind() == elf::STB_WEAK))
                })
                .filter_map(|symbol| string_at(strings, symbol.st_name(self.endian).into()))
                .filter(|name| !name.is_empty())
                .collect()
        };
        object.imports = undefined(None);
        object.weak_imports = undefined(Some(true));
        Some(())
    }

    /// Returns how many symbols of the table at `start` have to be looked at for
    /// the undefined ones. The table does not say how long it is:
    ///
    /// - the GNU hash table holds defined symbols only, all after the others,
    ///   and says where they begin; it says 1 when it is empty;
    /// - the old hash table has an entry for each symbol;
    /// - without either, the table ends where the next one begins, at the latest.
    fn imported_symbols(&self, start: u64, tables: &Tables) -> Option<u64> {
        let (_, left) = self.locate(start)?;
        let next = tables.addresses.iter().copied().filter(|at| *at > start);
        let room = next.min().map_or(left, |next| left.min(next - start));
        let room = room / size_of::<H::Sym>() as u64;
        let second_word = |table: Option<u64>| self.read_word(table?.checked_add(4)?);
        let hashed_from = second_word(tables.gnu_hash);
        let all = second_word(tables.hash);
        let count = match (hashed_from, all) {
            (Some(first), _) if first > 1 => first.into(),
            (_, Some(all)) => all.into(),
            _ => room,
        };
        Some(count.min(room)).filter(|count| *count <= MAX_SYMBOLS)
    }

    fn versions(&self, tables: &Tables, strings: &[u8], object: &mut Object) -> Option<()> {
        let mut at = tables.versions?;
        let endian = self.endian;
        for _ in 0..tables.version_count {
            let record = &self.read_array::<elf::Verneed<Endianness>>(at, 1)?[0];
            let library = string_at(strings, record.vn_file.get(endian).into())?;
            let mut version_at = at.checked_add(record.vn_aux.get(endian).into())?;
            for _ in 0..record.vn_cnt.get(endian) {
                let version = &self.read_array::<elf::Vernaux<Endianness>>(version_at, 1)?[0];
                let name = string_at(strings, version.vna_name.get(endian).into())?;
                if object.versions.len() >= MAX_VERSIONS {
                    return None;
                }
                object.versions.push(RequiredVersion {
                    library: library.to_vec(),
                    version: name.to_vec(),
                });
                let next = version.vna_next.get(endian);
                if next == 0 {
                    break;
                }
                version_at = version_at.checked_add(next.into())?;
            }
            let next = record.vn_next.get(endian);
            if next == 0 {
                break;
            }
            at = at.checked_add(next.into())?;
        }
        Some(())
    }
}

fn add_dlopen(object: &mut Object, notes: Option<Vec<DlopenNote>>) {
    match notes {
        Some(notes) => object.dlopen.extend(notes),
        None => object.defects.push("a dlopen note is not as specified"),
    }
}

/// Returns whether the value of an entry is the address of a table.
fn is_table(tag: elf::DynamicTag) -> bool {
    matches!(
        tag,
        elf::DT_STRTAB
            | elf::DT_SYMTAB
            | elf::DT_HASH
            | elf::DT_GNU_HASH
            | elf::DT_VERSYM
            | elf::DT_VERNEED
            | elf::DT_VERDEF
            | elf::DT_REL
            | elf::DT_RELA
            | elf::DT_RELR
            | elf::DT_JMPREL
            | elf::DT_INIT
            | elf::DT_FINI
    )
}

fn string_at(strings: &[u8], at: u64) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    let end = memchr::memchr(0, rest)?;
    Some(&rest[..end])
}
