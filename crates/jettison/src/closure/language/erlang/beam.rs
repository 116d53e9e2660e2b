//! Modules of the Erlang machine: an IFF file of chunks (`beam_lib`, "Chunk Data"; `beam_file.c` of ERTS).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

/// Bytes of literals, or of a module that is compressed as a whole, that are looked at.
const LARGEST: u64 = 64 << 20;

/// Functions that start programs, or say where they are: of Erlang (`os`, `open_port`) and Elixir (`System`, `Port`).
const STARTS: &[(&str, &str)] = &[
    ("os", "cmd"),
    ("os", "find_executable"),
    ("erlang", "open_port"),
    ("Elixir.System", "cmd"),
    ("Elixir.System", "shell"),
    ("Elixir.System", "find_executable"),
    ("Elixir.Port", "open"),
];

/// Returns the strings among the literals of a module that starts programs; of another one, or of what is no module,
/// nothing.
pub(super) fn literals_of_what_starts(file: &[u8]) -> BTreeSet<Vec<u8>> {
    let module = match file {
        // The compiler's option `compressed`, and releases without debugging information.
        [0x1f, 0x8b, ..] => inflated(flate2::read::GzDecoder::new(file)).map(Cow::Owned),
        _ => Some(Cow::Borrowed(file)),
    };
    module.and_then(|module| read(&module)).unwrap_or_default()
}

fn inflated(input: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read(module: &[u8]) -> Option<BTreeSet<Vec<u8>>> {
    let starts = chunk(module, b"ImpT").zip(atoms(module));
    if !starts.is_some_and(|(imports, atoms)| calls_what_starts(imports, &atoms)) {
        return None;
    }
    let table = chunk(module, b"LitT")?;
    let (size, packed) = table.split_first_chunk::<4>()?;
    let plain = match u32::from_be_bytes(*size) {
        0 => Cow::Borrowed(packed), // since OTP 28
        _ => Cow::Owned(inflated(flate2::read::ZlibDecoder::new(packed))?),
    };
    let mut found = BTreeSet::new();
    let mut rest = plain.get(4..)?; // how many there are
    while let Some((size, more)) = rest.split_first_chunk::<4>() {
        let (term, more) = more.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        strings(term, &mut found);
        rest = more;
    }
    Some(found)
}

/// Returns the contents of a chunk. Each has a name, a length, and is padded to four bytes.
fn chunk<'m>(module: &'m [u8], name: &[u8; 4]) -> Option<&'m [u8]> {
    let mut rest = module.strip_prefix(b"FOR1")?.get(4..)?;
    rest = rest.strip_prefix(b"BEAM")?;
    loop {
        let (id, more) = rest.split_first_chunk::<4>()?;
        let (size, more) = more.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(*size) as usize;
        let contents = more.get(..size)?;
        if id == name {
            return Some(contents);
        }
        rest = more.get(size.next_multiple_of(4)..)?;
    }
}

/// Returns the names that a module uses.
fn atoms(module: &[u8]) -> Option<Vec<&[u8]>> {
    let table = chunk(module, b"AtU8").or_else(|| chunk(module, b"Atom"))?;
    let (count, mut rest) = table.split_first_chunk::<4>()?;
    let count = i32::from_be_bytes(*count);
    let mut atoms = Vec::new();
    for _ in 0..count.unsigned_abs() {
        let (first, more) = rest.split_first()?;
        let (length, more) = match (count < 0, first & 0b1000) {
            (false, _) => (usize::from(*first), more),
            // Since OTP 28 lengths are tagged: four bits, or eleven (`beam_asm:encode`).
            (true, 0) => (usize::from(first >> 4), more),
            (true, _) => {
                let (low, more) = more.split_first()?;
                (usize::from(first >> 5) << 8 | usize::from(*low), more)
            }
        };
        let (atom, more) = more.split_at_checked(length)?;
        atoms.push(atom);
        rest = more;
    }
    Some(atoms)
}

/// Whether one of the imported functions starts programs: each is three numbers, of the names of its module and its
/// own, counted from one, and how many arguments it takes.
fn calls_what_starts(imports: &[u8], atoms: &[&[u8]]) -> bool {
    let numbers = imports.get(4..).unwrap_or_default().as_chunks::<4>().0;
    let (functions, _) = numbers.as_chunks::<3>();
    functions.iter().any(|[module, function, _]| {
        let name = |number: &[u8; 4]| {
            let at = (u32::from_be_bytes(*number) as usize).checked_sub(1)?;
            atoms.get(at).copied()
        };
        let (module, function) = (name(module), name(function));
        STARTS
            .iter()
            .any(|(m, f)| module == Some(m.as_bytes()) && function == Some(f.as_bytes()))
    })
}

