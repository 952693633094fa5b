//! Bytes between two sockets, first in, first out: in kernel pipes where many come at once, else in memory.

use std::{collections::VecDeque, io};

use tokio::{io::Interest, net::TcpStream};

use super::pool::{Counted, PipePool};

/// The most that one block of memory holds.
const BLOCK: usize = 64 << 10;

#[derive(Debug)]
enum Store {
    Memory { bytes: Vec<u8>, start: usize },
    Pipe { pipe: Counted, len: usize },
}

impl Store {
    fn len(&self) -> usize {
        match self {
            Self::Memory { bytes, start } => bytes.len() - start,
            Self::Pipe { len, .. } => *len,
        }
    }
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The end of the stream.
    End,
    /// Nothing now.
    Empty,
    /// No pipe is free: copy.
    NoPipe,
}

/// A queue of bytes that nobody looks at.
#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    stores: VecDeque<Store>,
    len: usize,
}

impl ByteQueue {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(Store::Memory { bytes: tail, .. }) = self.stores.back_mut() {
            let (fits, rest) = bytes.split_at(bytes.len().min(BLOCK.saturating_sub(tail.len())));
            tail.extend_from_slice(fits);
            bytes = rest;
        }
        for block in bytes.chunks(BLOCK) {
            self.stores.push_back(Store::Memory { bytes: block.to_vec(), start: 0 });
        }
    }

    /// Moves what `src` has into a pipe, up to `max` bytes.
    pub(super) fn splice_in(&mut self, src: &TcpStream, pool: &PipePool, max: usize) -> io::Result<Filled> {
        if let Some(Store::Pipe { pipe, len }) = self.stores.back_mut() {
            match filled(pipe.0.fill_from(src, max))? {
                // The pipe may be full; only an empty one tells that the socket is empty.
                Filled::Empty => {}
                Filled::Bytes(n) => {
                    *len += n;
                    self.len += n;
                    return Ok(Filled::Bytes(n));
                }
                other => return Ok(other),
            }
        }
        let Some(pipe) = pool.take() else { return Ok(Filled::NoPipe) };
        let filled = filled(src.try_io(Interest::READABLE, || pipe.0.fill_from(src, max)));
        match filled {
            Ok(Filled::Bytes(len)) => {
                self.len += len;
                self.stores.push_back(Store::Pipe { pipe, len });
            }
            _ => pool.put(pipe),
        }
        filled
    }

    /// Writes up to `max` bytes from the front to `dst` in one call.
    ///
    /// # Errors
    /// `WouldBlock` if `dst` takes nothing now.
    pub(super) fn drain(&mut self, dst: &TcpStream, max: usize, pool: &PipePool) -> io::Result<usize> {
        self.drop_empty_front(pool);
        let n = match self.stores.front_mut() {
            None => 0,
            Some(Store::Memory { bytes, start }) => {
                let end = bytes.len().min(start.saturating_add(max));
                let n = dst.try_write(&bytes[*start..end])?;
                *start += n;
                n
            }
            Some(Store::Pipe { pipe, len }) => {
                let max = max.min(*len);
                let n = dst.try_io(Interest::WRITABLE, || pipe.0.drain_into(dst, max))?;
                *len -= n;
                n
            }
        };
        self.len -= n;
        Ok(n)
    }

    fn drop_empty_front(&mut self, pool: &PipePool) {
        while self.stores.front().is_some_and(|store| store.len() == 0) {
            if let Some(Store::Pipe { pipe, .. }) = self.stores.pop_front() {
                pool.put(pipe);
            }
        }
    }

    /// Gives back pipes and memory if nothing is queued.
    pub(super) fn shrink(&mut self, pool: &PipePool) {
        if self.len == 0 && self.stores.capacity() > 0 {
            self.drop_empty_front(pool);
            self.stores = VecDeque::new();
        }
    }
}

fn filled(result: io::Result<usize>) -> io::Result<Filled> {
    match result {
        Ok(0) => Ok(Filled::End),
        Ok(n) => Ok(Filled::Bytes(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Empty),
        Err(error) => Err(error),
    }
}

const _: () = assert!(size_of::<ByteQueue>() <= 40, "an idle connection holds two of these");
