//! G.711 to linear samples (ITU-T G.711, tables 1 and 2), in 16 bits as everybody decodes it. It does not encode.

/// A-law: an inverted even bit, three bits of segment, four of step.
pub(super) fn alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let step = i16::from(code & 0x0f) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// µ-law: all bits inverted, three bits of segment, four of step, a bias of 33 quarter-steps.
pub(super) fn ulaw(byte: u8) -> i16 {
    let code = !byte;
    let magnitude = (((i16::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}
