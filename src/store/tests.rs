mod memory;

use std::fs;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use self::memory::Memory;
use super::tables::Meta;
use super::{Disk, Durable, Folder, Opened, Store, StoreConfig, StoreError, begin};
use crate::hub::{Entry, StoredAddress, StoredLog, StoredMessage, StoredSubscription};
use crate::protocol::{ActorAddress, Epoch, Json, MessageId, Route, SubscriptionId, Topic};
use crate::time::Timestamp;

const CONFIG: StoreConfig = StoreConfig { bytes_max: 1 << 20, is_durable: true, repair: false };
const REPAIR: StoreConfig = StoreConfig { repair: true, ..CONFIG };

fn open(disk: &Memory, config: StoreConfig) -> Result<Opened, StoreError> {
    Store::open(Arc::new(disk.clone()), config)
}

fn alice() -> ActorAddress {
    ActorAddress::from_path("alice").unwrap()
}

fn epoch(text: &str) -> Epoch {
    serde_json::from_value(json!(text)).unwrap()
}

const FIRST: &str = "epoch-6f1c7cf0-67e1-4a8c-9a5e-000000000001";
const SECOND: &str = "epoch-6f1c7cf0-67e1-4a8c-9a5e-000000000002";

fn address(version: u64) -> Entry {
    let row = StoredAddress {
        version,
        capabilities: vec!["messaging".to_owned()],
        metadata: Json::from(json!({ "a": 1 })),
        registered_at: Timestamp::from_millis(7),
        principal: None,
        peer: "127.0.0.1".parse().unwrap(),
        taken_over: Some(epoch(FIRST)),
        dormant: false,
    };
    Entry::Address(alice(), Some(Box::new(row)))
}

fn subscription(row: Option<StoredSubscription>) -> Entry {
    Entry::Subscription(alice(), Topic::parse("news").unwrap(), row)
}

fn log(of: &str, last: u64, floor: u64) -> Entry {
    Entry::Log(alice(), Some(StoredLog { epoch: epoch(of), last, floor, aged: false }))
}

fn kept(seq: u64) -> Entry {
    let message = StoredMessage {
        seq: NonZeroU64::new(seq).unwrap(),
        at: Timestamp::from_millis(9),
        ttl: None,
        from: alice(),
        kind: "note".to_owned(),
        payload: Json::from(json!({ "text": "x".repeat(100) })),
        metadata: Json::from(json!({})),
        route: Route::Send,
        origin: MessageId::parse("m").unwrap(),
        owed: true,
    };
    Entry::Kept(alice(), Box::new(message))
}

fn all() -> Vec<Entry> {
    let id: SubscriptionId =
        serde_json::from_value(json!("sub-6f1c7cf0-67e1-4a8c-9a5e-000000000003")).unwrap();
    let durable = StoredSubscription { id, durable: true };
    vec![address(3), subscription(Some(durable)), log(FIRST, 2, 0), kept(1), kept(2)]
}

#[test]
fn what_was_written_is_there_after_an_end_in_order_and_after_any_other() {
    for in_order in [true, false] {
        let disk = Memory::default();
        let Opened { mut store, entries, losses } = open(&disk, CONFIG).unwrap();
        assert_eq!((entries, losses), (vec![], vec![]));
        store.write(&all(), Durable::Yes).unwrap();
        let bytes = store.bytes();
        if in_order {
            store.close().unwrap();
        } else {
            let as_it_lies = disk.0.lock().unwrap().data.clone();
            drop(store);
            disk.0.lock().unwrap().data = as_it_lies;
        }
        let opened = open(&disk, CONFIG).unwrap();
        assert_eq!((opened.entries, opened.losses), (all(), vec![]));
        assert_eq!(opened.store.bytes(), bytes);
    }
}

/// The rows after these were written behind all the others, one by one.
fn after(rows: &[Entry]) -> Vec<Entry> {
    let disk = Memory::default();
    let mut store = open(&disk, CONFIG).unwrap().store;
    store.write(&all(), Durable::Yes).unwrap();
    store.write(rows, Durable::Yes).unwrap();
    let bytes = store.bytes();
    store.close().unwrap();
    let opened = open(&disk, CONFIG).unwrap();
    assert_eq!(opened.store.bytes(), bytes, "what was counted is what is there");
    opened.entries
}

