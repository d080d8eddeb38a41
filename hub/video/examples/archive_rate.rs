//! What recording costs beside the network: made-up streams through fragmenter, seal and disk as fast as they go, with
//! the processor's time of each stage and the bytes that the format adds. Figures stand in docs/reference/archive.md.
//!
//! `cargo run --release -p domovoi-video --example archive_rate -- FOLDER [STREAMS] [SECONDS] [silent]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domovoi_vault::DayKey;
use domovoi_video::archive::{Heading, Recorder, RecorderRule, SegmentReader, SegmentWriter, Step};
use domovoi_video::mp4::{Cut, Fragment, Fragmenter};
use domovoi_video::{AudioCodec, AudioTrack, Frame, Item, Kind, Tracks, VideoCodec, VideoTrack};

const FPS: i64 = 15;
const BITS_A_SECOND: usize = 4_500_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let streams: u32 = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let seconds: i64 = arguments.next().map_or(Ok(120), |text| text.parse())?;
    let mut film = film(seconds);
    if arguments.next().is_some() {
        film.retain(|frame| frame.kind == Kind::Video);
    }
    let total: usize = film.iter().map(|frame| frame.data.len()).sum::<usize>() * streams as usize;
    println!("{streams} streams of {seconds} s, {} MB of frames in all", total / 1_000_000);

    let measure = |name: &str, work: &mut dyn FnMut() -> Result<(), Failure>| -> Result<f64, Failure> {
        let (begun, before) = (Instant::now(), processor()?);
        work()?;
        let (wall, spent) = (begun.elapsed().as_secs_f64(), processor()? - before);
        let share = spent / (f64::from(streams) * seconds as f64) * 100.0;
        println!(
            "{name:>28}: {:6.0} MB/s, {spent:.2} s of processor, {share:.3} % of a core a stream",
            total as f64 / 1e6 / wall
        );
        Ok(spent)
    };
    measure("fragments", &mut || {
        for _ in 0..streams {
            let mut fragmenter = Fragmenter::new(tracks(), Cut::default());
            for frame in &film {
                std::hint::black_box(fragmenter.push(frame)?);
            }
        }
        Ok(())
    })?;
    measure("fragments for live", &mut || {
        for _ in 0..streams {
            let mut fragmenter = Fragmenter::new(tracks(), Cut::Live { shortest_ms: 100 });
            for frame in &film {
                std::hint::black_box(fragmenter.push(frame)?);
            }
        }
        Ok(())
    })?;
    let day = DayKey::generate()?;
    let mut written = Vec::new();
    measure("fragments, sealed, written", &mut || {
        for stream in 0..streams {
            record(&folder, stream as u8, &film, &day, &mut written)?;
        }
        Ok(())
    })?;
    let bytes: u64 = written.iter().map(|path| std::fs::metadata(path).map_or(0, |found| found.len())).sum();
    println!(
        "{:>28}: {:.3} % more bytes than frames, {} files",
        "overhead",
        (bytes as f64 / total as f64 - 1.0) * 100.0,
        written.len()
    );
    measure("read and verified", &mut || {
        for path in &written {
            let reader = SegmentReader::open(path, &day)?;
            for record in 0..reader.trailer().entries.len() as u32 {
                std::hint::black_box(reader.read(record)?);
            }
        }
        Ok(())
    })?;
    for path in written {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn record(
    folder: &std::path::Path,
    stream: u8,
    film: &[Frame],
    day: &DayKey,
    written: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let mut recorder = Recorder::new(RecorderRule::default());
    let (mut steps, mut writer, mut previous) = (Vec::new(), None::<SegmentWriter>, None);
    recorder.start(&mut steps);
    recorder.item(&Item::Begins { tracks: tracks(), started: 0 }, &mut steps);
    let mut take = |steps: &mut Vec<Step>| -> Result<(), Failure> {
        for step in steps.drain(..) {
            match step {
                Step::Open { media, started_ms, init, .. } => {
                    let heading = Heading::new(media, 1, [stream; 16], domovoi_vault::random()?, started_ms)?;
                    writer = Some(SegmentWriter::create(folder, heading, day, previous, init.as_deref())?);
                }
                Step::Append(fragment) => append(writer.as_mut(), fragment)?,
                Step::Close(reason) => {
                    let closed = writer.take().ok_or("nothing is open")?.close(reason)?;
                    previous = Some(closed.tag);
                    written.push(closed.path);
                }
                Step::LeftOut(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    for frame in film {
        recorder.item(&Item::Frame(frame.clone()), &mut steps);
        take(&mut steps)?;
    }
    recorder.stop(&mut steps);
    take(&mut steps)?;
    Ok(())
}

fn append(writer: Option<&mut SegmentWriter>, fragment: Fragment) -> Result<(), Failure> {
    Ok(writer.ok_or("nothing is open")?.append(fragment)?)
}

/// H.264 of 4.5 Mbit/s with a key frame every two seconds, and G.711.
fn film(seconds: i64) -> Vec<Frame> {
    let mean = BITS_A_SECOND / 8 / FPS as usize;
    let large: Bytes = noise(mean * 10).into();
    let small: Bytes = noise(mean * 20 / 29).into();
    let sound: Bytes = noise(1024).into();
    let mut frames = Vec::new();
    for number in 0..seconds * FPS {
        let key = number % (2 * FPS) == 0;
        let decoded = number * 90_000 / FPS;
        let data = if key { large.clone() } else { small.clone() };
        frames.push(Frame { kind: Kind::Video, starts_group: key, decoded, shown: decoded, data });
        if number % 2 == 1 {
            let at = number / 2 * 1024;
            frames.push(Frame { kind: Kind::Audio, starts_group: true, decoded: at, shown: at, data: sound.clone() });
        }
    }
    frames
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn tracks() -> Arc<Tracks> {
    let video = VideoTrack {
        codec: VideoCodec::H264,
        width: 1920,
        height: 1080,
        clock_hz: 90_000,
        sample_entry: ENTRY.into(),
        rfc6381: "avc1.42C01E".to_owned(),
        declared_millihz: Some(15_000),
        parameter_sets: Bytes::new(),
    };
    let audio = AudioTrack {
        codec: AudioCodec::Pcma,
        clock_hz: 8_000,
        channels: 1,
        sample_entry: Bytes::new(),
        rfc6381: String::new(),
    };
    Arc::new(Tracks { video, audio: Some(audio) })
}

/// `avc1` with `avcC` of the parameter sets of a Baseline stream.
const ENTRY: &[u8] = &[
    0, 0, 0, 0x74, b'a', b'v', b'c', b'1', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
    0x80, 4, 0x38, 0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x18, 0xff, 0xff, 0, 0, 0, 0x1e, b'a', b'v', b'c', b'C', 1, 0x42,
    0xc0, 0x1e, 0xff, 0xe1, 0, 7, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80,
];

/// Seconds of processor that this process has used (proc(5): fields 14 and 15 of `stat`, in hundredths).
fn processor() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().ok_or("no stat")?;
    let ticks: f64 = after.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap_or(0.0)).sum();
    Ok(ticks / 100.0)
}
