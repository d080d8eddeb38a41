//! Lets the RTSP client into the relay and nobody else. Any process of the machine can connect to a port on loopback, and
//! whoever takes the one place would see the camera's stream and could speak to it.
//! What holds: the connecting socket must be a file of this very process, by its inode in `/proc/self/fd`. Another process
//! is turned away, also one of the same user; what runs inside this process is not held off.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};

/// The first connection that comes from this process. Others are closed at once.
pub(super) async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let entrance = listener.local_addr()?;
    loop {
        let (stream, peer) = listener.accept().await?;
        if is_ours(peer, entrance)? {
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        tracing::warn!(%peer, "another process connected to the relay of a camera and was turned away");
    }
}

fn is_ours(peer: SocketAddr, entrance: SocketAddr) -> io::Result<bool> {
    let table = std::fs::read_to_string("/proc/self/net/tcp")?;
    let Some(inode) = inode_of(&table, peer, entrance) else { return Ok(false) };
    let wanted = format!("socket:[{inode}]");
    for file in std::fs::read_dir("/proc/self/fd")? {
        // A file that was closed meanwhile has no target.
        if std::fs::read_link(file?.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The inode of the socket at `local` that is connected to `remote`, from the kernel's table (proc_net_tcp(5): columns sl,
/// local, remote, st, queues, timer, retransmits, uid, timeout, inode).
fn inode_of(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let (local, remote) = (column(local)?, column(remote)?);
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let matches = columns.next() == Some(&local) && columns.next() == Some(&remote);
        if matches { columns.nth(6)?.parse().ok().filter(|inode| *inode != 0) } else { None }
    })
}

/// An IPv4 address is printed as a number of the machine's own byte order.
fn column(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 x\n\
            \x20  1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 x\n";
        let (peer, entrance) = ("127.0.0.1:49153".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!(inode_of(table, peer, entrance), Some(222));
        }
        assert_eq!(inode_of(table, entrance, peer), None);
        assert_eq!(inode_of("", peer, entrance), None);
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_let_in_and_that_of_another_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let entrance = listener.local_addr().unwrap();
        // Another program: a shell that holds the connection open until it is closed from here.
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3 >/dev/null; exit 7", entrance.port());
        let mut other = std::process::Command::new("bash").arg("-c").arg(script).spawn().unwrap();
        // It is first in the queue, as the thief of the place would be.
        let (first, peer) = listener.accept().await.unwrap();
        assert!(!is_ours(peer, entrance).unwrap());
        drop(first);
        assert_eq!(other.wait().unwrap().code(), Some(7), "it was turned away");
        let client = TcpStream::connect(entrance).await.unwrap();
        let let_in = accept(&listener).await.unwrap();
        assert_eq!(let_in.peer_addr().unwrap(), client.local_addr().unwrap());
    }
}
