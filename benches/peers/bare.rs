//! The least work that a client can do: one connection, pipelined commands, one write for each
//! message.

use crate::post;
use dormouse_testkit::sink::Sink;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Measures sending posts to all members, in groups of at most `most`.
pub fn time(sink: &Sink, posts: usize, members: &[String], most: usize) -> Duration {
    let times = (0..3).map(|_| {
        let began = Instant::now();
        send(sink, posts, members, most);
        began.elapsed()
    });
    crate::median_time(times.collect())
}

fn send(sink: &Sink, posts: usize, members: &[String], most: usize) {
    let stream = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut line = String::new();
    let mut reply = |count: usize| {
        for _ in 0..count {
            loop {
                line.clear();
                assert!(replies.read_line(&mut line).unwrap() > 0);
                if line.as_bytes().get(3) != Some(&b'-') {
                    break;
                }
            }
        }
    };
    reply(1);
    stream.write_all(b"EHLO bare.example\r\n").unwrap();
    reply(1);
    for number in 0..posts {
        let body = String::from_utf8(post(number)).unwrap().replace('\n', "\r\n");
        for group in members.chunks(most) {
            let mut commands = String::from("MAIL FROM:<dev-bounces@lists.example.org>\r\n");
            for member in group {
                commands.push_str(&format!("RCPT TO:<{member}>\r\n"));
            }
            commands.push_str("DATA\r\n");
            stream.write_all(commands.as_bytes()).unwrap();
            reply(group.len() + 2);
            stream.write_all(format!("{body}.\r\n").as_bytes()).unwrap();
            reply(1);
        }
    }
    stream.write_all(b"QUIT\r\n").unwrap();
    reply(1);
}
