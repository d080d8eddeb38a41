//! Frames for the tests: made up ones, and real ones that ffmpeg encodes on the spot; and the way back from our files to
//! frames, with mp4-atom, to compare.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use mp4_atom::{Any, Atom, Avc1, Avcc, Codec, Decode, Encode, Header, Mdat, Moof, Moov, Visual};

use crate::frame::{AudioCodec, AudioTrack, Frame, Kind, Tracks, VideoCodec, VideoTrack};

/// Baseline, level 3.0, 64 × 48, written bit by bit after ITU-T H.264 section 7.3.2.1.
pub const SPS: [u8; 7] = [0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4];
pub const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

pub fn h264_entry(width: u16, height: u16) -> Bytes {
    let entry = Avc1 {
        visual: Visual { data_reference_index: 1, width, height, frame_count: 1, ..Visual::default() },
        avcc: Avcc::new(&SPS, &PPS).unwrap(),
        btrt: None,
        colr: None,
        pasp: None,
        taic: None,
        fiel: None,
        ..Avc1::default()
    };
    encoded(&Codec::Avc1(entry))
}

pub fn encoded(codec: &Codec) -> Bytes {
    let mut bytes = Vec::new();
    codec.encode(&mut bytes).unwrap();
    bytes.into()
}

pub fn video(codec: VideoCodec) -> VideoTrack {
    VideoTrack {
        codec,
        width: 64,
        height: 48,
        clock_hz: 90_000,
        sample_entry: if codec == VideoCodec::Jpeg { Bytes::new() } else { h264_entry(64, 48) },
        rfc6381: if codec == VideoCodec::Jpeg { String::new() } else { "avc1.42C01E".to_owned() },
        declared_millihz: None,
        parameter_sets: Bytes::new(),
    }
}

pub fn g711(codec: AudioCodec) -> AudioTrack {
    AudioTrack { codec, clock_hz: 8_000, channels: 1, sample_entry: Bytes::new(), rfc6381: String::new() }
}

/// Made-up tracks: H.264, and G.711 if asked for.
pub fn tracks(audio: Option<AudioCodec>) -> Arc<Tracks> {
    Arc::new(Tracks { video: video(VideoCodec::H264), audio: audio.map(g711) })
}

pub fn jpeg_tracks() -> Arc<Tracks> {
    Arc::new(Tracks { video: video(VideoCodec::Jpeg), audio: None })
}

/// A made-up frame whose bytes say which it is.
pub fn picture(number: u32, group: u32, step: i64, bytes: usize) -> Frame {
    let mut data = vec![number as u8; bytes.max(8)];
    data[..4].copy_from_slice(&number.to_be_bytes());
    let decoded = i64::from(number) * step;
    Frame { kind: Kind::Video, starts_group: number.is_multiple_of(group), decoded, shown: decoded, data: data.into() }
}

pub fn sound(decoded: i64, bytes: usize) -> Frame {
    let data: Vec<u8> = (0..bytes).map(|at| (decoded as usize + at) as u8).collect();
    Frame { kind: Kind::Audio, starts_group: true, decoded, shown: decoded, data: data.into() }
}

/// A sample as it is found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub track: u32,
    pub decoded: i64,
    pub shown: i64,
    pub duration: u32,
    pub sync: bool,
    pub data: Vec<u8>,
}

pub struct Film {
    pub moov: Moov,
    pub sequences: Vec<u32>,
    pub samples: Vec<Found>,
}

/// Reads a fragmented file.
pub fn read(file: &[u8]) -> Film {
    let mut rest = file;
    let mut moov = None;
    let mut sequences = Vec::new();
    let mut samples = Vec::new();
    let mut last: Option<(usize, Moof)> = None;
    while !rest.is_empty() {
        let at = file.len() - rest.len();
        let mut peek = rest;
        let header = Header::decode(&mut peek).unwrap();
        let size = header.size.unwrap_or(peek.len());
        if header.kind == Mdat::KIND {
            let (start, moof) = last.take().expect("a moof before its mdat");
            sequences.push(moof.mfhd.sequence_number);
            collect(&moof, start, file, &mut samples);
            rest = &peek[size..];
            continue;
        }
        match Any::decode(&mut rest).unwrap() {
            Any::Moov(found) => moov = Some(found),
            Any::Moof(found) => last = Some((at, found)),
            _ => {}
        }
    }
    Film { moov: moov.expect("a moov"), sequences, samples }
}

