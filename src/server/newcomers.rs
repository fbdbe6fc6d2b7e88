//! Turns away who has not begun to connect yet, while those who have are still taken in.
//!
//! Closing a listener resets every connection the system has made for it and nobody accepted.
//! However late the last look is, one more may be made before the close, unless none can begin.

use std::io;
use std::net::TcpListener;

/// From here on the listener ignores SYNs, on Linux; elsewhere an error.
///
/// A client that begins now tries again a second later, and is refused if the listener is closed
/// by then. Handshakes under way, and connections made already, go on.
///
/// # Errors
/// The system cannot, as some sandboxes cannot.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn turn_away(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // `BPF_LD|BPF_B|BPF_ABS`, `BPF_JMP|BPF_JSET|BPF_K` and `BPF_RET|BPF_K` of <linux/bpf_common.h>.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    /// Where a TCP header has its flags; to the filter a packet begins with that header.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;

    // The connections that are made inherit the filter. It must pass their packets whole, and the
    // ACK that ends a handshake too: to its client the connection already stands.
    let drop_syn = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&drop_syn)
}

/// From here on the listener ignores SYNs, on Linux; elsewhere an error.
///
/// # Errors
/// Always.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn turn_away(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Calls `test` for each loopback address that this system has.
    fn for_each_loopback(test: impl Fn(TcpListener, SocketAddr)) {
        let bound = ["127.0.0.1:0", "[::1]:0"].map(TcpListener::bind);
        let mut tested = 0;
        for listener in bound.into_iter().flatten() {
            let address = listener.local_addr().unwrap();
            test(listener, address);
            tested += 1;
        }
        assert!(tested > 0);
    }

    #[test]
    fn who_is_connected_is_accepted_and_heard_in_full() {
        for_each_loopback(|listener, address| {
            let mut early = TcpStream::connect(address).unwrap();
            turn_away(&listener).unwrap();
            let sent = vec![b'x'; 300_000];
            let expected = sent.clone();
            let sending = std::thread::spawn(move || early.write_all(&sent));
            let mut received = Vec::new();
            let (mut accepted, _) = listener.accept().unwrap();
            drop(listener);
            accepted.read_to_end(&mut received).unwrap();
            sending.join().unwrap().unwrap();
            assert!(received == expected, "{address}: {} bytes", received.len());
        });
    }

    #[test]
    fn who_comes_later_is_not_connected_but_refused_once_the_listener_is_closed() {
        for_each_loopback(|listener, address| {
            turn_away(&listener).unwrap();
            let (soon, ever) = (Duration::from_millis(50), Duration::from_secs(20));
            let waiting = TcpStream::connect_timeout(&address, soon).unwrap_err();
            assert_eq!(waiting.kind(), ErrorKind::TimedOut, "{address}");
            let late = std::thread::spawn(move || TcpStream::connect_timeout(&address, ever));
            std::thread::sleep(soon);
            drop(listener);
            let refused = late.join().unwrap().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{address}");
        });
    }
}
