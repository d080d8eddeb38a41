//! Answers on their way to the client until it knows the streams. retina 0.4.21 hands a description to sdp-types 0.1.8,
//! which panics where a line that is not `x=…` stands before or among its streams: one damaged byte is enough, and there
//! are cameras whose descriptions have lines of prose. Such lines are left out here, and more streams than a camera has.
//! Deliberately no judgement of what a line says, and nothing of this once pictures come.

use super::datagrams::{end_of_head, header};
use crate::session::{Trouble, clean};

/// Streams of one description that are passed on.
const STREAMS: usize = 32;

/// Holds back what is not a whole message yet. How much that may be, the meter says.
#[derive(Default)]
pub(super) struct Sieve {
    held: Vec<u8>,
    /// No head ends before here: a head that drips is not searched from its beginning with each byte.
    searched: usize,
}

impl Sieve {
    /// Takes what came, and gives what may go on.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            // Blank lines between messages are allowed.
            let whole = match *self.held.as_slice() {
                [b'\r', b'\n', ..] => 2,
                // Interleaved data (RFC 2326, 10.12), of a session that the camera has not given up yet.
                [b'$', _, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
                [b'$' | b'\r', ..] | [] => return Ok(out),
                _ => match self.message()? {
                    Some(message) => {
                        out.extend_from_slice(&message);
                        continue;
                    }
                    None => return Ok(out),
                },
            };
            if self.held.len() < whole {
                return Ok(out);
            }
            out.extend(self.held.drain(..whole));
        }
    }

    /// What is held when there is nothing to look for any more.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn message(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let from = self.searched.saturating_sub(3);
        let Some(end) = end_of_head(self.held.get(from..).unwrap_or_default()).map(|end| from + end) else {
            self.searched = self.held.len();
            return Ok(None);
        };
        let head = String::from_utf8_lossy(self.held.get(..end).unwrap_or_default()).into_owned();
        let whole = end.saturating_add(length_of_body(&head)?);
        if self.held.len() < whole {
            return Ok(None);
        }
        self.searched = 0;
        let message: Vec<u8> = self.held.drain(..whole).collect();
        Ok(Some(cleaned(&message, end, &head)))
    }
}

/// What follows a head; a length that is no number is left to the client to complain of.
fn length_of_body(head: &str) -> Result<usize, Trouble> {
    let lengths = head.lines().filter(|line| is_length(line)).count();
    if lengths > 1 {
        return Err(Trouble::Protocol { text: clean("an answer with several lengths", &[]) });
    }
    Ok(header(head, "content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0))
}

fn is_length(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case("content-length"))
}

/// The message with a body that can be read as a description, if it has one.
pub(super) fn cleaned(message: &[u8], end: usize, head: &str) -> Vec<u8> {
    let body = message.get(end..).unwrap_or_default();
    if body.is_empty() {
        return message.to_vec();
    }
    let mut kept = Vec::with_capacity(body.len());
    let mut streams = 0;
    // CR LF as the standard says, LF as some do; sdp-types takes both.
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let [key @ b'a'..=b'z', b'=', ..] = line else { continue };
        streams += usize::from(*key == b'm');
        if streams > STREAMS {
            break;
        }
        kept.extend_from_slice(line);
        kept.extend_from_slice(b"\r\n");
    }
    let mut out = Vec::with_capacity(message.len());
    for line in head.trim_end_matches("\r\n").split("\r\n").filter(|line| !is_length(line)) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", kept.len()).as_bytes());
    out.extend_from_slice(&kept);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sieved(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut sieve = Sieve::default();
        let mut out: Vec<u8> = bytes.chunks(size).flat_map(|part| sieve.pass(part).unwrap()).collect();
        out.extend(sieve.rest());
        out
    }

    #[test]
    fn only_lines_of_a_description_are_passed_on() {
        let sdp = "v=0\r\nHello\nm=video 0 RTP/AVP 96\r\n\r\nab=c\r\na=x\r\n==\r\n";
        let before = format!(
            "\r\n$\x01\x00\x03abcRTSP/1.0 401 No\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\ncontent-length: {}\r\nCSeq: 2\r\n\r\n{sdp}",
            sdp.len()
        );
        let wanted = "\r\n$\x01\x00\x03abcRTSP/1.0 401 No\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 32\r\n\r\n\
            v=0\r\nm=video 0 RTP/AVP 96\r\na=x\r\n";
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(String::from_utf8(sieved(before.as_bytes(), size)).unwrap(), wanted);
        }
        let many = "m=audio 0 RTP/AVP 0\n".repeat(5000);
        let answer = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{many}", many.len());
        let out = String::from_utf8(sieved(answer.as_bytes(), 1000)).unwrap();
        assert_eq!(out.matches("m=audio").count(), STREAMS);
        let twice = b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert!(Sieve::default().pass(twice).is_err());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_and_nothing_is_lost(
            bytes in "(\\$[ -~]{0,30}|RTSP/1.0 200 OK\r\n(Content-Length: [0-9]{1,2}\r\n)?\r\n[a-c=\n]{0,40}|\r\n|[ -~\r\n]{0,20}){0,6}",
            size in 1usize..50,
        ) {
            let mut sieve = Sieve::default();
            if sieve.pass(bytes.as_bytes()).is_ok() {
                prop_assert_eq!(sieved(bytes.as_bytes(), size), sieved(bytes.as_bytes(), 100_000));
            }
        }
    }
}
