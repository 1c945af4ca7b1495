//! How much one address may have open.

use std::{
    any::Any,
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::Extensions,
    rt::net::TcpStream,
    web::Bytes,
};
use socket2::{SockRef, TcpKeepalive};

/// A peer that takes nothing of what it is sent for so long has gone.
const STUCK_TIMEOUT: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Counts what is open, in all and address by address.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max: usize,
    max_per_peer: usize,
}

/// One that is open, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    pub(crate) fn new(max: usize, max_per_peer: usize) -> Self {
        Self { open: Arc::default(), max, max_per_peer }
    }

    /// A place for one more, unless there are too many: then the number that may be open.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<Place, usize> {
        let peer = peer.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= self.max {
            return Err(self.max);
        }
        let count = open.entry(peer).or_default();
        if *count >= self.max_per_peer {
            return Err(self.max_per_peer);
        }
        *count += 1;
        Ok(Place { peers: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Takes a new connection in, or ends it at once if its peer has too many. Its data live as long as the connection.
pub(crate) fn connected(peers: &Peers, connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = tcp_of(connection) else { return };
    let socket = SockRef::from(stream);
    // What the system does not do only costs resources for longer.
    let _ = socket.set_tcp_user_timeout(Some(STUCK_TIMEOUT));
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    let Ok(peer) = stream.peer_addr() else { return };
    match peers.enter(peer.ip()) {
        Ok(place) => {
            data.insert(place);
        }
        Err(_) => {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn tcp_of(connection: &dyn Any) -> Option<&TcpStream> {
    let within_tls = || connection.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    connection.downcast_ref::<TcpStream>().or_else(within_tls)
}

/// A body that has a place.
pub(crate) struct Held {
    pub(crate) body: BoxBody,
    pub(crate) _place: Place,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_in_all_and_given_back() {
        let peers = Peers::new(3, 2);
        let [a, b]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "::ffff:192.0.2.2".parse().unwrap()];
        let (first, _second) = (peers.enter(a).unwrap(), peers.enter(a).unwrap());
        assert_eq!(peers.enter(a).unwrap_err(), 2);
        let _third = peers.enter(b).unwrap();
        drop(first);
        let _fourth = peers.enter("192.0.2.2".parse().unwrap()).unwrap();
        assert_eq!(peers.enter(a).unwrap_err(), 3);
    }
}