#[test]
fn a_log_ends_what_it_no_longer_keeps() {
    let gone = |rows: &[Entry]| {
        let left = after(rows);
        all().into_iter().filter(|entry| !left.contains(entry)).collect::<Vec<_>>()
    };
    assert_eq!(gone(&[log(FIRST, 2, 1)]), [log(FIRST, 2, 0), kept(1)]);
    assert_eq!(gone(&[log(SECOND, 0, 0)]), [log(FIRST, 2, 0), kept(1), kept(2)]);
    assert_eq!(gone(&[Entry::Log(alice(), None)]), [log(FIRST, 2, 0), kept(1), kept(2)]);
    assert_eq!(gone(&[Entry::Address(alice(), None)]), [address(3)]);
    let Entry::Subscription(_, _, row) = &all()[1] else { unreachable!() };
    assert_eq!(gone(&[subscription(None)]), [subscription(*row)]);
    assert_eq!(gone(&[address(4)]), [address(3)]);
}

#[test]
fn rows_that_were_not_synced_may_be_lost_and_then_all_epochs_end() {
    let disk = Memory::default();
    let config = StoreConfig { is_durable: false, ..CONFIG };
    let mut store = open(&disk, config).unwrap().store;
    store.write(&all(), Durable::No).unwrap();
    store.close().unwrap();
    let Opened { mut store, entries, .. } = open(&disk, config).unwrap();
    assert_eq!(entries, all());
    store.write(&[address(4)], Durable::No).unwrap();
    let as_it_lies = disk.0.lock().unwrap().data.clone();
    drop(store);
    disk.0.lock().unwrap().data = as_it_lies;
    let opened = open(&disk, CONFIG).unwrap();
    assert_eq!(opened.entries, all()[..2]);
    let loss = "the hub did not end in order while it synced nothing: 1 logs ended, with the \
                messages they kept";
    assert_eq!(opened.losses, [loss]);
}

#[test]
fn two_runs_write_the_same_bytes() {
    let run = || {
        let disk = Memory::default();
        let mut store = open(&disk, CONFIG).unwrap().store;
        for round in 0..40 {
            let path = |number: u64| ActorAddress::from_path(&format!("a{number}")).unwrap();
            let many = (0..30).map(|number| {
                let log = StoredLog { epoch: epoch(FIRST), last: round, floor: 0, aged: false };
                Entry::Log(path((number * 7 + round) % 90), Some(log))
            });
            store.write(&many.collect::<Vec<_>>(), Durable::Yes).unwrap();
            store.write(&[kept(round + 1)], Durable::Yes).unwrap();
            store.write(&[log(FIRST, round, round / 2)], Durable::No).unwrap();
        }
        store.close().unwrap();
        let inner = disk.0.lock().unwrap();
        inner.data.clone()
    };
    assert!(run() == run());
}

