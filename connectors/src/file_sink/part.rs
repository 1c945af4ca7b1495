//! A file that is being written.

use std::{
    io::{self, Write},
    path::Path,
};

use headwater_core::fs::{FileSystem, FileWriter};

const BUFFER_BYTES: usize = 256 << 10;

/// A file in progress, with a buffer that counts.
#[derive(Debug)]
pub(super) struct Part {
    name: String,
    sequence: u64,
    file: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    written_bytes: u64,
}

impl Part {
    /// Makes a new file.
    pub(super) fn create(
        fs: &dyn FileSystem,
        folder: &Path,
        name: String,
        sequence: u64,
    ) -> io::Result<Self> {
        let file = fs.create_new(&folder.join(&name))?;
        Ok(Self { name, sequence, file, buffer: Vec::new(), written_bytes: 0 })
    }

    /// The number in its final name.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The file's length, with what is still in the buffer.
    pub(super) fn bytes(&self) -> u64 {
        self.written_bytes + self.buffer.len() as u64
    }

    /// Makes all of it durable and closes it; returns its name.
    pub(super) fn finish(mut self) -> io::Result<String> {
        self.flush()?;
        self.file.sync()?;
        Ok(self.name)
    }

    /// Closes it as it is.
    pub(super) fn into_name(self) -> String {
        self.name
    }
}

impl Write for Part {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
