//! What classes name: their constant pools hold every class that they use (JVMS 4.4).
//!
//! Archives are read from their central directory (PKWARE APPNOTE 4.3); archives in archives,
//! as applications in one file have them, are opened too. What is damaged or
//! larger than [`LARGEST`] counts as naming everything. Native libraries among the members are
//! unpacked and loaded when the application runs: what they need has to be there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

use memchr::memmem;

use super::constants;
use crate::elf;

/// Bytes of an archive or a class that are looked at.
pub(super) const LARGEST: u64 = 512 << 20;

/// Bytes of one member.
const LARGEST_MEMBER: u64 = 128 << 20;

/// Bytes of an ELF header up to the machine.
const ELF_HEADER: u64 = 20;

/// Archives in archives in archives are no application.
const DEEPEST: usize = 2;

/// Windows on a screen.
const WINDOWS: &[&str] = &[
    "javax/swing/J",
    "java/awt/Frame",
    "java/awt/Window",
    "java/awt/Dialog",
    "java/awt/Robot",
    "java/awt/Desktop",
    "java/awt/SystemTray",
    "javafx/",
];

/// Compiling at run time: java.compiler (JSR 199), and javac itself.
const COMPILER: &[&str] = &["javax/tools/", "com/sun/tools/javac"];

/// What the classes of an application name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) windows: bool,
    pub(super) compiler: bool,
}

impl Uses {
    const ALL: Self = Self {
        windows: true,
        compiler: true,
    };
}

/// What a class or an archive of classes says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) uses: Uses,
    /// Literals of classes that start programs.
    pub(super) literals: BTreeSet<Vec<u8>>,
    /// Literals that could be absolute paths, of all classes but those of archives within the archive.
    pub(super) paths: BTreeSet<Vec<u8>>,
    /// Literals of classes that start programs in archives within the archive: of libraries that the application brings along.
    pub(super) of_libraries: BTreeSet<Vec<u8>>,
    /// Libraries that native code in archives needs (`DT_NEEDED`).
    pub(super) needed: BTreeSet<Vec<u8>>,
}

impl Said {
    /// Reads a class.
    pub(super) fn by_class(bytes: &[u8]) -> Self {
        let mut said = Self::default();
        said.add_class(bytes, 0);
        said
    }

    /// Reads an archive of classes, and of native code for a machine (`e_machine`).
    pub(super) fn by_archive(bytes: &[u8], machine: u16) -> Self {
        let mut said = Self::default();
        if said.add_members(bytes, machine, 0).is_none() {
            said.uses = Uses::ALL;
        }
        said
    }

    fn add_class(&mut self, bytes: &[u8], depth: usize) {
        let names = |list: &[&str]| {
            list.iter()
                .any(|name| memmem::find(bytes, name.as_bytes()).is_some())
        };
        self.uses.windows = self.uses.windows || names(WINDOWS);
        self.uses.compiler = self.uses.compiler || names(COMPILER);
        let literals = match depth {
            0 => &mut self.literals,
            _ => &mut self.of_libraries,
        };
        let said = constants::of_class_that_starts(bytes);
        literals.extend(said.into_iter().map(<[u8]>::to_vec));
        if depth == 0 {
            let paths = constants::paths(bytes).into_iter();
            self.paths.extend(paths.map(<[u8]>::to_vec));
        }
    }

    fn add_native(&mut self, bytes: &[u8]) {
        if let Ok(Some(object)) = elf::parse(bytes) {
            self.needed.extend(object.needed);
        }
    }

    fn add_members(&mut self, bytes: &[u8], machine: u16, depth: usize) -> Option<()> {
        // The record at the end, before a comment of up to 64 KiB.
        let tail = bytes.len().saturating_sub(66_000);
        let end = tail + memmem::rfind(&bytes[tail..], b"PK\x05\x06")?;
        let entries = short(bytes, end + 10)?;
        let mut at = long(bytes, end + 16)? as usize;
        for _ in 0..entries {
            if bytes.get(at..at + 4)? != b"PK\x01\x02" {
                return None;
            }
            let method = short(bytes, at + 10)?;
            let size = long(bytes, at + 20)? as usize;
            let lengths = [28, 30, 32].map(|field| short(bytes, at + field));
            let [name, extra, comment] = [lengths[0]?, lengths[1]?, lengths[2]?].map(usize::from);
            let local = long(bytes, at + 42)? as usize;
            let path = bytes.get(at + 46..at + 46 + name)?;
            at += 46 + name + extra + comment;
            let is_archive = [&b".jar"[..], b".war", b".rar"]
                .iter()
                .any(|ending| path.ends_with(ending));
            let is_class = path.ends_with(b".class");
            // `libx.so`, `libx.so.1`; an archive may be called `org.source.jar`.
            let is_native = !is_class && !is_archive && memmem::find(path, b".so").is_some();
            if !(is_class || is_native || is_archive && depth < DEEPEST) {
                continue;
            }
            let start = local
                + 30
                + usize::from(short(bytes, local + 26)?)
                + usize::from(short(bytes, local + 28)?);
            let packed = bytes.get(start..start.checked_add(size)?)?;
            // Archives have native code for machines of every kind.
            if is_native && !is_for(&inflate(method, packed, ELF_HEADER)?, machine) {
                continue;
            }
            let member = inflate(method, packed, LARGEST_MEMBER)?;
            match (is_archive, is_native) {
                (true, _) => self.add_members(&member, machine, depth + 1)?,
                (_, true) => self.add_native(&member),
                _ => self.add_class(&member, depth),
            }
        }
        Some(())
    }
}

