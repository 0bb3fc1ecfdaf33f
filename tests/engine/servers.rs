//! Real servers of NATS as child processes on loopback. They end with whoever holds them, and their folders with them.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Where `.ci/nats` puts the server that is tried, and where Debian's is.
pub const NEW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/nats/bin/nats-server");
pub const DEBIAN: &str = "/usr/sbin/nats-server";

/// A server's program, or a loud word on how to get it.
pub fn program(path: &'static str) -> Option<&'static str> {
    if Path::new(path).exists() {
        return Some(path);
    }
    let get = match path {
        NEW => ".ci/nats",
        _ => "apt-get install nats-server",
    };
    let is_demanded = std::env::var_os("SIGNAL_HUB_DEMANDS_NATS").is_some();
    assert!(!is_demanded, "there is no {path}; this gets it: {get}");
    eprintln!("SKIPPED: there is no {path}; this gets it: {get}");
    None
}

pub struct Servers {
    program: &'static str,
    /// What each server's configuration has beside.
    config: String,
    folder: PathBuf,
    ports: Vec<u16>,
    children: Vec<Option<Child>>,
}

impl Servers {
    /// One server, or a cluster of several.
    pub fn start(program: &'static str, count: usize) -> Self {
        Self::start_with(program, count, "")
    }

    pub fn start_with(program: &'static str, count: usize, config: &str) -> Self {
        let holders: Vec<TcpListener> =
            (0..2 * count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> =
            holders.iter().map(|holder| holder.local_addr().unwrap().port()).collect();
        drop(holders);
        let folder = std::env::temp_dir().join(format!("signal-hub-nats-{}", ports[0]));
        fs::create_dir_all(&folder).unwrap();
        let children = (0..count).map(|_| None).collect();
        let mut servers = Self { program, config: config.to_owned(), folder, ports, children };
        (0..count).for_each(|index| servers.start_one(index));
        servers
    }

    pub fn count(&self) -> usize {
        self.children.len()
    }

    pub fn addresses(&self) -> Vec<String> {
        let ports = self.ports.iter().take(self.count());
        ports.map(|port| format!("nats://127.0.0.1:{port}")).collect()
    }

    pub fn start_one(&mut self, index: usize) {
        let (port, store) = (self.ports[index], self.folder.join(index.to_string()));
        let mut config = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: s{index}\njetstream {{ store_dir: {store:?} }}\n{}",
            self.config
        );
        if self.count() > 1 {
            let routes: Vec<String> = self.ports[self.count()..]
                .iter()
                .map(|port| format!("\"nats://127.0.0.1:{port}\""))
                .collect();
            let (own, routes) = (self.ports[self.count() + index], routes.join(", "));
            config += &format!(
                "cluster {{ name: conformance, listen: \"127.0.0.1:{own}\", routes: [{routes}] }}\n"
            );
        }
        let file = self.folder.join(format!("{index}.conf"));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(self.program);
        command.arg("-c").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        self.children[index] = Some(command.spawn().unwrap());
    }

    pub fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.children[index].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A killed server starts with nothing.
    pub fn forget(&self, index: usize) {
        fs::remove_dir_all(self.folder.join(index.to_string())).unwrap();
    }

    pub fn pause(&self, index: usize) {
        self.signal(index, Signal::STOP);
    }

    pub fn resume(&self, index: usize) {
        self.signal(index, Signal::CONT);
    }

    fn signal(&self, index: usize, signal: Signal) {
        if let Some(child) = &self.children[index] {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        (0..self.count()).for_each(|index| self.kill(index));
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
