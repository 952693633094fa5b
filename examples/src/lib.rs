//! What the examples share: real services on loopback.

mod replicas;
mod service;

pub use self::{
    replicas::{KILL, Replicas, Traffic},
    service::Service,
};
