//! Surroundings that are too small on purpose: a file system with little room, a process with little memory.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};

use crate::run::Run;

/// If this is 1, what needs a mount is left out, and says so.
pub const NO_MOUNT: &str = "HEADWATER_NO_MOUNT";

/// The address space that a server has and does not use: the stacks of its threads, and what its allocator reserves.
const UNUSED_BYTES: u64 = 3 << 30;

const FILLER: &str = "filler";

/// A file system in memory, mounted for as long as this lives.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many mebibytes for a run; `None` if mounts are not wanted.
    pub fn mount(run: &mut Run, folder: &str, size_mb: u64) -> anyhow::Result<Option<Arc<Self>>> {
        if std::env::var(NO_MOUNT).as_deref() == Ok("1") {
            eprintln!("left out, since {NO_MOUNT}=1: what happens on a full disk");
            return Ok(None);
        }
        let folder = run.path(folder);
        fs::create_dir_all(&folder)?;
        let options = format!("size={size_mb}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&folder)
            .output()
            .context("cannot run `mount`")?;
        ensure!(
            mounted.status.success(),
            "a small file system is needed, but mounting a tmpfs was refused: {}; run the tests as root, or below \
             `unshare --user --map-root-user --mount`, or leave these out with {NO_MOUNT}=1",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        let disk = Arc::new(Self { folder });
        run.keep(Arc::clone(&disk));
        Ok(Some(disk))
    }

    /// Takes all the room that is left but for so many bytes.
    pub fn fill_but(&self, spare_bytes: u64) -> anyhow::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.folder.join(FILLER))?;
        let mut bytes = vec![1u8; 1 << 20];
        // The last bytes, too.
        while !bytes.is_empty() {
            match filler.write(&bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => bytes.truncate(bytes.len() / 2),
                Err(error) => bail!("cannot fill {}: {error}", self.folder.display()),
            }
        }
        let filled_bytes = filler.metadata()?.len();
        Ok(filler.set_len(filled_bytes.saturating_sub(spare_bytes))?)
    }

    /// Gives the room back.
    pub fn free(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.folder.join(FILLER))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.folder.display());
        }
    }
}

/// A bound on a process's memory.
#[derive(Debug)]
pub enum SmallMemory {
    /// A control group, which is removed in the end. The kernel kills what goes beyond.
    Group(PathBuf),
    /// The bound of the shell. Allocations beyond fail.
    Ulimit(u64),
}

impl SmallMemory {
    /// A control group for a run if there can be one, of either version, else a limit of the shell's.
    pub fn of(run: &mut Run, bytes: u64) -> Arc<Self> {
        let memory = Arc::new(Self::new(&format!("headwater-chaos-{}-{}", process::id(), run.seed), bytes));
        run.keep(Arc::clone(&memory));
        memory
    }

    fn new(name: &str, bytes: u64) -> Self {
        let groups = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
        for (root, file) in groups {
            let group = Path::new(root).join(name);
            // In a folder that is no control group's the file could be made; it must be there already.
            let is_made = fs::create_dir(&group).is_ok();
            if is_made && group.join(file).exists() && fs::write(group.join(file), bytes.to_string()).is_ok()
            {
                return Self::Group(group);
            }
            if is_made {
                // It was made just now.
                let _ = fs::remove_dir(&group);
            }
        }
        eprintln!("no control group can be made: memory is bounded by `ulimit -v`");
        Self::Ulimit(bytes + UNUSED_BYTES)
    }

    /// A command that runs `binary` within the bound.
    pub fn command(&self, binary: &Path) -> Command {
        let script = match self {
            Self::Group(group) => {
                format!("echo $$ > '{}/cgroup.procs' && exec \"$0\" \"$@\"", group.display())
            }
            Self::Ulimit(bytes) => format!("ulimit -v {} && exec \"$0\" \"$@\"", bytes >> 10),
        };
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(binary);
        command
    }
}

impl Drop for SmallMemory {
    fn drop(&mut self) {
        if let Self::Group(group) = self
            && let Err(error) = fs::remove_dir(&*group)
        {
            eprintln!("{} could not be removed: {error}", group.display());
        }
    }
}

/// The memory of a process that is in use now, in bytes.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}
