//! The initialisation of a file or a live stream: `ftyp` and `moov` with the sample entries as the session gave them.
//!
//! The boxes are mp4-atom's; a sample entry goes through its parser, so that what a camera sent stands in a file only as
//! far as it is understood. The movie's length is written as 0 here (a stream has none) and filled in where a finished
//! file is handed out (`index`).

use bytes::Bytes;
use mp4_atom::{
    Audio, Codec, Decode, Dfla, Dinf, Dref, DrefEntry, Encode, FixedPoint, Flac, FlacMetadataBlock, Ftyp, Hdlr, Mdhd,
    Mdia, Mehd, Minf, Moov, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
};

use crate::frame::{AudioCodec, AudioTrack, Tracks, VideoCodec, VideoTrack};

use super::{AUDIO_TRACK, Mp4Error, TICKS_HZ, VIDEO_TRACK};

/// Longer than any sample entry that a camera's parameter sets make.
const LONGEST_ENTRY: usize = 64 << 10;

/// An initialisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// `ftyp` and `moov`.
    pub bytes: Bytes,
    /// For `MediaSource.isTypeSupported` and `addSourceBuffer`.
    pub mime: String,
}

impl Init {
    pub fn new(tracks: &Tracks) -> Result<Self, Mp4Error> {
        let video = &tracks.video;
        if video.codec == VideoCodec::Jpeg {
            return Err(Mp4Error::Jpeg);
        }
        let mut trak = vec![video_track(video)?];
        if let Some(audio) = &tracks.audio {
            trak.push(audio_track(audio)?);
        }
        Ok(Init { bytes: written(trak)?, mime: mime(tracks) })
    }
}

/// `ftyp` and `moov` of these tracks.
pub(super) fn written(trak: Vec<Trak>) -> Result<Bytes, Mp4Error> {
    let trex = trak.iter().map(|trak| extends(trak.tkhd.track_id)).collect();
    let moov = Moov {
        mvhd: Mvhd {
            timescale: TICKS_HZ,
            rate: FixedPoint::from(1),
            volume: FixedPoint::from(1),
            next_track_id: AUDIO_TRACK + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex { mehd: Some(Mehd { fragment_duration: 0 }), trex }),
        trak,
        ..Moov::default()
    };
    // iso6 is the first brand that knows `tfdt` and default-base-is-moof.
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"mp41".into(), b"dash".into()],
    };
    let mut bytes = Vec::new();
    ftyp.encode(&mut bytes).and_then(|()| moov.encode(&mut bytes)).map_err(|error| parameters("video", &error))?;
    Ok(bytes.into())
}

/// The media type with its codecs (RFC 6381).
pub fn mime(tracks: &Tracks) -> String {
    if tracks.video.codec == VideoCodec::Jpeg {
        return "image/jpeg".to_owned();
    }
    let mut codecs = tracks.video.rfc6381.clone();
    if let Some(audio) = &tracks.audio {
        codecs.push(',');
        codecs.push_str(match audio.codec {
            AudioCodec::Aac => &audio.rfc6381,
            AudioCodec::Pcma | AudioCodec::Pcmu => "flac",
        });
    }
    format!("video/mp4; codecs=\"{codecs}\"")
}

fn parameters(track: &'static str, why: &dyn std::fmt::Display) -> Mp4Error {
    Mp4Error::Parameters { track, why: why.to_string() }
}

fn entry(track: &'static str, bytes: &Bytes) -> Result<Codec, Mp4Error> {
    if bytes.len() > LONGEST_ENTRY {
        return Err(parameters(track, &"the sample entry is too long"));
    }
    let mut rest: &[u8] = bytes;
    let codec = Codec::decode(&mut rest).map_err(|error| parameters(track, &error))?;
    if !rest.is_empty() {
        return Err(parameters(track, &"something follows the sample entry"));
    }
    Ok(codec)
}