#[test]
fn a_damaged_byte_is_found_or_changes_nothing() {
    let disk = Memory::default();
    let mut store = open(&disk, CONFIG).unwrap().store;
    store.write(&all(), Durable::Yes).unwrap();
    store.close().unwrap();
    let sound = disk.0.lock().unwrap().data.clone();
    let mut found = 0;
    for place in (0..sound.len()).step_by(97).chain(0..320) {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x21;
        let disk = Memory::default();
        disk.0.lock().unwrap().data.clone_from(&damaged);
        match open(&disk, CONFIG) {
            Ok(opened) => assert_eq!(opened.entries, all(), "byte {place}"),
            Err(StoreError::Damaged { file, .. }) => {
                assert_eq!(file, "memory");
                found += 1;
                disk.0.lock().unwrap().data.clone_from(&damaged);
                let opened = open(&disk, REPAIR).unwrap();
                assert_eq!(opened.entries, [], "byte {place}");
                assert!(opened.losses[0].contains("lies in memory.damaged now"));
                assert!(disk.0.lock().unwrap().aside == damaged);
            }
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn a_row_that_says_nothing_is_named_and_a_repair_drops_its_address_and_ends_all_epochs() {
    let disk = Memory::default();
    let mut store = open(&disk, CONFIG).unwrap().store;
    let bob = ActorAddress::from_path("bob").unwrap();
    let Entry::Address(_, row) = address(7) else { unreachable!() };
    let bobs = Entry::Address(bob, row);
    store.write(&[all(), vec![bobs.clone()]].concat(), Durable::Yes).unwrap();
    let transaction = begin(&store.database, Durable::Yes).unwrap();
    let mut addresses = transaction.open_table(super::tables::ADDRESSES).unwrap();
    addresses.insert("@(alice)", b"{}".as_slice()).unwrap();
    drop(addresses);
    transaction.commit().unwrap();
    store.close().unwrap();
    let damaged = open(&disk, CONFIG).unwrap_err().to_string();
    assert!(damaged.starts_with("memory is damaged: a row of @(alice) in addresses says: "));
    let Opened { store, entries, losses } = open(&disk, REPAIR).unwrap();
    assert_eq!(entries, std::slice::from_ref(&bobs));
    assert_eq!(losses.len(), 2, "{losses:?}");
    store.close().unwrap();
    assert_eq!(open(&disk, CONFIG).unwrap().entries, [bobs]);
}

#[test]
fn a_later_format_is_refused_with_the_version_that_knows_it() {
    let disk = Memory::default();
    let store = open(&disk, CONFIG).unwrap().store;
    let transaction = begin(&store.database, Durable::Yes).unwrap();
    let mut meta = Meta::open(&transaction).unwrap();
    meta.set("format", "2").unwrap();
    meta.set("written_by", "9.1.0").unwrap();
    drop(meta);
    transaction.commit().unwrap();
    drop(store);
    let told = "memory is of format 2, written by signal-hub 9.1.0, and this version knows no \
                format above 1: start that version or a later one";
    assert_eq!(open(&disk, REPAIR).unwrap_err().to_string(), told);
}

#[test]
fn a_full_disk_takes_removals_in_the_room_of_the_ballast_and_loses_nothing() {
    let disk = Memory::default();
    let mut store = open(&disk, CONFIG).unwrap().store;
    disk.0.lock().unwrap().room = 300 * 1024;
    let mut written = 0;
    while !store.is_full() {
        written += 1;
        store.write(&[kept(written)], Durable::Yes).unwrap();
    }
    assert!(store.is_out_of_room());
    store.write(&[Entry::Address(alice(), None)], Durable::Yes).unwrap();
    store.regain_room();
    assert!(store.is_full(), "there is no room yet");
    drop(store);
    let Opened { mut store, entries, .. } = open(&disk, CONFIG).unwrap();
    assert_eq!(entries.len() as u64, written);
    disk.0.lock().unwrap().room = usize::MAX;
    store.regain_room();
    assert!(!store.is_full());
}

#[test]
fn a_store_is_full_of_rows_until_some_are_gone() {
    let disk = Memory::default();
    let mut store = open(&disk, StoreConfig { bytes_max: 400, ..CONFIG }).unwrap().store;
    store.write(&all(), Durable::Yes).unwrap();
    assert!(store.is_full() && !store.is_out_of_room());
    store.write(&[Entry::Log(alice(), None), Entry::Address(alice(), None)], Durable::Yes).unwrap();
    assert!(!store.is_full());
}

#[test]
fn a_failed_sync_is_the_last_of_the_store() {
    let disk = Memory::default();
    let mut store = open(&disk, CONFIG).unwrap().store;
    disk.0.lock().unwrap().broken = true;
    let told = "cannot sync memory: broken; what was synced is kept: see to the disk, then \
                start the hub again";
    assert_eq!(store.write(&all(), Durable::Yes).unwrap_err().to_string(), told);
    disk.0.lock().unwrap().broken = false;
    assert_eq!(store.write(&all(), Durable::Yes).unwrap_err().to_string(), told);
}

/// A folder that is gone after the test.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_is_for_one_hub_and_one_user() {
    let path = std::env::temp_dir().join(format!("signal-hub-store-{}", std::process::id()));
    let temporary = Temporary(path.clone());
    let folder: Arc<dyn Disk> = Arc::new(Folder::new(path.join("deep")).unwrap());
    let mut store = Store::open(Arc::clone(&folder), CONFIG).unwrap().store;
    store.write(&all(), Durable::Yes).unwrap();
    let other = Store::open(Arc::clone(&folder), CONFIG).unwrap_err();
    assert_eq!(other, StoreError::InUse { name: folder.name() });
    #[cfg(unix)]
    for (name, mode) in [("", 0o40700), ("hub.redb", 0o100_600), ("ballast", 0o100_600)] {
        use std::os::unix::fs::PermissionsExt;
        let found = fs::metadata(path.join("deep").join(name)).unwrap().permissions().mode();
        assert_eq!(found, mode, "{name}: {found:o}");
    }
    store.close().unwrap();
    fs::write(path.join("deep/hub.redb"), "no store at all").unwrap();
    let damaged = Store::open(Arc::clone(&folder), CONFIG).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    let opened = Store::open(folder, REPAIR).unwrap();
    assert!(opened.losses[0].ends_with("hub.redb.damaged-1 now, and the store begins empty"));
    let aside = fs::read_to_string(path.join("deep/hub.redb.damaged-1")).unwrap();
    assert_eq!(aside, "no store at all");
    drop(temporary);
}
