// SPDX-License-Identifier: GPL-2.0
//! The one socket that all threads share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{bind, setsockopt, sockopt, SockaddrStorage};
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockType};
use nix::sys::time::{TimeVal, TimeValLike};

/// What is asked of the system for datagrams that wait to be read.
const RECEIVE_BUFFER: usize = 16 << 20;

/// How long a thread sleeps before it looks whether it is to end.
const PATIENCE_MS: i64 = 200;

/// A socket bound to `listen`, or else to all addresses of both families, or
/// of IPv4 where there is no IPv6; and the address it got.
pub(crate) fn open(listen: Option<IpAddr>, port: u16) -> Result<(OwnedFd, SocketAddr), String> {
    let wanted = SocketAddr::new(listen.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
    let (address, opened) = match bound(wanted) {
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if listen.is_none() => {
            let fallback = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
            (fallback, bound(fallback))
        }
        other => (wanted, other),
    };
    match opened {
        Ok(socket) => Ok((socket, address)),
        Err(Errno::EADDRINUSE) => Err(format!(
            "UDP port {port} on {} is taken by somebody else (EADDRINUSE)",
            address.ip()
        )),
        Err(errno) => Err(format!("listening on {address}: {errno}")),
    }
}

fn bound(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
    }
    // Beyond the system's limit if we may, else as much as it allows.
    if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    setsockopt(
        &fd,
        sockopt::ReceiveTimeout,
        &TimeVal::milliseconds(PATIENCE_MS),
    )?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd)
}