fn video_track(video: &VideoTrack) -> Result<Trak, Mp4Error> {
    let codec = entry("video", &video.sample_entry)?;
    match (&codec, video.codec) {
        (Codec::Avc1(_), VideoCodec::H264) | (Codec::Hvc1(_), VideoCodec::H265) => {}
        _ => return Err(parameters("video", &"the sample entry is not of the track's codec")),
    }
    clock("video", video.clock_hz)?;
    Ok(pictures_track(codec, (video.width, video.height), video.clock_hz))
}

pub(super) fn pictures_track(codec: Codec, (width, height): (u16, u16), clock_hz: u32) -> Trak {
    Trak {
        tkhd: Tkhd {
            track_id: VIDEO_TRACK,
            enabled: true,
            in_movie: true,
            width: FixedPoint::from(width),
            height: FixedPoint::from(height),
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd { timescale: clock_hz, language: "und".to_owned(), ..Mdhd::default() },
            hdlr: Hdlr { handler: b"vide".into(), name: "video".to_owned() },
            minf: Minf { vmhd: Some(Vmhd::default()), dinf: itself(), stbl: table(codec), ..Minf::default() },
        },
        ..Trak::default()
    }
}

fn audio_track(audio: &AudioTrack) -> Result<Trak, Mp4Error> {
    clock("audio", audio.clock_hz)?;
    let codec = match audio.codec {
        AudioCodec::Aac => match entry("audio", &audio.sample_entry)? {
            codec @ Codec::Mp4a(_) => codec,
            _ => return Err(parameters("audio", &"the sample entry is not of the track's codec")),
        },
        AudioCodec::Pcma | AudioCodec::Pcmu => Codec::Flac(flac_entry(audio)?),
    };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: AUDIO_TRACK,
            enabled: true,
            in_movie: true,
            alternate_group: 1,
            volume: FixedPoint::from(1),
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd { timescale: audio.clock_hz, language: "und".to_owned(), ..Mdhd::default() },
            hdlr: Hdlr { handler: b"soun".into(), name: "audio".to_owned() },
            minf: Minf { smhd: Some(Smhd::default()), dinf: itself(), stbl: table(codec), ..Minf::default() },
        },
        ..Trak::default()
    })
}

/// FLAC in ISOBMFF, section 3.3: `fLaC` with a `dfLa` of one STREAMINFO (RFC 9639 section 8.2).
fn flac_entry(audio: &AudioTrack) -> Result<Flac, Mp4Error> {
    let rate = u16::try_from(audio.clock_hz).map_err(|_| parameters("audio", &"G.711 at more than 65,535 Hz"))?;
    if !(1..=super::flac::MOST_CHANNELS).contains(&audio.channels) {
        return Err(parameters("audio", &"G.711 of more than two channels"));
    }
    let unknown = mp4_atom::u24::from([0u8; 3]);
    Ok(Flac {
        audio: Audio {
            data_reference_index: 1,
            channel_count: u16::from(audio.channels),
            sample_size: 16,
            sample_rate: FixedPoint::from(rate),
        },
        dfla: Dfla {
            blocks: vec![FlacMetadataBlock::StreamInfo {
                minimum_block_size: super::flac::SHORTEST_BLOCK,
                maximum_block_size: super::flac::LONGEST_BLOCK,
                minimum_frame_size: unknown,
                maximum_frame_size: unknown,
                sample_rate: audio.clock_hz,
                num_channels_minus_one: audio.channels.saturating_sub(1),
                bits_per_sample_minus_one: 15,
                number_of_interchannel_samples: 0,
                md5_checksum: vec![0; 16],
            }],
        },
    })
}

fn clock(track: &'static str, clock_hz: u32) -> Result<(), Mp4Error> {
    // Within it, ten seconds fit in a sample's 32-bit duration.
    if (1..=400_000_000).contains(&clock_hz) { Ok(()) } else { Err(parameters(track, &"the clock is out of range")) }
}

fn extends(track_id: u32) -> Trex {
    Trex { track_id, default_sample_description_index: 1, ..Trex::default() }
}

fn itself() -> Dinf {
    Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }
}

fn table(codec: Codec) -> Stbl {
    Stbl { stsd: Stsd { codecs: vec![codec] }, stco: Some(Stco::default()), ..Stbl::default() }
}
