//! A kernel pipe that carries bytes from socket to socket without copying them to user space.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice},
    unistd::pipe2,
};

/// Both ends of a non-blocking pipe, see `pipe(7)` and `splice(2)`.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// A pipe with room for `size` bytes in single pages; spliced pages are often larger.
    ///
    /// # Errors
    /// No descriptors left, or the user's pages for pipes are used up (`pipe-user-pages-soft`).
    pub(crate) fn new(size: i32) -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        fcntl(&write, FcntlArg::F_SETPIPE_SZ(size))?;
        Ok(Self { read, write })
    }

    /// Moves up to `max` bytes from a socket into the pipe; 0 is the socket's end of stream.
    ///
    /// # Errors
    /// `WouldBlock` if the socket is empty or the pipe is full; otherwise the socket's error.
    pub(crate) fn fill_from(&self, socket: impl AsFd, max: usize) -> io::Result<usize> {
        Ok(splice(socket, None, &self.write, None, max, flags())?)
    }

    /// Moves up to `max` bytes from the pipe into a socket.
    ///
    /// # Errors
    /// `WouldBlock` if the socket takes nothing more; otherwise the socket's error.
    pub(crate) fn drain_into(&self, socket: impl AsFd, max: usize) -> io::Result<usize> {
        Ok(splice(&self.read, None, socket, None, max, flags())?)
    }
}

fn flags() -> SpliceFFlags {
    SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn bytes_pass_through_in_order() {
        let ((mut tx, rx), (out, mut sink)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        tx.write_all(b"one two three").unwrap();
        let pipe = Pipe::new(1 << 16).unwrap();
        assert_eq!(pipe.fill_from(&rx, 7).unwrap(), 7);
        assert_eq!(pipe.fill_from(&rx, 100).unwrap(), 6);
        assert_eq!(pipe.drain_into(&out, 3).unwrap(), 3);
        assert_eq!(pipe.drain_into(&out, 100).unwrap(), 10);
        let mut got = [0; 13];
        sink.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"one two three");
    }

    #[test]
    fn an_empty_pipe_would_block() {
        let (out, _sink) = UnixStream::pair().unwrap();
        let error = Pipe::new(1 << 16).unwrap().drain_into(&out, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
