//! What DESCRIBE and the stream say of their parameters, as tracks; and which of a camera's streams are kept.
//! Deliberately at most one video and one audio stream: the first of each that can be kept.

use bytes::Bytes;
use retina::client::Stream;
use retina::codec::{AudioParameters, ParametersRef, VideoParameters, VideoParametersCodec};

use super::{Trouble, clean};
use crate::frame::{AudioCodec, AudioTrack, VideoCodec, VideoTrack};

/// Streams of one description that are looked at.
const STREAMS: usize = 32;

/// Which streams of a session are set up, and which are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) video: usize,
    pub(super) video_codec: VideoCodec,
    pub(super) audio: Option<(usize, AudioCodec)>,
    /// In the camera's words: `audio/opus`, `application/vnd.onvif.metadata`.
    pub(super) left_out: Vec<String>,
}

pub(super) fn choose(streams: &[Stream], keep_audio: bool) -> Result<Choice, Trouble> {
    let mut video = None;
    let mut audio = None;
    let mut left_out = Vec::new();
    let mut strange_video = None;
    for (i, stream) in streams.iter().take(STREAMS).enumerate() {
        let encoding = stream.encoding_name();
        let name = clean(&format!("{}/{encoding}", stream.media()), &[]);
        match (stream.media(), video_codec(encoding), audio_codec(encoding)) {
            ("video" | "image", Some(codec), _) if video.is_none() => video = Some((i, codec)),
            ("video" | "image", None, _) => {
                strange_video = strange_video.or(Some(clean(encoding, &[])));
                left_out.push(name);
            }
            // Parameters are there exactly when the description of the audio could be read.
            ("audio", _, Some(codec)) if keep_audio && audio.is_none() && stream.parameters().is_some() => {
                audio = Some((i, codec));
            }
            _ => left_out.push(name),
        }
    }
    match (video, strange_video) {
        (Some((video, video_codec)), _) => Ok(Choice { video, video_codec, audio, left_out }),
        (None, Some(codec)) => Err(Trouble::Unsupported { codec }),
        (None, None) => Err(Trouble::NoVideo { offered: left_out }),
    }
}

fn video_codec(encoding: &str) -> Option<VideoCodec> {
    match encoding {
        "h264" => Some(VideoCodec::H264),
        "h265" => Some(VideoCodec::H265),
        "jpeg" => Some(VideoCodec::Jpeg),
        _ => None,
    }
}

fn audio_codec(encoding: &str) -> Option<AudioCodec> {
    match encoding {
        "mpeg4-generic" => Some(AudioCodec::Aac),
        "pcma" => Some(AudioCodec::Pcma),
        "pcmu" => Some(AudioCodec::Pcmu),
        _ => None,
    }
}

/// The video track of a stream, once its parameters are known. `Err`: they are, and cannot be used.
pub(super) fn video_track(stream: &Stream, codec: VideoCodec) -> Option<Result<VideoTrack, Trouble>> {
    match stream.parameters() {
        Some(ParametersRef::Video(parameters)) => Some(video_of(parameters, codec, stream.clock_rate_hz())),
        _ => None,
    }
}

fn video_of(parameters: &VideoParameters, codec: VideoCodec, clock_hz: u32) -> Result<VideoTrack, Trouble> {
    let (width, height) = parameters.pixel_dimensions();
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Trouble::Protocol { text: format!("pictures of {width} x {height}") });
    };
    let declared_millihz = parameters.frame_rate().and_then(|(ticks, hz)| {
        let millihz = u64::from(hz).checked_mul(1000)?.checked_div(u64::from(ticks))?;
        u32::try_from(millihz).ok().filter(|millihz| (100..=1_000_000).contains(millihz))
    });
    let set = |units: &[&Bytes]| {
        let mut out = Vec::new();
        for unit in units {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(unit);
        }
        Bytes::from(out)
    };
    let parameter_sets = match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => set(&[sps, pps]),
        VideoParametersCodec::H265 { vps, sps, pps } => set(&[vps, sps, pps]),
        _ => Bytes::new(),
    };
    let (sample_entry, rfc6381) = if codec == VideoCodec::Jpeg {
        (Bytes::new(), String::new())
    } else {
        let mut entry = parameters.mp4_sample_entry();
        // Sub streams are often anamorphic: 704x480 of a 16:9 picture.
        if let Some((h, v)) = parameters.pixel_aspect_ratio()
            && let (Ok(h), Ok(v)) = (u16::try_from(h), u16::try_from(v))
            && h != v
        {
            entry = entry.with_aspect_ratio((h, v));
        }
        let entry = entry.build().map_err(|error| Trouble::Protocol { text: clean(&error.to_string(), &[]) })?;
        (Bytes::from(entry), parameters.rfc6381_codec().to_owned())
    };
    Ok(VideoTrack { codec, width, height, clock_hz, sample_entry, rfc6381, declared_millihz, parameter_sets })
}

/// The audio track of a stream; `None` where it cannot be kept after all.
pub(super) fn audio_track(stream: &Stream, codec: AudioCodec) -> Option<AudioTrack> {
    let Some(ParametersRef::Audio(parameters)) = stream.parameters() else { return None };
    audio_of(parameters, codec)
}

fn audio_of(parameters: &AudioParameters, codec: AudioCodec) -> Option<AudioTrack> {
    let (sample_entry, rfc6381) = match codec {
        AudioCodec::Aac => {
            (Bytes::from(parameters.mp4_sample_entry().build().ok()?), parameters.rfc6381_codec()?.to_owned())
        }
        AudioCodec::Pcma | AudioCodec::Pcmu => (Bytes::new(), String::new()),
    };
    let channels = u8::try_from(parameters.channels().get()).ok().filter(|channels| *channels <= 8)?;
    let clock_hz = parameters.clock_rate();
    if !(1_000..=192_000).contains(&clock_hz) {
        return None;
    }
    Some(AudioTrack { codec, clock_hz, channels, sample_entry, rfc6381 })
}
