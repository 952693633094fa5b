//! A listening socket that can stop and start again on the port that it holds, and the ways to end a connection.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener},
    os::fd::AsFd,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

const BACKLOG: i32 = 4096;

/// Listens on `addr`; port 0 takes a free one. The port stays ours while [`stop`] holds.
///
/// # Errors
/// Those of `bind(2)` and `listen(2)`: the address is in use, is not ours, or needs a privilege.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    // The kernel keeps a port over a stop only if it was asked for by number.
    let reserved = if addr.port() == 0 { Some(bound(addr)?) } else { None };
    let addr = match &reserved {
        Some(socket) => socket.local_addr()?.as_socket().unwrap_or(addr),
        None => addr,
    };
    let socket = bound(addr)?;
    drop(reserved);
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Refuses new connections from now on, also those in the backlog; the port stays bound.
///
/// # Errors
/// Those of `shutdown(2)`.
pub(crate) fn stop(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.shutdown(Shutdown::Read)?;
    // Without address reuse nobody else can bind the port meanwhile.
    socket.set_reuse_address(false)
}

/// Takes connections again after [`stop`].
///
/// # Errors
/// Those of `listen(2)`.
pub(crate) fn restart(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_reuse_address(true)?;
    socket.listen(BACKLOG)
}

/// Lets the peer read what was sent, then the end of the stream. A peer that is gone needs neither.
pub(crate) fn finish(socket: &impl AsFd) {
    let _ = SockRef::from(socket).shutdown(Shutdown::Both);
}

/// Makes the close of the socket a reset (RST), see `SO_LINGER` in `socket(7)`.
pub(crate) fn reset_on_close(socket: &impl AsFd) {
    if let Err(error) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        tracing::warn!(%error, "a proxied connection is closed instead of reset");
    }
}

fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_stopped_listener_refuses_and_keeps_its_port() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        TcpStream::connect(addr).unwrap();
        stop(&listener).unwrap();
        let refused = TcpStream::connect(addr).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(listen(addr).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        restart(&listener).unwrap();
        TcpStream::connect(addr).unwrap();
    }
}
