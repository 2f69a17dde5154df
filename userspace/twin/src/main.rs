//! unbuckle's core over ordinary UDP sockets.
fn main() {}
