//! A PNG of coloured noise, written by hand: what it looks like does not matter, that it does not compress does.

use crate::Dice;

/// A square PNG, 8 bits of red, green and blue, `side` pixels wide. About 3 · side² bytes.
pub fn png(side: u32, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    // Each row begins with the number of its filter: 0 is none.
    let noise = |at: u32| if at.is_multiple_of(side * 3 + 1) { 0 } else { dice.next() as u8 };
    let rows: Vec<u8> = (0..side * (side * 3 + 1)).map(noise).collect();
    let mut header = Vec::new();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &zlib(&rows));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    file.extend(u32::try_from(content.len()).expect("a small picture").to_be_bytes());
    let at = file.len();
    file.extend(kind);
    file.extend(content);
    let sum = crc32(&file[at..]);
    file.extend(sum.to_be_bytes());
}

/// RFC 1950 around stored blocks of RFC 1951.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xFFFF).count();
    for (at, block) in bytes.chunks(0xFFFF).enumerate() {
        let length = u16::try_from(block.len()).expect("a block");
        out.push(u8::from(at + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    out.extend((b << 16 | a).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (0u32.wrapping_sub(sum & 1))))
    })
}
