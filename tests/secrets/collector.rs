//! An OpenTelemetry collector.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

/// An OpenTelemetry collector, and what it was sent.
pub fn collector() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let collected = Arc::<Mutex<String>>::default();
    let collecting = collected.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let collecting = collecting.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(body) = body_of_request(&mut reader) {
                    collecting.lock().unwrap().push_str(&String::from_utf8_lossy(&body));
                    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
                }
                Some(())
            });
        }
    });
    (address, collected)
}

/// The next request's body. Its head may have the password: it is the collector's own.
fn body_of_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            let mut body = vec![0; length];
            return reader.read_exact(&mut body).ok().map(|()| body);
        }
    }
}
