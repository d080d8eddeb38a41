//! One question of multicast DNS: which addresses has `name.local`? Asked as a resolver that does not take part (RFC 6762,
//! 5.1 and 6.7): from a port of its own, so that the answer comes back to it alone. Whether the system's resolver knows
//! mDNS hangs on how it was installed, and a camera's name is often known nowhere else.
//! Deliberately no cache, no services (DNS-SD) and no answering.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::address::Allow;
use crate::network::{self, Road};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const PORT: u16 = 5353;
/// RFC 6762, section 17.
const LARGEST: usize = 9000;
const MOST_RECORDS: u32 = 64;
const MOST_ADDRESSES: usize = 8;
const MOST_ANSWERS: usize = 64;
const A: u16 = 1;
const AAAA: u16 = 28;

/// The addresses that answer for a name in `.local`, in the order of their answers.
pub(super) async fn ask(name: &str, within: Duration, loopback: Allow) -> Vec<IpAddr> {
    ask_at(name, within, network::each_interface(GROUP, GROUP_6, PORT, loopback)).await
}

pub(super) async fn ask_at(name: &str, within: Duration, roads: Vec<Road>) -> Vec<IpAddr> {
    let until = Instant::now() + within;
    let Ok(id) = domovoi_vault::random().map(u16::from_be_bytes) else { return Vec::new() };
    let Some(question) = question(name, id) else { return Vec::new() };
    let mut asking = tokio::task::JoinSet::new();
    for (socket, to) in roads {
        let (question, name) = (question.clone(), name.to_owned());
        asking.spawn(async move {
            for to in &to {
                let _ = socket.send_to(&question, to).await;
            }
            let mut buffer = vec![0; LARGEST + 1];
            for _ in 0..MOST_ANSWERS {
                match timeout_at(until, socket.recv_from(&mut buffer)).await {
                    Err(_) => break,
                    Ok(Ok((length, from))) if length <= LARGEST && is_near(from) => {
                        let found = addresses(buffer.get(..length).unwrap_or_default(), &name, id);
                        if !found.is_empty() {
                            return found;
                        }
                    }
                    Ok(_) => tokio::task::yield_now().await,
                }
            }
            Vec::new()
        });
    }
    let mut found = Vec::new();
    while let Some(answer) = asking.join_next().await {
        for ip in answer.unwrap_or_default() {
            if found.len() < MOST_ADDRESSES && !found.contains(&ip) {
                found.push(ip);
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// An answer from behind a router is none (RFC 6762, section 11): what came from afar is not of this network. The port
/// says nothing, since the kernel of some cameras answers from another.
fn is_near(from: SocketAddr) -> bool {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unique_local() || ip.is_loopback(),
    }
}

/// A query for both kinds of addresses; `None` if the name has no form in DNS.
fn question(name: &str, id: u16) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        encoded.push(length);
        encoded.extend_from_slice(label.as_bytes());
    }
    encoded.push(0);
    if encoded.len() > 255 {
        return None;
    }
    let mut out = Vec::new();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
    for kind in [A, AAAA] {
        out.extend_from_slice(&encoded);
        out.extend_from_slice(&kind.to_be_bytes());
        // Class IN, and the bit that asks for an answer to us alone.
        out.extend_from_slice(&[0x80, 1]);
    }
    Some(out)
}

/// The addresses that a message has for a name; none if it is no answer to us.
fn addresses(message: &[u8], name: &str, id: u16) -> Vec<IpAddr> {
    let mut reader = Reader { message, at: 0 };
    read(&mut reader, name, id).unwrap_or_default()
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u16(&mut self) -> Option<u16> {
        self.take::<2>().map(u16::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.message.get(self.at..)?.first_chunk().copied()?;
        self.at += N;
        Some(bytes)
    }

    /// A name in small letters. A pointer must lead backwards, which ends every chain (RFC 1035, 4.1.4).
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let (mut at, mut after, mut before) = (self.at, None, self.at);
        loop {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => {
                    self.at = after.unwrap_or(at + 1);
                    return Some(name);
                }
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + length)?;
                    if name.len() + length > 255 {
                        return None;
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label).to_lowercase());
                    at += 1 + length;
                }
                192.. => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    let target = (length & 0x3f) << 8 | low;
                    after = after.or(Some(at + 2));
                    if target >= before {
                        return None;
                    }
                    (at, before) = (target, target);
                }
                _ => return None,
            }
        }
    }
}

