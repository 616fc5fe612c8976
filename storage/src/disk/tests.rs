//! Both disks, and what the real one leaves on the host.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

/// What both disks must do alike.
fn conforms(disk: &dyn Disk) {
    disk.create_dir_all("d/e").unwrap();
    let file = disk.create("d/e/f").unwrap();
    assert_eq!(disk.create("d/e/f").err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(disk.open("d/e/g").err().unwrap().kind(), io::ErrorKind::NotFound);
    file.preallocate(1 << 16).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    file.write_at(b"hello", 3).unwrap();
    let mut buffer = [9; 16];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 8);
    assert_eq!(&buffer[..8], b"\0\0\0hello");
    assert_eq!(file.read_at(&mut buffer, 100).unwrap(), 0);
    assert!(file.read_at_once(&mut buffer, 0).unwrap().is_none_or(|read| read == 8));
    assert!(file.read_at_once(&mut buffer[..8], 0).unwrap().is_none_or(|read| read == 8));
    file.forget(1, 5);
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 8, "what is not written yet is not lost");
    file.set_len(4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 4);
    disk.rename("d/e/f", "d/e/g").unwrap();
    disk.sync_dir("d/e").unwrap();
    assert_eq!(disk.list("d/e").unwrap(), ["g"]);
    assert_eq!(disk.list("d").unwrap(), ["e"]);
    assert!(disk.list("absent").unwrap().is_empty());
    disk.unlink("d/e/g").unwrap();
    assert_eq!(disk.unlink("d/e/g").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(file.read_at(&mut buffer, 3).unwrap(), 1, "an open file outlives its name");
    let lock = disk.lock("LOCK").unwrap();
    assert_eq!(disk.lock("LOCK").err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    assert!(disk.lock("LOCK").is_ok());
    assert!(disk.free_bytes().unwrap() > 0);
}

#[test]
fn the_real_disk_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(dir.path().join("data")).unwrap();
    conforms(&disk);
    assert_eq!(disk.host_path(), Some(&*dir.path().join("data")));
}

#[test]
fn the_simulated_disk_conforms() {
    conforms(&SimDisk::new());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The fault: on a mount point with something in it, files had the modes that the umask left.
#[test]
fn files_and_directories_are_their_owners_alone_whatever_the_one_above_is() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mount");
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("lost+found")).unwrap();
    set_mode(&root, 0o755);
    let disk = RealDisk::new(&root).unwrap();
    disk.create_dir_all("d/e").unwrap();
    disk.create("d/e/f").unwrap();
    disk.create("f").unwrap();
    drop(disk.lock("LOCK").unwrap());
    assert_eq!((mode(&root), mode(&root.join("lost+found")) & 0o700), (0o755, 0o700), "what was there is left alone");
    for path in ["d", "d/e"] {
        assert_eq!(mode(&root.join(path)), 0o700, "{path}");
    }
    for path in ["d/e/f", "f", "LOCK"] {
        assert_eq!(mode(&root.join(path)), 0o600, "{path}");
    }
    // As an older build left them.
    for path in ["d", "d/e", "d/e/f", "f", "LOCK"] {
        set_mode(&root.join(path), 0o755);
    }
    disk.create_dir_all("d/e").unwrap();
    disk.open("d/e/f").unwrap();
    disk.open("f").unwrap();
    drop(disk.lock("LOCK").unwrap());
    for (path, wanted) in [("d", 0o700), ("d/e", 0o700), ("d/e/f", 0o600), ("f", 0o600), ("LOCK", 0o600)] {
        assert_eq!(mode(&root.join(path)), wanted, "{path}");
    }
    assert_eq!(mode(RealDisk::new(dir.path().join("fresh")).unwrap().host_path().unwrap()), 0o700);
}

/// The fault: `pieces` as a symbolic link was followed.
#[test]
fn no_symbolic_link_in_the_data_directory_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
    fs::create_dir_all(elsewhere.join("00")).unwrap();
    fs::write(elsewhere.join("00/p"), b"mine").unwrap();
    let disk = RealDisk::new(&root).unwrap();
    disk.create_dir_all("real").unwrap();
    symlink(&elsewhere, root.join("pieces")).unwrap();
    symlink(elsewhere.join("00/p"), root.join("real/file")).unwrap();
    symlink("real", root.join("beside")).unwrap();
    symlink(elsewhere.join("made"), root.join("LOCK")).unwrap();
    let refused = |outcome: io::Result<()>| outcome.is_err_and(|error| error.to_string().contains("symbolic link"));
    assert!(refused(disk.open("pieces/00/p").map(drop)));
    assert!(refused(disk.create("pieces/00/q").map(drop)));
    assert!(refused(disk.create_dir_all("pieces/01")));
    assert!(refused(disk.list("pieces").map(drop)));
    assert!(refused(disk.sync_dir("pieces")));
    assert!(refused(disk.unlink("pieces/00/p")));
    assert!(refused(disk.rename("pieces/00/p", "real/p")));
    assert!(refused(disk.open("real/file").map(drop)));
    assert!(refused(disk.create("beside/x").map(drop)), "not even to what is beside it");
    assert!(refused(disk.lock("LOCK").map(drop)));
    assert_eq!(fs::read(elsewhere.join("00/p")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(elsewhere.join("00")).unwrap().count(), 1);
    assert!(!elsewhere.join("made").exists());
    // The data directory itself may be named by one.
    symlink(&root, dir.path().join("name")).unwrap();
    assert!(RealDisk::new(dir.path().join("name")).unwrap().create("real/g").is_ok());
}
