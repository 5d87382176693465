// rusqlite with its own SQLite: runs each line of a file as a statement; says SQLite's version.
use rusqlite::{Connection, OpenFlags};
use std::{env, fs, time::Duration};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let db = Connection::open_with_flags(&arguments[1], OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    for line in fs::read_to_string(&arguments[2]).unwrap().lines() {
        db.execute_batch(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    println!("{}", rusqlite::version());
}