fn read(reader: &mut Reader<'_>, name: &str, id: u16) -> Option<Vec<IpAddr>> {
    let wanted = name.trim_end_matches('.').to_lowercase();
    let (given, flags) = (reader.u16()?, reader.u16()?);
    // A responder that joined the question with others answers with id 0.
    if flags & 0x8000 == 0 || given != id && given != 0 {
        return None;
    }
    let questions = reader.u16()?;
    let records = u32::from(reader.u16()?) + u32::from(reader.u16()?) + u32::from(reader.u16()?);
    if u32::from(questions) > MOST_RECORDS {
        return None;
    }
    for _ in 0..questions {
        reader.name()?;
        reader.take::<4>()?;
    }
    let mut found = Vec::new();
    for _ in 0..records.min(MOST_RECORDS) {
        // A message that is cut in the middle has said so much.
        let Some(()) = record(reader, &wanted, &mut found) else { break };
    }
    Some(found)
}

fn record(reader: &mut Reader<'_>, wanted: &str, found: &mut Vec<IpAddr>) -> Option<()> {
    let of = reader.name()?;
    let (kind, class) = (reader.u16()?, reader.u16()?);
    reader.take::<4>()?;
    let length = usize::from(reader.u16()?);
    let end = reader.at.checked_add(length).filter(|end| *end <= reader.message.len())?;
    let ip = match (kind, length) {
        (A, 4) => reader.take::<4>().map(IpAddr::from),
        (AAAA, 16) => reader.take::<16>().map(IpAddr::from),
        _ => None,
    };
    reader.at = end;
    // The top bit of the class says that old answers are to be forgotten.
    if let Some(ip) = ip
        && of == wanted
        && class & 0x7fff == 1
        && found.len() < MOST_ADDRESSES
        && !found.contains(&ip)
    {
        found.push(ip);
    }
    Some(())
}

#[cfg(test)]
pub(super) fn reply(asked: &[u8], name: &str, ip: Ipv4Addr) -> Vec<u8> {
    let mut out = asked.get(..2).unwrap_or_default().to_vec();
    // One question kept, as 6.7 wants it, and the answer's name pointing to it.
    out.extend_from_slice(&[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.extend_from_slice(&[0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0x80, 1, 0, 0, 0, 10, 0, 4]);
    out.extend_from_slice(&ip.octets());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_for_the_name_that_was_asked() {
        let asked = question("Door-Cam.local", 7).unwrap();
        let answer = reply(&asked, "door-cam.local", Ipv4Addr::new(192, 168, 1, 9));
        let ip: IpAddr = "192.168.1.9".parse().unwrap();
        assert_eq!(addresses(&answer, "Door-Cam.local.", 7), [ip]);
        assert_eq!(addresses(&answer, "other.local", 7), [] as [IpAddr; 0]);
        assert_eq!(addresses(&answer, "door-cam.local", 8), [] as [IpAddr; 0]);
        assert_eq!(addresses(&asked, "door-cam.local", 7), [] as [IpAddr; 0], "a question is no answer");
        for bad in ["", "a..b", &"x".repeat(64), &"abc.".repeat(80)] {
            assert!(question(bad, 1).is_none(), "{bad}");
        }
        assert!(is_near("192.168.1.9:5353".parse().unwrap()) && !is_near("8.8.8.8:5353".parse().unwrap()));
    }

    #[test]
    fn names_that_point_at_themselves_end() {
        let mut answer = reply(&[0, 7], "a.local", Ipv4Addr::LOCALHOST);
        let at = answer.iter().position(|byte| *byte == 0xc0).unwrap();
        answer[at + 1] = at as u8;
        assert_eq!(addresses(&answer, "a.local", 7), [] as [IpAddr; 0]);
    }

    proptest! {
        #[test]
        fn no_message_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(), with in any::<u8>()) {
            let _ = addresses(&bytes, "a.local", 7);
            let mut answer = reply(&[0, 7], "a.local", Ipv4Addr::LOCALHOST);
            let at = cut.index(answer.len());
            answer[at] = with;
            prop_assert!(addresses(&answer, "a.local", 7).len() <= 1);
            let _ = addresses(&answer[..at], "a.local", 7);
        }
    }
}
