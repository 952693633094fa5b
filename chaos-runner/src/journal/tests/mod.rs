//! Tests of the journal as a whole: damage, trust, leases.

mod damage;
mod lease;
mod runs;
mod space;
mod trust;
