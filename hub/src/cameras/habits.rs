//! Habits of cameras and ways of their packets as they are kept and spelled on the wire. What they mean is
//! `domovoi-video`'s.

use domovoi_store::CameraCard;
use domovoi_video::session::{FirstSequence, ForeignReports, Quirks, SessionIds, StartTimes, StrayChannels, Transport};

/// How packets travel.
pub(super) fn transport_of(card: &CameraCard) -> Transport {
    if card.transport == spelled_transport(Transport::Udp) { Transport::Udp } else { Transport::Tcp }
}

/// As it is kept and spelled on the wire.
pub fn spelled_transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

const START_TIMES: &str = "start-times-ignored";
const FIRST_SEQUENCE: &str = "first-sequence-ignored";
const FOREIGN_REPORTS: &str = "foreign-reports-end-session";
const SESSION_IDS: &str = "first-session-id-counts";
const STRAY_CHANNELS: &str = "stray-channels-ignored";

/// The codes of the habits that are not the usual ones.
pub fn spelled_quirks(quirks: Quirks) -> Vec<String> {
    let all = [
        (quirks.start_times == StartTimes::Ignored, START_TIMES),
        (quirks.first_sequence == FirstSequence::Ignored, FIRST_SEQUENCE),
        (quirks.foreign_reports == ForeignReports::EndSession, FOREIGN_REPORTS),
        (quirks.session_ids == SessionIds::FirstCounts, SESSION_IDS),
        (quirks.stray_channels == StrayChannels::Ignored, STRAY_CHANNELS),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, code)| code.to_owned()).collect()
}

/// What codes of habits stand for; the first that is none.
pub fn quirks_from(codes: &[String]) -> Result<Quirks, String> {
    let mut quirks = Quirks::default();
    for code in codes {
        match code.as_str() {
            START_TIMES => quirks.start_times = StartTimes::Ignored,
            FIRST_SEQUENCE => quirks.first_sequence = FirstSequence::Ignored,
            FOREIGN_REPORTS => quirks.foreign_reports = ForeignReports::EndSession,
            SESSION_IDS => quirks.session_ids = SessionIds::FirstCounts,
            STRAY_CHANNELS => quirks.stray_channels = StrayChannels::Ignored,
            other => return Err(other.to_owned()),
        }
    }
    Ok(quirks)
}

pub(super) fn quirks_of(card: &CameraCard) -> Quirks {
    // A code of a later version is no reason not to record.
    let known: Vec<String> =
        card.quirks.iter().filter(|code| quirks_from(&[(*code).clone()]).is_ok()).cloned().collect();
    quirks_from(&known).unwrap_or_default()
}
