//! Which process of this machine listens on an address: [`listener`].

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket},
    path::Path,
};

/// A server's process, found by where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// This process has the socket.
    Found(u32),
    /// The address belongs to another machine.
    Elsewhere,
    /// It is this machine's, and no process is to be seen that listens there: it belongs to another user, lives in
    /// another namespace, or the system does not tell.
    Hidden,
}

/// Looks for whoever listens at `host` and `port`. Reads `/proc` (proc(5)), and asks the resolver for a name.
pub fn listener(host: &str, port: u16) -> Listener {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, port).to_socket_addrs().into_iter().flatten();
    if !addresses.map(|address| address.ip()).any(is_here) {
        return Listener::Elsewhere;
    }
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inodes: HashSet<String> = sockets.iter().flat_map(|table| listening(table, port)).collect();
    match holders(&inodes) {
        pids if pids.is_empty() => Listener::Hidden,
        pids => Listener::Found(eldest(&pids)),
    }
}

/// Whether packets to the address stay here: then the kernel sends them from the same address. Nothing is sent.
fn is_here(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let from = || {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect((address, 9)).ok()?;
        socket.local_addr().ok()
    };
    address.is_loopback() || from().is_some_and(|from| from.ip() == address)
}

/// The inodes of the sockets that listen on `port`, out of a table as /proc/net/tcp has it.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, at) = fields.get(1)?.rsplit_once(':')?;
        let fits = u16::from_str_radix(at, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        fits.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The processes that have one of these sockets open.
fn holders(inodes: &HashSet<String>) -> Vec<u32> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let holds = |folder: &Path| {
        let links = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        links.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| {
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.contains(inode))
        })
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    numbered.filter(|(_, folder): &(u32, _)| holds(folder)).map(|(pid, _)| pid).collect()
}

/// Workers inherit their parent's socket; the parent is the server.
fn eldest(pids: &[u32]) -> u32 {
    let family = |pid: &u32| super::process::family_of(*pid);
    pids.iter().copied().max_by_key(|pid| family(pid).len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20D0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:20D0 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: what is this\n";

    #[test]
    fn only_who_listens_counts() {
        assert_eq!((listening(TABLE, 8400), listening(TABLE, 22)), (vec!["4711".to_owned()], vec!["4713".to_owned()]));
        assert!(listening(TABLE, 40000).is_empty() && listening("", 22).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_listens_here_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(listener(host, port), Listener::Found(std::process::id()), "{host}");
        }
        drop(socket);
        assert_eq!(listener("127.0.0.1", port), Listener::Hidden);
    }

    /// 192.0.2.0/24 belongs to nobody (RFC 5737).
    #[test]
    fn other_machines_are_elsewhere() {
        assert_eq!(listener("192.0.2.1", 80), Listener::Elsewhere);
    }
}