/// Adds the strings and binaries of a term in external format ("External Term Format" in the manual of ERTS). What a
/// list or a tuple holds follows it, so that depth does not matter.
fn strings(term: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    let mut rest = term.strip_prefix(&[131]).unwrap_or_default();
    while let Some((tag, more)) = rest.split_first() {
        let Some((length, text)) = length(*tag, more) else {
            return;
        };
        let Some((value, next)) = more.split_at_checked(length) else {
            return;
        };
        if text > 0 {
            found.insert(value[text..].to_vec());
        }
        rest = next;
    }
}

/// Returns how many bytes follow a tag, and where in them a string begins, if it is one.
fn length(tag: u8, rest: &[u8]) -> Option<(usize, usize)> {
    let byte = || Some(usize::from(*rest.first()?));
    let short = || Some(usize::from(u16::from_be_bytes(*rest.first_chunk()?)));
    let long = || Some(u32::from_be_bytes(*rest.first_chunk()?) as usize);
    let length = match tag {
        97 => 1,                               // small integer
        98 => 4,                               // integer
        70 => 8,                               // float
        99 => 31,                              // float, as text
        100 | 118 => 2 + short()?,             // atoms
        115 | 119 => 1 + byte()?,              // short atoms
        104 => 1,                              // tuple: its size
        105 | 108 | 116 => 4,                  // large tuple, list, map
        106 => 0,                              // empty list
        107 => return Some((2 + short()?, 2)), // list of bytes: a string
        109 => return Some((4 + long()?, 4)),  // binary
        77 => 5 + long()?,                     // bits
        110 => 2 + byte()?,                    // large integers
        111 => 5 + long()?,
        113 => 0, // function of a module: three terms follow
        _ => return None,
    };
    Some((length, 0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn module(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut body = b"BEAM".to_vec();
        for (name, contents) in chunks {
            body.extend(*name);
            body.extend((contents.len() as u32).to_be_bytes());
            body.extend(contents);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        [b"FOR1", &(body.len() as u32).to_be_bytes()[..], &body].concat()
    }

    fn atom_table(names: &[&str]) -> Vec<u8> {
        let mut table = (names.len() as u32).to_be_bytes().to_vec();
        for name in names {
            table.push(name.len() as u8);
            table.extend(name.as_bytes());
        }
        table
    }

    fn imports(module: u32, function: u32) -> Vec<u8> {
        [1, module, function, 1].map(u32::to_be_bytes).concat()
    }

    fn literals(terms: &[&[u8]]) -> Vec<u8> {
        let mut plain = (terms.len() as u32).to_be_bytes().to_vec();
        for term in terms {
            plain.extend((term.len() as u32).to_be_bytes());
            plain.extend(*term);
        }
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).unwrap();
        let size = (plain.len() as u32).to_be_bytes();
        [&size[..], &packed.finish().unwrap()].concat()
    }

    /// `["df -k" | <<"git">>]` in a tuple, and a number.
    const TERMS: &[&[u8]] = &[
        b"\x83\x68\x02\x77\x02ok\x6c\0\0\0\x01\x6b\0\x05df -k\x6d\0\0\0\x03git",
        b"\x83\x61\x07",
    ];

    fn example(names: &[&str]) -> Vec<u8> {
        module(&[
            (b"AtU8", atom_table(names)),
            (b"ImpT", imports(2, 3)),
            (b"LitT", literals(TERMS)),
        ])
    }

    #[test]
    fn strings_of_modules_that_start_programs() {
        let wanted = BTreeSet::from([b"df -k".to_vec(), b"git".to_vec()]);
        let starts = example(&["shop", "os", "cmd"]);
        assert_eq!(literals_of_what_starts(&starts), wanted);
        let elixir = example(&["shop", "Elixir.System", "cmd"]);
        assert_eq!(literals_of_what_starts(&elixir), wanted);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&starts).unwrap();
        assert_eq!(literals_of_what_starts(&packed.finish().unwrap()), wanted);
    }

    #[test]
    fn others_name_nothing() {
        let quiet = example(&["shop", "lists", "reverse"]);
        assert_eq!(literals_of_what_starts(&quiet), BTreeSet::new());
        assert_eq!(literals_of_what_starts(b"no module"), BTreeSet::new());
    }

    #[test]
    fn the_end_may_be_missing_anywhere() {
        let whole = example(&["shop", "os", "cmd"]);
        for length in 0..whole.len() - 4 {
            assert_eq!(literals_of_what_starts(&whole[..length]), BTreeSet::new());
        }
    }
}
