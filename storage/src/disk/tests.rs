use std::io;

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