/// Returns the first bytes of a member, `limit` at most.
fn inflate(method: u16, packed: &[u8], limit: u64) -> Option<Cow<'_, [u8]>> {
    match method {
        0 => Some(Cow::Borrowed(packed)),
        8 => {
            let mut member = Vec::new();
            let inflating = flate2::read::DeflateDecoder::new(packed);
            inflating.take(limit).read_to_end(&mut member).ok()?;
            Some(Cow::Owned(member))
        }
        _ => None,
    }
}

/// Returns whether an ELF header (gABI, "ELF Header") names the machine.
fn is_for(header: &[u8], machine: u16) -> bool {
    let is_big = header.get(5) == Some(&2);
    let named = short(header, 18).map(|named| if is_big { named.swap_bytes() } else { named });
    header.starts_with(b"\x7fELF") && named == Some(machine)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::constants::tests::class;
    use super::{Said, Uses};
    use crate::elf::machine;

    fn read(archive: &[u8]) -> Said {
        Said::by_archive(archive, machine::X86_64)
    }

    #[test]
    fn a_class_names_what_it_uses() {
        let uses = |bytes: &[u8]| Said::by_class(bytes).uses;
        assert_eq!(uses(b"\xca\xfe\xba\xbe..java/lang/String"), Uses::default());
        let compiles = uses(b"\xca\xfe\xba\xbe..javax/tools/ToolProvider");
        assert_eq!((compiles.compiler, compiles.windows), (true, false));
        let shows = uses(b"\xca\xfe\xba\xbe..java/awt/Frame");
        assert_eq!((shows.compiler, shows.windows), (false, true));
    }

    #[test]
    fn archives_are_opened_in_archives() {
        let inner = zip("a/B.class", b"...javax/tools/Tool...");
        let uses = read(&zip("lib/inner.jar", &inner)).uses;
        assert_eq!((uses.compiler, uses.windows), (true, false));
        // What is called like native code and is none.
        let other = read(&zip("lib/org.source.jar", &inner)).uses;
        assert_eq!(other, uses);
    }

    #[test]
    fn literals_of_libraries_are_told_from_those_of_the_application() {
        let class = class(&["java/lang/ProcessBuilder"], &["date"]);
        let own = zip("a/B.class", &class);
        let date = || BTreeSet::from([b"date".to_vec()]);
        let expected = Said {
            literals: date(),
            ..Said::default()
        };
        assert_eq!(read(&own), expected);
        let expected = Said {
            of_libraries: date(),
            ..Said::default()
        };
        assert_eq!(read(&zip("lib/own.jar", &own)), expected);
    }

    #[test]
    fn native_code_for_the_machine_says_what_it_needs() {
        let needs = |machine, library: &str| {
            let object = testkit::elf::Builder::library();
            object.machine(machine).needed(library).build()
        };
        let ours = zip("linux/amd64/libx.so", &needs(machine::X86_64, "libdl.so.2"));
        let outer = zip("lib/x.jar", &ours);
        let expected = Said {
            needed: BTreeSet::from([b"libdl.so.2".to_vec()]),
            ..Said::default()
        };
        assert_eq!(read(&outer), expected);
        let other = zip(
            "linux/arm64/libx.so",
            &needs(machine::AARCH64, "libdl.so.2"),
        );
        assert_eq!(read(&other), Said::default());
    }

    #[test]
    fn a_damaged_archive_may_name_anything() {
        let mut whole = zip("a/B.class", b"nothing");
        assert_eq!(read(&whole), Said::default());
        whole.truncate(whole.len() - 8);
        assert_eq!(read(&whole).uses, Uses::ALL);
    }

    /// An archive with one member, stored.
    fn zip(name: &str, content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32).to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        let mut out = Vec::new();
        out.extend(b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0");
        out.extend([size, size].concat());
        out.extend(length);
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(content);
        let directory = out.len() as u32;
        out.extend(b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0");
        out.extend([size, size].concat());
        out.extend(length);
        out.extend([0; 16]);
        out.extend(name.as_bytes());
        let directory_size = out.len() as u32 - directory;
        out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        out.extend(directory_size.to_le_bytes());
        out.extend(directory.to_le_bytes());
        out.extend([0, 0]);
        out
    }
}
