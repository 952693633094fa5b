//! A TCP fault proxy in this process, without privileges.

mod engine;

pub use self::engine::{
    Counters, DelayHistogram, DelaySummary, Proxy, ProxyBuilder, ProxyError, ProxyHandle, Stream, Toxic,
    ToxicError, ToxicKind, ToxicReport,
};
