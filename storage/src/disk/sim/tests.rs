use super::*;

fn write(disk: &SimDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(path).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(path).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

#[test]
fn what_is_not_synced_is_lost_or_kept_as_the_crash_says() {
    let disk = SimDisk::new();
    write(&disk, "a", b"synced").sync_data().unwrap();
    disk.sync_dir("").unwrap();
    disk.open("a").unwrap().write_at(b"SYNCED and more", 0).unwrap();
    assert_eq!(read(&disk.crash(Crash::LoseAll), "a").unwrap(), b"synced");
    assert_eq!(read(&disk.crash(Crash::KeepAll), "a").unwrap(), b"SYNCED and more");
}

#[test]
fn a_synced_file_without_a_synced_name_is_lost() {
    let disk = SimDisk::new();
    disk.create_dir_all("d/e").unwrap();
    write(&disk, "d/e/a", b"x").sync_data().unwrap();
    disk.sync_dir("d/e").unwrap();
    assert_eq!(read(&disk.crash(Crash::LoseAll), "d/e/a"), None, "its directory's own name was not synced");
    disk.sync_dir("d").unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(read(&disk.crash(Crash::LoseAll), "d/e/a").unwrap(), b"x");
}

#[test]
fn unlink_and_rename_come_back_without_a_sync() {
    let disk = SimDisk::new();
    write(&disk, "a", b"a").sync_data().unwrap();
    write(&disk, "b", b"b").sync_data().unwrap();
    disk.sync_dir("").unwrap();
    disk.unlink("a").unwrap();
    disk.rename("b", "c").unwrap();
    assert_eq!(disk.crash(Crash::LoseAll).files(), ["a", "b"]);
    disk.sync_dir("").unwrap();
    assert_eq!(disk.crash(Crash::LoseAll).files(), ["c"]);
}

#[test]
fn a_subset_tears_and_reorders_by_whole_sectors() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", &[1; 4096]);
    file.sync_data().unwrap();
    disk.sync_dir("").unwrap();
    file.write_at(&[2; 4096], 0).unwrap();
    let mut reordered = false;
    for seed in 0..50 {
        let bytes = read(&disk.crash(Crash::Subset(seed)), "a").unwrap();
        let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "half a sector");
        reordered |= sectors.windows(2).any(|pair| pair == [1, 2]);
        assert_eq!(bytes, read(&disk.crash(Crash::Subset(seed)), "a").unwrap(), "not deterministic");
    }
    assert!(reordered);
}

#[test]
fn a_torn_last_write_keeps_what_came_before() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", &[1; 1024]);
    file.write_at(&[2; 1024], 1024).unwrap();
    for seed in 0..20 {
        let bytes = read(&disk.crash(Crash::TornLast(seed)), "a").unwrap();
        assert_eq!(bytes[..1024], [1; 1024]);
        assert!(bytes.len() < 2048 || bytes[1536..] != [2; 512]);
    }
}

#[test]
fn the_disk_stops_at_a_chosen_sync() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", b"x");
    disk.freeze_at_sync(2);
    file.sync_data().unwrap();
    assert!(disk.sync_dir("").is_err());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(disk.crash(Crash::LoseAll).files().is_empty());
    assert_eq!(disk.crash(Crash::KeepAll).files(), ["a"]);
}

#[test]
fn a_failed_sync_never_becomes_durable() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", b"x");
    disk.sync_dir("").unwrap();
    disk.fail_sync(1);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(read(&disk.crash(Crash::KeepAll), "a").unwrap(), b"");
    assert_eq!(read(&disk, "a").unwrap(), b"x");
}

#[test]
fn what_a_failed_sync_covered_is_read_until_the_crash_and_written_only_if_it_is_written_again() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", &[1; 1024]);
    file.sync_data().unwrap();
    disk.sync_dir("").unwrap();
    file.write_at(&[2; 1024], 0).unwrap();
    disk.fail_sync(1);
    assert!(file.sync_data().is_err());
    file.write_at(&[2; 512], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(read(&disk, "a").unwrap(), [2; 1024]);
    let medium = read(&disk.crash(Crash::KeepAll), "a").unwrap();
    assert_eq!((&medium[..512], &medium[512..]), (&[2; 512][..], &[1; 512][..]));
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(1000));
    let file = write(&disk, "a", &[0; 900]);
    assert_eq!(disk.free_bytes().unwrap(), 100);
    let error = file.write_at(&[1; 200], 900).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    file.write_at(&[1; 900], 0).unwrap();
    disk.unlink("a").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 1000);
}

#[test]
fn a_lock_is_exclusive_until_dropped() {
    let disk = SimDisk::new();
    let lock = disk.lock("LOCK").unwrap();
    assert_eq!(disk.lock("LOCK").err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    assert!(disk.lock("LOCK").is_ok());
}

#[test]
fn an_image_is_the_disk_before_its_sync() {
    let disk = SimDisk::new();
    let file = write(&disk, "a", b"one");
    disk.sync_dir("").unwrap();
    disk.record_images();
    file.sync_data().unwrap();
    file.write_at(b"two", 0).unwrap();
    file.sync_data().unwrap();
    let images = disk.take_images();
    assert_eq!(read(&images[0].crash(Crash::LoseAll), "a").unwrap(), b"");
    assert_eq!(read(&images[1].crash(Crash::LoseAll), "a").unwrap(), b"one");
    assert_eq!(read(&images[1].crash(Crash::KeepAll), "a").unwrap(), b"two");
    assert!(disk.take_images().is_empty());
}
