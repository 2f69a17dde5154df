// SPDX-License-Identifier: GPL-2.0-only
//! The sockets that all threads share, one of each kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{bind, listen, setsockopt, sockopt, Backlog, SockaddrStorage};
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockType};

/// What is asked of the system for datagrams that wait to be read.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What is listened on.
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) udp: Option<OwnedFd>,
    pub(crate) tcp: Option<TcpListener>,
}

impl Sockets {
    /// Sockets bound to `address`, or else to all addresses of both families,
    /// or of IPv4 where there is no IPv6.
    pub(crate) fn open(
        address: Option<IpAddr>,
        port: u16,
        (udp, tcp): (bool, bool),
    ) -> Result<Self, String> {
        let wanted = SocketAddr::new(address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
        match Self::bound(wanted, udp, tcp) {
            Err((_, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL)) if address.is_none() => {
                let fallback = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
                Self::bound(fallback, udp, tcp).map_err(|error| said(fallback, error))
            }
            other => other.map_err(|error| said(wanted, error)),
        }
    }

    fn bound(address: SocketAddr, udp: bool, tcp: bool) -> Result<Self, (&'static str, Errno)> {
        let udp = udp.then(|| datagrams(address).map_err(|errno| ("UDP", errno)));
        let tcp = tcp.then(|| connections(address).map_err(|errno| ("TCP", errno)));
        Ok(Self {
            address,
            udp: udp.transpose()?,
            tcp: tcp.transpose()?,
        })
    }

    /// Ends the waiting of whoever waits on them. An unconnected socket says
    /// that it is none, and is shut down all the same.
    pub(crate) fn shut_down(&self) {
        use nix::sys::socket::{shutdown, Shutdown};
        let udp = self.udp.as_ref().map(AsRawFd::as_raw_fd);
        let tcp = self.tcp.as_ref().map(AsRawFd::as_raw_fd);
        for socket in [udp, tcp].into_iter().flatten() {
            let _ = shutdown(socket, Shutdown::Both);
        }
    }
}

fn said(address: SocketAddr, (protocol, errno): (&str, Errno)) -> String {
    match errno {
        Errno::EADDRINUSE => format!(
            "{protocol} port {} on {} is taken by somebody else (EADDRINUSE)",
            address.port(),
            address.ip()
        ),
        errno => format!("listening on {address}, {protocol}: {errno}"),
    }
}

fn datagrams(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let fd = new(address, SockType::Datagram)?;
    // Beyond the system's limit if we may, else as much as it allows.
    if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd)
}

fn connections(address: SocketAddr) -> Result<TcpListener, Errno> {
    let fd = new(address, SockType::Stream)?;
    // Connections of an earlier process may linger; a listener of its own does
    // not let us in all the same.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(fd))
}

fn new(address: SocketAddr, kind: SockType) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
    }
    Ok(fd)
}
