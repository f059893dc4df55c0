//! A link with latency.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Listens on a port of the loopback interface, and forwards connections to another one, so that
/// each round trip takes this much longer. Data in flight is not limited. Returns the port; the
/// link ends with the process.
pub fn to(target: u16, round_trip: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", target)).expect("the server listens");
            let _at_once = [client.set_nodelay(true), server.set_nodelay(true)];
            let twin = |stream: &TcpStream| stream.try_clone().expect("a file descriptor");
            let (back, forth) = (twin(&client), twin(&server));
            thread::spawn(move || pass(&client, &server, round_trip));
            thread::spawn(move || pass(&forth, &back, Duration::ZERO));
        }
    });
    port
}

/// Forwards data, each piece with this delay.
fn pass(mut from: &TcpStream, mut to: &TcpStream, after: Duration) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (due, piece) in pieces {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&piece).is_err() {
                    break;
                }
            }
            let _closed = to.shutdown(Shutdown::Write).is_ok();
        });
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + after, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
        drop(sender);
    });
}