fn collect(moof: &Moof, start: usize, file: &[u8], out: &mut Vec<Found>) {
    for traf in &moof.traf {
        let mut decoded = traf.tfdt.as_ref().unwrap().base_media_decode_time as i64;
        for trun in &traf.trun {
            let mut at = start + trun.data_offset.unwrap() as usize;
            for entry in trun.samples.iter() {
                let size = entry.size.or(traf.tfhd.default_sample_size).unwrap() as usize;
                let duration = entry.duration.or(traf.tfhd.default_sample_duration).unwrap();
                let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap();
                out.push(Found {
                    track: traf.tfhd.track_id,
                    decoded,
                    shown: decoded + entry.cts.unwrap_or(0),
                    duration,
                    sync: flags & 0x1_0000 == 0,
                    data: file[at..at + size].to_vec(),
                });
                at += size;
                decoded += i64::from(duration);
            }
        }
    }
}

/// ffmpeg's encoders make a film as fragmented MP4; its frames come back as a session would give them. `arguments` are
/// what stands between the program's name and the output.
pub fn encode(arguments: &str) -> (Arc<Tracks>, Vec<Frame>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof+delay_moov", "-video_track_timescale", "90000"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let film = read(&std::fs::read(&path).unwrap());
    let mut found = Tracks { video: video(VideoCodec::H264), audio: None };
    let mut kinds = Vec::new();
    for trak in &film.moov.trak {
        let codec = trak.mdia.minf.stbl.stsd.codecs.first().unwrap();
        let entry = encoded(codec);
        if let Some(visual) = codec.visual() {
            let h265 = matches!(codec, Codec::Hvc1(_));
            found.video = VideoTrack {
                codec: if h265 { VideoCodec::H265 } else { VideoCodec::H264 },
                width: visual.width,
                height: visual.height,
                sample_entry: entry,
                rfc6381: if h265 { "hvc1.1.6.L60.90" } else { "avc1.64000C" }.to_owned(),
                ..found.video
            };
            kinds.push((trak.tkhd.track_id, Kind::Video));
        } else if let Some(audio) = codec.audio() {
            found.audio = Some(AudioTrack {
                codec: AudioCodec::Aac,
                clock_hz: trak.mdia.mdhd.timescale,
                channels: audio.channel_count as u8,
                sample_entry: entry,
                rfc6381: "mp4a.40.2".to_owned(),
            });
            kinds.push((trak.tkhd.track_id, Kind::Audio));
        }
    }
    let h265 = found.video.codec == VideoCodec::H265;
    let mut frames: Vec<Frame> = film
        .samples
        .into_iter()
        .map(|sample| {
            let kind = kinds.iter().find(|(track, _)| *track == sample.track).unwrap().1;
            let starts = if kind == Kind::Video && h265 { irap(&sample.data) } else { sample.sync };
            Frame { kind, starts_group: starts, decoded: sample.decoded, shown: sample.shown, data: sample.data.into() }
        })
        .collect();
    let audio_hz = found.audio.as_ref().map_or(1, |audio| audio.clock_hz);
    frames.sort_by_key(|frame| match frame.kind {
        Kind::Video => frame.decoded * 1000 / 90,
        Kind::Audio => frame.decoded * 1_000_000 / i64::from(audio_hz),
    });
    (Arc::new(found), frames)
}

/// Whether an access unit of H.265 has a slice of an IRAP picture.
fn irap(mut data: &[u8]) -> bool {
    while data.len() > 4 {
        let length = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        if (16..=21).contains(&(data[4] >> 1 & 0x3f)) {
            return true;
        }
        data = &data[4 + length..];
    }
    false
}

/// What ffprobe counts of a file: frames of video, packets of audio, seconds in all. Neither it nor ffmpeg may say a word.
pub fn probe(path: &Path) -> Probe {
    let text = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{program} {arguments:?} says of {}: {said}", path.display());
        String::from_utf8(done.stdout).unwrap()
    };
    let count = |stream: &str, entry: &str, how: &str| {
        let said = text(
            "ffprobe",
            &["-v", "warning", "-select_streams", stream, how, "-show_entries", entry, "-of", "csv=p=0"],
        );
        said.trim().trim_end_matches(',').parse().unwrap_or(0)
    };
    let seconds = text("ffprobe", &["-v", "warning", "-show_entries", "format=duration", "-of", "csv=p=0"]);
    for extra in [&[][..], &["-err_detect", "explode"]] {
        let mut arguments = vec!["-nostdin", "-v", "warning", "-xerror"];
        arguments.extend_from_slice(extra);
        arguments.push("-i");
        let done = Command::new("ffmpeg").args(&arguments).arg(path).args(["-f", "null", "-"]).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "ffmpeg {arguments:?} says of {}: {said}", path.display());
    }
    Probe {
        frames: count("v", "stream=nb_read_frames", "-count_frames"),
        packets: count("a", "stream=nb_read_packets", "-count_packets"),
        seconds: seconds.trim().parse().unwrap_or_else(|_| panic!("no duration: {seconds}")),
    }
}

#[derive(Debug)]
pub struct Probe {
    pub frames: u64,
    pub packets: u64,
    pub seconds: f64,
}
