//! Tar members block by block, for streams that no writer would make.

/// One header block and what follows it, unchecked.
#[derive(Debug, Clone)]
pub struct Raw {
    name: Vec<u8>,
    kind: u8,
    link: Vec<u8>,
    declared: Option<u64>,
    content: Vec<u8>,
}

impl Raw {
    /// Starts a member of the type that `kind` stands for (`0` file, `5` directory, …).
    pub fn new(kind: u8, name: &str) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            kind,
            link: Vec::new(),
            declared: None,
            content: Vec::new(),
        }
    }

    /// Sets the link's target.
    #[must_use]
    pub fn link(mut self, target: &str) -> Self {
        self.link = target.as_bytes().to_vec();
        self
    }

    /// Sets the bytes that follow.
    #[must_use]
    pub fn content(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.content = bytes.as_ref().to_vec();
        self
    }

    /// Sets the size that the header declares, whatever follows.
    #[must_use]
    pub fn declared(mut self, size: u64) -> Self {
        self.declared = Some(size);
        self
    }

    /// Returns the blocks.
    pub fn bytes(&self) -> Vec<u8> {
        let mut block = [0; 512];
        let put = |block: &mut [u8; 512], at: usize, bytes: &[u8]| {
            block[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let size = self.declared.unwrap_or(self.content.len() as u64);
        put(&mut block, 0, &self.name[..self.name.len().min(100)]);
        put(&mut block, 100, b"0000644\0");
        put(&mut block, 108, b"0000000\0");
        put(&mut block, 116, b"0000000\0");
        if size < 1 << 33 {
            put(&mut block, 124, format!("{size:011o}\0").as_bytes());
        } else {
            put(&mut block, 124, &[0x80, 0, 0, 0]);
            put(&mut block, 128, &size.to_be_bytes());
        }
        put(&mut block, 136, b"00000000000\0");
        put(&mut block, 156, &[self.kind]);
        put(&mut block, 157, &self.link[..self.link.len().min(100)]);
        put(&mut block, 257, b"ustar\x0000");
        put(&mut block, 148, b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = block.to_vec();
        bytes.extend_from_slice(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// Returns the records of an extended header, each with its length in front.
pub fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits.
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length += 1;
        }
        bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

/// Returns an archive of these members, with its end marker.
pub fn archive(members: &[Raw]) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.iter().flat_map(Raw::bytes).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
