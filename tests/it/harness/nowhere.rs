//! An address at which nobody listens, and nobody will as long as a test holds it: a port that was only looked for may
//! be another test's by the time it is used.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is taken, and whose connections are refused.
pub struct Nowhere {
    /// Where it is.
    pub address: SocketAddr,
    _taken: TcpSocket,
}

impl Nowhere {
    /// One on loopback.
    pub fn taken() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), _taken: socket }
    }
}
